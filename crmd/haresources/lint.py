"""What is wrong or risky in a set of Heartbeat files: findings with stable codes.

Pure: facts about the host and the files' modes come in as values.  Source: cli.md section 8.7.
Severities: an error or critical finding stops `--apply` until it is acknowledged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from crmd.haresources.agents import ipv6_text
from crmd.haresources.model import Finding, HeartbeatSettings, HostFacts, Severity, Style
from crmd.haresources.parse import Haresources, Place, ResourceLine, ResourceWord, is_bare_address

_DEVICE = frozenset({"drbddisk", "drbdupper", "LVM", "Raid1"})
_ADDRESS = frozenset({"IPaddr", "IPaddr2", "IPv6addr"})
_WRAPPED = frozenset(
    (
        *("AudibleAlarm", "Delay", "Filesystem", "ICP", "IPaddr", "IPaddr2", "IPsrcaddr"),
        *("IPv6addr", "LVM", "LinuxSCSI", "MailTo", "OCF", "Raid1", "SendArp", "ServeRAID"),
        *("WAS", "WinPopup", "Xinetd", "apache", "db2", "ids", "portblock"),
    )
)
"""Words that become an OCF agent, so that no script of that name is needed."""


def lint(
    file: Haresources,
    settings: HeartbeatSettings,
    facts: HostFacts,
    style: Style = Style.AUTO,
    accepted_missing: frozenset[str] = frozenset(),
) -> list[Finding]:
    """All findings, in the order of the codes, then of the file."""
    found: list[Finding] = []
    found += _nodes(file, settings)
    found += _keys(file)
    found += _twice(file)
    for line in file.lines:
        found += _order(line)
    found += _settings(file, settings)
    found += _scripts(file, facts, style, accepted_missing)
    found += _boot(file, facts)
    found += _words(file)
    return sorted(found, key=lambda f: f.code)


def _find(code: str, severity: Severity, place: Place | None, text: str, remedy: str) -> Finding:
    return Finding(code, severity, place, text, remedy)


def _nodes(file: Haresources, settings: HeartbeatSettings) -> Iterable[Finding]:
    known = {name.lower() for name in settings.nodes}
    for line in file.lines:
        if line.node not in known:
            names = ", ".join(settings.nodes) or "none"
            text = f"node {line.node} is not in {settings.file} (known: {names})"
            remedy = "correct the name or add a node line"
            yield _find("H003", Severity.ERROR, line.place, text, remedy)


def _keys(file: Haresources) -> Iterable[Finding]:
    seen: dict[str, Place] = {}
    for line in file.lines:
        if not line.resources:
            text = f"line of {line.node} names no resource"
            yield _find("H004", Severity.ERROR, line.place, text, "add one or remove the line")
            continue
        key = line.resources[0]
        if key.word in seen:
            text = f"{key.word} is the first resource of two lines (also {seen[key.word]})"
            remedy = "Heartbeat finds a line by its first resource: make it unique"
            yield _find("H004", Severity.ERROR, key.place, text, remedy)
        seen.setdefault(key.word, key.place)


def _claims(word: ResourceWord) -> list[tuple[str, str]]:
    args = word.args
    if not args:
        return []
    if word.script in _ADDRESS:
        text = ipv6_text(word) if word.script == "IPv6addr" else args[0]
        return [("address", text.split("/")[0])]
    if word.script == "Filesystem":
        claims = [("device", args[0])]
        return claims + ([("mount point", args[1])] if len(args) > 1 else [])
    if word.script in ("drbddisk", "drbdupper"):
        return [("DRBD resource", args[0])]
    return []


def _twice(file: Haresources) -> Iterable[Finding]:
    seen: dict[tuple[str, str], Place] = {}
    for line in file.lines:
        for word in line.resources:
            for claim in _claims(word):
                if claim in seen:
                    kind, value = claim
                    text = f"{kind} {value} is used twice (also {seen[claim]})"
                    remedy = "two groups cannot own one: remove one of them"
                    yield _find("H005", Severity.ERROR, word.place, text, remedy)
                seen.setdefault(claim, word.place)


def _order(line: ResourceLine) -> Iterable[Finding]:
    words = line.resources
    for position, word in enumerate(words):
        later = words[position + 1 :]
        if word.script in _ADDRESS and any(w.script not in _ADDRESS for w in later):
            behind = next(w for w in later if w.script not in _ADDRESS)
            text = f"address {word.word} is started before {behind.word}"
            remedy = "clients reach a node that is not ready: --fix-order puts addresses last"
            yield _find("H010", Severity.WARNING, word.place, text, remedy)
        if word.script != "Filesystem" or not word.args:
            continue
        device = word.args[0]
        if device.startswith("/dev/drbd") and not any(
            w.script in ("drbddisk", "drbdupper") for w in words[:position]
        ):
            text = f"{device} is mounted without drbddisk before it"
            remedy = "put drbddisk::RESOURCE before the Filesystem"
            yield _find("H011", Severity.WARNING, word.place, text, remedy)
        mount = word.args[1] if len(word.args) > 1 else ""
        for other in later:
            if other.script == "Filesystem" and len(other.args) > 1 and mount:
                outer = other.args[1].rstrip("/") + "/"
                if mount.startswith(outer):
                    text = f"{mount} lies below {other.args[1]}, which is mounted after it"
                    remedy = "mount the outer one first"
                    yield _find("H012", Severity.WARNING, word.place, text, remedy)


def _settings(file: Haresources, settings: HeartbeatSettings) -> Iterable[Finding]:
    words = [w for line in file.lines for w in line.resources]
    shared = [w for w in words if w.script in _DEVICE or w.script == "Filesystem"]
    if not settings.stonith and shared:
        text = f"no fencing, and {shared[0].word} holds data"
        remedy = "a split brain would write it on two nodes: configure a fence device"
        yield _find("H020", Severity.CRITICAL, shared[0].place, text, remedy)
    if settings.paths == 1:
        text = f"{settings.file}: one heartbeat path only"
        remedy = "one broken cable is a split brain: add a second medium"
        yield _find("H021", Severity.WARNING, None, text, remedy)
    keep, dead = settings.keepalive_s, settings.deadtime_s
    warn, init = settings.warntime_s, settings.initdead_s
    if keep is not None and dead is not None and dead < 2 * keep:
        text = f"deadtime {dead:g} is below twice keepalive {keep:g}"
        yield _find("H022", Severity.WARNING, None, text, "raise deadtime")
    if warn is not None and dead is not None and warn >= dead:
        text = f"warntime {warn:g} is not below deadtime {dead:g}"
        yield _find("H022", Severity.WARNING, None, text, "lower warntime")
    if init is not None and dead is not None and init < 2 * dead:
        text = f"initdead {init:g} is below twice deadtime {dead:g}"
        yield _find("H022", Severity.WARNING, None, text, "raise initdead")
    names = {name.lower() for name in settings.nodes}
    for ping in settings.pings:
        for address in ping.addresses:
            if address.lower() in names:
                text = f"ping node {address} is a cluster node"
                remedy = "ping something that both nodes reach through the service network"
                yield _find("H023", Severity.WARNING, ping.place, text, remedy)
    if settings.auto_failback == "on" and shared:
        text = "auto_failback on with data services"
        remedy = "a returning node takes the data back by itself: consider off"
        yield _find("H040", Severity.WARNING, None, text, remedy)


def _scripts(
    file: Haresources, facts: HostFacts, style: Style, accepted: frozenset[str]
) -> Iterable[Finding]:
    for line in file.lines:
        for word in line.resources:
            name = word.script.strip()
            if name in facts.not_executable:
                text = f"script {name} is not executable"
                yield _find("H031", Severity.ERROR, word.place, text, f"chmod 755 {name}")
                continue
            exists = name in facts.resource_d or name in facts.init_d or name in facts.units
            native = name in _WRAPPED and style is not Style.EXACT
            if exists or native or name in accepted or is_bare_address(word.word):
                continue
            text = f"script {name} is neither in resource.d nor in init.d"
            remedy = f"install it, or pass --accept-missing {name}"
            yield _find("H031", Severity.ERROR, word.place, text, remedy)
    if style is not Style.EXACT and file.lines:
        yield _find(
            "H033",
            Severity.INFO,
            None,
            "monitors were added (Heartbeat had none)",
            "a failed service is now seen and restarted; --style exact leaves them out",
        )


def _boot(file: Haresources, facts: HostFacts) -> Iterable[Finding]:
    for line in file.lines:
        for word in line.resources:
            name = word.script.strip()
            if name in facts.boot_enabled:
                text = f"service {name} is started at boot too"
                remedy = "disable it: only the cluster may start it"
                yield _find("H013", Severity.WARNING, word.place, text, remedy)
            if word.script == "Filesystem" and len(word.args) > 1:
                if word.args[1] in facts.fstab_auto:
                    text = f"{word.args[1]} is in fstab without noauto"
                    yield _find("H014", Severity.WARNING, word.place, text, "add noauto there")
            for kind, value in _claims(word):
                if kind == "address" and value in facts.static_addresses:
                    text = f"address {value} is configured statically too"
                    yield _find("H015", Severity.WARNING, word.place, text, "remove it there")


def _words(file: Haresources) -> Iterable[Finding]:
    for line in file.lines:
        if line.joined and line.comment:
            text = "a comment inside a continued line"
            remedy = "other readers take it differently: give the comment a line of its own"
            yield _find("H050", Severity.WARNING, line.place, text, remedy)
        for word in line.resources:
            yield from _word(word)


def _word(word: ResourceWord) -> Iterable[Finding]:
    if "\r" in word.word:
        text = f"{word.word.strip()!r} carries a carriage return, which becomes part of the name"
        yield _find("H053", Severity.ERROR, word.place, text, "save the file with Unix line ends")
    if word.word == "\\":
        text = "a backslash ends the file and counts as a resource"
        yield _find("H055", Severity.ERROR, word.place, text, "remove it")
    if ":" in word.word and _cut_apart(word):
        text = f"{word.word}: Heartbeat cuts an IPv6 address apart at `::`"
        remedy = "write it in full (eight parts); the import takes the meaning"
        yield _find("H052", Severity.ERROR, word.place, text, remedy)
        return
    if word.script in ("IPaddr", "IPaddr2") and word.args:
        address = word.args[0].split("/")[0].strip()
        if not _is_ipv4(address):
            text = f"{address} is not an IPv4 address"
            yield _find("H054", Severity.ERROR, word.place, text, "correct the address")


def _cut_apart(word: ResourceWord) -> bool:
    text = ipv6_text(word) if word.script == "IPv6addr" else word.word
    address = text.split("/")[0]
    if "::" not in address:
        return False
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
