"""Obeying a DC: joining it, keeping its CIB, carrying out its orders.

Every message handled here was checked to come from our DC in its present round.  Whatever does not
fit leads to a request for the whole CIB.  Source: reliability.md I8, I9, I10, I13.
"""

from __future__ import annotations

from dataclasses import dataclass

from crmd.controller import messages as msg
from crmd.controller.clients import Clients
from crmd.controller.core import Core
from crmd.controller.disk import Disk
from crmd.controller.events import KeepLosing, Remember
from crmd.controller.lrm import Lrm
from crmd.membership.election import Output, Phase, Poll
from crmd.replication.replica import Mismatch, digest_of, parse
from crmd.replication.version import Version, as_list, configuration, version_of

MISSED_EVERY_S = 0.5
"""A node that misses several things of its DC asks for them once."""


@dataclass(slots=True)
class Follower:
    """This node as a member (a DC is a member of its own)."""

    core: Core
    lrm: Lrm
    disk: Disk
    clients: Clients
    wants_to_leave: bool = False
    must_leave: bool = False
    joining_since: float = 0.0
    missed_at: float = -MISSED_EVERY_S

    def begin(self) -> None:
        """We have accepted a DC: tell it what our CIB is."""
        core = self.core
        core.in_sync, core.members, core.view = False, (), 0
        self.joining_since = core.now
        self._join()

    def join_again(self) -> None:
        """What is true here has changed as a whole: tell the DC anew."""
        self._join()

    def _join(self) -> None:
        core = self.core
        replica = core.replica
        assert core.dc is not None
        core.send(
            msg.Join(
                core.round,
                core.view,
                core.incarnation,
                core.executor,
                replica.rank,
                as_list(replica.version),
                replica.digest(),
            ),
            core.dc,
        )

    def message(self, message: msg.Message) -> list[Output]:
        """One message of our DC."""
        core = self.core
        match message:
            case msg.Sync():
                self._sync(message)
            case msg.View():
                return self._view(message)
            case msg.Fetch():
                self._give()
            case msg.Update() | msg.Patch():
                self._change(message)
            case msg.ReportAck():
                self.lrm.reports.acknowledged(message.last)
            case msg.Answer():
                self.clients.answer(message)
            case msg.FenceEvents():
                self.clients.fence_events = message.events
            case msg.Run() | msg.Cancel() | msg.Forget() | msg.Depart():
                self._order(message)
            case _:
                core.log("message.unexpected", "warning", type=type(message).__name__)
        return []

    # --- the CIB ----------------------------------------------------------------------------

    def _sync(self, message: msg.Sync) -> None:
        core = self.core
        if message.cib:
            self._adopt(message, core.dc or "")
        elif core.replica.digest() != message.digest:
            self._lost_track("the digest differs though the DC thinks it does not")
            return
        else:
            core.replica.replace(core.replica.root, message.rank, message.causes)
        core.in_sync = True
        assert core.dc is not None
        core.send(self.lrm.joined(self.wants_to_leave, message.serial), core.dc)

    def _give(self) -> None:
        core, replica = self.core, self.core.replica
        assert core.dc is not None
        cib = replica.to_bytes().decode()
        given = msg.Given(core.round, replica.rank, replica.digest(), cib, list(replica.causes))
        core.send(given, core.dc)

    def given(self, origin: str, message: msg.Given) -> list[Output]:
        """We lead, but a node that may not lead has the better CIB: take it and vote anew."""
        core = self.core
        theirs = (message.rank, *configuration(version_of(parse(message.cib))))
        if theirs <= (core.replica.rank, *configuration(core.replica.version)):
            return []
        self._adopt(message, origin)
        return core.election.seek(f"{origin} had the better CIB", core.now)

    def _adopt(self, message: msg.Sync | msg.Given, origin: str) -> None:
        """Take another node's document. Raises ValueError if it is damaged."""
        root = parse(message.cib)
        if digest_of(root) != message.digest:
            raise ValueError("the document does not match its digest")
        self._keep_losing(message, origin)
        self.core.replica.adopt(root, message.rank, message.causes)
        self.disk.replaced()

    def _keep_losing(self, message: msg.Sync | msg.Given, origin: str) -> None:
        """Changes of ours that the DC's document does not have are kept for a person."""
        core = self.core
        ours, theirs = core.replica.version, version_of(parse(message.cib))
        if configuration(ours) < configuration(theirs) or configuration(ours) <= (0, 0):
            return
        root = parse(message.cib)
        here = core.replica.root.find("configuration")
        there = root.find("configuration")
        if here is None or there is None or digest_of(here) == digest_of(there):
            return
        reason = f"configuration {ours} lost against {theirs} of {origin}"
        core.log("cib.lost_changes", "error", ours=str(ours), theirs=str(theirs), dc=origin)
        core.emit(KeepLosing(core.replica.to_bytes(), reason))

    def _change(self, message: msg.Update | msg.Patch) -> None:
        core = self.core
        if core.leads:
            return  # our own
        if not core.in_sync:
            return  # a Sync is on its way
        base, version = Version(*message.base), Version(*message.version)
        try:
            if isinstance(message, msg.Update):
                core.replica.update(base, version, message.changes)
                self.lrm.follow_changes(message.changes)
            else:
                core.replica.patch(base, message.patch, message.digest, message.rank, message.cause)
        except Mismatch as e:
            self._lost_track(str(e))

    def _lost_track(self, reason: str) -> None:
        core = self.core
        core.in_sync = False
        core.log("cib.out_of_step", "warning", reason=reason)
        core.send(msg.SyncRequest(core.round, reason), core.dc)

    def check(self, poll: Poll) -> None:
        """Our DC says where it stands: whatever it told before must have arrived by now."""
        core = self.core
        core.told_again = True
        if core.leads or poll.phase is not Phase.LEADING or poll.round != core.round:
            return
        standing = poll.standing
        if not core.in_sync:
            if core.now - self.joining_since > core.settings.election_timeout_s:
                self._missed("no CIB has come")
        elif not core.view:
            if core.now - self.joining_since > core.settings.election_timeout_s:
                self._missed("no view has come")
        elif standing.lineage != core.replica.lineage:
            self._missed(f"the DC has {standing.lineage}, here is {core.replica.lineage}")
        elif (standing.has_quorum, standing.members) != (core.has_quorum, len(core.members)):
            self._missed("the view here is not the DC's")

    def _missed(self, reason: str) -> None:
        """Something of the DC got lost on its way: join anew, that brings all of it."""
        core = self.core
        if core.now - self.missed_at >= MISSED_EVERY_S:
            self.missed_at = core.now
            core.log("dc.unheard", "warning", reason=reason)
            self._join()

    # --- orders -----------------------------------------------------------------------------

    def _view(self, message: msg.View) -> list[Output]:
        core = self.core
        if core.leads:
            return []
        if core.node not in message.members:
            if not core.view:
                return []  # we are only about to join
            self.lrm.let_go(f"{core.dc} has excluded this node")
            core.has_quorum = False
            return core.election.seek(f"{core.dc} has excluded this node", core.now)
        core.view, core.members = message.view, tuple(message.members)
        if core.quorum.see(core.members):
            core.emit(Remember("all-seen", "1"))
        core.has_quorum = message.quorum
        if message.quorum and core.in_sync:
            core.replica.rank = message.rank
        return []

    def _order(self, message: msg.Run | msg.Cancel | msg.Forget | msg.Depart) -> None:
        core = self.core
        if message.view > core.view:
            self._missed(f"an order of view {message.view}, here is view {core.view}")
            return
        match message:
            case msg.Run():
                if self.lrm.order_is_new(message.order):
                    self.lrm.run(message)
            case msg.Cancel():
                if self.lrm.order_is_new(message.order):
                    self.lrm.cancel(message)
            case msg.Forget():
                self.lrm.forget(message)
            case msg.Depart():
                self._depart()

    def _depart(self) -> None:
        """Leave, unless something here has not been looked at since its history was forgotten."""
        doubtful = self.lrm.doubtful()
        if doubtful:
            self.core.log("node.stays", "warning", unknown=doubtful)
        else:
            self.must_leave = True
