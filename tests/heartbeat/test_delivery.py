"""Numbers, gaps, acknowledgements and retransmission of one sender and its receivers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crmd.heartbeat.delivery import HISTORY, Arrival, Inbox, Outbox
from crmd.heartbeat.message import message


def inbox(trigger: int = 0, **kwargs: object) -> Inbox:
    return Inbox(trigger, lambda: 0.1, **kwargs)  # type: ignore[arg-type]


def take(box: Inbox, *seqs: int, generation: int = 7, now: float = 0.0) -> list[Arrival]:
    return [box.receive(generation, seq, False, now) for seq in seqs]


def test_numbers_in_sequence_are_next_and_repeats_are_duplicates() -> None:
    assert take(inbox(), 5, 6, 6, 7, 5) == [
        Arrival.FIRST,
        Arrival.NEXT,
        Arrival.DUPLICATE,
        Arrival.NEXT,
        Arrival.DUPLICATE,
    ]


def test_a_gap_is_filled_by_late_numbers_once() -> None:
    box = inbox()
    assert take(box, 1, 4, 3, 3, 2, 2) == [
        Arrival.FIRST,
        Arrival.NEXT,
        Arrival.LATE,
        Arrival.DUPLICATE,
        Arrival.LATE,
        Arrival.DUPLICATE,
    ]
    assert box.contiguous == 4


def test_missing_numbers_are_asked_for_after_a_wait_and_again_until_they_come() -> None:
    box = inbox(ask_again_s=0.25)
    take(box, 1, 4, now=10.0)
    assert box.deadline() == 10.1
    assert box.due_requests(10.05) == []
    assert box.due_requests(10.1) == [2, 3]
    assert box.due_requests(10.2) == []
    take(box, 2, now=10.2)
    assert box.due_requests(10.35) == [3]
    assert box.give_up(3) and not box.give_up(3)
    assert box.deadline() is None


def test_a_request_round_has_at_most_fifty_numbers() -> None:
    box = inbox()
    take(box, 1, 202)
    assert len(box.due_requests(1.0)) == 50
    assert len(box.due_requests(1.0)) == 50


def test_more_than_250_missing_numbers_are_given_up() -> None:
    box = inbox()
    assert take(box, 1, 252) == [Arrival.FIRST, Arrival.NEXT] and len(box.missing) == 250
    assert take(box, 254) == [Arrival.SKIPPED] and box.missing == {}
    assert box.contiguous == 254


def test_a_status_of_a_newer_generation_restarts_and_an_older_one_is_a_replay() -> None:
    box = inbox()
    take(box, 90, 95)
    assert box.receive(8, 3, False, 0.0) is Arrival.EARLY
    assert box.receive(8, 3, True, 0.0) is Arrival.RESTART
    assert box.missing == {} and box.newest == 3
    assert box.receive(7, 96, True, 0.0) is Arrival.REPLAY


def test_what_was_remembered_from_before_our_start_is_not_believed_again() -> None:
    box = inbox(floor=(7, 40))
    assert take(box, 39, 40) == [Arrival.REPLAY, Arrival.REPLAY]
    assert box.receive(6, 99, True, 0.0) is Arrival.REPLAY
    assert take(box, 41) == [Arrival.FIRST]


def test_only_numbers_with_our_digit_below_the_first_gap_are_acknowledged() -> None:
    box = inbox(trigger=3)
    acks = []
    for seq in (1, 2, 3, 4, 12, 13, 14, 23, 5, 6, 7, 8, 9, 10, 11, 24):
        take(box, seq)
        acks.append(box.due_ack())
    assert [a for a in acks if a is not None] == [3, 13]
    take(box, *range(15, 23))
    assert box.due_ack() == 23 and box.due_ack() is None


def test_nothing_before_the_beginning_is_acknowledged() -> None:
    box = inbox(trigger=4)
    take(box, 57)
    assert box.due_ack() is None
    take(box, *range(58, 65))
    assert box.due_ack() == 64


@given(st.lists(st.integers(1, 60), max_size=200))
def test_each_number_is_new_at_most_once(seqs: list[int]) -> None:
    box, new = inbox(), []
    for seq in seqs:
        if box.receive(1, seq, False, 0.0).is_new:
            new.append(seq)
    assert len(new) == len(set(new))
    assert all(number not in new for number in box.missing)


def outbox_of(count: int) -> Outbox:
    box = Outbox()
    for _ in range(count):
        seq = box.next_seq()
        box.keep(seq, message("status", seq=f"{seq:x}"))
    return box


def test_history_is_bounded_and_older_numbers_are_refused() -> None:
    box = outbox_of(700)
    assert len(box.history) == HISTORY
    assert box.resend("b", 150, 150, 0.0).gone == 150
    assert [m.text("seq") for m in box.resend("b", 699, 705, 0.0).messages] == ["2bb", "2bc"]


def test_a_request_is_ignored_for_what_was_acknowledged_or_just_resent() -> None:
    box = outbox_of(30)
    assert box.acknowledge("b", 10)
    assert box.resend("b", 9, 10, 0.0).messages == ()
    assert len(box.resend("b", 11, 12, 0.0).messages) == 2
    assert box.resend("b", 11, 12, 0.1).messages == ()
    assert len(box.resend("b", 11, 12, 0.3).messages) == 2
    assert len(box.resend("c", 1, 900, 1.0).messages) == 30


def test_a_request_is_answered_with_at_most_fifty_messages() -> None:
    box = outbox_of(200)
    assert len(box.resend("b", 1, 10**18, 0.0).messages) == 50
    assert box.resend("b", 10**18, 10**18 + 5, 0.0).messages == ()
    assert box.resend("b", -5, 0, 0.0).messages == ()


def test_an_acknowledgement_of_what_was_never_sent_is_refused() -> None:
    box = outbox_of(5)
    assert not box.acknowledge("b", 6)
    assert box.acked == {}


def test_the_slowest_receiver_sets_the_window_and_newcomers_begin_where_we_are() -> None:
    box = outbox_of(100)
    assert box.unconfirmed() == 0
    box.add_receiver("b")
    assert box.unconfirmed() == 0
    for _ in range(20):
        box.keep(box.next_seq(), message("x"))
    box.add_receiver("c")
    assert box.unconfirmed() == 20 and box.slowest() == "b"
    box.acknowledge("b", 110)
    assert box.unconfirmed() == 10
    box.remove_receiver("b")
    assert box.unconfirmed() == 0
