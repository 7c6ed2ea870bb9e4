"""The files of heartbeatd: ha.cf, authkeys, generation, uuid, replay memory.

Facts: heartbeat-v1.md sections 1, 12, 14 and 18.1; reliability.md section 5 (last paragraph) and
6.3.  Reading happens at start and on HUP; what is written while the node runs (replay memory) is
written by a helper thread, since a disk may stall and a heartbeat may not.

A node that ran a real Heartbeat hands its counter and uuid over, in both directions: peers drop
everything of a generation lower than the last one they saw.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path

from crmd.daemon import heartbeatd_nodes
from crmd.daemon.paths import Paths
from crmd.heartbeat.authkeys import (
    FileFacts,
    Keyring,
    parse_authkeys,
    permission_problems,
    weaknesses,
)
from crmd.heartbeat.config import MAX_FILE_BYTES, Config, local_node_problem, parse_ha_cf
from crmd.heartbeat.digests import keyed

GENERATION_WIDTH = 15
LARGEST_GENERATION = 0x7FFFFFFF
_GENERATION = re.compile(rb" *(\d{1,15})\n")
_SEEN_LINE = re.compile(r"(\S{1,99}) (\d{1,19}) (\d{1,19})")
MAX_SEEN = 200


class StartRefused(Exception):
    """heartbeatd cannot start (or re-read): one line per problem."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Setup:
    """What ha.cf and authkeys say for this node."""

    node: str
    config: Config
    ring: Keyring
    warnings: tuple[str, ...]
    configured: tuple[str, ...] = ()
    """The node lines of ha.cf, before hb_addnode, hb_delnode and autojoin changed them."""
    deleted: tuple[str, ...] = ()
    """Nodes that hb_delnode removed."""
    haresources: bytes | None = None
    """Content of haresources, to be compared with the peers; None where a CIB rules."""


def read_setup(paths: Paths, node: str, interfaces: set[str] | None, now: float) -> Setup:
    """Read ha.cf and authkeys.  Raises StartRefused with all problems of both.

    `now` (monotonic) starts the window of `auth_downgrade`.
    """
    refused: list[str] = []
    warnings: list[str] = []
    config = None
    try:
        text = _read_small(paths.ha_cf)
    except OSError as error:
        refused.append(f"{paths.ha_cf}: cannot be read ({error.strerror}); create it")
    else:
        config, found = parse_ha_cf(text, str(paths.ha_cf), interfaces)
        refused += [str(problem) for problem in found if problem.is_error]
        warnings += [str(problem) for problem in found if not problem.is_error]
    name = _node_name(paths, node)
    if config is not None:
        missing = local_node_problem(config, name, str(paths.ha_cf))
        if missing is not None:
            refused.append(str(missing))
        refused += _children_problems(config, str(paths.ha_cf))
    ring, key_problems = read_authkeys(paths.authkeys)
    refused += key_problems
    if refused or config is None or ring is None:
        raise StartRefused(refused)
    warnings += [f"{paths.authkeys}: warning: {text}" for text in weaknesses(ring)]
    configured = config.nodes
    known = heartbeatd_nodes.read_known(paths, warnings)
    config, deleted = heartbeatd_nodes.with_known(config, known, str(paths.ha_cf), warnings)
    if config.auth_downgrade_s:
        ring = Keyring(ring.active, ring.keys, crc_until=now + config.auth_downgrade_s)
    config = _with_logd(config, paths)
    haresources = _haresources(paths) if config.crm == "off" else None
    return Setup(name, config, ring, tuple(warnings), configured, deleted, haresources)


def _children_problems(config: Config, file: str) -> list[str]:
    """Programs of respawn and failfast lines that cannot be started here."""
    import pwd

    found = []
    for child in config.children:
        program = child.argv[0]
        if os.path.basename(program) == "ipfail":
            continue  # haresourcesd does its work, nothing is started
        try:
            pwd.getpwnam(child.user)
        except KeyError:
            found.append(f"{file}: respawn {program}: there is no user {child.user!r} here")
        if not os.access(program, os.X_OK):
            found.append(
                f"{file}: respawn {program}: is not executable; correct or remove the line"
            )
    return found


_LOGD = ("logfile", "debugfile", "logfacility")


def _with_logd(config: Config, paths: Paths) -> Config:
    """Where the logging daemon would write, for `use_logd on`: /etc/logd.cf, else syslog.

    It counts as well where ha.cf says nothing of logs and that file exists.
    """
    named = config.logfile or config.debugfile or config.logfacility
    place = paths.root / "etc/logd.cf"
    if config.use_logd is False or (config.use_logd is None and (named or not place.exists())):
        return config
    found: dict[str, str] = {}
    try:
        for line in _read_small(place).split("\n"):
            words = line.partition("#")[0].split()
            if len(words) == 2 and words[0] in _LOGD:
                found[words[0]] = words[1]
    except OSError:
        found = {}
    return replace(
        config,
        logfile=found.get("logfile"),
        debugfile=found.get("debugfile"),
        logfacility=found.get("logfacility", "daemon"),
    )


def _haresources(paths: Paths) -> bytes:
    """The content of haresources; a file that is not there holds no groups."""
    try:
        with paths.haresources.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError:
        return b""


def _node_name(paths: Paths, given: str) -> str:
    """The node's name: nodeinfo beats `uname -n`, as in Heartbeat."""
    try:
        first = _read_small(paths.config / "nodeinfo").split("\n", 1)[0].strip()
    except OSError:
        first = ""
    return (first or given).lower()


def _read_small(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_FILE_BYTES + 1).decode("utf-8", "surrogateescape")


