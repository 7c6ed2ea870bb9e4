from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ocf.calls import AgentCall, AgentRef, AgentResult, ExecStatus
from ocf.recurring import Agenda, Begin, Cancel, Effect, Finished, Report, Submit, Tick

DUMMY = AgentRef("ocf", "Dummy", "heartbeat")


def call(rsc: str, operation: str = "start", call_id: int = 1, **fields: int) -> AgentCall:
    return AgentCall(call_id, rsc, DUMMY, operation, **fields)  # type: ignore[arg-type]


def result(c: AgentCall, rc: int = 0, status: ExecStatus = ExecStatus.DONE) -> AgentResult:
    return AgentResult(c.call_id, c.rsc, c.operation, c.interval_ms, rc, status)


def begun(effects: list[Effect]) -> list[Begin]:
    return [e for e in effects if isinstance(e, Begin)]


def reported(effects: list[Effect]) -> list[AgentResult]:
    return [e.result for e in effects if isinstance(e, Report)]


def test_a_second_action_of_a_resource_waits_for_the_first():
    agenda = Agenda()
    (first,) = begun(agenda.step(Submit(call("vip", "start", 1)), 0.0))
    assert agenda.step(Submit(call("vip", "stop", 2)), 0.1) == []
    effects = agenda.step(Finished(first.run, result(first.call)), 1.0)
    assert [r.call_id for r in reported(effects)] == [1]
    assert [b.call.operation for b in begun(effects)] == ["stop"]


def test_a_recurring_monitor_reports_first_and_then_only_changes():
    agenda = Agenda()
    monitor = call("vip", "monitor", 7, interval_ms=10_000)
    (run,) = begun(agenda.step(Submit(monitor), 0.0))
    assert reported(agenda.step(Finished(run.run, result(monitor)), 1.0)) == [result(monitor)]
    assert agenda.deadline() == 11.0
    assert agenda.step(Tick(), 10.9) == []
    (run,) = begun(agenda.step(Tick(), 11.0))
    assert agenda.step(Finished(run.run, result(monitor)), 12.0) == []
    assert agenda.deadline() == 22.0
    (run,) = begun(agenda.step(Tick(), 22.0))
    failed = result(monitor, rc=7)
    assert reported(agenda.step(Finished(run.run, failed), 22.5)) == [failed]


def test_a_start_delay_holds_the_first_run_back():
    agenda = Agenda()
    monitor = call("vip", "monitor", interval_ms=1000, start_delay_ms=5000)
    assert agenda.step(Submit(monitor), 0.0) == [] and agenda.deadline() == 5.0
    assert begun(agenda.step(Tick(), 5.0))


def test_a_cancelled_monitor_says_so_and_its_late_result_is_dropped():
    agenda = Agenda()
    monitor = call("vip", "monitor", interval_ms=1000)
    (run,) = begun(agenda.step(Submit(monitor), 0.0))
    (answer,) = reported(agenda.step(Cancel("vip", "monitor", 1000), 0.1))
    assert (answer.status, answer.rc) == (ExecStatus.CANCELLED, 0)
    assert agenda.step(Finished(run.run, result(monitor, rc=7)), 0.2) == []
    assert agenda.recurring() == [] and agenda.deadline() is None


def test_a_stop_ends_the_recurring_monitors_of_its_resource_only():
    agenda = Agenda()
    for rsc in ("vip", "db"):
        (run,) = begun(agenda.step(Submit(call(rsc, "monitor", interval_ms=1000)), 0.0))
        agenda.step(Finished(run.run, result(run.call)), 0.0)
    effects = agenda.step(Submit(call("vip", "stop", 9)), 0.5)
    assert [b.call.call_id for b in begun(effects)] == [9]
    assert [r.status for r in reported(effects)] == [ExecStatus.CANCELLED]
    assert [c.rsc for c in agenda.recurring()] == ["db"]


def test_stops_go_before_starts_and_monitors_leave_the_last_slot_free():
    agenda = Agenda(limit=2)
    (a,) = begun(agenda.step(Submit(call("a", "monitor", interval_ms=1000)), 0.0))
    assert agenda.step(Submit(call("b", "monitor", interval_ms=1000)), 0.0) == []
    assert begun(agenda.step(Submit(call("c", "start")), 0.0))
    assert agenda.step(Submit(call("d", "start")), 0.0) == []
    assert agenda.step(Submit(call("e", "stop")), 0.0) == []
    assert agenda.deadline() is None
    effects = agenda.step(Finished(a.run, result(a.call)), 0.1)
    assert [b.call.rsc for b in begun(effects)] == ["e"]


def test_the_same_monitor_again_keeps_its_rhythm_and_reports_with_the_new_call_id():
    agenda = Agenda()
    monitor = call("vip", "monitor", 1, interval_ms=1000)
    (run,) = begun(agenda.step(Submit(monitor), 0.0))
    agenda.step(Finished(run.run, result(monitor)), 0.0)
    assert agenda.step(Submit(replace(monitor, call_id=2)), 0.5) == []
    (run,) = begun(agenda.step(Tick(), 1.0))
    assert [r.call_id for r in reported(agenda.step(Finished(run.run, result(run.call)), 1.0))] == [
        2
    ]


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.sampled_from("abc"),
            st.sampled_from(["start", "stop", "monitor"]),
            st.sampled_from([0, 0, 1000, 3000]),
            st.sampled_from([0, 500]),
        ),
        st.tuples(st.just("finish"), st.integers(0, 9), st.sampled_from([0, 7])),
        st.tuples(st.just("cancel"), st.sampled_from("abc"), st.sampled_from([0, 1000, 3000])),
        st.tuples(st.just("pass"), st.floats(0.01, 4.0)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 4))
def test_never_two_actions_of_one_resource_never_above_the_limit_and_none_is_lost(steps, limit):
    agenda, now = Agenda(limit=limit), 0.0
    running: dict[int, AgentCall] = {}
    open_calls: set[int] = set()
    number = 0
    for step in [*steps, *[("finish", 0, 0)] * 80]:
        match step:
            case ("submit", rsc, operation, interval, delay):
                number += 1
                if operation != "monitor":
                    interval = 0
                if interval == 0:
                    open_calls.add(number)
                event = Submit(
                    call(rsc, operation, number, interval_ms=interval, start_delay_ms=delay)
                )
            case ("finish", index, rc):
                if running:
                    run = sorted(running)[index % len(running)]
                    event = Finished(run, result(running.pop(run), rc))
                else:
                    now = max(now, agenda.deadline() or now)
                    event = Tick()
            case ("cancel", rsc, interval):
                event = Cancel(rsc, "monitor", interval)
            case ("pass", seconds):
                now += seconds
                event = Tick()
        for effect in agenda.step(event, now):
            if isinstance(effect, Begin):
                assert effect.call.rsc not in {c.rsc for c in running.values()}
                running[effect.run] = effect.call
                assert len(running) <= limit
            elif effect.result.interval_ms == 0:
                open_calls.discard(effect.result.call_id)
        due = agenda.deadline()
        assert due is None or due > now
    for _ in range(4 * number + 4):
        if not open_calls:
            break
        if running:
            run = min(running)
            effects = agenda.step(Finished(run, result(running.pop(run))), now)
        else:
            now = max(now, agenda.deadline() or now)
            effects = agenda.step(Tick(), now)
        for effect in effects:
            if isinstance(effect, Begin):
                running[effect.run] = effect.call
            else:
                open_calls.discard(effect.result.call_id)
    assert open_calls == set()
