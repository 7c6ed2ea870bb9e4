"""The worked examples of scheduler-1-assignment.md, section 27, as measured with the reference."""

from __future__ import annotations

import pytest

from cib.lexical import Role
from tests.crmd.scheduler.small_cib import (
    MONITOR_DIGEST,
    NOW,
    SmallNode,
    assigned,
    cib,
    clone,
    colocate,
    entries,
    group,
    history,
    locate,
    operation,
    pairs,
    place,
    primitive,
    running,
    table,
)


def test_e1_the_last_of_equal_blocks_wins() -> None:
    blocks = "".join(
        f'<meta_attributes id="m{v}"><nvpair id="n{v}" name="resource-stickiness" value="{v}"/>'
        "</meta_attributes>"
        for v in (11, 22)
    )
    c = assigned(
        cib([SmallNode("n1", running("a")), SmallNode("n2")], primitive("a", None, blocks))
    )
    assert table(c, "a") == "n1 22, n2 0"


@pytest.mark.parametrize(
    ("scores", "result"),
    [((600000, 600000, -600000), "600000"), ((-600000, 600000, 600000), "INFINITY")],
)
def test_e2_locations_are_applied_last_first(scores: tuple[int, ...], result: str) -> None:
    constraints = "".join(locate(i, "a", "n1", s) for i, s in enumerate(scores))
    assert table(assigned(cib(["n1"], primitive("a"), constraints)), "a") == f"n1 {result}"


def test_e3_nodes_are_taken_in_byte_order_and_printed_in_name_order() -> None:
    c = assigned(cib(["n1", "n2", "n10"], "".join(primitive(r) for r in "abcd")))
    assert [place(c, r) for r in "abcd"] == ["n1", "n10", "n2", "n1"]
    assert table(c, "a") == "n1 0, n2 0, n10 0"


def test_e4_equal_scores_keep_a_resource_where_it_is() -> None:
    resources = primitive("a") + primitive("b", {"resource-stickiness": 1}) + primitive("c")
    nodes = [SmallNode("n1"), SmallNode("n2", running("b", "c"))]
    c = assigned(cib(nodes, resources, locate(1, "b", "n1", 1)))
    assert [place(c, r) for r in "abc"] == ["n1", "n2", "n2"]


@pytest.mark.parametrize(
    ("score", "p", "d", "where"),
    [
        (200000, "20", "n1 0, n2 200100", ("n2", "n2")),
        (1, "1", "n1 0, n2 101", ("n2", "n2")),
        ("INFINITY", "100", "n1 -INFINITY, n2 100", ("n2", "n2")),
        (-200000, "-20", "n1 -200000, n2 100", ("n1", "n2")),
    ],
)
def test_e5_a_colocation_pulls_its_primary_by_its_share(
    score: object, p: str, d: str, where: tuple[str, str]
) -> None:
    constraints = locate(1, "d", "n2", 100) + colocate(1, "d", "p", score)
    c = assigned(cib(["n1", "n2"], primitive("p") + primitive("d"), constraints))
    assert table(c, "p") == f"n1 0, n2 {p}"
    assert table(c, "d") == d
    assert (place(c, "p"), place(c, "d")) == where


def sticky_group(**meta: object) -> str:
    shared = {"resource-stickiness": 100, **meta}
    return group("g", primitive("a"), primitive("b"), primitive("c"), meta=shared)


def test_e6_a_group_weighs_the_stickiness_of_its_members() -> None:
    nodes = [SmallNode("n1"), SmallNode("n2", running("a", "b", "c"))]
    c = assigned(cib(nodes, sticky_group(), locate(1, "g", "n1", 250)))
    assert "pcmk__group_assign: g allocation score on n1: 250" in c.score_lines
    assert "pcmk__group_assign: a allocation score on n2: 100" in c.score_lines
    assert "pcmk__group_assign: b allocation score on n1: 0" in c.score_lines
    assert table(c, "a") == "n1 250, n2 300"
    assert table(c, "b") == "n1 -INFINITY, n2 200"
    assert table(c, "c") == "n1 -INFINITY, n2 100"


def test_e7_a_member_over_its_threshold_moves_the_group() -> None:
    members = primitive("a") + primitive("b", {"migration-threshold": 1}) + primitive("c")
    n2 = SmallNode("n2", running("a", "b", "c"), transient={"fail-count-b#monitor_0": 1})
    c = assigned(cib([SmallNode("n1"), n2], group("g", members)))
    assert table(c, "a") == "n1 0, n2 -INFINITY"
    assert place(c, "c") == "n1"


