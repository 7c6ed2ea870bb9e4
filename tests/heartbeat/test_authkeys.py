"""authkeys: every refusal names the file, the line and the remedy."""

from __future__ import annotations

import hmac
import stat

import pytest

from crmd.heartbeat.authkeys import (
    FileFacts,
    Method,
    parse_authkeys,
    permission_problems,
    weaknesses,
)
from crmd.heartbeat.digests import crc32_msb_first, keyed, same
from crmd.heartbeat.durations import parse_duration


def problems(text: str) -> list[str]:
    ring, found = parse_authkeys(text, "authkeys")
    assert (ring is None) == bool(found)
    return [str(problem) for problem in found]


def test_a_good_file_is_read_with_comments_and_all_methods() -> None:
    ring, found = parse_authkeys(
        "# keys\nauth 2\n1 sha1 AAAA\n 2 sha256 BBBB rest of line\n3 md5 C\n4 crc\n\n"
    )
    assert ring is not None and found == []
    assert ring.active.number == 2 and ring.active.method is Method.SHA256
    assert ring.keys[2].secret == b"BBBB" and sorted(ring.keys) == [1, 2, 3, 4]
    assert "BBBB" not in repr(ring)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 sha1 K\n", "authkeys: no auth line; write `auth 1` above"),
        ("auth x\n1 sha1 K\n", "authkeys line 1: 'auth x' is no auth line; write: auth 1"),
        ("auth 7\n1 sha1 K\n", "authkeys line 1: key 7 is not in the file; add it"),
        ("1 sha1 K\nauth 1\n", "authkeys line 2: the auth line must stand above"),
        ("auth 1\n1 sha1\n", "authkeys line 2: sha1 needs a secret: 1 sha1 SECRET"),
        ("auth 1\n1 crc K\n", "authkeys line 2: crc takes no secret; remove it"),
        ("auth 1\n1 rot13 K\n", "authkeys line 2: method 'rot13' is not known; use sha1"),
        ("auth 16\n16 sha1 K\n", "authkeys line 2: key number 16 is too big"),
        ("auth 1\n1 sha1 K\n1 md5 J\n", "authkeys line 3: key 1 was already given in line 2"),
        ("auth 1\nauth 2\n1 sha1 K\n", "authkeys line 2: second auth line"),
        ("auth 1\n1 sha1 K\nhello\n", "authkeys line 3: 'hello' is neither"),
    ],
)
def test_a_bad_line_is_named_with_its_remedy(text: str, said: str) -> None:
    found = problems(text)
    assert any(line.startswith(said) for line in found), found


def test_all_problems_are_reported_at_once() -> None:
    assert len(problems("auth x\n1 sha1\n2 rot13 K\nhello\n")) == 5


def test_permissions_and_owner_are_checked() -> None:
    def found(mode: int, uid: int = 0, folder: int = 0o755) -> list[str]:
        facts = FileFacts(stat.S_IFREG | mode, uid, stat.S_IFDIR | folder)
        return [str(problem) for problem in permission_problems("f", facts, own_uid=0)]

    assert found(0o600) == [] == found(0o700)
    for mode in (0o640, 0o644, 0o604):
        assert any("chmod 600 f" in line for line in found(mode)), oct(mode)
    assert any("change the keys" in line for line in found(0o620))
    assert any("chown root" in line for line in found(0o600, uid=1000))
    assert any("folder" in line for line in found(0o600, folder=0o777))
    link = FileFacts(stat.S_IFLNK | 0o600, 0, stat.S_IFDIR | 0o755)
    assert permission_problems("f", link, own_uid=0)


def test_crc_matches_the_published_check_value() -> None:
    # CRC-32/POSIX (cksum) differs only by appending the length; of "" it is all ones.
    assert crc32_msb_first(b"") == 0xFFFFFFFF
    # cksum of "123456789" feeds the length byte 9 after the data: 0x377A6011 = 930766865.
    assert crc32_msb_first(b"123456789\x09") == 930766865


@pytest.mark.parametrize("method", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("length", [1, 20, 64, 65, 200])
def test_keyed_digests_are_those_of_the_standard_library(method: str, length: int) -> None:
    secret, data = b"k" * length, b"some data" * 50
    assert keyed(method, secret)(data).decode() == hmac.new(secret, data, method).hexdigest()


def test_digests_of_another_length_are_not_the_same() -> None:
    assert same(b"abc", b"abc")
    for other in (b"", b"ab", b"abd", b"abcd"):
        assert not same(b"abc", other)


def test_weak_keys_are_named() -> None:
    ring, _ = parse_authkeys("auth 1\n1 md5 short\n2 crc\n3 sha1 0123456789abcdef\n")
    assert ring is not None
    text = "\n".join(weaknesses(ring))
    assert "md5" in text and "key 1 is shorter" in text and "key 2 is crc" in text
    strong, _ = parse_authkeys("auth 1\n1 sha1 0123456789abcdef\n")
    assert strong is not None and weaknesses(strong) == []


def test_times_are_seconds_unless_ms_or_us() -> None:
    assert parse_duration("1") == 1.0 and parse_duration("0.5") == 0.5
    assert parse_duration("200ms") == 0.2 and parse_duration("1500MSEC") == 1.5
    assert parse_duration("2000us") == 0.002 and parse_duration(".25") == 0.25
    for bad in ("", "1s", "ms", "-1", "1 ms", "1h", "9" * 400, "1e3", "٣"):
        with pytest.raises(ValueError):
            parse_duration(bad)
