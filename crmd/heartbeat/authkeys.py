"""authkeys: the keys of a cluster, what signs a packet and what is believed.

Facts: heartbeat-v1.md sections 3 and 14; what we do differently: reliability.md section 6.
Parsing and checking of text only; the file is opened by crmd/daemon, which hands us its `stat`.

Selection: a packet is checked with the method *and* the secret of the number it names (Heartbeat
takes the secret of its own active line), so keys can be rotated one node at a time.  crc is
believed only while the active key is itself crc, or during a stated window (`auth_downgrade`).
"""

from __future__ import annotations

import enum
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crmd.heartbeat import digests

MAX_KEY_NUMBER = 15
MAX_FILE_BYTES = 64 * 1024
SHORT_SECRET = 16


class Method(enum.Enum):
    """How a digest is computed; the value is the word of authkeys."""

    CRC = "crc"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"


@dataclass(frozen=True, slots=True)
class Key:
    """One numbered key."""

    number: int
    method: Method
    secret: bytes = field(default=b"", repr=False)
    digest_length: int = field(init=False, repr=False, compare=False)
    """Hex digits of a digest; 0: they vary (crc)."""
    _digest: Callable[[bytes], bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made: Callable[[bytes], bytes] = digests.crc
        if self.method is not Method.CRC:
            made = digests.keyed(self.method.value, self.secret)
        object.__setattr__(self, "_digest", made)
        object.__setattr__(self, "digest_length", 0 if made is digests.crc else len(made(b"")))

    def digest(self, data: bytes) -> bytes:
        """Hex digest of `data`, as it stands in a packet (crc without leading zeros)."""
        return self._digest(data)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys of one authkeys file, and the one that signs."""

    active: Key
    keys: Mapping[int, Key]
    crc_until: float = 0.0
    """Monotonic second until which crc is believed beside a keyed active method."""

    def sign(self, data: bytes) -> bytes:
        """`N HEX` of the active key, the text of both the outer and the inner digest."""
        return b"%d %s" % (self.active.number, self.active.digest(data))

    def refusal(self, number: int, digest: bytes, data: bytes, now: float) -> str | None:
        """Why `digest` does not prove `data`; None if it does.  The word is stable (counters)."""
        key = self.keys.get(number)
        if key is None:
            return "unknown-key"
        if key.method is Method.CRC and self.active.method is not Method.CRC:
            if now >= self.crc_until:
                return "downgrade"
        if len(digest) != key.digest_length != 0:
            return "bad-digest"  # of another method, or cut: no need to compute ours
        if not digests.same(key.digest(data), digest):
            return "bad-digest"
        return None


@dataclass(frozen=True, slots=True)
class AuthProblem:
    """Something wrong with authkeys: `line` is 0 when the whole file is meant."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        where = f"{self.file} line {self.line}" if self.line else self.file
        return f"{where}: {self.text}"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What `fstat` said about an opened authkeys, and about its folder."""

    mode: int
    uid: int
    folder_mode: int
    folder_uid: int = 0


def permission_problems(file: str, facts: FileFacts, own_uid: int) -> list[AuthProblem]:
    """Owner and mode checks; stricter than Heartbeat's (reliability.md section 7).

    `own_uid` may own the file too: a lab node is not run by root.
    """
    found = []

    def problem(text: str) -> None:
        found.append(AuthProblem(file, 0, text))

    mode = stat.S_IMODE(facts.mode)
    if not stat.S_ISREG(facts.mode):
        problem("not a regular file; put the keys into a plain file, not a link or device")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        problem(f"mode {mode:04o} lets others read the keys; run: chmod 600 {file}")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        problem(f"mode {mode:04o} lets others change the keys; run: chmod 600 {file}")
    if facts.uid not in (0, own_uid):
        problem(f"owned by uid {facts.uid}; run: chown root {file}")
    if facts.folder_mode & stat.S_IWOTH and not facts.folder_mode & stat.S_ISVTX:
        problem("its folder is writable by everyone; run: chmod o-w on the folder")
    return found


@dataclass(slots=True)
class _Reading:
    """State while one file is read, line by line."""

    file: str
    problems: list[AuthProblem] = field(default_factory=list)
    keys: dict[int, Key] = field(default_factory=dict)
    key_lines: dict[int, int] = field(default_factory=dict)
    active: int | None = None
    active_line: int = 0

    def problem(self, line: int, text: str) -> None:
        self.problems.append(AuthProblem(self.file, line, text))

    def auth_line(self, number: int, words: list[str]) -> None:
        if words[0] != "auth" or len(words) < 2 or not _is_number(words[1]):
            self.problem(number, f"{' '.join(words)!r} is no auth line; write: auth 1")
        elif self.active is not None:
            self.problem(number, f"second auth line; one stands in line {self.active_line}")
        else:
            self.active, self.active_line = int(words[1]), number

    def key_line(self, number: int, words: list[str]) -> None:
        index = int(words[0])
        if index > MAX_KEY_NUMBER:
            self.problem(number, f"key number {index} is too big; use 1 to {MAX_KEY_NUMBER}")
            return
        if index in self.keys:
            self.problem(number, f"key {index} was already given in line {self.key_lines[index]}")
            return
        method_word = words[1] if len(words) > 1 else ""
        try:
            method = Method(method_word)
        except ValueError:
            self.problem(
                number,
                f"method {method_word!r} is not known; use sha1 (every Heartbeat knows it), "
                "sha256 (only Pacekeeper), md5 or crc",
            )
            return
        if method is Method.CRC and len(words) > 2:
            self.problem(number, "crc takes no secret; remove it, or use sha1")
        elif method is not Method.CRC and len(words) < 3:
            self.problem(number, f"{method.value} needs a secret: {index} {method.value} SECRET")
        else:
            secret = words[2].encode() if len(words) > 2 else b""
            self.keys[index] = Key(index, method, secret)
            self.key_lines[index] = number


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 4


def parse_authkeys(text: str, file: str = "authkeys") -> tuple[Keyring | None, list[AuthProblem]]:
    """The keys of an authkeys file, or None with every problem found."""
    reading = _Reading(file)
    if len(text) > MAX_FILE_BYTES:
        reading.problem(0, f"longer than {MAX_FILE_BYTES} bytes; this is no authkeys file")
        return None, reading.problems
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("a"):
            reading.auth_line(number, words)
        elif _is_number(words[0]):
            reading.key_line(number, words)
        else:
            reading.problem(number, f"{line.strip()[:40]!r} is neither `auth N` nor `N METHOD KEY`")
    if reading.active is None:
        reading.problem(0, "no auth line; write `auth 1` above the key that shall sign")
    elif not reading.problems:
        if reading.active not in reading.keys:
            reading.problem(reading.active_line, f"key {reading.active} is not in the file; add it")
        elif reading.key_lines[reading.active] < reading.active_line:
            reading.problem(
                reading.active_line,
                f"the auth line must stand above the line of key {reading.active}; move it up",
            )
    if reading.problems or reading.active is None:
        return None, reading.problems
    return Keyring(reading.keys[reading.active], dict(reading.keys)), []


def weaknesses(ring: Keyring) -> list[str]:
    """Warnings about keys that authenticate little, worded for a person."""
    found = []
    if ring.active.method is Method.CRC:
        found.append("auth uses crc: anyone on the network can forge packets; use sha1 or sha256")
    if ring.active.method is Method.MD5:
        found.append("auth uses md5, which is weak; use sha1 or sha256")
    for number in sorted(ring.keys):
        key = ring.keys[number]
        if key.method is not Method.CRC and len(key.secret) < SHORT_SECRET:
            found.append(f"key {number} is shorter than {SHORT_SECRET} characters; make a new one")
        if key.method is Method.CRC and ring.active.method is not Method.CRC:
            found.append(f"key {number} is crc and is ignored while a keyed method is active")
    keyed = [n for n in sorted(ring.keys) if ring.keys[n].method is not Method.CRC]
    if len(keyed) > 1:
        found.append(f"{len(keyed)} keys are accepted; remove old ones when the rotation is done")
    return found