def test_e8_a_clone_spreads_its_instances() -> None:
    resources = clone("x", primitive("a"), {"clone-max": 2})
    c = assigned(cib([SmallNode("n1"), SmallNode("n2"), SmallNode("n3", running("a"))], resources))
    assert table(c, "a:0") == "n1 0, n2 0, n3 1"
    assert table(c, "a:1") == "n1 0, n2 0, n3 -INFINITY"
    assert (place(c, "a:0"), place(c, "a:1")) == ("n3", "n1")


def test_e9_several_instances_per_node_make_a_clone_unique() -> None:
    c = assigned(
        cib(["n1", "n2"], clone("x", primitive("a"), {"clone-max": 3, "clone-node-max": 2}))
    )
    assert c.by_id["x"].unique
    assert [place(c, f"a:{i}") for i in range(3)] == ["n1", "n2", "n1"]


def test_e10_a_dependent_pulls_the_promotion_to_its_node() -> None:
    resources = clone("x", primitive("a"), {"promotable": "true"}) + primitive("ip")
    constraints = locate(1, "ip", "n1", 200) + colocate(
        1, "ip", "x", "INFINITY", 'with-rsc-role="Promoted"'
    )
    nodes = [
        SmallNode("n1", running("a"), transient={"master-a": 10}),
        SmallNode("n2", running("a"), transient={"master-a": 20}),
    ]
    c = assigned(cib(nodes, resources, constraints))
    lines = c.score_lines
    assert "pcmk__clone_assign: x allocation score on n1: 200" in lines
    assert "pcmk__clone_assign: a:0 allocation score on n1: 11" in lines
    tried = [line for line in lines if line.startswith("pcmk__primitive_assign: a:1")]
    assert [line.split()[-1] for line in tried] == ["200", "21", "-INFINITY", "21"]
    assert "a:0 promotion score on n1: 410" in lines
    assert "a:1 promotion score on n2: 20" in lines
    assert table(c, "ip") == "n1 411, n2 -INFINITY"
    assert c.by_id["a:0"].next_role is Role.PROMOTED


def test_e11_a_location_of_the_promoted_role_decides_who_is_promoted() -> None:
    rule = (
        '<rsc_location id="l" rsc="x"><rule id="r" score="50" role="Promoted">'
        '<expression id="e" attribute="#uname" operation="eq" value="n3"/></rule></rsc_location>'
    )
    resources = clone("x", primitive("a"), {"promotable": "true"})
    nodes = [
        SmallNode(n, running("a"), transient={"master-a": s})
        for n, s in (("n1", 10), ("n2", 20), ("n3", 5))
    ]
    c = assigned(cib(nodes, resources, rule))
    promotions = [line for line in c.score_lines if "promotion score" in line]
    assert promotions == [
        "a:2 promotion score on n3: 55",
        "a:1 promotion score on n2: 20",
        "a:0 promotion score on n1: 10",
    ]
    assert c.by_id["a:2"].next_role is Role.PROMOTED
    bare = assigned(cib([SmallNode("n1", running("a"))], resources))
    assert "a:0 promotion score on n1: -1" in bare.score_lines
    assert bare.by_id["a:0"].next_role is Role.UNPROMOTED


@pytest.mark.parametrize(
    ("strategy", "where"),
    [
        ("default", ["n1", "n2", "n1"]),
        ("utilization", ["n1", "n2", "n2"]),
        ("minimal", ["n1", "n2", "n2"]),
        ("balanced", ["n2", "n2", None]),
    ],
)
def test_e12_placement_strategies(strategy: str, where: list[str | None]) -> None:
    needs = {"a": {"cpu": 3}, "b": {"cpu": 2, "mem": 500}, "c": {"cpu": 5}}
    resources = "".join(
        primitive(r, None, pairs("utilization", r, dict(u))) for r, u in needs.items()
    )
    nodes = [
        SmallNode("n1", utilization={"cpu": 4, "mem": 1000}),
        SmallNode("n2", utilization={"cpu": 8, "mem": 2000}),
    ]
    c = assigned(cib(nodes, resources, options={"placement-strategy": strategy}))
    assert [place(c, r) for r in "abc"] == where


