"""The codec: round trips, limits, and refusals of what nobody may believe."""

from __future__ import annotations

import bz2
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmd.heartbeat.authkeys import Keyring, parse_authkeys
from crmd.heartbeat.message import (
    BINARY,
    LIST,
    MAX_FIELDS,
    PACKED,
    STRING,
    STRUCT,
    Field,
    Message,
    PacketError,
    decode,
    deflated,
    encode,
    encode_body,
    encode_classic,
    expand,
    message,
    parse_body,
    parse_classic,
    parse_list,
    sealed,
    unpack_struct,
)


def ring_for(text: str) -> Keyring:
    ring, problems = parse_authkeys(text)
    assert ring is not None, problems
    return ring


RING = ring_for("auth 1\n1 sha1 0123456789abcdef\n")
names = st.from_regex(r"\A[a-z_][a-z0-9_]{0,20}\Z").filter(lambda n: n != "_compressed_payload")
strings = st.builds(Field, names, st.binary(max_size=60), st.just(STRING))
binaries = st.builds(Field, names, st.binary(max_size=60), st.just(BINARY))
messages = st.builds(Message, st.lists(strings | binaries, max_size=12).map(tuple))


def reason(data: bytes, ring: Keyring = RING) -> str:
    with pytest.raises(PacketError) as caught:
        decode(data, ring, 0.0)
    return caught.value.reason


@given(messages, st.booleans())
def test_what_is_encoded_is_decoded(msg: Message, inner: bool) -> None:
    got = decode(encode(msg, RING, inner=inner), RING, 0.0)
    assert got.fields[: len(msg.fields)] == msg.fields
    assert len(got.fields) == len(msg.fields) + inner


@given(messages)
def test_classic_text_round_trips_unless_a_string_holds_a_new_line(msg: Message) -> None:
    clean = Message(
        tuple(
            Field(f.name, f.value.replace(b"\n", b" ") if f.kind == STRING else f.value, f.kind)
            for f in msg.fields
        )
    )
    if clean.fields:
        assert parse_classic(encode_classic(clean)) == clean
        assert parse_classic(encode_classic(clean) + b"\0") == clean


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_a_message_or_one_kind_of_error(data: bytes) -> None:
    for parse in (lambda: decode(data, RING, 0.0), lambda: parse_body(b"###\n" + data + b"%%%\n")):
        try:
            assert isinstance(parse(), Message)
        except PacketError as error:
            assert error.reason


@given(st.binary(max_size=200))
def test_a_signed_body_of_any_bytes_is_a_message_or_one_kind_of_error(data: bytes) -> None:
    body = b"###\n" + data + b"%%%\n"
    try:
        assert encode_body(decode(sealed(body, RING), RING, 0.0).fields) == body
    except PacketError as error:
        assert error.reason


def test_the_digest_is_checked_before_the_fields_are_parsed() -> None:
    body = b"###\n99999:(7)nonsense%%%\n"
    assert reason(body + b"42:1 " + b"0" * 40 + b",") == "bad-digest"
    assert reason(sealed(body, RING)) == "length"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"###\n3:(0)t=a,%%%\n", "length"),
        (b"###\n-7:(0)t=a,%%%\n", "length"),
        (b"###\n007:(0)t=a,%%%\n", "length"),
        (b"###\n99999999999:(0)t=a,%%%\n", "length"),
        (b"###\n7:(0)t=ab%%%\n", "length"),
        (b"###\n5:(0)ta,%%%\n", "field-name"),
        (b"###\n5:(0)=a,%%%\n", "field-name"),
        (b"###\n6:(x)t=a,%%%\n", "field-type"),
        (b"###\n6:(9)t=a,%%%\n", "field-type"),
        (b"###\n6:[0]t=a,%%%\n", "field-type"),
        (b"###\n6:(2)t=a,%%%\n", "frame"),
        (b"###%%%\n", "frame"),
    ],
)
def test_a_malformed_but_signed_body_is_refused(body: bytes, word: str) -> None:
    assert reason(sealed(body, RING)) == word


