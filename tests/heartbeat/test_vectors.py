"""Every packet that real Heartbeat 3.0.6 nodes sent verifies, and is reproduced to the byte."""

from __future__ import annotations

import pytest

from crmd.heartbeat.authkeys import Keyring
from crmd.heartbeat.message import (
    Message,
    PacketError,
    decode,
    encode,
    encode_body,
    encode_classic,
    inner_digest_refusal,
    parse_classic,
    sealed,
)
from tests.heartbeat import vectors
from tests.heartbeat.pcap import datagrams

pytestmark = [vectors.needs_vectors, pytest.mark.reference]


def _signed_by(ring: Keyring, payload: bytes) -> Keyring:
    number = int(payload[payload.rindex(b"%%%\n") + 4 :].split(b":")[1].split()[0])
    return Keyring(ring.keys[number], ring.keys)


@pytest.mark.parametrize("name", vectors.names())
def test_every_recorded_packet_verifies_and_is_reproduced_to_the_byte(name: str) -> None:
    ring = vectors.ring_of(name)
    seen = 0
    for datagram in datagrams(vectors.path(name)):
        msg = decode(datagram.payload, ring, 0.0)
        assert inner_digest_refusal(msg, ring, 0.0) is None
        signer = _signed_by(ring, datagram.payload)
        assert sealed(encode_body(msg.fields), signer) == datagram.payload
        has_inner = msg.fields[-1].name == "auth"
        bare = Message(msg.fields[:-1] if has_inner else msg.fields)
        assert encode(bare, signer, inner=has_inner) == datagram.payload
        assert parse_classic(encode_classic(bare)) == bare
        assert decode(encode_classic(bare, signer), ring, 0.0).fields[:-1] == bare.fields
        seen += 1
    assert seen > 30


def test_all_thirty_recordings_are_there() -> None:
    assert len(vectors.names()) == 30


@pytest.mark.parametrize("name", ["steady", "auth-crc", "auth-md5", "fmt-mixed"])
def test_a_recorded_packet_with_any_byte_changed_is_refused(name: str) -> None:
    ring = vectors.ring_of(name)
    payload = next(datagrams(vectors.path(name))).payload
    for at in range(len(payload)):
        for flip in (0x01, 0x20, 0x80):
            changed = payload[:at] + bytes([payload[at] ^ flip]) + payload[at + 1 :]
            with pytest.raises(PacketError):
                decode(changed, ring, 0.0)


def test_a_recorded_packet_cut_anywhere_is_refused() -> None:
    ring = vectors.ring_of("steady")
    payload = next(datagrams(vectors.path("steady"))).payload
    for length in range(len(payload)):
        with pytest.raises(PacketError):
            decode(payload[:length], ring, 0.0)


def test_rotated_keys_are_both_believed_by_us() -> None:
    ring = vectors.ring_of("auth-rotate")
    numbers = {
        _signed_by(ring, d.payload).active.number
        for d in datagrams(vectors.path("auth-rotate"))
        if decode(d.payload, ring, 0.0)
    }
    assert numbers == {1, 2}
