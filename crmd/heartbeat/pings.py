"""Ping nodes: hosts outside the cluster whose answer says that the network works.

Facts: heartbeat-v1.md section 7.5.  With every scheduled status a complete signed packet is sent
as the payload of an echo request; an answer counts only if it is that packet, of this node, and
not older than the dead time of ping nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from crmd.heartbeat.events import Output, PingOut
from crmd.heartbeat.liveness import Change, Liveness
from crmd.heartbeat.media import Ping
from crmd.heartbeat.message import PacketError, decode, message
from crmd.heartbeat.sender import Sender


@dataclass(slots=True)
class PingNodes:
    """The ping nodes and groups of ha.cf."""

    sender: Sender
    live: Liveness
    counters: Counter[str]

    def requests(self, out: list[Output], now: float) -> None:
        """One echo request to each."""
        for medium in self.sender.config.media:
            if isinstance(medium, Ping):
                packet = message(
                    "NS_st",
                    st="ping",
                    info="ping_group" if medium.is_group else "ping",
                    src=medium.node,
                    srcuuid=self.sender.me.uuid,
                    hg=f"{self.sender.me.generation:x}",
                    ts=f"{max(0, int(self.sender.wall_at(now))):x}",
                )
                out.append(PingOut(medium.node, self.sender.encode(packet)))

    def answer(self, node: str, data: bytes, now: float) -> list[Change]:
        """An echo reply of an address of `node` with this payload."""
        try:
            msg = decode(data, self.sender.ring, now)
            sent, generation = msg.hexadecimal("ts"), msg.hexadecimal("hg")
        except PacketError as error:
            self.counters[f"ping-{error.reason}"] += 1
            return []
        me = self.sender.me
        if (
            msg.type != "NS_st"
            or msg.text("src") != node
            or generation != me.generation
            or msg.raw("srcuuid") != me.uuid
        ):
            self.counters["ping-other"] += 1
            return []
        age = self.sender.wall_at(now) - (sent or 0)
        if abs(age) > self.sender.config.deadping_s + 1:
            self.counters["ping-stale"] += 1
            return []
        return [*self.live.heard_on(node, node, None, now), *self.live.beat(node, None, now)]