@pytest.mark.parametrize(
    "trailer",
    [
        b"",
        b"42:1 ,",
        b"2:1 ,",
        b"0:,",
        b"42:1 zz" + b"0" * 38 + b",",
        b"43:1 " + b"0" * 40 + b",",
        b"22:1 " + b"0" * 20 + b",",
        b"42:7 " + b"0" * 40 + b",",
        b"42:1 " + b"0" * 40 + b",x",
    ],
)
def test_a_digest_of_wrong_form_length_or_number_is_refused(trailer: bytes) -> None:
    word = reason(encode_body(message("status").fields) + trailer)
    assert word in {"no-digest", "bad-digest", "unknown-key"}


def test_too_many_fields_too_long_names_and_deep_nesting_are_refused() -> None:
    assert reason(sealed(encode_body([Field("a", b"")] * (MAX_FIELDS + 1)), RING)) == (
        "too-many-fields"
    )
    assert reason(sealed(encode_body([Field("a" * 65, b"")]), RING)) == "field-name"
    nested = encode_body([])
    for _ in range(12):
        nested = encode_body([Field("s", nested, STRUCT)])
    assert reason(sealed(nested, RING)) == "nesting"
    assert reason(b"###\n" + b"x" * 70_000) == "too-long"


def test_a_crc_digest_is_a_downgrade_unless_crc_is_active() -> None:
    both = ring_for("auth 1\n1 sha1 0123456789abcdef\n2 crc\n")
    forged = sealed(encode_body(message("status").fields), Keyring(both.keys[2], both.keys))
    assert reason(forged, both) == "downgrade"
    window = Keyring(both.active, both.keys, crc_until=5.0)
    assert decode(forged, window, 4.9).type == "status"
    with pytest.raises(PacketError, match="downgrade"):
        decode(forged, window, 5.0)
    only_crc = ring_for("auth 2\n2 crc\n")
    assert decode(forged, only_crc, 0.0).type == "status"


def test_every_digest_method_round_trips() -> None:
    for method in ("md5 secret", "sha1 secret", "sha256 secret", "crc"):
        ring = ring_for(f"auth 4\n4 {method}\n")
        assert decode(encode(message("status", st="up"), ring, inner=True), ring, 0.0).text(
            "st"
        ) == ("up")


@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
def test_whole_message_compression_is_undone(algorithm: str) -> None:
    msg = message("repnodes", nodelist="node " * 300, srcuuid=b"\0" * 16)
    packed = encode(deflated(msg, algorithm), RING, inner=False)
    assert len(packed) < 400
    assert decode(packed, RING, 0.0) == msg


def test_a_bomb_a_double_wrapping_and_an_unknown_method_are_refused() -> None:
    bomb = Message(
        (
            Field("_compressed_payload", zlib.compress(b"#" * 8_000_000, 9), BINARY),
            Field("_compression_algorithm", b"zlib"),
        )
    )
    assert reason(encode(bomb, RING, inner=False)) == "expands-too-much"
    twice = deflated(deflated(message("status")))
    assert reason(encode(twice, RING, inner=False)) == "nesting"
    odd = Message((Field("_compressed_payload", b"abc", BINARY), Field("x", b"y")))
    assert reason(encode(odd, RING, inner=False)) == "compression-method"
    with pytest.raises(PacketError, match="compression"):
        expand(zlib.compress(b"abc")[:-3], "zlib")
    with pytest.raises(PacketError, match="expands"):
        expand(bz2.compress(b"a" * 3_000_000), "bz2")


def test_nested_structures_and_lists_are_read_on_demand() -> None:
    inner = encode_body(message("deep", x="1").fields)
    assert unpack_struct(Field("s", inner, STRUCT)).text("x") == "1"
    assert unpack_struct(Field("s", zlib.compress(inner), PACKED)).type == "deep"
    assert parse_list(b"1:a,0:,2:bc,") == [b"a", b"", b"bc"]
    with pytest.raises(PacketError):
        parse_list(b"5:abc,")
    assert parse_body(encode_body([Field("l", b"1:a,", LIST)])).fields[0].kind == LIST


def test_numbers_are_strict() -> None:
    msg = message("status", seq="de", hg="0x12", lastseq="12", ackseq="-1")
    assert msg.hexadecimal("seq") == 0xDE and msg.decimal("lastseq") == 12
    assert msg.hexadecimal("absent") is None
    for name in ("hg", "ackseq"):
        with pytest.raises(PacketError, match="bad-number"):
            msg.hexadecimal(name)
