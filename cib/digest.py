"""Digests (MD5) as Pacemaker's tools compute them: they find accidents, not attackers.

Facts: scheduler-2-actions.md 7.7 for operation parameters; the other forms were found by asking
`cibadmin --md5-sum` and `--md5-sum-versioned` of release 2.1.5 for known documents: inside a
value an apostrophe is written `&apos;`, a newline as backslash and `n`, a tab as four blanks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from lxml import etree

from cib import document

VOLATILE = ("cib-last-written", "update-client", "update-origin", "update-user", "crm-debug-origin")
"""Attributes that say who wrote an element and when; the digest of a patch leaves them out."""

_TAG = re.compile(rb"<!--.*?-->|<[^>]*>", re.DOTALL)
_VOLATILE = re.compile(rb" (?:%s)=\"[^\"]*\"" % b"|".join(n.encode() for n in VOLATILE))
_CONTROLS = ((b"&#10;", b"\\n"), (b"&#9;", b"    "), (b"&#13;", b"\\r"))

_IN_VALUE = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "'": "&apos;",
        "\n": "\\n",
        "\t": "    ",
        "\r": "\\r",
    }
)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def on_disk(root: etree._Element) -> str:
    """The digest that `cib.xml.sig` holds (`cibadmin -5`): a blank, the document without
    formatting, a newline."""
    return _md5(b" " + _in_their_words(root) + b"\n")


def on_wire(root: etree._Element) -> str:
    """The digest that a patch carries (`cibadmin -6`): the document without formatting, without
    the attributes that say who wrote it."""
    data = _in_their_words(root)
    if any(name.encode() in data for name in VOLATILE):
        # Inside values quotes are escaped, so only comments can look like an attribute.
        plain = b"<!--" not in data
        data = _VOLATILE.sub(b"", data) if plain else _TAG.sub(_without_volatile, data)
    return _md5(data)


def _without_volatile(tag: re.Match[bytes]) -> bytes:
    return tag[0] if tag[0].startswith(b"<!--") else _VOLATILE.sub(b"", tag[0])


def _in_their_words(root: etree._Element) -> bytes:
    data = document.compact(root)
    for ours, theirs in _CONTROLS:
        data = data.replace(ours, theirs)
    return _TAG.sub(_escape_apostrophes, data) if b"'" in data else data


def _escape_apostrophes(tag: re.Match[bytes]) -> bytes:
    return tag[0] if tag[0].startswith(b"<!--") else tag[0].replace(b"'", b"&apos;")


def parameters(values: Mapping[str, str]) -> str:
    """The digest of an operation's parameters, already filtered, as the history records it: a
    blank, `<parameters .../>` with attributes sorted by name, a newline.

    Written by hand: parameters of Heartbeat's scripts are named `1`, `2`, ..., which no XML
    library lets pass, and `crm_simulate` does.
    """
    pairs = "".join(f' {name}="{values[name].translate(_IN_VALUE)}"' for name in sorted(values))
    return _md5(f" <parameters{pairs}/>\n".encode())