def read_authkeys(path: Path) -> tuple[Keyring | None, list[str]]:
    """The keys, or the problems.  The open file itself is checked, links are not followed."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        hint = "it is a symbolic link; put the file itself there" if path.is_symlink() else ""
        text = hint or f"cannot be read ({error.strerror}); make keys and copy them to all nodes"
        return None, [f"{path}: {text}"]
    with os.fdopen(descriptor, "rb") as file:
        status, folder = os.fstat(descriptor), path.parent.stat()
        facts = FileFacts(status.st_mode, status.st_uid, folder.st_mode)
        problems = [str(p) for p in permission_problems(str(path), facts, os.geteuid())]
        if not stat.S_ISREG(status.st_mode):
            return None, problems
        text = file.read(MAX_FILE_BYTES + 1).decode("utf-8", "surrogateescape")
    ring, found = parse_authkeys(text, str(path))
    problems += [str(problem) for problem in found]
    return (None if problems else ring), problems


def write_durably(path: Path, data: bytes, mode: int, *, sync: bool = True) -> None:
    """Replace `path` by temp + rename; with `sync` it survives a power cut.  Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.urandom(4).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(descriptor)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def parse_generation(data: bytes) -> int | None:
    """The number in a hb_generation file; None if it is not one."""
    match = _GENERATION.fullmatch(data)
    if match is None or not 0 < int(match[1]) <= LARGEST_GENERATION:
        return None
    return int(match[1])


def format_generation(generation: int) -> bytes:
    """16 bytes: right-aligned decimal and a new-line."""
    return b"%*d\n" % (GENERATION_WIDTH, generation)


def _heartbeat_folder(paths: Paths) -> Path:
    """Where a real Heartbeat keeps its counter and uuid."""
    return paths.root / "var/lib/heartbeat"


def next_generation(paths: Paths, method: str, seen_of_us: int, warnings: list[str]) -> int:
    """Take the generation of this run: more than any before; stored durably before it is used.

    `seen_of_us` is the newest one that a peer was remembered to know of us.  Raises StartRefused
    if it cannot be stored: peers would drop everything we say after the next start.
    """
    places = [paths.hb_generation, _heartbeat_folder(paths) / "hb_generation"]
    stored: list[int] = []
    for place in places:
        try:
            number = parse_generation(place.read_bytes()[:64])
        except FileNotFoundError:
            continue
        except OSError as error:
            warnings.append(f"{place}: cannot be read ({error.strerror}); going on without it")
            continue
        if number is None:
            warnings.append(f"{place}: not a generation; taking the time instead")
        else:
            stored.append(number)
    at_least = max([seen_of_us, *stored]) + 1
    generation = at_least if stored and method == "file" else max(int(time.time()), at_least)
    generation = min(generation, LARGEST_GENERATION)
    try:
        write_durably(places[0], format_generation(generation), 0o600)
        if places[1].exists():
            write_durably(places[1], format_generation(generation), 0o600)
    except OSError as error:
        raise StartRefused(
            [f"{error.filename or places[0]}: cannot be written ({error.strerror}); make room"]
        ) from error
    return generation


def _as_uuid(data: bytes, version: int) -> bytes:
    """16 bytes with the version and variant bits of RFC 4122."""
    return bytes([*data[:6], data[6] & 15 | version << 4, data[7], data[8] & 63 | 128, *data[9:16]])


def _uuid_of_name(node: str) -> bytes:
    digest = bytes.fromhex(keyed("sha1", b"pacekeeper node")(node.encode()).decode())
    return _as_uuid(digest, version=5)


def boot_word() -> str:
    """A word that changes with each boot of this node, be it a machine or a namespace.

    A restarted heartbeatd tells the same one, so that peers do not take it for a dead node.  Empty
    (never equal) if the kernel does not say.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        first_process = Path("/proc/1/stat").read_bytes().rpartition(b")")[2].split()[19]
        namespace = os.readlink("/proc/self/ns/pid").encode()
    except (OSError, IndexError):
        return ""
    return keyed("sha1", b"pacekeeper boot")(boot + first_process + namespace).decode()[:16]


def node_uuid(paths: Paths, source: str, node: str) -> bytes:
    """16 bytes that name this node; those of a former Heartbeat are kept.

    Raises StartRefused if a new one cannot be stored.
    """
    if source == "nodename":
        return _uuid_of_name(node)
    own = paths.state / "hb_uuid"
    for place in (own, _heartbeat_folder(paths) / "hb_uuid"):
        try:
            found = place.read_bytes()[:32]
        except OSError:
            continue
        if len(found) == 16:
            return found
    made = _as_uuid(os.urandom(16), version=4)
    try:
        write_durably(own, made, 0o600)
    except OSError as error:
        raise StartRefused([f"{own}: cannot be written ({error.strerror}); make room"]) from error
    return made


def read_seen(paths: Paths, warnings: list[str]) -> dict[str, tuple[int, int]]:
    """Replay memory: node -> newest (generation, seq).  A damaged line is left out, and said."""
    try:
        text = _read_small(paths.replay_memory)
    except FileNotFoundError:
        return {}
    except OSError as error:
        warnings.append(f"{paths.replay_memory}: cannot be read ({error.strerror})")
        return {}
    seen: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(text.splitlines()[:MAX_SEEN], start=1):
        match = _SEEN_LINE.fullmatch(line)
        if match is None:
            warnings.append(f"{paths.replay_memory} line {number}: damaged, left out")
        else:
            seen[match[1]] = (int(match[2]), int(match[3]))
    return seen


def format_seen(seen: dict[str, tuple[int, int]]) -> bytes:
    """The text of the replay memory."""
    return "".join(f"{n} {g} {s}\n" for n, (g, s) in sorted(seen.items())[:MAX_SEEN]).encode()
