"""The worked examples of the specification: ids, triggers, summary (scheduler-2-actions.md 19)."""

from crmd.scheduler.pipeline import run

NOW = 1_700_000_000.0
EMPTY = "f2317cad3d54cec5d7d7aa7d0bf35cf8"
MONITOR = "4811cef7f7f94e3a35a70be7916cb2fd"


def cib(resources: str, constraints: str = "", status: str = "", options: str = "") -> bytes:
    names = ("node1", "node2")
    nodes = "".join(f'<node id="{i}" uname="{n}"/>' for i, n in enumerate(names, 1))
    return f"""<cib validate-with="pacemaker-4.0" crm_feature_set="3.20.0" have-quorum="1" epoch="1"
        num_updates="0" admin_epoch="0"><configuration><crm_config>
        <cluster_property_set id="o"><nvpair id="o-f" name="fencing-enabled" value="false"/>
        {options}</cluster_property_set></crm_config><nodes>{nodes}</nodes>
        <resources>{resources}</resources><constraints>{constraints}</constraints></configuration>
        <status>{status or online("node1", "node2")}</status></cib>""".encode()


def node_state(number: int, name: str, histories: str = "") -> str:
    lrm = f'<lrm id="{number}"><lrm_resources>{histories}</lrm_resources></lrm>'
    return (
        f'<node_state id="{number}" uname="{name}" in_ccm="true" crmd="online" join="member" '
        f'expected="member">{lrm}</node_state>'
    )


def online(*names: str) -> str:
    return "".join(node_state(i, n) for i, n in enumerate(names, 1))


def dummy(name: str, inside: str = "") -> str:
    return (
        f'<primitive id="{name}" class="ocf" provider="pacemaker" type="Dummy">{inside}</primitive>'
    )


def monitor(name: str, interval: str = "10s", role: str = "") -> str:
    extra = f' role="{role}"' if role else ""
    return f'<op id="{name}-m-{interval}" name="monitor" interval="{interval}"{extra}/>'


def operations(text: str) -> str:
    return f"<operations>{text}</operations>"


def entry(name: str, task: str, rc: int = 0, interval: int = 0, call: int = 1) -> str:
    digest = MONITOR if interval else EMPTY
    ident = f"{name}_{task}_{interval}" if interval else f"{name}_last_0"
    key = f"{call}:1:{7 if rc == 7 else 0}:5eed5eed-0000-4000-8000-0123456789ab"
    return (
        f'<lrm_rsc_op id="{ident}" operation_key="{name}_{task}_{interval}" operation="{task}" '
        f'crm_feature_set="3.20.0" transition-key="{key}" transition-magic="0:{rc};{key}" '
        f'call-id="{call}" rc-code="{rc}" op-status="0" interval="{interval}" '
        f'op-digest="{digest}"/>'
    )


def history(name: str, *entries: str) -> str:
    return (
        f'<lrm_resource id="{name}" class="ocf" provider="pacemaker" type="Dummy">'
        f"{''.join(entries)}</lrm_resource>"
    )


def synapses(decision) -> list[tuple[int, str, str | None, tuple[int, ...]]]:
    return [
        (s.action.id, s.action.operation_key, s.action.on_node, s.inputs)
        for s in decision.transition.synapses
    ]


def squeezed(decision) -> list[str]:
    return [" ".join(line.split()) for line in decision.summary]


def test_two_ordered_primitives_start_from_cold():
    """19.1"""
    text = cib(
        dummy("A", operations(monitor("A"))) + dummy("B"),
        '<rsc_order id="ab" first="A" then="B"/>',
    )
    decision = run(text, NOW).decision
    assert synapses(decision) == [
        (6, "A_monitor_10000", "node1", (5,)),
        (5, "A_start_0", "node1", (1, 3)),
        (3, "A_monitor_0", "node2", ()),
        (1, "A_monitor_0", "node1", ()),
        (7, "B_start_0", "node2", (2, 4, 5)),
        (4, "B_monitor_0", "node2", ()),
        (2, "B_monitor_0", "node1", ()),
    ]
    assert squeezed(decision) == ["Start A ( node1 )", "Start B ( node2 )"]


def test_a_group_starts_member_by_member():
    """19.2, cold start"""
    group = dummy("drbd") + dummy("fs") + dummy("svc", operations(monitor("svc"))) + dummy("ip")
    decision = run(cib(f'<group id="G">{group}</group>'), NOW).decision
    inputs = {number: before for number, _, _, before in synapses(decision)}
    assert inputs == {
        15: (9, 10, 11, 13, 14),
        14: (),
        9: (1, 5, 14),
        5: (),
        1: (),
        10: (2, 6, 9, 14),
        6: (),
        2: (),
        12: (11,),
        11: (3, 7, 10, 14),
        7: (),
        3: (),
        13: (4, 8, 11, 14),
        8: (),
        4: (),
    }
    assert [number for number, *_ in synapses(decision)][:3] == [15, 14, 9]


