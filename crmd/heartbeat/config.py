"""ha.cf as a value: `parse_ha_cf` reads the whole file and reports every problem at once.

Facts: heartbeat-v1.md section 12.  What each directive does with its words stands in
directives.py; here are the line grammar and the checks across directives.
Nothing is opened: whether an interface exists is told by the caller.
"""

from __future__ import annotations

from collections.abc import Collection

from crmd.heartbeat.directives import DIRECTIVES, apply_directive
from crmd.heartbeat.media import Ping
from crmd.heartbeat.settings import DEFAULT_APIAUTH, Config, Draft, Problem

__all__ = ["Config", "Problem", "local_node_problem", "parse_ha_cf"]

MAX_LINE = 5119
MAX_FILE_BYTES = 1024 * 1024
MAX_NODES = 100
MAX_MEDIA = 64


def parse_ha_cf(
    text: str, file: str = "ha.cf", interfaces: Collection[str] | None = None
) -> tuple[Config | None, list[Problem]]:
    """The configuration, and every problem; None if one of them is an error.

    `interfaces`: names of the network interfaces that exist; None skips that check.
    """
    draft = Draft(file, interfaces)
    if len(text) > MAX_FILE_BYTES:
        draft.error(f"longer than {MAX_FILE_BYTES} bytes; this is no ha.cf")
        return None, draft.problems
    for number, line in enumerate(text.split("\n"), start=1):
        draft.line = number
        if len(line.encode("utf-8", "surrogateescape")) > MAX_LINE:
            draft.error(f"line is longer than {MAX_LINE} bytes; split it")
            continue
        words = line.partition("#")[0].strip(" \t\r\f").split(None, 1)
        if not words:
            continue
        name, rest = words[0], words[1].strip() if len(words) > 1 else ""
        if name in DIRECTIVES:
            draft.directive = name
            apply_directive(draft, name, rest)
            draft.lines[name] = number
            draft.as_written[name] = rest
        else:
            draft.error(f"directive {name!r} is not known; {_suggestion(name, DIRECTIVES)}")
    draft.line = 0
    return _finished(draft)


def _suggestion(name: str, known: Collection[str]) -> str:
    for candidate in sorted(known):
        if candidate == name.lower() or candidate.replace("_", "") == name.replace("_", ""):
            return f"did you mean {candidate}?"
    close = [c for c in sorted(known) if c[:4] == name[:4].lower() and len(name) >= 4]
    return f"did you mean {close[0]}?" if close else "remove it or correct its spelling"


def _number(value: object) -> float:
    assert isinstance(value, float | int)
    return float(value)


def _finished(draft: Draft) -> tuple[Config | None, list[Problem]]:
    values, at = draft.values, draft.lines
    deadtime = _number(values.setdefault("deadtime_s", 30.0))
    keepalive = _number(values.setdefault("keepalive_s", 1.0))
    values.setdefault("warntime_s", deadtime / 2)
    values.setdefault("deadping_s", deadtime)
    usual = deadtime if deadtime > 10 else 12.0 if deadtime < 6 else 2 * deadtime
    initdead = _number(values.setdefault("initdead_s", usual))
    _check_times(draft, keepalive, deadtime, initdead, _number(values["deadping_s"]))
    if not any(not isinstance(medium, Ping) for medium in draft.media):
        draft.error("no heartbeat media; add a line such as: bcast eth0", line=0)
    if len(draft.media) > MAX_MEDIA:
        draft.error(f"{len(draft.media)} media; at most {MAX_MEDIA} are possible", line=0)
    if len(draft.nodes) > MAX_NODES:
        draft.error(f"{len(draft.nodes)} nodes; at most {MAX_NODES} are possible", line=0)
    if not draft.nodes and values.get("autojoin", "none") == "none":
        draft.error("no node line; name all cluster nodes: node alpha beta", line=0)
    pings = [medium.node for medium in draft.media if isinstance(medium, Ping)]
    for name in sorted(set(pings) & set(draft.nodes)):
        draft.error(f"{name} is both a node and a ping node; use another name", line=0)
    if "auto_failback" not in at and "nice_failback" not in at:
        draft.warning("auto_failback is not set; legacy is assumed, better say on or off", line=0)
    _check_disklock(draft)
    _check_logs(draft)
    _check_stonith(draft)
    if draft.apiauth:
        kept = {auth.client: auth for auth in DEFAULT_APIAUTH} | draft.apiauth
        values["apiauth"] = tuple(kept[name] for name in sorted(kept))
    if any(problem.is_error for problem in draft.problems):
        return None, draft.problems
    config = Config(
        nodes=tuple(draft.nodes),
        media=tuple(draft.media),
        children=tuple(draft.children),
        stonith=tuple(draft.stonith),
        env=tuple(sorted(draft.env.items())),
        as_written=tuple(sorted(draft.as_written.items())),
        udpport=draft.udpport,
        baud=draft.baud,
        **values,  # type: ignore[arg-type]  # each was converted by its directive
    )
    return config, draft.problems


