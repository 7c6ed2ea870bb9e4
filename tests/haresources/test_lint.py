"""Every lint code bites, at the right place, and says what to do."""

import pytest

from crmd.haresources.lint import lint
from crmd.haresources.model import Finding, HeartbeatSettings, HostFacts, PingTarget, Severity
from crmd.haresources.parse import parse

SETTINGS = HeartbeatSettings(nodes=("n1", "n2"), auto_failback="on", paths=2)
FACTS = HostFacts(init_d=frozenset({"httpd", "web"}), resource_d=frozenset({"drbddisk"}))


def findings(
    text: str, settings: HeartbeatSettings = SETTINGS, facts: HostFacts = FACTS
) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in lint(parse(text), settings, facts):
        found.setdefault(finding.code, []).append(finding)
    return found


def test_a_clean_file_has_only_information() -> None:
    found = findings("n1 10.0.0.1 \nn2 httpd 10.0.0.2\n")
    assert {f.severity for fs in found.values() for f in fs} == {Severity.INFO}


@pytest.mark.parametrize(
    ("code", "text", "place"),
    [
        ("H003", "ghost httpd\n", "1:1"),
        ("H004", "n1 httpd 10.0.0.1\nn2 httpd 10.0.0.2\n", "2:4"),
        ("H005", "n1 10.0.0.1 httpd\nn2 web 10.0.0.1/24\n", "2:8"),
        ("H010", "n1 10.0.0.1 httpd\n", "1:4"),
        ("H011", "n1 Filesystem::/dev/drbd0::/data::ext3 httpd\n", "1:4"),
        ("H012", "n1 Filesystem::/dev/a::/d/e::xfs Filesystem::/dev/b::/d::xfs\n", "1:4"),
        ("H020", "n1 drbddisk::r0\n", "1:4"),
        ("H031", "n1 nosuch\n", "1:4"),
        ("H052", "n1 IPv6addr::fd00::1/64/eth0\n", "1:4"),
        ("H052", "n1 2001:db8::1\n", "1:4"),
        ("H053", "n1 httpd\r\n", "1:4"),
        ("H054", "n1 10.0.0.300\n", "1:4"),
        ("H055", "n1 httpd \\", "1:10"),
        ("H050", "n1 httpd \\\n 10.0.0.1 # note\n", "1:1"),
    ],
)
def test_a_fault_is_found_where_it_stands(code: str, text: str, place: str) -> None:
    found = findings(text)
    assert code in found, sorted(found)
    assert str(found[code][0].place) == f"haresources:{place}"
    assert found[code][0].remedy


def test_times_paths_and_ping_nodes_are_looked_at() -> None:
    settings = HeartbeatSettings(
        nodes=("n1", "n2"),
        keepalive_s=2,
        deadtime_s=3,
        warntime_s=3,
        initdead_s=5,
        paths=1,
        pings=(PingTarget("n2", ("n2",)),),
    )
    found = findings("n1 httpd\n", settings)
    assert len(found["H022"]) == 3
    assert "H021" in found and "H023" in found


def test_services_that_start_at_boot_are_named() -> None:
    facts = HostFacts(
        init_d=frozenset({"httpd"}),
        boot_enabled=frozenset({"httpd"}),
        fstab_auto=frozenset({"/d"}),
        static_addresses=frozenset({"10.0.0.1"}),
        not_executable=frozenset({"web"}),
    )
    found = findings("n1 web Filesystem::/dev/x::/d::xfs httpd 10.0.0.1\n", facts=facts)
    assert {"H013", "H014", "H015", "H031"} <= set(found)


def test_a_finding_is_one_line_with_place_and_remedy() -> None:
    (finding,) = findings("ghost httpd\n")["H003"]
    assert str(finding) == (
        "haresources:1:1: error H003: node ghost is not in ha.cf (known: n1, n2); "
        "correct the name or add a node line"
    )
