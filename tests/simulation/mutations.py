"""One-line sabotages of our own code, each of which the simulation must find.

A mutation that no seed finds means that a monitor is missing.  `python -m tests.simulation.mutations`
tries them all and prints how many seeds each took; `test_mutations.py` holds those to it that few
seeds find.
Source: reliability.md section 4.6.
"""  # noqa: E501

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace

from crmd.controller.controller import Controller
from crmd.controller.disk import Disk
from crmd.controller.fencing import Fencing
from crmd.controller.follower import Follower
from crmd.controller.leader import Leader
from crmd.controller.lrm import Lrm
from crmd.controller.planner import Planner
from crmd.controller.reports import Reports
from crmd.membership.election import Election, Follow, Phase
from crmd.membership.pledge import Pledge
from crmd.membership.quorum import Quorum
from crmd.replication.replica import Replica
from crmd.replication.version import configuration, rank_of, set_version
from crmd.replication.writer import Writer
from crmd.transition.walker import Walker
from tests.simulation import plain_scheduler
from tests.simulation.monitor import Broken
from tests.simulation.storm import DRAWS, Run

MUTATIONS = {}


def mutation(owner, name):
    """Register a replacement of `owner.name`; the function gets the original first."""

    def register(make):
        MUTATIONS[make.__name__] = (owner, name, make)
        return make

    return register


@mutation(Planner, "_dispatch")
def does_not_wait_for_fencing(original):
    def dispatch(self, action, members):
        original(self, action, members)
        if action.operation == "stonith":
            self.walker.confirm(action.id)

    return dispatch


@mutation(Fencing, "result")
def takes_failed_fencing_for_success(original):
    return lambda self, report: original(self, {**report, "rc": 0, "status": 0})


@mutation(Election, "offer")
def obeys_any_round(original):
    def offer(self, peer, round_, now):
        self.phase, self.dc, self.round = Phase.FOLLOWING, peer, round_
        return [Follow(peer, round_)]

    return offer


@mutation(Walker, "_may_fire")
def fires_after_an_abort(original):
    return lambda self, synapse: True


@mutation(Lrm, "_is_busy")
def runs_two_actions_of_a_resource(original):
    return lambda self, rsc: False


@mutation(Replica, "update")
def applies_changes_to_any_version(original):
    return lambda self, base, version, changes: original(self, self.version, version, changes)


@mutation(Quorum, "receipts_needed")
def answers_before_a_majority_has_it(original):
    return lambda self, members: 1


@mutation(Disk, "end_step")
def calls_durable_what_is_not(original):
    def end_step(self):
        original(self)
        self.durable = configuration(self.core.replica.version)
        self._done, self.pledged = self._mark(), self.core.election.pledge.round

    return end_step


@mutation(Disk, "_ask")
def never_writes_to_disk(original):
    def ask(self):
        self._done, self._done_pledge = self._mark(), self.core.election.pledge
        self.durable, self.pledged = self._done[1:3], self._done_pledge.round

    return ask


@mutation(Writer, "holds")
def counts_copies_under_an_older_rank(original):
    return lambda self, member, wanted, round_: original(self, member, wanted, 0)


@mutation(Leader, "_take_rank")
def takes_a_rank_before_anybody_has_pledged(original):
    def take_rank(self):
        core = self.core
        rank = rank_of(core.round, core.view, configuration(core.replica.version))
        if not core.has_quorum or core.replica.rank >= rank:
            return False
        core.replica.rank = rank
        return True

    return take_rank


@mutation(Controller, "_start")
def forgets_pledges_at_a_restart(original):
    return lambda self, event, now, wall: original(self, replace(event, pledge=Pledge()), now, wall)


@mutation(Follower, "_give")
def keeps_a_better_cib_for_itself(original):
    return lambda self: None


@mutation(Lrm, "_differences")
def keeps_the_history_of_the_boot_before(original):
    return lambda self: ([], original(self)[1])