def _check_logs(draft: Draft) -> None:
    values, at = draft.values, draft.lines
    logs = [name for name in ("logfile", "debugfile", "logfacility") if name in values]
    if values.get("use_logd") is False and not logs:
        draft.error(
            "use_logd is off and neither logfile, debugfile nor logfacility is set: nothing would "
            "be logged; add one of them",
            line=at["use_logd"],
        )
    elif values.get("use_logd") and logs:
        text = f"use_logd is on: {' '.join(logs)} do not count, /etc/logd.cf does"
        draft.warning(text, line=at["use_logd"])


def _check_stonith(draft: Draft) -> None:
    at = draft.lines
    if draft.values.get("crm", "off") != "off" and draft.stonith:
        draft.warning(
            "stonith lines do not count with crm on: the CIB rules (the import turns them into it)",
            line=at.get("stonith_host", at.get("stonith", 0)),
        )


def _check_times(
    draft: Draft, keepalive: float, deadtime: float, initdead: float, deadping: float
) -> None:
    at = draft.lines
    if deadtime <= 2 * keepalive:
        draft.error(
            f"deadtime {deadtime:g} s must be more than twice keepalive {keepalive:g} s, peers "
            f"would flap; raise deadtime above {2 * keepalive:g}",
            line=at.get("deadtime", at.get("keepalive", 0)),
        )
    if deadping <= 2 * keepalive and "deadping" in at:
        draft.error(
            f"deadping {deadping:g} s must be more than twice keepalive {keepalive:g} s; "
            f"raise it above {2 * keepalive:g}",
            line=at["deadping"],
        )
    if initdead < deadtime:
        draft.error(
            f"initdead {initdead:g} s is smaller than deadtime {deadtime:g} s; raise it to "
            f"{deadtime:g} or more",
            line=at.get("initdead", 0),
        )
    elif initdead < 10 and "initdead" in at:
        draft.warning(
            f"initdead {initdead:g} s is short: a peer that boots slower is taken for dead",
            line=at["initdead"],
        )


def _check_disklock(draft: Draft) -> None:
    if "disklock" not in draft.values:
        if "disklock_release" in draft.lines:
            draft.warning("disklock_release without disklock does nothing; add: disklock DEVICE", 0)
        return
    line = draft.lines["disklock"]
    if len(draft.nodes) != 2:
        draft.error(f"disklock is for two nodes, not {len(draft.nodes)}; remove it", line=line)
    if draft.values.get("auto_failback", "legacy") == "legacy":
        draft.error("disklock needs auto_failback on or off, not legacy; set it", line=line)


def local_node_problem(config: Config, name: str, file: str = "ha.cf") -> Problem | None:
    """Why the node called `name` cannot run with this file; None if it can."""
    if name.lower() in config.nodes or config.autojoin == "any":
        return None
    known = " ".join(config.nodes)
    return Problem(
        file, 0, f"this node is {name!r}, but the node lines name only: {known}; add it there"
    )
