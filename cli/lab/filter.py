"""Drop frames between chosen bridge ports, with nftables spoken directly over netlink.

The `nft` command need not be installed.  One table of the bridge family is replaced as a whole,
atomically, at each change.  Facts: linux/netfilter/nf_tables.h (attribute numbers), netlink(7).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

NETLINK_NETFILTER = 12
_NFPROTO_BRIDGE = 7
_SUBSYS = 10 << 8
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE = 0, 2, 3, 6
_F_REQUEST, _F_ACK, _F_CREATE, _F_APPEND = 1, 4, 0x400, 0x800
_HOOK_FORWARD = 2
_META_IIF, _META_OIF = 4, 5
_NESTED = 0x8000
_TABLE, _CHAIN = b"pacekeeper_lab\0", b"cut\0"


def _attr(kind: int, payload: bytes) -> bytes:
    size = 4 + len(payload)
    return struct.pack("HH", size, kind) + payload + b"\0" * (-size % 4)


def _nest(kind: int, *parts: bytes) -> bytes:
    return _attr(kind | _NESTED, b"".join(parts))


def _be32(kind: int, value: int) -> bytes:
    return _attr(kind, struct.pack(">i", value))


def _message(kind: int, flags: int, seq: int, body: bytes, family: int = _NFPROTO_BRIDGE) -> bytes:
    resource = 10 if kind in (_BATCH_BEGIN, _BATCH_END) else 0
    payload = struct.pack(">BBH", family, 0, resource) + body
    return struct.pack("IHHII", 16 + len(payload), kind, flags, seq, 0) + payload


def _expression(name: bytes, *data: bytes) -> bytes:
    return _nest(1, _attr(1, name + b"\0"), _nest(2, *data))


def _port_is(meta_key: int, interface: int) -> bytes:
    """`meta iif|oif INDEX`: load into register 1, compare with the host-order index."""
    load = _expression(b"meta", _be32(1, 1), _be32(2, meta_key))
    value = _nest(3, _attr(1, struct.pack("I", interface)))
    return load + _expression(b"cmp", _be32(1, 1), _be32(2, 0), value)


def _drop() -> bytes:
    verdict = _nest(2, _nest(2, _be32(1, 0)))  # immediate data = verdict { code = NF_DROP }
    return _expression(b"immediate", _be32(1, 0), verdict)


def _batch(cuts: list[tuple[int, int]]) -> list[bytes]:
    create = _F_REQUEST | _F_ACK | _F_CREATE
    table = _attr(1, _TABLE)
    kinds = [
        (_NEWTABLE, create, table),  # so that the deletion below always finds one
        (_DELTABLE, _F_REQUEST | _F_ACK, table),
    ]
    if cuts:
        hook = _nest(4, _be32(1, _HOOK_FORWARD), _be32(2, 0))
        chain = _attr(1, _TABLE) + _attr(3, _CHAIN) + hook + _attr(7, b"filter\0")
        kinds += [(_NEWTABLE, create, table), (_NEWCHAIN, create, chain)]
    for source, target in cuts:
        match = _port_is(_META_IIF, source) + _port_is(_META_OIF, target) + _drop()
        rule = _attr(1, _TABLE) + _attr(2, _CHAIN) + _nest(4, match)
        kinds.append((_NEWRULE, create | _F_APPEND, rule))
    out = [_message(_BATCH_BEGIN, _F_REQUEST, 1, b"", 0)]
    for seq, (kind, flags, body) in enumerate(kinds, start=2):
        out.append(_message(_SUBSYS | kind, flags, seq, body))
    out.append(_message(_BATCH_END, _F_REQUEST, len(kinds) + 2, b"", 0))
    return out


def set_cuts(cuts: Iterable[tuple[int, int]]) -> None:
    """Drop frames that come in by the first port and would leave by the second; nothing else.

    Raises OSError when the kernel refuses (no nftables for bridges).
    """
    messages = _batch(sorted(set(cuts)))
    expected = len(messages) - 2
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        netlink.settimeout(2.0)
        netlink.sendto(b"".join(messages), (0, 0))
        answered = 0
        while answered < expected:
            data, at = netlink.recv(65536), 0
            while at + 16 <= len(data):
                size, kind = struct.unpack_from("IH", data, at)
                if kind == 2:  # NLMSG_ERROR, also the acknowledgement (code 0)
                    code = -struct.unpack_from("i", data, at + 16)[0]
                    if code:
                        raise OSError(code, f"nftables for bridges: error {code}")
                    answered += 1
                at += max(16, (size + 3) & ~3)