def test_a_running_group_moves_as_a_whole():
    """19.2, move"""
    running = "".join(history(n, entry(n, "start")) for n in ("drbd", "fs"))
    elsewhere = "".join(history(n, entry(n, "monitor", 7)) for n in ("drbd", "fs"))
    decision = run(
        cib(
            f'<group id="G">{dummy("drbd")}{dummy("fs")}</group>',
            '<rsc_location id="l" rsc="G" node="node2" score="100"/>',
            node_state(1, "node1", running) + node_state(2, "node2", elsewhere),
        ),
        NOW,
    ).decision
    assert [(number, before) for number, _, _, before in synapses(decision)] == [
        (8, (1, 3, 7)),
        (7, ()),
        (6, (2, 4, 5)),
        (5, (8,)),
        (2, (1, 5)),
        (1, (3, 7)),
        (4, (2, 3, 5)),
        (3, (7,)),
    ]


def test_a_live_migration_leaves_its_dependent_alone():
    """19.5"""
    migratable = (
        '<meta_attributes id="A-m"><nvpair id="A-mm" name="allow-migrate" value="true"/>'
        "</meta_attributes>"
    )
    here = history("A", entry("A", "start"), entry("A", "monitor", 0, 10000, 2))
    here += history("B", entry("B", "monitor", 7))
    there = history("A", entry("A", "monitor", 7)) + history("B", entry("B", "start"))
    decision = run(
        cib(
            dummy("A", migratable + operations(monitor("A"))) + dummy("B"),
            '<rsc_order id="ab" first="A" then="B"/>'
            '<rsc_location id="l" rsc="A" node="node2" score="100"/>'
            '<rsc_location id="lb" rsc="B" node="node2" score="100"/>',
            node_state(1, "node1", here) + node_state(2, "node2", there),
        ),
        NOW,
    ).decision
    assert synapses(decision) == [
        (6, "A_migrate_from_0", "node2", (5,)),
        (5, "A_migrate_to_0", "node1", ()),
        (4, "A_monitor_10000", "node2", (3,)),
        (3, "A_start_0", None, (2, 6)),
        (2, "A_stop_0", "node1", (6,)),
    ]
    assert squeezed(decision) == ["Migrate A ( node1 -> node2 )"]


def test_what_cannot_run_blocks_by_the_kind_of_the_order():
    """19.7"""
    stopped = (
        '<meta_attributes id="A-m"><nvpair id="A-mt" name="target-role" value="Stopped"/>'
        "</meta_attributes>"
    )
    decision = run(
        cib(
            dummy("A", stopped) + dummy("B") + dummy("C") + dummy("E"),
            '<rsc_order id="ab" first="A" then="B"/>'
            '<rsc_order id="ac" first="A" then="C" kind="Optional"/>'
            '<rsc_order id="ae" first="A" then="E" symmetrical="false"/>',
        ),
        NOW,
    ).decision
    assert squeezed(decision) == [
        "Start B ( node1 ) due to unrunnable A start (blocked)",
        "Start C ( node2 )",
        "Start E ( node1 ) due to unrunnable A start (blocked)",
    ]
    assert any("A_start_0" in cause for cause in decision.reasons["B_start_0 on node1"])


def test_only_interleaving_pairs_the_instances_of_two_clones():
    """19.6"""

    def clones(interleave: str) -> bytes:
        meta = (
            '<meta_attributes id="CB-m">'
            f'<nvpair id="CB-mi" name="interleave" value="{interleave}"/></meta_attributes>'
        )
        return cib(
            f'<clone id="CA">{dummy("a")}</clone><clone id="CB">{meta}{dummy("b")}</clone>',
            '<rsc_order id="o" first="CA" then="CB"/>',
        )

    def starts(decision) -> dict[str, set[str]]:
        names = {s.action.id: s.action.operation_key for s in decision.transition.synapses}
        return {
            s.action.operation_key: {names[i] for i in s.inputs}
            for s in decision.transition.synapses
        }

    apart = starts(run(clones("false"), NOW).decision)
    paired = starts(run(clones("true"), NOW).decision)
    assert "CA_running_0" in apart["CB_start_0"] and "CA_running_0" in paired["CB_start_0"]
    assert "a:0_start_0" not in apart["b:0_start_0"]
    assert "a:0_start_0" in paired["b:0_start_0"] and "a:1_start_0" in paired["b:1_start_0"]


def test_a_cycle_of_orders_is_reported_with_its_members():
    decision = run(
        cib(
            dummy("A") + dummy("B") + dummy("C"),
            '<rsc_order id="ab" first="A" then="B"/><rsc_order id="bc" first="B" then="C"/>'
            '<rsc_order id="ca" first="C" then="A"/>',
        ),
        NOW,
    ).decision
    assert any("A -> B -> C -> A" in warning for warning in decision.warnings)


def test_orders_without_a_cycle_are_not_complained_about():
    decision = run(
        cib(dummy("A") + dummy("B"), '<rsc_order id="ab" first="A" then="B"/>'), NOW
    ).decision
    assert decision.warnings == ()