@mutation(Reports, "acknowledged")
def forgets_reports_too_early(original):
    return lambda self, last: self.waiting.clear()


@mutation(Reports, "tick")
def never_repeats_a_report(original):
    return lambda self: None


@mutation(Leader, "_write_state")
def never_writes_node_states(original):
    return lambda self, node, **attributes: None


@mutation(Leader, "lost")
def does_not_notice_a_lost_node(original):
    return lambda self, node, clean, reason: None


@mutation(Planner, "node_lost")
def waits_for_a_dead_node(original):
    return lambda self, node: self.want(f"{node} is lost")


@mutation(Planner, "node_joined")
def ignores_calls_of_the_dc_before(original):
    return lambda self, node, running: None


@mutation(Follower, "_view")
def forgets_the_rank_of_a_quorate_view(original):
    def view(self, message):
        before = self.core.replica.rank
        out = original(self, message)
        self.core.replica.rank = before
        return out

    return view


@mutation(Quorum, "has")
def always_thinks_it_has_quorum(original):
    return lambda self, members: True


@mutation(Writer, "flush")
def counts_no_updates(original):
    def flush(self):
        out = original(self)
        if out is not None:
            set_version(self.replica.root, out.base)
        return out

    return flush


@mutation(Follower, "_lost_track")
def never_asks_for_a_sync(original):
    return lambda self, reason: None


@mutation(Planner, "_settle")
def forgets_that_an_action_failed(original):
    return lambda self, node, key, failed: original(self, node, key, False)


@mutation(Lrm, "_cancel_all")
def leaves_monitors_running_over_a_stop(original):
    return lambda self, rsc: None


@mutation(Leader, "_mark_down")
def fences_without_noting_it(original):
    return lambda self, target: None


@mutation(Leader, "request_shutdown")
def ignores_a_shutdown(original):
    return lambda self, node: None


@mutation(Lrm, "number_from")
def numbers_calls_from_one_after_a_restart(original):
    return lambda self, reserved: original(self, 0)


NEEDS_REPLICATION = frozenset(
    ("counts_copies_under_an_older_rank", "takes_a_rank_before_anybody_has_pledged")
)
MASKED = {
    "forgets_reports_too_early": "a lost result is found at the next join, as a difference",
    "forgets_pledges_at_a_restart": "the rank on disk tells a round as well; test_election.py",
    "forgets_the_rank_of_a_quorate_view": "the next poll tells; test_three_nodes.py",
    "never_asks_for_a_sync": "the next poll of the DC shows that versions differ",
    "keeps_a_better_cib_for_itself": "others of the majority bring it; test_three_nodes.py",
}
"""Mutations that another guard makes good, so that seeds miss them; where they are tested."""


@contextlib.contextmanager
def sabotaged(name):
    """The code with one mutation in it."""
    owner, attribute, make = MUTATIONS[name]
    original = getattr(owner, attribute)
    setattr(owner, attribute, make(original))
    try:
        yield
    finally:
        setattr(owner, attribute, original)


def found_after(name, limit, start=0):
    """How many seeds it took to find the mutation, and how; None if `limit` did not do."""
    draw = DRAWS["replication" if name in NEEDS_REPLICATION else "any"]
    with sabotaged(name):
        for count in range(1, limit + 1):
            seed = start + count - 1
            try:
                Run(seed, plain_scheduler.schedule, knobs=draw(seed)).play()
            except (Broken, AssertionError) as e:  # a monitor, or an assertion of our own code
                return count, f"{type(e).__name__}: {str(e).splitlines()[0][:90]}"
    return None


def main(argv):
    parser = argparse.ArgumentParser(prog="tests.simulation.mutations")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args(argv)
    missed = []
    for name in args.names or sorted(MUTATIONS.keys() - MASKED.keys()):
        found = found_after(name, args.limit)
        if found is None:
            missed.append(name)
            print(f"{name:45} NOT FOUND in {args.limit} seeds", flush=True)
        else:
            print(f"{name:45} {found[0]:3} {found[1]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
