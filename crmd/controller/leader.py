"""What only the DC does: take members in, keep their state in the CIB, fence, answer for changes.

One object per time in office; it goes when the node stops leading.  Planning is `planner.py`.
Source: cluster-behaviour.md 1.1 and 2, reliability.md I5, I7 to I12, scheduler-1 section 11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cib.document import FEATURE_SET
from crmd.controller.bootstrap import bootstrapped
from crmd.controller.core import Core
from crmd.controller.events import Remember
from crmd.controller.fencing import KILLS, Fencing
from crmd.controller.member import Member, Stage
from crmd.controller.messages import (
    Fetch,
    Join,
    Joined,
    Offer,
    Patch,
    Receipt,
    Report,
    ReportAck,
    Sync,
    Update,
    View,
)
from crmd.controller.planner import Planner
from crmd.controller.release import fencing_enabled
from crmd.fencing.fencer import Fenced
from crmd.membership.election import Output
from crmd.replication.status import find_node_state, node_id, transient_attributes
from crmd.replication.version import (
    Tree,
    Version,
    as_list,
    configuration,
    rank_of,
    version_of,
    view_of,
)
from crmd.replication.writer import NOTHING, OnDisk, Writer

BOOT_ATTRIBUTE = "#boot"
"""Transient attribute: which boot of the node the others belong to."""


OFFER_AGAIN_S = 0.5
LEAVING_AGAIN_S = 10.0
REJOIN_EXTRA_S = 20.0
"""A member whose daemons were restarted may take so much longer: to give it up too early means
to start its resources a second time."""

Finished = Callable[[str, bool, str], None]


@dataclass(slots=True)
class Leader:
    """A DC's time in office. `elect` hands the election's outputs back to the controller."""

    core: Core
    elect: Callable[[list[Output]], None]
    on_fenced: Finished
    writer: Writer = field(init=False)
    planner: Planner = field(init=False)
    fencing: Fencing = field(init=False)
    members: dict[str, Member] = field(default_factory=dict)
    is_formed: bool = False
    shot: dict[str, str] = field(default_factory=dict)
    """Nodes fenced well, and the incarnation that is thus dead."""
    _offered_round: int = 0
    _leaving_again: float | None = None
    _serial: int = 0

    def __post_init__(self) -> None:
        self.writer = Writer(self.core.replica)
        self.fencing = Fencing(self.core, self._able, self._fence_end)
        self.planner = Planner(self.core, self.writer, self.fencing.in_transition)

    # --- members ----------------------------------------------------------------------------

    def offer(self, to: str | None) -> None:
        """Ask one node, or every live one, to be a member."""
        core = self.core
        self.flush()
        if core.round != self._offered_round:
            self._offered_round = core.round
            to = None  # a new round: everybody must hear of it
        version, digest = as_list(core.replica.version), core.replica.digest()
        for node in sorted({core.node, *core.election.live} if to is None else {to}):
            if node in self.shot or self.fencing.is_under_way(node) or core.election.is_taken(node):
                continue
            known = self.members.get(node)
            if node == core.node and known is not None:
                continue
            was_in = known is not None and (known.stage is Stage.JOINED or known.is_known)
            self.members[node] = Member(Stage.OFFERED, 0.0, was_in)
            self._give_time(self.members[node])
            if known is not None:
                self.members[node].boot = known.boot
            self.members[node].again = core.now + OFFER_AGAIN_S
            if node != core.node:
                core.send(Offer(core.round, core.view, version, digest), node)

    def _give_time(self, member: Member) -> None:
        member.patience = self.core.now + self.core.settings.election_timeout_s
        if member.is_known:  # it lives, only its controller or executor starts anew
            member.patience += REJOIN_EXTRA_S

    def join(self, node: str, message: Join) -> None:
        """A node follows us; compare CIBs before it counts."""
        member = self.members.get(node)
        if member is None or node in self.shot or self.fencing.is_under_way(node):
            return
        core = self.core
        version = Version(*message.version)
        theirs = (message.rank, *configuration(version))
        ours = (core.replica.rank, *configuration(core.replica.version))
        poll = core.election.polls.get(node)
        is_eligible = poll is not None and poll.standing.is_eligible
        if theirs > ours and self.may_yield:
            if is_eligible:
                self.elect(core.election.seek(f"{node} has the better CIB {version}", core.now))
            else:
                core.send(Fetch(core.round), node)
            return
        self.flush()
        member.is_known = member.is_known or member.stage is Stage.JOINED
        member.stage, member.incarnation = Stage.SYNCING, message.incarnation
        self._give_time(member)
        same = version == core.replica.version and message.digest == core.replica.digest()
        self._sync(node, "" if same else core.replica.to_bytes().decode())

    @property
    def may_yield(self) -> bool:
        """Whether a better CIB than ours may still turn up: we do not act with quorum yet."""
        return not (self.is_formed and self.core.has_quorum)

    def _sync(self, node: str, cib: str) -> None:
        core = self.core
        self._serial += 1
        self.members[node].serial = self._serial
        core.send(
            Sync(
                core.round,
                core.replica.rank,
                core.replica.digest(),
                cib,
                list(core.replica.causes),
                self._serial,
            ),
            node,
        )

    def sync_again(self, node: str, reason: str) -> None:
        """A member's CIB has lost track."""
        self.core.log("cib.resync", "warning", node=node, reason=reason)
        self.flush()
        if node in self.members:
            self._sync(node, self.core.replica.to_bytes().decode())

    def joined(self, node: str, message: Joined) -> None:
        """A node's CIB is ours, and it says what is true there."""
        member = self.members.get(node)
        if member is None:
            return
        if node != self.core.node:
            if member.stage is not Stage.SYNCING or message.serial != member.serial:
                return
        known = transient_attributes(self.core.replica.root, node).get(BOOT_ATTRIBUTE)
        if known != message.boot:
            self.writer.status(["drop_attrs", node], ["attr", node, BOOT_ATTRIBUTE, message.boot])
        self.writer.status(*message.drops)
        member.last_report = message.first - 1
        self._take_reports(node, member, message.first, message.results)
        self.planner.node_joined(node, _keys(message.running))
        member.stage, member.boot = Stage.JOINED, message.boot
        self._write_state(node, in_ccm="true", crmd="online", join="member", expected="member")
        self.writer.status(["attr", node, "#feature-set", FEATURE_SET])
        if message.shutdown:
            self.request_shutdown(node)
        if self.is_formed:
            if not member.is_known:
                self.core.log("member.joined", node=node)
                self._new_view(f"{node} has joined")
            else:
                self._send_view(node)
                self.planner.want(f"{node} has rejoined")
        self._form_if_complete()

    def _form_if_complete(self) -> None:
        if self.is_formed or any(m.stage is not Stage.JOINED for m in self.members.values()):
            return
        if self.core.node not in self.members:
            return
        self.is_formed = True
        for node in self.core.nodes:
            if node in self.core.departed:
                self._write_departed(node)
            elif node not in self.members and node not in self.shot:
                self._write_absent(node)
        self.core.log("dc.formed", round=self.core.round, members=sorted(self.members))
        self._new_view("a DC has taken office")

    def _write_absent(self, node: str) -> None:
        state = find_node_state(self.core.replica.root, node)
        if state is not None and (state.get("in_ccm") != "false" or state.get("crmd") != "offline"):
            self._write_state(node, in_ccm="false", crmd="offline")

    def _write_departed(self, node: str) -> None:
        self._write_state(node, in_ccm="false", crmd="offline", join="down", expected="down")
        self.writer.status(["drop_attrs", node])

    def departs(self) -> None:
        """We leave ourselves: the last we write is that we are gone."""
        self._write_departed(self.core.node)
        self.flush()

    def _write_state(self, node: str, **attributes: str) -> None:
        state = find_node_state(self.core.replica.root, node)
        values: dict[str, Any] = {
            "id": node_id(self.core.replica.root, node),
            **attributes,
            "crm-debug-origin": "controller",
        }
        if state is None or any(state.get(k) != v for k, v in values.items()):
            self.writer.status(["node", node, values])

    def in_view(self) -> tuple[str, ...]:
        """Members, those included whose controller is just restarting."""
        return tuple(
            sorted(n for n, m in self.members.items() if m.stage is Stage.JOINED or m.is_known)
        )

    def _new_view(self, reason: str) -> None:
        core = self.core
        core.view += 1
        core.members = self.in_view()
        if core.quorum.see(core.members):
            core.emit(Remember("all-seen", "1"))
        core.has_quorum = core.quorum.has(core.members)
        self._take_rank()
        dc = node_id(core.replica.root, core.node)
        self.writer.status(["root", {"have-quorum": str(int(core.has_quorum)), "dc-uuid": dc}])
        self._send_view(None)
        if core.has_quorum:
            new = bootstrapped(core.replica.root, core.nodes, core.settings)
            if new is not None:
                self.configure(new, "")
        self.planner.want(reason)
        self.fencing.tell()

    def count_again(self, reason: str) -> None:
        """What makes a quorum has changed."""
        if self.is_formed:
            self._new_view(reason)

    def _take_rank(self) -> bool:
        """Once a majority has pledged, ours is the better history: whether that is new."""
        core = self.core
        members = self.in_view()
        pledged = [m for m in members if self.writer.disks.get(m, NOTHING).pledged == core.round]
        made = configuration(core.replica.version)
        rank = rank_of(core.round, core.view, made)
        if not core.has_quorum or core.replica.rank >= rank:
            return False
        if len(pledged) < core.quorum.receipts_needed(members):
            return False
        core.replica.rank = rank
        return True

    def _send_view(self, to: str | None) -> None:
        core = self.core
        members, rank = list(core.members), core.replica.rank
        core.send(View(core.round, core.view, members, core.has_quorum, rank), to)

    def lost(self, node: str, clean: bool, reason: str) -> None:
        """A node is gone from us; unless it left in good order, what it ran is in doubt."""
        member = self.members.pop(node, None)
        if node in self.shot and reason != "fenced":
            del self.shot[node]
        state = find_node_state(self.core.replica.root, node)
        if clean:
            self._write_departed(node)
        elif state is not None and state.get("crmd") == "online":
            is_silent = node in self.core.election.live
            self._write_state(node, in_ccm=str(is_silent).lower(), crmd="offline")
        if member is None:
            return
        self.core.log("member.lost", "warning", node=node, clean=clean, reason=reason)
        self.planner.node_lost(node)
        if not clean and len(self.core.nodes) > 2 and not fencing_enabled(self.core.replica.root):
            self.planner.not_before = self.core.now + self.core.settings.takeover_delay_s
        self.fencing.node_lost(node)
        if self.is_formed and (member.stage is Stage.JOINED or member.is_known):
            self._new_view(f"{node} is gone: {reason}")
        self._form_if_complete()

    def request_shutdown(self, node: str) -> None:
        """Note that a node wants to leave: its resources move, then it is told to depart."""
        if transient_attributes(self.core.replica.root, node).get("shutdown") is None:
            self.writer.status(["attr", node, "shutdown", str(int(self.core.wall) or 1)])
            self.planner.want(f"{node} shuts down")
        self._leaving_again = self.core.now + LEAVING_AGAIN_S

    # --- reports ----------------------------------------------------------------------------

    def report(self, node: str, message: Report) -> None:
        """Results of a member."""
        member = self.members.get(node)
        if member is None or member.stage is not Stage.JOINED:
            return
        self._take_reports(node, member, message.first, message.results)

    def _take_reports(
        self, node: str, member: Member, first: int, results: list[dict[str, Any]]
    ) -> None:
        for number, report in enumerate(results, first):
            if number <= member.last_report:
                continue
            if number > member.last_report + 1:
                return  # a gap: the repeat will fill it
            member.last_report = number
            if report["kind"] == "fence":
                self._fence_result(report)
            else:
                self.planner.result(node, report)
        self.flush()
        self.core.send(ReportAck(self.core.round, member.last_report), node)

    # --- fencing ----------------------------------------------------------------------------

    def _able(self) -> tuple[str, ...]:
        return tuple(sorted(n for n, m in self.members.items() if m.stage is Stage.JOINED))

    def _fence_result(self, report: Mapping[str, Any]) -> None:
        target = self.fencing.result(report)
        if target is not None:
            self._mark_down(target)
            self.planner.want(f"{target} was fenced")

    def _fence_end(self, end: Fenced) -> None:
        if end.ok and end.action in KILLS:
            self._mark_down(end.target)
        self.planner.fenced(end.target, end.ok)
        self.on_fenced(end.target, end.ok, end.error)
        if not end.ok and end.target in self.core.election.live:
            self.offer(end.target)

    def _mark_down(self, target: str) -> None:
        poll = self.core.election.polls.get(target)
        if target in self.core.election.live:
            self.shot[target] = poll.incarnation if poll is not None else ""
        self._write_state(target, in_ccm="false", crmd="offline", join="down", expected="down")
        self.writer.status(["drop_lrm", target], ["drop_attrs", target])
        if target in self.members:
            self.lost(target, True, "fenced")

    def confirm(self, target: str, by: str) -> None:
        """A person vouches that a node is down."""
        self.fencing.confirm(target, by)
        self.planner.want(f"{target} is down, says {by}")

    def may_return(self, node: str, incarnation: str) -> bool:
        """Whether a node that talks to us is not one that was shot."""
        if node in self.shot and self.shot[node] != incarnation:
            del self.shot[node]
        return node not in self.shot and not self.fencing.is_under_way(node)

    # --- changes ----------------------------------------------------------------------------

    def configure(self, new: Tree, cause: str) -> tuple[int, int]:
        """Make `new` the document, tell the members; the configuration version to wait for."""
        self.flush()
        core = self.core
        rank = core.replica.rank
        if core.has_quorum and view_of(rank) == (core.round, core.view):
            rank = rank_of(core.round, core.view, configuration(version_of(new)))
        out = self.writer.configure(new, rank, cause)
        core.tell_peers(
            Patch(
                core.round,
                as_list(out.base),
                as_list(out.version),
                out.digest,
                out.patch,
                rank,
                cause,
            )
        )
        return configuration(out.version)

    def receipt(self, node: str, message: Receipt) -> None:
        """A member's word on its disk."""
        if message.ok:
            version = configuration(Version(*message.version))
            self._disk_is(node, OnDisk(version, message.rank, message.pledged))

    def own_receipt(self, version: tuple[int, int], rank: int, pledged: int) -> None:
        """What is on our own disk."""
        self._disk_is(self.core.node, OnDisk(version, rank, pledged))

    def _disk_is(self, node: str, held: OnDisk) -> None:
        self.writer.disks[node] = held
        if self.is_formed and self._take_rank():
            self._send_view(None)

    def flush(self) -> None:
        """Tell the members what was written to the status section."""
        out = self.writer.flush()
        if out is not None:
            self.core.tell_peers(
                Update(
                    self.core.round,
                    as_list(out.base),
                    as_list(out.version),
                    list(out.changes),
                )
            )

    # --- time -------------------------------------------------------------------------------

    def tick(self) -> None:
        """Joins that never ended, silent controllers, fencing, planning."""
        now = self.core.now
        for node, member in sorted(self.members.items()):
            if member.stage is not Stage.JOINED and now >= member.patience:
                self.lost(node, False, "it did not complete its join")
            elif member.stage is Stage.JOINED or node == self.core.node:
                continue
            elif now >= member.again:
                member.again = now + OFFER_AGAIN_S
                version = as_list(self.core.replica.version)
                digest = self.core.replica.digest()
                self.core.send(Offer(self.core.round, self.core.view, version, digest), node)
        for node in self.core.election.silent(now):
            if node in self.members:
                self.lost(node, False, "its controller is silent")
        self.fencing.tick()
        self.planner.tick()
        for node in self.planner.doubtful():
            if node in self.members and node != self.core.node:
                self.offer(node)
        if self._leaving_again is not None and now >= self._leaving_again:
            self._leaving_again = None
            root = self.core.replica.root
            if any("shutdown" in transient_attributes(root, n) for n in self.members):
                self._leaving_again = now + LEAVING_AGAIN_S
                if self.planner.is_idle:
                    self.planner.want("a node has still to leave")

    def end_step(self) -> None:
        """Plan and fire, then tell the members what was written in this step."""
        if self.is_formed:
            ready = {n: m.stage is Stage.JOINED for n, m in self.members.items()}
            self.planner.advance(ready)
        self.flush()
        question = self.planner.take_question()
        if question is not None:
            self.core.emit(question)

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        times = [
            min(m.patience, m.again) for m in self.members.values() if m.stage is not Stage.JOINED
        ]
        times += [
            t
            for t in (
                self.fencing.fencer.deadline(),
                self.planner.deadline(),
                self.writer.deadline(),
                self._leaving_again,
            )
            if t is not None
        ]
        return min(times, default=None)


def _keys(running: list[str]) -> list[str]:
    """Transition keys of calls given by their user data."""
    from crmd.transition.results import Context

    contexts = (Context.load(text) for text in running)
    return [str(c.key) for c in contexts if c is not None]