def test_e12_a_group_goes_where_all_of_it_fits() -> None:
    members = [primitive(r, None, pairs("utilization", r, {"cpu": 3})) for r in "ab"]
    nodes = [SmallNode("n1", utilization={"cpu": 4}), SmallNode("n2", utilization={"cpu": 8})]
    c = assigned(cib(nodes, group("g", *members), options={"placement-strategy": "utilization"}))
    assert (place(c, "a"), place(c, "b")) == ("n2", "n2")


def test_e13_a_dependent_with_one_place_pushes_its_primary_away() -> None:
    resources = primitive("p", {"resource-stickiness": 10}) + primitive("d")
    constraints = (
        locate(1, "d", "n2", "-INFINITY")
        + locate(2, "d", "n3", "-INFINITY")
        + colocate(1, "d", "p", "-INFINITY")
    )
    nodes = [SmallNode("n1", running("p")), SmallNode("n2"), SmallNode("n3")]
    c = assigned(cib(nodes, resources, constraints))
    assert table(c, "p") == "n1 10, n2 INFINITY, n3 INFINITY"
    assert (place(c, "p"), place(c, "d")) == ("n2", "n1")


def test_e14_without_influence_a_dependent_does_not_move_its_primary() -> None:
    for influence, p, d in (("true", "n2", "n2"), ("false", "n1", "n1")):
        constraints = locate(1, "d", "n2", 100) + colocate(
            1, "d", "p", "INFINITY", f'influence="{influence}"'
        )
        nodes = [SmallNode("n1", running("p")), SmallNode("n2")]
        c = assigned(cib(nodes, primitive("p") + primitive("d"), constraints))
        assert (place(c, "p"), place(c, "d")) == (p, d)


def test_e15_resources_of_a_later_set_are_the_primaries() -> None:
    sets = (
        '<rsc_colocation id="col" score="INFINITY">'
        '<resource_set id="s1"><resource_ref id="a"/><resource_ref id="b"/></resource_set>'
        '<resource_set id="s2" sequential="false"><resource_ref id="c"/>'
        '<resource_ref id="d"/></resource_set></rsc_colocation>'
    )
    resources = "".join(primitive(r) for r in "abcd")
    c = assigned(cib(["n1", "n2"], resources, locate(1, "a", "n2", 10) + sets))
    order = list(dict.fromkeys(line.split()[1] for line in c.score_lines))
    assert order == ["c", "d", "a", "b"]
    assert table(c, "c") == "n1 0, n2 10"
    assert table(c, "d") == "n1 -INFINITY, n2 10"
    assert table(c, "a") == "n1 -INFINITY, n2 10"
    assert table(c, "b") == "n1 -INFINITY, n2 0"


def test_e16_a_score_attribute_that_a_node_lacks_skips_the_node() -> None:
    rule = (
        '<rsc_location id="l" rsc-pattern="ip-(.*)"><rule id="r" score-attribute="loc-%1">'
        '<expression id="e" attribute="#uname" operation="defined"/></rule></rsc_location>'
    )
    nodes = [SmallNode("n1", attrs={"loc-db": 33}), SmallNode("n2")]
    c = assigned(cib(nodes, primitive("ip-db") + primitive("ip-web"), rule))
    assert table(c, "ip-db") == "n1 33, n2 0"
    assert table(c, "ip-web") == "n1 0, n2 0"


def test_e17_offline_nodes_keep_their_entries_but_are_not_chosen() -> None:
    nodes = [SmallNode("n1", online=False), SmallNode("n2")]
    c = assigned(cib(nodes, primitive("a")))
    assert (table(c, "a"), place(c, "a")) == ("n1 0, n2 0", "n2")
    opt_in: dict[str, object] = {"symmetric-cluster": "false"}
    c = assigned(cib(nodes, primitive("a"), locate(1, "a", "n1", 7), opt_in))
    assert (table(c, "a"), place(c, "a")) == ("n1 7", None)
    c = assigned(cib(nodes, primitive("a"), locate(1, "a", "n2", 0), opt_in))
    assert table(c, "a") == "n2 0"


def test_e18_exclusive_discovery_bans_all_other_nodes() -> None:
    constraints = locate(1, "a", "n2", 0, 'resource-discovery="exclusive"') + locate(
        2, "a", "n3", 5, 'resource-discovery="never"'
    )
    c = assigned(cib(["n1", "n2", "n3"], primitive("a"), constraints))
    assert table(c, "a") == "n1 -INFINITY, n2 0, n3 -INFINITY"


