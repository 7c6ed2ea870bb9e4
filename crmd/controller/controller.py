"""The whole node as one machine: `Controller.step(event, now, wall) -> effects`.

It routes: events to the election, the local resource manager, the DC's duties and the clients, and
messages between them.  No I/O, no clock, no chance.  Rooms: `lrm.py` (this node's resources),
`follower.py` (obeying a DC), `leader.py`, `planner.py` and `desk.py` (being the DC), `clients.py`,
`disk.py` (commits).  Source: architecture.md; reliability.md section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from cib.operations import XPathEvaluator, evaluate_xpath
from crmd.controller import messages as msg
from crmd.controller.clients import Clients
from crmd.controller.core import Core
from crmd.controller.desk import Desk
from crmd.controller.disk import Disk
from crmd.controller.events import (
    AgentDone,
    ClientGone,
    ClientRequest,
    CommitDone,
    Delivered,
    Effect,
    Event,
    ExecutorLost,
    ExecutorUp,
    Leave,
    LinkChanged,
    LockSays,
    PeerDown,
    PeerUp,
    Remember,
    ScheduleDone,
    Shutdown,
    Stalled,
    Start,
    Tick,
)
from crmd.controller.follower import Follower
from crmd.controller.leader import Leader
from crmd.controller.lrm import CALLS_MEMORY, Lrm
from crmd.controller.member import Stage
from crmd.controller.release import cluster_option
from crmd.membership.election import (
    Election,
    Follow,
    Lead,
    Output,
    Phase,
    Seek,
    SendPoll,
    Standing,
)
from crmd.membership.quorum import Quorum
from crmd.replication.replica import Replica, parse

LOCAL_STEPS = 10_000
"""Messages to ourselves in one step; more means a loop in our own code."""
KEEPS_RUNNING = frozenset(("freeze", "ignore", "suicide", "fence"))
"""Values of no-quorum-policy under which the local node stops nothing on its own."""


class Controller:
    """One node. The first event must be `Start`."""

    core: Core
    lrm: Lrm
    disk: Disk
    follower: Follower
    clients: Clients

    def __init__(self, evaluate: XPathEvaluator = evaluate_xpath) -> None:
        self.evaluate = evaluate
        self.leader: Leader | None = None
        self.desk: Desk | None = None
        self.is_started = False
        self.has_left = False
        self.wants_to_leave = False
        self.refused: dict[str, int] = {}
        """Counters of messages that were not obeyed, by reason."""

    # --- the two calls ----------------------------------------------------------------------

    def step(self, event: Event, now: float, wall: float) -> list[Effect]:
        """Effects of an event, to be carried out in order."""
        if isinstance(event, Start):
            self._start(event, now, wall)
        elif not self.is_started or self.has_left:
            return []
        core = self.core
        core.now, core.wall, core.effects = now, wall, []
        if isinstance(event, Start):
            self._begin(event)
        else:
            self._take(event)
        self._end_step()
        return core.effects

    def deadline(self) -> float | None:
        """Monotonic time of the next useful `Tick`."""
        if not self.is_started or self.has_left:
            return None
        times = [
            self.core.election.deadline(),
            self.lrm.reports.deadline(),
            self.clients.deadline(),
            self.disk.deadline(),
        ]
        if self.leader is not None and self.desk is not None:
            times += [self.leader.deadline(), self.desk.deadline()]
        return min((t for t in times if t is not None), default=None)

    # --- events -----------------------------------------------------------------------------

    def _start(self, event: Start, now: float, wall: float) -> None:
        settings = event.settings
        quorum = Quorum(event.nodes, settings.wait_for_all, event.memory.get("all-seen") == "1")
        replica = Replica()
        if event.cib is not None:
            replica.replace(parse(event.cib), event.cib_rank)
        is_eligible = event.cib is not None or not event.cib_notes
        election = Election(
            event.node,
            event.nodes,
            event.incarnation,
            Standing(
                event.node,
                replica.lineage,
                is_eligible,
                pledge=event.pledge,
            ),
            settings.election_timeout_s,
            settings.form_after_s,
        )
        self.core = Core(
            event.node,
            event.nodes,
            event.incarnation,
            settings,
            replica,
            election,
            quorum,
            self.evaluate,
            now,
            wall,
        )
        self.lrm = Lrm(self.core)
        self.disk = Disk(self.core)
        self.clients = Clients(self.core)
        self.follower = Follower(self.core, self.lrm, self.disk, self.clients)
        self.is_started = True

    def _begin(self, event: Start) -> None:
        core = self.core
        core.boot = event.memory.get("boot", event.incarnation)
        core.emit(Remember("boot", core.boot))
        reserved = event.memory.get(CALLS_MEMORY, "0")
        self.lrm.number_from(int(reserved) if reserved.isdigit() else 0)
        for note in event.cib_notes:
            core.log("cib.damaged", "error", text=note)
        if event.cib is not None:
            self.disk.start_with(core.replica.version, event.pledge)
        if event.executor is not None:
            self.lrm.executor_up(event.executor)
        self._elect(core.election.start(core.now))

    def _take(self, event: Event) -> None:
        core = self.core
        match event:
            case Tick():
                pass  # the end of every step looks at the time
            case PeerUp(node=node):
                self._elect(core.election.peer_up(node, core.now))
                if self.leader is not None and core.leads:
                    self.leader.offer(node)
            case PeerDown():
                self._peer_down(event.node, event.clean)
            case LinkChanged():
                core.log("link.changed", node=event.node, link=event.link, up=event.up)
            case Delivered():
                self._delivered(event)
            case Stalled():
                self._stalled(event)
            case ExecutorUp():
                self._executor_up(event)
            case ExecutorLost():
                self.lrm.executor_lost()
            case AgentDone():
                self.lrm.done(event)
            case ScheduleDone():
                if self.leader is not None:
                    self.leader.planner.decided(event)
            case CommitDone():
                self.disk.committed(event)
                if self.disk.must_step_down(core.leads):
                    self._elect(core.election.seek("its disk fails", core.now))
            case ClientRequest():
                self._client(event)
            case ClientGone():
                self.clients.gone(event.client_id)
            case LockSays():
                self._lock_says(event)
            case Shutdown():
                self._shutdown()
            case Start():
                raise AssertionError("a controller starts once")
            case _:
                assert_never(event)

    def _peer_down(self, node: str, clean: bool) -> None:
        core = self.core
        had_quorum = core.has_quorum
        clean = clean or node in core.departed
        if clean:
            core.departed.add(node)
        self._elect(core.election.peer_down(node, core.now))
        if self.leader is not None:
            self.leader.lost(node, clean, "silence")
        alive = {core.node, *core.election.live}
        if had_quorum and not core.quorum.has(alive):
            core.has_quorum = False
            if not clean:  # the others may be about to take over what runs here
                self._quorum_lost()

    def _quorum_lost(self) -> None:
        policy = cluster_option(self.core.replica.root, "no-quorum-policy", "stop")
        if policy not in KEEPS_RUNNING:
            self.lrm.let_go("quorum is lost")
            self._tell_dc()

    def _lock_says(self, event: LockSays) -> None:
        core = self.core
        if core.quorum.lock == event.word and not event.must_release:
            return
        core.quorum.lock = event.word
        core.log("disklock.says", "warning", word=event.word, reason=event.reason)
        if event.must_release:
            core.has_quorum = False
            self.lrm.let_go(event.reason, addresses_first=True)
            self._tell_dc()
        if self.leader is not None:
            self.leader.count_again(f"disk lock: {event.word or 'not needed'}")

    def _stalled(self, event: Stalled) -> None:
        core = self.core
        core.log("node.stalled", "error", gap_s=event.gap_s)
        if len(core.members) < 2 and not core.election.live:
            return
        self.lrm.let_go("this node stood still", addresses_first=True)
        core.has_quorum = False
        self._elect(core.election.seek("this node stood still", core.now))

    def _executor_up(self, event: ExecutorUp) -> None:
        self.lrm.executor_up(event.state)
        self._tell_dc()

    def _tell_dc(self) -> None:
        """What goes on here has changed as a whole: the DC must hear it anew."""
        core = self.core
        if core.leads and self.leader is not None:
            self.leader.joined(core.node, self.lrm.joined(self.wants_to_leave))
        elif core.dc is not None and core.in_sync:
            self.follower.join_again()

    def _shutdown(self) -> None:
        self.wants_to_leave = self.follower.wants_to_leave = True
        if self.core.dc is None and not self.core.election.live and not self.lrm.active():
            self.follower.must_leave = True  # nobody to ask, nothing to stop
            return
        request = ClientRequest(0, 0, {"op": "shutdown"})
        self.clients.request(request, {})

    # --- messages ---------------------------------------------------------------------------

    def _delivered(self, event: Delivered) -> None:
        if event.topic != msg.TOPIC:
            return
        try:
            message = msg.decode(event.payload)
            self._message(event.origin, message)
        except ValueError as e:
            self._refuse("malformed")
            self.core.log("message.malformed", "warning", origin=event.origin, error=str(e))

    def _refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _message(self, origin: str, message: msg.Message) -> None:
        core = self.core
        core.election.heard(origin, core.now)
        match message:
            case msg.PollMessage():
                self._poll(origin, message)
            case msg.Offer():
                self._elect(core.election.offer(origin, message.round, core.now))
            case msg.Leaving():
                self._peer_down(origin, True)
            case (
                msg.Join()
                | msg.SyncRequest()
                | msg.Given()
                | msg.Joined()
                | msg.Receipt()
                | msg.Report()
                | msg.Forward()
            ):
                if self.leader is None or not core.leads or message.round != core.round:
                    self._refuse("not the DC")
                else:
                    self._to_leader(self.leader, origin, message)
            case _:
                if origin != core.dc or message.round != core.round:
                    self._refuse("not from our DC")
                    return
                outputs = self.follower.message(message)
                self._elect(outputs)

    def _poll(self, origin: str, message: msg.PollMessage) -> None:
        core = self.core
        poll = message.poll()
        core.departed.discard(origin)
        if self.leader is not None:
            if not self.leader.may_return(origin, poll.incarnation):
                self._refuse("shot")
                return
            known = self.leader.members.get(origin)
            stranger = known is None or known.incarnation not in ("", poll.incarnation)
            follows = poll.phase is Phase.FOLLOWING and poll.dc == core.node
            if core.leads and stranger and follows and origin in core.election.live:
                self.leader.offer(origin)
            elsewhere = poll.phase is Phase.FOLLOWING and poll.dc != core.node
            deaf = poll.phase is not Phase.WAITING and core.node not in poll.live
            if known is not None and (elsewhere or deaf):
                why = f"it follows {poll.dc}" if elsewhere else "it does not hear us"
                self.leader.lost(origin, False, why)
        self._elect(core.election.poll(origin, poll, core.now))
        if origin == core.dc:
            self.follower.check(poll)

    def _to_leader(self, leader: Leader, origin: str, message: msg.Message) -> None:
        match message:
            case msg.Join():
                leader.join(origin, message)
            case msg.Given():
                if leader.may_yield:
                    leader.flush()
                    self._elect(self.follower.given(origin, message))
            case msg.SyncRequest():
                leader.sync_again(origin, message.reason)
            case msg.Joined():
                leader.joined(origin, message)
            case msg.Receipt():
                leader.receipt(origin, message)
            case msg.Report():
                leader.report(origin, message)
            case msg.Forward():
                assert self.desk is not None
                self.desk.forwarded(origin, message)
            case _:
                raise AssertionError(f"{type(message).__name__} is not for a DC")

    # --- elections --------------------------------------------------------------------------

    def _elect(self, outputs: list[Output]) -> None:
        core = self.core
        for output in outputs:
            match output:
                case SendPoll(to):
                    poll = msg.PollMessage.of(core.election.my_poll(), core.executor)
                    if to is None:
                        core.tell_peers(poll)
                    elif to != core.node:
                        core.send(poll, to)
                case Lead(_, to):
                    self._lead(to)
                case Follow(dc, round_):
                    self._retire()
                    core.log("dc.followed", dc=dc, round=round_)
                    self.follower.begin()
                case Seek(reason):
                    self._retire()
                    core.log("dc.sought", reason=reason)
                    core.members, core.in_sync = (), False
                case _:
                    assert_never(output)

    def _lead(self, to: str | None) -> None:
        core = self.core
        if self.leader is None:
            core.log("dc.elected", round=core.round)
            core.in_sync = True
            core.view = 0
            self.leader = Leader(core, self._elect, self._fenced)
            self.leader.fencing.fencer.take_history(self.clients.fence_events)
            self.desk = Desk(core, self.leader)
            poll = msg.PollMessage.of(core.election.my_poll(), core.executor)
            core.tell_peers(poll)
        self.leader.offer(to)
        own = self.leader.members.get(core.node)
        if own is not None and own.stage is Stage.OFFERED:
            self.leader.joined(core.node, self.lrm.joined(self.wants_to_leave))

    def _retire(self) -> None:
        self.leader, self.desk = None, None

    def _fenced(self, target: str, ok: bool, error: str) -> None:
        if self.desk is not None:
            self.desk.fenced(target, ok, error)

    # --- clients ----------------------------------------------------------------------------

    def _client(self, event: ClientRequest) -> None:
        self.clients.request(event, self.status())

    def status(self) -> Mapping[str, Any]:
        """What `status` answers."""
        core = self.core
        planner = self.leader.planner if self.leader is not None else None
        transition = None
        if planner is not None:
            transition = "idle" if planner.is_idle else "active"
        return {
            "node": core.node,
            "dc": core.dc,
            "state": core.election.phase.value,
            "round": core.round,
            "view": core.view,
            "quorum": core.has_quorum,
            "lock": core.quorum.lock,
            "members": list(core.members),
            "peers": sorted(core.election.live),
            "nodes": list(core.nodes),
            "transition": transition,
            "version": str(core.replica.version),
            "disk": core.disk_error,
            "executor": self.lrm.is_up,
            "pending": sorted(c.rsc for c in self.lrm.running.values()),
        }

    # --- the end of every step --------------------------------------------------------------

    def _end_step(self) -> None:
        core = self.core
        if core.leads:
            core.election.update(has_quorum=core.has_quorum, members=len(core.members))
        else:
            core.election.update(has_quorum=False, members=0)
        self._update_standing()
        core.election.update(is_eligible=self._is_eligible())
        self._elect(core.election.tick(core.now))
        self.lrm.reports.tick()
        self.clients.tick()
        self.disk.tick()
        if self.leader is not None:
            self.leader.tick()
        self._settle()
        self._update_standing()
        if self.follower.must_leave:
            self._leave()
        self.clients.notify()

    def _update_standing(self) -> None:
        self.core.election.update(lineage=self.core.replica.lineage)

    def _is_eligible(self) -> bool:
        return not self.core.disk_error and (
            self.core.in_sync or self.core.election.standing.is_eligible
        )

    def _settle(self) -> None:
        """Local messages, plans, commits and answers, until nothing is left to do."""
        core = self.core
        for _ in range(LOCAL_STEPS):
            while core.local:
                self._message(core.node, core.local.popleft())
            self.lrm.reports.send()
            self.clients.carry()
            if self.leader is not None:
                self.leader.end_step()
            self.disk.end_step()
            if self.leader is not None and self.desk is not None:
                self.leader.own_receipt(self.disk.durable, self.disk.rank, self.disk.pledged)
                self.desk.settle()
                self.desk.tick()
            if not core.local:
                return
        raise AssertionError("a step does not come to an end")

    def _leave(self) -> None:
        core = self.core
        if self.leader is not None:
            self.leader.departs()
        core.tell_peers(msg.Leaving(core.incarnation))
        core.emit(Leave("all resources are off this node"))
        self.has_left = True
