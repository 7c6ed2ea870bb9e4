"""Moving by hand: what is written into the CIB, what is said, and what is refused."""

import io
from pathlib import Path

import pytest
from lxml import etree

from cli.crm_resource import main

CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="4"
     num_updates="0"><configuration><crm_config/>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
<resources><primitive id="web" class="ocf" provider="heartbeat" type="Dummy"/>
<primitive id="down" class="ocf" provider="heartbeat" type="Dummy"/></resources>
<constraints/></configuration><status>
<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
<lrm id="1"><lrm_resources><lrm_resource id="web" class="ocf" provider="heartbeat" type="Dummy">
<lrm_rsc_op id="web_last_0" operation_key="web_start_0" operation="start" call-id="2" rc-code="0"
 op-status="0" interval="0" transition-key="2:1:0:0a9e64d6-e1dd-4395-917c-1596312eafe4"
 transition-magic="0:0;2:1:0:0a9e64d6-e1dd-4395-917c-1596312eafe4"/>
</lrm_resource></lrm_resources></lrm></node_state>
<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
</status></cib>
"""


class Cluster:
    """A CIB in a file, asked through the command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(CIB)

    def __call__(self, *argv: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = main(argv, out, err, {"CIB_file": str(self.path)}, io.StringIO())
        return code, out.getvalue(), err.getvalue()

    def constraints(self) -> list[dict[str, str]]:
        tree = etree.parse(self.path)
        return [dict(e.attrib) for e in tree.iterfind("configuration/constraints/*")]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path / "cib.xml")


def test_a_move_to_a_node_is_a_preference_of_infinity(cluster: Cluster) -> None:
    assert cluster("-r", "web", "--move", "-N", "n2") == (0, "", "")
    assert cluster.constraints() == [
        {
            "id": "cli-prefer-web",
            "rsc": "web",
            "role": "Started",
            "node": "n2",
            "score": "INFINITY",
        }
    ]


def test_a_move_without_a_node_bans_the_present_one_and_warns(cluster: Cluster) -> None:
    code, out, err = cluster("-r", "web", "--move")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == (
        "WARNING: Creating rsc_location constraint 'cli-ban-web-on-n1' with a score of -INFINITY "
        "for resource web on n1."
    )
    assert [c["id"] for c in cluster.constraints()] == ["cli-ban-web-on-n1"]


def test_moving_to_a_banned_node_lifts_that_ban_only(cluster: Cluster) -> None:
    cluster("-r", "web", "--ban", "-N", "n1")
    cluster("-r", "web", "--ban", "-N", "n2")
    cluster("-r", "web", "--move", "-N", "n2")
    assert [c["id"] for c in cluster.constraints()] == ["cli-ban-web-on-n1", "cli-prefer-web"]


def test_clear_removes_what_tools_made_and_says_so(cluster: Cluster) -> None:
    cluster("-r", "web", "--move", "-N", "n2")
    assert cluster("-r", "web", "--clear") == (0, "Removing constraint: cli-prefer-web\n", "")
    assert cluster.constraints() == []


def test_a_lifetime_ends_and_only_then_counts_as_expired(cluster: Cluster) -> None:
    code, out, _ = cluster("-r", "web", "--move", "-N", "n2", "--lifetime", "PT1H")
    assert code == 0 and out.startswith("Migration will take effect until: ")
    assert cluster("--clear", "--expired") == (0, "", "")
    assert len(cluster.constraints()) == 1
    cluster("-r", "web", "--clear")
    cluster("-r", "web", "--ban", "-N", "n2", "--lifetime", "PT0S")
    code, out, _ = cluster("--clear", "--expired")
    assert (code, out) == (0, "Removing constraint: cli-ban-web-on-n2\n")


@pytest.mark.parametrize(
    ("argv", "code", "first"),
    [
        (("-r", "web", "--move", "-N", "n1"), 108, "Error performing operation: "),
        (("-r", "wbe", "--move", "-N", "n1"), 105, "Resource 'wbe' not found"),
        (("-r", "web", "--move", "-N", "nx"), 105, "Node 'nx' not found"),
        (("-r", "down", "--move"), 64, "Resource 'down' not moved: active in 0 locations."),
        (("--move",), 64, "Must supply a resource id with -r"),
        (("-r", "web", "--move", "-N", "n2", "--lifetime", "soon"), 2, "Invalid duration"),
        (("foo",), 64, "non-option ARGV-elements:"),
        (("--nonsense",), 64, "Unknown option --nonsense"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    cluster: Cluster, argv: tuple[str, ...], code: int, first: str
) -> None:
    before = cluster.path.read_bytes()
    got, out, err = cluster(*argv)
    assert (got, out) == (code, "")
    assert err.startswith(f"crm_resource: {first}")
    assert cluster.path.read_bytes() == before


def test_a_near_name_is_offered(cluster: Cluster) -> None:
    assert cluster("-r", "wbe", "-W")[2].endswith("Did you mean 'web'?\n")


def test_locate_and_why_tell_the_same_story(cluster: Cluster) -> None:
    assert cluster("-r", "web", "-W")[1] == "resource web is running on: n1\n"
    assert cluster("-r", "down", "-W")[1] == "resource down is NOT running\n"
    cluster("-r", "down", "--meta", "-p", "target-role", "-v", "Stopped")
    assert cluster("-r", "down", "--why")[1] == (
        "Resource down is not running\nConfiguration specifies 'down' should remain stopped\n"
    )