def test_e19_mandatory_follows_the_last_member_and_optional_the_first() -> None:
    members = primitive("a") + primitive("b", {"target-role": "Stopped"})
    resources = group("g", members) + primitive("d") + primitive("e")
    constraints = colocate(1, "d", "g", "INFINITY") + colocate(2, "e", "g", 50)
    c = assigned(cib(["n1", "n2"], resources, constraints))
    assert table(c, "d") == "n1 -INFINITY, n2 -INFINITY"
    assert table(c, "e") == "n1 50, n2 0"


def test_e20_colocation_by_a_node_attribute() -> None:
    nodes = [SmallNode(n, attrs={"site": s}) for n, s in (("n1", "A"), ("n2", "A"), ("n3", "B"))]
    constraints = locate(1, "d", "n3", 10) + colocate(
        1, "d", "p", "INFINITY", 'node-attribute="site"'
    )
    c = assigned(cib(nodes, primitive("p") + primitive("d"), constraints))
    assert table(c, "p") == "n1 0, n2 0, n3 10"
    assert table(c, "d") == "n1 -INFINITY, n2 -INFINITY, n3 10"


def failing(on_fail: str, task: str = "monitor", rc: int = 1, fencing: bool = False) -> bytes:
    """`a` on n1 of two nodes, with a failed operation whose on-fail is given."""
    interval = 10000 if task == "monitor" else 0
    on = f'on-fail="{on_fail}"' if on_fail else ""
    ops = f'<operations><op id="o" name="{task}" interval="{interval // 1000}s" {on}/></operations>'
    digest = MONITOR_DIGEST if interval else "f2317cad3d54cec5d7d7aa7d0bf35cf8"
    failed = operation("a", task, rc, call=5, interval=interval, digest=digest)
    started = "" if task == "start" else operation("a", "start")
    options: dict[str, object] = {}
    resources = primitive("a", None, ops)
    if fencing:
        options = {"stonith-enabled": "true"}
        resources += '<primitive id="f" class="stonith" type="fence_dummy"/>'
    nodes = [SmallNode("n1", history("a", started, failed)), SmallNode("n2")]
    return cib(nodes, resources, options=options)


@pytest.mark.parametrize(
    ("on_fail", "expected", "where"),
    [
        ("", "n1 0, n2 0", "n1"),
        ("restart", "n1 0, n2 0", "n1"),
        ("ignore", "n1 0, n2 0", "n1"),
        ("block", "n1 INFINITY, n2 0", "n1"),
        ("stop", "n1 -INFINITY, n2 -INFINITY", None),
        ("standby", "n1 0, n2 0", "n2"),
        ("fence", "n1 -INFINITY, n2 -INFINITY", None),
        ("demote", "n1 0, n2 0", "n1"),
    ],
)
def test_e21_on_fail_of_a_monitor_without_fencing(
    on_fail: str, expected: str, where: str | None
) -> None:
    c = assigned(failing(on_fail))
    assert (table(c, "a"), place(c, "a")) == (expected, where)


def test_e21_on_fail_fence_makes_the_node_unclean() -> None:
    c = assigned(failing("fence", fencing=True))
    assert [n.name for n in c.nodes if n.unclean] == ["n1"]
    assert place(c, "a") == "n2"


def test_e21_a_failed_stop_blocks_or_fences() -> None:
    c = assigned(failing("", "stop"))
    assert entries(c, "a").startswith("n1 -INFINITY") and c.by_id["a"].blocked
    c = assigned(failing("", "stop", fencing=True))
    assert c.nodes_by_name["n1"].unclean and place(c, "a") == "n2"


def test_e21_hard_and_fatal_errors_ban() -> None:
    c = assigned(failing("", "start", rc=5))
    assert (table(c, "a"), place(c, "a")) == ("n1 -INFINITY, n2 0", "n2")
    c = assigned(failing("", rc=6))
    assert table(c, "a") == "n1 -INFINITY, n2 -INFINITY"


def test_e22_a_masked_probe_failure_bans_the_whole_anonymous_clone() -> None:
    probe = history("a", operation("a", "monitor", 5, expected=7))
    c = assigned(cib([SmallNode("n1", probe), SmallNode("n2")], clone("x", primitive("a"))))
    assert "pcmk__clone_assign: x allocation score on n1: -INFINITY" in c.score_lines
    assert "pcmk__clone_assign: a:1 allocation score on n1: -INFINITY" in c.score_lines
    assert place(c, "a:0") == "n2"


