"""Every directive of ha.cf: what its words mean, or why it is refused and what to use instead.

Facts: heartbeat-v1.md section 12.2.  Each handler converts words into values of a Draft
(settings.py); a ValueError it raises becomes a problem of that line.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Mapping
from functools import partial

from crmd.heartbeat.durations import parse_duration
from crmd.heartbeat.media import (
    BAUD_RATES,
    parse_bcast,
    parse_mcast,
    parse_ping,
    parse_ping_group,
    parse_port,
    parse_serial,
    parse_ucast,
)
from crmd.heartbeat.settings import ApiAuth, Child, Draft, Stonith

Handler = Callable[[Draft, str], None]
_SEPARATORS = re.compile(r"[, \t\r\n\f]+")
_TRUE = frozenset({"true", "on", "yes", "y", "1"})
_FALSE = frozenset({"false", "off", "no", "n", "0"})
_NODE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,98}")
_FACILITIES = frozenset(
    (
        "none",
        "auth",
        "authpriv",
        "cron",
        "daemon",
        "ftp",
        "kern",
        "lpr",
        "mail",
        "news",
        "security",
        "syslog",
        "user",
        "uucp",
        *(f"local{n}" for n in range(8)),
    )
)


def split_words(rest: str) -> list[str]:
    """The values of a directive: separated by commas, blanks, tabs or form feeds."""
    return [word for word in _SEPARATORS.split(rest) if word]


def parse_bool(word: str) -> bool:
    """A truth word of ha.cf.  Raises ValueError."""
    if word.lower() in _TRUE:
        return True
    if word.lower() in _FALSE:
        return False
    raise ValueError(f"{word!r} is neither on nor off; write one of them")


def apply_directive(draft: Draft, name: str, rest: str) -> None:
    """Carry out one line; what is wrong with it becomes a problem of the draft."""
    if not split_words(rest):
        draft.error(f"{name} stands without a value; give one or remove the line")
        return
    try:
        DIRECTIVES[name](draft, rest)
    except ValueError as error:
        draft.error(f"{name}: {error}")


# --- shapes of directives -----------------------------------------------------------------------


def _each_word(use: Callable[[Draft, str], None], draft: Draft, rest: str) -> None:
    for word in split_words(rest):
        use(draft, word)


def _scalar(key: str, convert: Callable[[str], object]) -> Handler:
    """One value; repeated lines: the last one wins.  Several words: each is applied in turn."""

    def use(draft: Draft, word: str) -> None:
        draft.values[key] = convert(word)

    return partial(_each_word, use)


def _positive_time(word: str) -> float:
    seconds = parse_duration(word)
    if seconds <= 0:
        raise ValueError(f"{word!r} must be more than zero")
    return seconds


def _integer(low: int, high: int, word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 10 and low <= int(word) <= high):
        raise ValueError(f"{word!r} is not a whole number within {low} to {high}")
    return int(word)


def _one_of(words: frozenset[str], word: str) -> str:
    if word.lower() not in words:
        raise ValueError(f"{word!r} is not one of: {' '.join(sorted(words))}")
    return word.lower()


def _path(word: str) -> str:
    if not os.path.isabs(word):
        raise ValueError(f"{word!r} is not an absolute path; write it from /")
    return word


def _milliseconds(word: str) -> float:
    return _integer(1, 3_600_000, word.removesuffix("ms")) / 1000


def _refused(reason: str) -> Handler:
    def use(draft: Draft, rest: str) -> None:
        draft.error(f"{draft.directive} is refused: {reason}")

    return use


def _only(wanted: bool, reason: str) -> Handler:
    """A switch that has but one position here; the other one is refused."""

    def use(draft: Draft, rest: str) -> None:
        if parse_bool(rest) is not wanted:
            draft.error(f"{draft.directive} {rest} is refused: {reason}")

    return use


# --- single directives --------------------------------------------------------------------------


def _node(draft: Draft, word: str) -> None:
    if not _NODE_NAME.fullmatch(word):
        raise ValueError(f"{word!r} cannot be a node name; use what `uname -n` prints there")
    name = word.lower()
    if name in draft.nodes:
        draft.warning(f"node {name} is named twice; once is enough")
    else:
        draft.nodes.append(name)


def _udpport(draft: Draft, rest: str) -> None:
    for word in split_words(rest):
        draft.udpport = parse_port(word)
    if any(directive in draft.lines for directive in ("bcast", "ucast", "udp", "ucast6")):
        draft.warning("udpport stands below media lines, which keep the former port; move it up")


def _baud(draft: Draft, rest: str) -> None:
    words = split_words(rest)
    if "baud" in draft.lines:
        raise ValueError("given twice; keep one line")
    if len(words) != 1 or words[0] not in {str(rate) for rate in BAUD_RATES}:
        raise ValueError(f"{rest!r} is not one of: {' '.join(map(str, BAUD_RATES))}")
    if "serial" in draft.lines:
        raise ValueError("must stand above the serial lines; move it up")
    draft.baud = int(words[0])


def _watchdog(draft: Draft, rest: str) -> None:
    if "watchdog" in draft.values:
        raise ValueError("given twice; keep one line")
    draft.values["watchdog"] = _path(rest)


def _auto_failback(draft: Draft, rest: str) -> None:
    if rest.lower() == "legacy":
        draft.values["auto_failback"] = "legacy"
        return
    try:
        draft.values["auto_failback"] = "on" if parse_bool(rest) else "off"
    except ValueError:
        raise ValueError(f"{rest!r} is neither on, off nor legacy; write one of them") from None


def _nice_failback(draft: Draft, rest: str) -> None:
    parse_bool(rest)
    draft.values["auto_failback"] = "legacy"
    draft.warning("nice_failback is obsolete and means auto_failback legacy; write auto_failback")


def _bcast(draft: Draft, word: str) -> None:
    draft.media.append(parse_bcast(word, draft.udpport, draft.interfaces))


def _udp(draft: Draft, rest: str) -> None:
    draft.warning("udp is the old name of bcast; write bcast")
    _each_word(_bcast, draft, rest)


def _mcast(draft: Draft, rest: str, *, ipv6: bool = False) -> None:
    medium, warning = parse_mcast(rest.split(), draft.interfaces, ipv6=ipv6)
    draft.media.append(medium)
    if warning:
        draft.warning(warning)


def _ucast(draft: Draft, rest: str, *, ipv6: bool = False) -> None:
    draft.media.append(parse_ucast(rest.split(), draft.udpport, draft.interfaces, ipv6=ipv6))


def _serial(draft: Draft, word: str) -> None:
    draft.media.append(parse_serial(word, draft.baud))


def _ping(draft: Draft, word: str, *, ipv6: bool = False) -> None:
    draft.media.append(parse_ping(word, ipv6=ipv6))


def _ping_group(draft: Draft, rest: str) -> None:
    draft.media.append(parse_ping_group(split_words(rest)))


_OWN_API = "it speaks Heartbeat's client protocol, which is not offered"
NO_CHILDREN: Mapping[str, str] = {
    **dict.fromkeys(
        ("ccm", "cib", "crmd", "attrd", "pengine", "lrmd", "stonithd", "stonith-ng"),
        "Pacekeeper runs its own daemons; write crm on instead, and remove the line",
    ),
    "dopd": f"{_OWN_API}; in drbd.conf use the fence-peer handler of your DRBD for a CIB",
    "pingd": f"{_OWN_API}; write a ping line and respawn ipfail, or an ocf:pacemaker:ping resource",
    **dict.fromkeys(
        ("mgmtd", "hbagent", "evmsd", "evms_failover", "cl_status"), f"{_OWN_API}; remove the line"
    ),
}
"""Programs of Heartbeat that a respawn line may name, and what to use instead."""


def _child(draft: Draft, rest: str, *, failfast: bool = False) -> None:
    words = rest.split()
    if len(words) < 2:
        raise ValueError(f"{rest!r} needs a user and a program: hacluster /usr/lib/...")
    if not os.path.isabs(words[1]):
        raise ValueError(f"program {words[1]!r} is not an absolute path; write it from /")
    program = os.path.basename(words[1])
    if program in NO_CHILDREN:
        draft.error(f"{draft.directive} of {program} is refused: {NO_CHILDREN[program]}")
        return
    draft.children.append(Child(words[0], tuple(words[1:]), failfast))


def _apiauth(draft: Draft, rest: str) -> None:
    words = rest.split()
    uids: list[str] = []
    gids: list[str] = []
    for word in words[1:]:
        key, _, names = word.partition("=")
        if key not in ("uid", "gid") or not split_words(names):
            raise ValueError(f"{word!r} is neither uid=NAMES nor gid=NAMES")
        (uids if key == "uid" else gids).extend(split_words(names))
    if not uids and not gids:
        raise ValueError(f"client {words[0]!r} is given neither uid= nor gid=; add one")
    if words[0] in draft.apiauth:
        raise ValueError(f"client {words[0]!r} was already given; put all names on one line")
    others = sorted({*uids, *gids} - {"root", "hacluster", "haclient", "0"})
    if others:
        draft.warning(
            f"apiauth {words[0]}: only root and hacluster can be clients; {', '.join(others)} may "
            "ask for the state, with the group haclient"
        )
    draft.apiauth[words[0]] = ApiAuth(words[0], tuple(uids), tuple(gids))


def _stonith(draft: Draft, rest: str) -> None:
    words = rest.split()
    if len(words) != 2:
        raise ValueError(f"{rest!r} must be a device type and a parameter file")
    draft.stonith.append(Stonith("*", words[0], file=_path(words[1])))


def _stonith_host(draft: Draft, rest: str) -> None:
    words = rest.split()
    if len(words) < 2:
        raise ValueError(f"{rest!r} must be a host (or *), a device type and its parameters")
    draft.stonith.append(Stonith(words[0].lower(), words[1], tuple(words[2:])))


def _env(draft: Draft, word: str) -> None:
    name, equals, value = word.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise ValueError(f"{word!r} is not NAME=VALUE")
    draft.env[name] = value


def _crm(draft: Draft, rest: str) -> None:
    if "crm" in draft.values:
        raise ValueError("crm or pacemaker may stand once; keep one line")
    word = rest.lower()
    if word in _FALSE:
        draft.values["crm"] = "off"
    elif word in _TRUE | {"respawn", "minimal", "manual"}:
        draft.values["crm"] = "on" if word in _TRUE else word
    elif word in ("ccm-only", "valgrind"):
        raise ValueError(f"{rest!r} is for developers of Heartbeat; write on or off")
    else:
        raise ValueError(f"{rest!r} is neither on, off, respawn nor manual")


def _auth_downgrade(draft: Draft, rest: str) -> None:
    words = rest.split()
    match = re.fullmatch(r"(\d{1,4})min", words[1]) if len(words) == 2 else None
    if words[0] != "allow" or len(words) != 2:
        raise ValueError(f"{rest!r} must be: allow TIME, for instance allow 10min")
    seconds = int(match[1]) * 60.0 if match else parse_duration(words[1])
    if seconds > 86400:
        raise ValueError(f"{words[1]} is longer than a day; a key change takes minutes")
    draft.values["auth_downgrade_s"] = seconds
    draft.warning(f"crc-signed packets are believed for {seconds:g} s after the start")


def _takeover(draft: Draft, rest: str) -> None:
    if rest not in ("auto", "manual"):
        raise ValueError(f"{rest!r} is neither auto nor manual")
    draft.values["takeover_manual"] = rest == "manual"


def _disklock(draft: Draft, rest: str) -> None:
    words = rest.split()
    if len(words) != 1:
        raise ValueError(f"{rest!r} must be one shared block device or file")
    draft.values["disklock"] = _path(words[0])


_bool = partial(_scalar, convert=parse_bool)

DIRECTIVES: Mapping[str, Handler] = {
    "node": partial(_each_word, _node),
    "keepalive": _scalar("keepalive_s", _positive_time),
    "deadtime": _scalar("deadtime_s", _positive_time),
    "warntime": _scalar("warntime_s", _positive_time),
    "initdead": _scalar("initdead_s", _positive_time),
    "deadping": _scalar("deadping_s", _positive_time),
    "hopfudge": _scalar("hopfudge", partial(_integer, 0, 255)),
    "auto_failback": _auto_failback,
    "nice_failback": _nice_failback,
    "takeover": _takeover,
    "takeover_delay": _scalar("takeover_delay_s", _positive_time),
    "disklock": _disklock,
    "disklock_release": _scalar("disklock_release_s", _positive_time),
    "ipfail_reboot": _bool("ipfail_reboot"),
    "arp_watch": _bool("arp_watch"),
    "bcast": partial(_each_word, _bcast),
    "udp": _udp,
    "mcast": _mcast,
    "mcast6": partial(_mcast, ipv6=True),
    "ucast": _ucast,
    "ucast6": partial(_ucast, ipv6=True),
    "serial": partial(_each_word, _serial),
    "ping": partial(_each_word, _ping),
    "ping6": partial(_each_word, partial(_ping, ipv6=True)),
    "ping_group": _ping_group,
    "hbaping": _refused("fibre channel ping was never built into Heartbeat 3; use ping"),
    "udpport": _udpport,
    "baud": _baud,
    "cluster": _scalar("cluster", str),
    "quorum_server": _refused(
        "there is no Heartbeat quorum server any more; add a third node or a ping node"
    ),
    "logfile": _scalar("logfile", _path),
    "debugfile": _scalar("debugfile", _path),
    "logfacility": _scalar("logfacility", partial(_one_of, _FACILITIES)),
    "use_logd": _bool("use_logd"),
    "conn_logd_time": _scalar("conn_logd_time_s", _positive_time),
    "syslogmsgfmt": _bool("syslogmsgfmt"),
    "debug": _scalar("debug", partial(_integer, 0, 255)),
    "watchdog": _watchdog,
    "realtime": _bool("realtime"),
    "rtprio": _scalar("rtprio", partial(_integer, 1, 99)),
    "memreserve": _scalar("memreserve_kb", partial(_integer, 1, 1_000_000)),
    "hbgenmethod": _scalar("hbgenmethod", partial(_one_of, frozenset({"file", "time"}))),
    "uuidfrom": _scalar("uuidfrom", partial(_one_of, frozenset({"file", "nodename"}))),
    "autojoin": _scalar("autojoin", partial(_one_of, frozenset({"none", "other", "any"}))),
    "respawn": _child,
    "failfast": partial(_child, failfast=True),
    "apiauth": _apiauth,
    "stonith": _stonith,
    "stonith_host": _stonith_host,
    "msgfmt": _scalar("msgfmt", partial(_one_of, frozenset({"classic", "netstring"}))),
    "compression": _scalar("compression", partial(_one_of, frozenset({"zlib", "bz2"}))),
    "compression_threshold": _scalar("compression_threshold_kb", partial(_integer, 1, 4096)),
    "traditional_compression": _bool("traditional_compression"),
    "max_rexmit_delay": _scalar("max_rexmit_delay_s", _milliseconds),
    "log_badpack": _bool("log_badpack"),
    "coredumps": _bool("coredumps"),
    "coreroot": _scalar("coreroot", _path),
    "use_apphbd": _refused(
        "the application heartbeat daemon is gone; let monitor actions watch applications"
    ),
    "env": partial(_each_word, _env),
    "crm": _crm,
    "pacemaker": _crm,
    "crm_daemon_dir": _refused(
        "the daemons are Pacekeeper's own, wherever it is installed; remove the line"
    ),
    "crmd_spawns_pengine": _only(
        True, "the scheduler is always started by pacekeeperd and ends with it; remove the line"
    ),
    "record_config_changes": _only(
        True, "changes of the CIB are always logged; choose what to keep in the CIB's options"
    ),
    "record_pengine_inputs": _only(
        True, "set pe-input-series-max=0, pe-warn-series-max=0, pe-error-series-max=0 in the CIB"
    ),
    "enable_config_writes": _only(
        True, "an acknowledged change of the CIB is always on disk; remove the line"
    ),
    "normalpoll": _refused("it chose between two builds of Heartbeat; remove the line"),
    "auth_downgrade": _auth_downgrade,
}
