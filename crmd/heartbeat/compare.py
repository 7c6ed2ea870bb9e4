"""Do the nodes run with the same files?  Digests of what must be equal, carried in each status.

haresources, authkeys and the essentials of ha.cf must be alike on all nodes; Heartbeat never looks
(heartbeat-v1.md section 13).  A node of our own kind says in its status what it runs with, so that
a difference is found by the first beat after it arises, and its end as well.  A real Heartbeat
ignores fields it does not know and says nothing of the kind: it cannot be compared.

The digests are keyed with the active secret, that of authkeys with all secrets together: a
listener learns nothing that the signature of the same packet does not tell already.  Where the
active secrets differ (in the midst of a rotation) nothing else can be compared, and only authkeys
is named.  No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping

from crmd.heartbeat.authkeys import Keyring
from crmd.heartbeat.digests import keyed
from crmd.heartbeat.settings import Config

FIELD = "pkconf"
DIGITS = 12
MAX_PARTS = 16
HARESOURCES = "haresources"
AUTHKEYS = "authkeys"


def logical_lines(data: bytes) -> bytes:
    """haresources as it counts: no comments, no continued lines, blanks squeezed."""
    lines = []
    for line in data.replace(b"\\\n", b" ").split(b"\n"):
        words = line.partition(b"#")[0].split()
        if words:
            lines.append(b" ".join([words[0].lower(), *words[1:]]))
    return b"\n".join(lines)


def fingerprints(config: Config, ring: Keyring, haresources: bytes | None) -> dict[str, str]:
    """Part -> digest of what a node runs with.

    `haresources`: the file's content; None where a CIB rules.  The names say where to look:
    `nodes`, `times`, `policy` (failback, take-over, manager, disk lock) and `network` in ha.cf.
    """
    secrets = b"\0".join(ring.keys[number].secret for number in sorted(ring.keys))
    by_active, by_all = keyed("sha256", ring.active.secret), keyed("sha256", secrets)
    keys = [(k.number, k.method.value, k.secret.hex()) for _, k in sorted(ring.keys.items())]
    times = (config.keepalive_s, config.deadtime_s, config.initdead_s, config.deadping_s)
    manager = config.crm != "off"
    lock = config.disklock_release_s if config.disklock is not None else None
    policy = (config.auto_failback, config.takeover_manual, config.takeover_delay_s, manager, lock)
    parts: dict[str, object] = {
        AUTHKEYS: (ring.active.number, keys),
        "network": (config.udpport, config.cluster, config.ping_nodes),
        "nodes": sorted(config.nodes),
        "policy": policy,
        "times": times,
    }
    said = {name: repr(value).encode() for name, value in parts.items()}
    if haresources is not None:
        said[HARESOURCES] = logical_lines(haresources)
    made = {}
    for name, data in sorted(said.items()):
        digest = by_all if name == AUTHKEYS else by_active
        made[name] = digest(b"%s\n%s" % (name.encode(), data)).decode()[:DIGITS]
    return made


def as_text(prints: Mapping[str, str]) -> str:
    """The field of a status."""
    return " ".join(f"{name}={digest}" for name, digest in sorted(prints.items()))


def read_text(text: str) -> dict[str, str]:
    """Part -> digest of such a field; words that are no part are left out."""
    pairs = (word.partition("=") for word in text.split()[:MAX_PARTS])
    return {name[:32]: digest[:DIGITS] for name, equals, digest in pairs if equals}


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """The parts that both tell and that are not alike."""
    common = [name for name in sorted(ours) if name in theirs]
    parts = tuple(name for name in common if theirs[name] != ours[name])
    if AUTHKEYS in parts and len(parts) == len(common):
        return (AUTHKEYS,)
    return parts
