"""Walking a graph: order of firing, failures, aborts, limits."""

from crmd.scheduler.transition import Action, ActionKind, Synapse, Transition
from crmd.transition.walker import INFINITY, Walker, WalkState, limits


def graph(*rows, root=()):
    """rows: (action id, inputs, kind letter, priority); synapse order is row order."""
    kinds = {"r": ActionKind.RSC_OP, "p": ActionKind.PSEUDO, "c": ActionKind.CRM}
    return Transition(
        root,
        tuple(
            Synapse(
                n,
                Action(i, kinds[kind], "start", f"a{i}_start_0", on_node="n1"),
                tuple(inputs),
                priority,
            )
            for n, (i, inputs, kind, priority) in enumerate(rows)
        ),
    )


def ids(actions):
    return [a.id for a in actions]


def test_an_action_waits_for_all_its_inputs():
    w = Walker(graph((1, (), "r", 0), (2, (), "r", 0), (3, (1, 2), "r", 0)))
    assert ids(w.fire()) == [1, 2]
    w.confirm(1)
    assert ids(w.fire()) == []
    w.confirm(2)
    assert ids(w.fire()) == [3]
    assert w.state is WalkState.ACTIVE
    w.confirm(3)
    assert ids(w.fire()) == [] and w.state is WalkState.COMPLETE


def test_pseudo_actions_are_confirmed_as_they_fire_and_open_later_synapses_in_the_same_pass():
    w = Walker(graph((1, (2,), "r", 0), (2, (), "p", 0), (3, (2,), "r", 0)))
    assert ids(w.fire()) == [2, 3]  # 1 stands earlier: next pass
    assert ids(w.fire()) == [1]


def test_confirming_while_walking_opens_later_synapses_at_once():
    w = Walker(graph((1, (), "r", 0), (2, (1,), "r", 0), (3, (2,), "r", 0)))
    seen = []
    for action in w.fire():
        seen.append(action.id)
        w.confirm(action.id)
    assert seen == [1, 2, 3]


def test_a_failure_stops_what_depends_on_it_but_not_the_completed_points():
    w = Walker(graph((1, (), "r", 0), (2, (1,), "r", 0), (3, (1,), "p", INFINITY)))
    assert ids(w.fire()) == [1]
    w.confirm(1, failed=True)
    assert ids(w.fire()) == [3]
    assert w.state is WalkState.COMPLETE and w.unfinished() == 1


def test_an_aborted_walk_sends_nothing_more():
    w = Walker(graph((1, (), "r", 0), (2, (1,), "r", 0), (3, (1,), "p", 0)))
    assert ids(w.fire()) == [1]
    assert w.abort(INFINITY, "node lost")
    assert not w.abort(1, "weaker")
    w.confirm(1)
    assert ids(w.fire()) == [3]
    assert w.state is WalkState.COMPLETE


def test_the_batch_limit_bounds_what_is_under_way():
    w = Walker(graph(*((i, (), "r", 0) for i in range(1, 6))), batch_limit=2)
    assert ids(w.fire()) == [1, 2]
    assert ids(w.fire()) == []
    w.confirm(1)
    assert ids(w.fire()) == [3]
    assert limits(graph(root=(("batch-limit", "0"),))) == (-1, -1)
    assert limits(graph(root=(("batch-limit", "7"), ("migration-limit", "1")))) == (7, 1)


def test_a_loop_is_reported_as_terminated():
    w = Walker(graph((1, (2,), "r", 0), (2, (1,), "r", 0)))
    assert ids(w.fire()) == [] and w.state is WalkState.TERMINATED


def test_a_synapse_with_an_input_from_nowhere_never_fires():
    walker = Walker(graph((1, (9,), "r", 0)))
    assert list(walker.fire()) == []
    assert walker.state is WalkState.TERMINATED
