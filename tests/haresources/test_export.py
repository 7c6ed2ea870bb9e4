"""The way back: a CIB as haresources, and import(export(x)) = x."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from crmd.haresources.convert import Options, convert
from crmd.haresources.export import to_haresources
from crmd.haresources.model import HeartbeatSettings, HostFacts, Style
from crmd.haresources.parse import parse
from crmd.haresources.render import to_cib
from tests.haresources.test_convert import HANDBOOK

FACTS = HostFacts(
    resource_d=frozenset({"drbddisk", "rsdata", "script"}), init_d=frozenset({"httpd", "smb"})
)


def imported(text, style=Style.AUTO, nodes=("mysql-master", "mysql-backup")):
    plan = convert(
        parse(text),
        HeartbeatSettings(nodes=nodes, auto_failback="on"),
        FACTS,
        Options(style, comment_ids=True),
    )
    return etree.fromstring(to_cib(plan))


@pytest.mark.parametrize("style", list(Style))
def test_the_handbook_file_comes_back_as_it_was(style):
    exported = to_haresources(imported(HANDBOOK, style))
    assert exported.refused == ()
    assert exported.text == HANDBOOK


WORD = st.text("abcdefgh019._-/", min_size=1, max_size=6).filter(lambda t: t.strip("."))
ADDRESS = st.builds("{}.{}.{}.{}".format, *(st.integers(1, 254),) * 4)
TAIL = st.sampled_from(
    ["", "/24", "/24/eth0", "/16/eth1:web", "/24/eth0/10.0.0.255", "/8/10.9.9.9"]
)
RESOURCE = st.one_of(
    st.builds("{}::{}{}".format, st.sampled_from(["IPaddr", "IPaddr2"]), ADDRESS, TAIL),
    st.builds("{}{}".format, ADDRESS, TAIL),
    st.builds("Filesystem::/dev/{}::/{}::ext3".format, WORD, WORD),
    st.builds("drbddisk::{}".format, WORD),
    st.builds("LVM::{}".format, WORD),
    st.builds("script::{}::{}".format, WORD, WORD),
    st.builds("portblock::tcp::{}::block".format, st.integers(1, 9999)),
    st.sampled_from(["httpd", "smb", "script", "OCF::Dummy", "WAS::9000", "WAS::/etc/was"]),
)
LINE = st.builds(
    lambda node, words: f"{node} {' '.join(words)}\n",
    st.sampled_from(["n1", "n2"]),
    st.lists(RESOURCE, min_size=1, max_size=5),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(LINE, min_size=1, max_size=4, unique_by=lambda line: line.split()[1]),
    st.sampled_from([Style.AUTO, Style.MODERN, Style.COMPAT, Style.EXACT]),
)
def test_importing_what_was_exported_gives_the_same_cib(lines, style):
    once = imported("".join(lines), style, ("n1", "n2"))
    exported = to_haresources(once)
    if exported.refused:
        # Two bare forms of one address begin two lines alike; nothing else may be refused.
        assert all("two lines would begin" in text for text in exported.refused)
        return
    again = imported(exported.text, style, ("n1", "n2"))
    assert etree.tostring(again) == etree.tostring(once)


@pytest.mark.parametrize(
    ("resources", "constraints", "said"),
    [
        ('<clone id="c"><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/></clone>',
         "", "c: haresources has no clone; every resource runs once"),
        ('<primitive id="p" class="ocf" provider="pacemaker" type="ping"/>',
         "", "p: haresources has no word for ocf:pacemaker:ping"),
        ('<primitive id="p" class="lsb" type="httpd"/><primitive id="q" class="lsb" type="smb"/>',
         '<rsc_colocation id="k" rsc="p" with-rsc="q" score="-5"/>',
         "k: haresources has no colocation but a line"),
        ('<primitive id="p" class="lsb" type="httpd"/><primitive id="q" class="lsb" type="httpd"/>',
         "", "q: two lines would begin with httpd"),
    ],
)  # fmt: skip
def test_what_no_line_can_say_is_named_and_nothing_is_written(resources, constraints, said):
    root = etree.fromstring(
        '<cib><configuration><nodes><node id="1" uname="n1"/></nodes>'
        f"<resources>{resources}</resources><constraints>{constraints}</constraints>"
        "</configuration></cib>"
    )
    exported = to_haresources(root)
    assert said in exported.refused
    assert exported.text == ""
