"""Which agent a haresources word becomes, with parameters and advised times.

A table and the few forms that need thought (addresses, services).  It knows nothing of groups or
files.  Source: cli.md sections 8.1 to 8.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from crmd.haresources.model import HostFacts, Op, Style
from crmd.haresources.parse import ResourceWord
from ocf.calls import AgentRef

HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Translated:
    """An agent with its parameters; `base` is the wanted id before numbering."""

    agent: AgentRef
    params: tuple[tuple[str, str], ...]
    ops: tuple[Op, ...]
    base: str
    why: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """How the arguments of a script become the parameters of the agent of that name."""

    type: str
    params: tuple[str, ...]
    monitor: tuple[int, int]
    start_stop: tuple[int, int]
    extra: tuple[tuple[str, str], ...] = ()
    why: str = "native OCF agent of the same meaning"


ROWS: dict[str, Row] = {
    "Filesystem": Row(
        "Filesystem", ("device", "directory", "fstype", "options"), (20, 40), (60, 60)
    ),
    "MailTo": Row("MailTo", ("email", "subject"), (10, 10), (10, 10)),
    "apache": Row("apache", ("configfile",), (10, 20), (40, 60)),
    "portblock": Row("portblock", ("protocol", "portno", "action", "ip"), (10, 10), (20, 20)),
    "IPsrcaddr": Row("IPsrcaddr", ("ipaddress",), (10, 20), (20, 20)),
    "Raid1": Row("Raid1", ("raidconf", "raiddev"), (10, 20), (20, 20)),
    "Xinetd": Row("Xinetd", ("service",), (10, 10), (20, 20)),
    "Delay": Row("Delay", ("startdelay", "stopdelay"), (10, 30), (30, 30)),
    "LVM": Row("LVM", ("volgrpname",), (10, 30), (30, 30)),
    "db2": Row("db2", ("instance",), (20, 60), (120, 120)),
    "ids": Row("ids", ("informixdir", "informixserver", "onconfig"), (10, 30), (120, 120)),
    "ICP": Row("ICP", ("driveid", "device"), (10, 20), (20, 20)),
    "ServeRAID": Row("ServeRAID", ("serveraid", "mergegroup"), (10, 20), (40, 40)),
    "LinuxSCSI": Row("LinuxSCSI", ("scsi",), (10, 20), (20, 20)),
    "WinPopup": Row("WinPopup", ("hostfile",), (10, 10), (10, 10)),
}

_OCF_FOR_SERVICE: dict[str, str] = {
    "httpd": "apache",
    "apache2": "apache",
    "mysqld": "mysql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "nfs": "nfsserver",
    "nfs-kernel-server": "nfsserver",
    "named": "named",
    "bind9": "named",
    "nginx": "nginx",
    "postgresql": "pgsql",
    "squid": "Squid",
    "tomcat": "tomcat",
    "dhcpd": "dhcpd",
}


def xml_name(text: str) -> str:
    """`text` as a valid XML name: other characters become `_`."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", text)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def times(monitor: tuple[int, int], start_stop: tuple[int, int], exact: bool) -> tuple[Op, ...]:
    """Operations from (monitor interval, timeout) and (start, stop timeout), all in seconds."""
    start, stop = start_stop
    ops = (Op("start", 0, start), Op("stop", 0, stop))
    return ops if exact else (Op("monitor", *monitor), *ops)


def netmask_bits(mask: str) -> str:
    """Prefix length for a netmask in dotted form; anything else is returned as it is."""
    parts = mask.split(".")
    if len(parts) != 4 or not all(p.isdigit() and int(p) < 256 for p in parts):
        return mask
    value = int.from_bytes(bytes(int(p) for p in parts), "big")
    bits = f"{value:032b}"
    return str(bits.count("1")) if "01" not in bits else mask


def address_parameters(text: str) -> tuple[tuple[str, str], ...]:
    """Parameters of IPaddr2 from `IP[/BITS[/NIC[:LABEL]][/BROADCAST]]`.

    A third part that starts with a digit is the broadcast address.
    """
    ip, *rest = text.split("/")
    params = [("ip", ip)]
    if rest and rest[0]:
        params.append(("cidr_netmask", netmask_bits(rest[0])))
    for part in rest[1:3]:
        if not part:
            continue
        if part[0].isdigit():
            params.append(("broadcast", part))
            continue
        nic, _, label = part.partition(":")
        params.append(("nic", nic))
        if label:
            params.append(("iflabel", label))
    return tuple(params)


