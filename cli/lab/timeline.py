"""From the logs of a lab to a table: how long what took, and how long the client waited.

All nodes of a lab share CLOCK_MONOTONIC, so times of different nodes can be subtracted.  Pure
functions on log lines; nothing is measured here that was not written down when it happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]

BEFORE_S = 0.1
"""An outage belongs to an event if the last answer came at most so long before it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event and its delays in ms; None where it does not apply or was not seen."""

    event: str
    detection_ms: float | None
    decision_ms: float | None
    agents_ms: float | None
    outage_ms: float | None
    answers_from: str = ""


def _after(lines: Iterable[Line], event: str, at: float, **fields: Any) -> list[Line]:
    found = [
        line
        for line in lines
        if line.get("event") == event
        and line.get("mono", 0.0) >= at
        and all(line.get(k) == v for k, v in fields.items())
    ]
    return sorted(found, key=lambda line: float(line["mono"]))


def _outage(client: Iterable[Line], address: str, at: float) -> Line | None:
    for line in client:
        if (
            line.get("event") == "client.outage"
            and line.get("address") == address
            and line["last_answer"] >= at - BEFORE_S
        ):
            return line
    return None


def _ms(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else round((end - begin) * 1000, 1)


@dataclass(frozen=True, slots=True)
class Record:
    """Log lines of all daemons of all nodes, and those of the client."""

    daemons: Sequence[Line]
    client: Sequence[Line]
    names: Mapping[int, str]
    """Node names by index."""

    def row(self, event: str, at: float, address: str, last_action: str, victim: str = "") -> Row:
        """The delays of one event that began at `at`.

        `last_action` is the operation key after which the service is there; with `victim` the
        death of that node had to be detected first.
        """
        detected: float | None = at
        if victim:
            deaths = _after(self.daemons, "peer.down", at, peer=victim) or _after(
                self.daemons, "peer.down", at, node=victim
            )
            detected = float(deaths[0]["mono"]) if deaths else None
        ordered = _after(self.daemons, "action.ordered", detected if detected else at)
        first = float(ordered[0]["mono"]) if ordered else None
        resource, _, operation = last_action.rpartition("_")[0].rpartition("_")
        ends = _after(self.daemons, "agent.end", first or at, rsc=resource, action=operation, rc=0)
        outage = _outage(self.client, address, at)
        return Row(
            event,
            _ms(at, detected) if victim else None,
            _ms(detected, first),
            _ms(first, float(ends[0]["mono"]) if ends else None),
            float(outage["outage_ms"]) if outage else None,
            self.names.get(int(outage["node_index"] or 0), "") if outage else "",
        )

    def executed(self, at: float, until: float = float("inf")) -> list[tuple[str, str]]:
        """(operation, resource) of starts and stops in the order in which they ended."""
        ends = [
            line
            for line in _after(self.daemons, "agent.end", at)
            if line["mono"] <= until and line["action"] in ("start", "stop") and line["rc"] == 0
        ]
        return [(str(line["action"]), str(line["rsc"])) for line in ends]


def render(rows: Iterable[Row]) -> str:
    """The table for people."""
    head = ("event", "detection", "decision", "agents", "client outage", "answers from")
    body = [
        (
            row.event,
            *(
                "-" if value is None else f"{value:.0f} ms"
                for value in (row.detection_ms, row.decision_ms, row.agents_ms, row.outage_ms)
            ),
            row.answers_from or "-",
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
    out = []
    for number, line in enumerate((head, *body)):
        cells = [
            text.ljust(w) if i in (0, len(head) - 1) else text.rjust(w)
            for i, (text, w) in enumerate(zip(line, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
        if number == 0:
            out.append("  ".join("-" * w for w in widths))
    return "\n".join(out) + "\n"