def test_e23_numbered_histories_are_matched_by_the_order_of_reading() -> None:
    resources = clone("x", primitive("a"))
    nodes = [SmallNode("n1", running("a:1")), SmallNode("n2", running("a:0"))]
    c = assigned(cib(nodes, resources))
    assert (place(c, "a:0"), place(c, "a:1")) == ("n1", "n2")
    c = assigned(cib([SmallNode("n1", running("a:0", "a:1")), SmallNode("n2")], resources))
    third = c.by_id["a:2"]
    assert third.removed and [n.name for n in third.active_on] == ["n1"]
    assert third.assigned is None


def test_e24_a_shutdown_lock_keeps_resources_for_their_node() -> None:
    resources = primitive("a") + group("g", primitive("b"))
    n1 = SmallNode("n1", running("a", "b"), transient={"shutdown": NOW})
    c = assigned(cib([n1, SmallNode("n2")], resources, options={"shutdown-lock": "true"}))
    assert table(c, "a") == table(c, "b") == "n1 0, n2 -INFINITY"
    assert (place(c, "a"), place(c, "b")) == (None, None)


@pytest.mark.parametrize(
    ("state", "policy", "expected", "where"),
    [
        ('granted="false"', "stop", "n1 -INFINITY, n2 -INFINITY", None),
        ('granted="false"', "freeze", "n1 0, n2 0", "n1"),
        ('granted="true" standby="true"', "stop", "n1 -INFINITY, n2 -INFINITY", None),
        ('granted="true"', "stop", "n1 0, n2 0", "n1"),
    ],
)
def test_e25_tickets(state: str, policy: str, expected: str, where: str | None) -> None:
    constraint = f'<rsc_ticket id="t" rsc="a" ticket="T" loss-policy="{policy}"/>'
    status = f'<tickets><ticket_state id="T" {state}/></tickets>'
    nodes = [SmallNode("n1", running("a")), SmallNode("n2")]
    c = assigned(cib(nodes, primitive("a"), constraint, status=status))
    assert (table(c, "a"), place(c, "a")) == (expected, where)


@pytest.mark.parametrize(
    ("strategy", "options", "expected"),
    [
        ("migrate-on-red", {}, "n1 -INFINITY, n2 -5, n3 0"),
        ("only-green", {}, "n1 -INFINITY, n2 -INFINITY, n3 0"),
        (
            "progressive",
            {"node-health-base": 30, "node-health-yellow": -10},
            "n1 -INFINITY, n2 15, n3 30",
        ),
        (
            "custom",
            {"node-health-red": -7, "node-health-yellow": -3},
            "n1 -7, n2 -8, n3 0",
        ),
    ],
)
def test_e26_node_health(strategy: str, options: dict[str, object], expected: str) -> None:
    nodes = [
        SmallNode("n1", transient={"#health-x": "red"}),
        SmallNode("n2", transient={"#health-x": "yellow", "#health-y": -5}),
        SmallNode("n3"),
    ]
    given: dict[str, object] = {"node-health-strategy": strategy, **options}
    resources = primitive("a") + primitive("u", {"allow-unhealthy-nodes": "true"})
    c = assigned(cib(nodes, resources, options=given))
    assert table(c, "a") == expected
    if strategy == "progressive":
        assert table(c, "u") == "n1 0, n2 15, n3 30"


def test_e27_without_quorum_scores_stay_and_freeze_keeps_roles() -> None:
    resources = primitive("a") + primitive("b")
    nodes = [SmallNode("n1", running("a")), SmallNode("n2")]
    for policy in ("stop", "freeze", "demote", "ignore"):
        c = assigned(cib(nodes, resources, options={"no-quorum-policy": policy}, quorum=False))
        assert table(c, "a") == table(c, "b") == "n1 0, n2 0"


def test_e28_an_interleaved_clone_follows_its_partner_on_each_node() -> None:
    resources = clone("x", primitive("x1"), {"clone-max": 2}) + clone(
        "a", primitive("a1"), {"interleave": "true"}
    )
    c = assigned(cib(["n1", "n2", "n3"], resources, colocate(1, "a", "x", "INFINITY")))
    assert table(c, "a1:0") == "n1 0, n2 -INFINITY, n3 -INFINITY"
    assert table(c, "a1:1") == "n1 -INFINITY, n2 0, n3 -INFINITY"
    assert table(c, "a1:2") == "n1 -INFINITY, n2 -INFINITY, n3 -INFINITY"