def numbered(args: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Arguments of a Heartbeat script as parameters `1`, `2`, ..."""
    return tuple((str(number), arg) for number, arg in enumerate(args, start=1))


def base_id(word: ResourceWord) -> str:
    """The wanted id of a word: `ip_10_0_0_1`, `fs_data`, `drbd_R`, `vg_VG`, `svc_NAME`, ..."""
    args = word.args
    first = args[0] if args else ""
    match word.script:
        case "IPaddr" | "IPaddr2" | "IPv6addr":
            address = ipv6_text(word) if word.script == "IPv6addr" else first
            return xml_name("ip_" + re.sub(r"[.:]", "_", address.split("/")[0]))
        case "Filesystem":
            directory = args[1] if len(args) > 1 else first
            return xml_name("fs_" + (directory.strip("/").replace("/", "_") or "root"))
        case "drbddisk" | "drbdupper":
            return xml_name(f"drbd_{first or 'all'}")
        case "LVM":
            return xml_name(f"vg_{first}")
        case script if script in ROWS:
            return xml_name(script.lower())
        case script if not args:
            return xml_name(f"svc_{script.strip()}")
        case script:
            return xml_name(script.lower())


def ipv6_text(word: ResourceWord) -> str:
    """The address that was meant by an IPv6 word that Heartbeat cuts apart at `::`."""
    return word.canonical.split("::", 1)[1] if "::" in word.canonical else word.canonical


def _heartbeat_script(word: ResourceWord, exact: bool, why: str) -> Translated:
    return Translated(
        AgentRef(HEARTBEAT, word.script.strip()),
        numbered(word.args),
        times((15, 20), (60, 60), exact),
        base_id(word),
        why,
    )


def _address(word: ResourceWord, style: Style) -> Translated:
    if word.script == "IPv6addr":
        params = address_parameters(ipv6_text(word))
    else:
        params = address_parameters(word.args[0] if word.args else "")
    if word.script == "IPaddr2":
        params += (("lvs_support", "true"),)
    type_, why = "IPaddr2", f"{word.script} is superseded by IPaddr2, which sends gratuitous ARP"
    if word.script == "IPv6addr" and style is Style.COMPAT:
        type_, why = "IPv6addr", "kept as written (compat)"
        params = (("ipv6addr", params[0][1]), *params[1:])
    ops = times((10, 20), (20, 20), False)
    return Translated(
        AgentRef("ocf", type_, HEARTBEAT), params, ops, base_id(word), why, "--style exact"
    )


def _table_row(word: ResourceWord, row: Row) -> Translated:
    params = tuple(zip(row.params, word.args, strict=False)) + row.extra
    return Translated(
        AgentRef("ocf", row.type, HEARTBEAT),
        params,
        times(row.monitor, row.start_stop, False),
        base_id(word),
        row.why,
        "--style exact",
    )


def _lvm(word: ResourceWord, facts: HostFacts) -> Translated:
    if "heartbeat:LVM-activate" not in facts.ocf_agents:
        return _table_row(word, ROWS["LVM"])
    params = (("vgname", word.args[0] if word.args else ""), ("vg_access_mode", "system_id"))
    return Translated(
        AgentRef("ocf", "LVM-activate", HEARTBEAT),
        params,
        times((30, 90), (90, 90), False),
        base_id(word),
        "LVM-activate is installed; vg_access_mode=system_id is assumed",
        "set vg_access_mode to what the volume group uses",
    )


def _was(word: ResourceWord) -> Translated:
    first = word.args[0] if word.args else ""
    row = Row("WAS", ("snoop" if first.isdigit() else "config",), (10, 60), (300, 300))
    return _table_row(word, row)


def _plain_service(word: ResourceWord, style: Style, facts: HostFacts, prefer: str) -> Translated:
    name = word.script.strip()
    wanted = _OCF_FOR_SERVICE.get(name)
    if prefer == "ocf" and wanted:
        return Translated(
            AgentRef("ocf", wanted, HEARTBEAT),
            (),
            times((10, 20), (60, 60), False),
            base_id(word),
            "--prefer ocf; the agent's parameters are at their defaults, check them",
            "--prefer lsb",
        )
    in_resource_d = name in facts.resource_d
    if in_resource_d or word.args:
        if in_resource_d:
            why = "found in resource.d, where Heartbeat looks first"
        elif name in facts.init_d:
            why = "an LSB script takes no arguments, so it stays a Heartbeat script"
        else:
            why = "found neither in resource.d nor in init.d"
        return _heartbeat_script(word, False, why)
    if name in facts.units and prefer != "lsb":
        why = "a systemd unit of that name exists and systemd runs here"
        agent = AgentRef("systemd", name)
    else:
        agent = AgentRef("lsb", name)
        where = "found in init.d" if name in facts.init_d else "not found on this host"
        why = f"{where}, no argument"
    return Translated(
        agent, (), times((15, 20), (60, 60), False), base_id(word), why, "--prefer ocf|systemd|lsb"
    )


def translate(word: ResourceWord, style: Style, facts: HostFacts, prefer: str) -> Translated:
    """The agent that `word` becomes when it stays a primitive of its group.

    `drbddisk` in modern style and `MailTo` as an alert are decided by `convert` beforehand.
    """
    if style is Style.EXACT:
        return _heartbeat_script(word, True, "exact style keeps Heartbeat's own scripts")
    special: dict[str, Callable[[], Translated]] = {
        "IPaddr": lambda: _address(word, style),
        "IPaddr2": lambda: _address(word, style),
        "IPv6addr": lambda: _address(word, style),
        "LVM": lambda: _lvm(word, facts),
        "WAS": lambda: _was(word),
    }
    if word.script in special:
        return special[word.script]()
    if word.script in ("drbddisk", "drbdupper"):
        return _heartbeat_script(word, False, "DRBD by its Heartbeat script, inside the group")
    if word.script == "SendArp":
        ip, _, nic = (word.args[0] if word.args else "").partition("/")
        nic = nic or (word.args[1] if len(word.args) > 1 else "")
        row = Row("SendArp", (), (10, 20), (20, 20), (("ip", ip), ("nic", nic)))
        return _table_row(word, row)
    if word.script == "AudibleAlarm":
        row = Row("AudibleAlarm", (), (10, 10), (10, 10), (("nodelist", " ".join(word.args)),))
        return _table_row(word, row)
    if word.script == "OCF" and word.args:
        row = Row(word.args[0], (), (20, 40), (60, 60), why="an OCF agent named by OCF::TYPE")
        return _table_row(word, row)
    if word.script in ROWS and word.script not in ("LVM",):
        return _table_row(word, ROWS[word.script])
    return _plain_service(word, style, facts, prefer)
