"""Small clusters for scheduler tests: a few words in, a CIB out; and what became of it.

Frame of the worked examples (scheduler-1-assignment.md, 27): fencing off, no-quorum-policy=ignore,
quorate, members online and clean, agents `ocf:pacemaker:Dummy`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cib.scores import to_text
from crmd.scheduler import pipeline
from crmd.scheduler.model import Cluster

NOW = 1_700_000_000
DIGEST = "f2317cad3d54cec5d7d7aa7d0bf35cf8"
MONITOR_DIGEST = "4811cef7f7f94e3a35a70be7916cb2fd"
UUID = "5eed5eed-0000-4000-8000-0123456789ab"


def pairs(tag: str, owner: str, values: dict[str, object], **attrs: object) -> str:
    """A block of nvpairs."""
    extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in attrs.items())
    inner = "".join(
        f'<nvpair id="{owner}-{tag}-{i}" name="{n}" value="{v}"/>'
        for i, (n, v) in enumerate(values.items())
    )
    return f'<{tag} id="{owner}-{tag}"{extra}>{inner}</{tag}>'


def primitive(
    name: str, meta: dict[str, object] | None = None, inner: str = "", agent: str = "Dummy"
) -> str:
    """A primitive of `ocf:pacemaker`."""
    block = pairs("meta_attributes", name, meta) if meta else ""
    return (
        f'<primitive id="{name}" class="ocf" provider="pacemaker" type="{agent}">'
        f"{block}{inner}</primitive>"
    )


def group(name: str, *members: str, meta: dict[str, object] | None = None) -> str:
    """A group."""
    block = pairs("meta_attributes", name, meta) if meta else ""
    return f'<group id="{name}">{block}{"".join(members)}</group>'


def clone(name: str, child: str, meta: dict[str, object] | None = None) -> str:
    """A clone."""
    block = pairs("meta_attributes", name, meta) if meta else ""
    return f'<clone id="{name}">{block}{child}</clone>'


def operation(
    rsc: str,
    task: str,
    rc: int = 0,
    *,
    call: int = 1,
    expected: int = 0,
    interval: int = 0,
    status: int = 0,
    changed: int = NOW - 1000,
    digest: str = DIGEST,
    entry_id: str = "",
    extra: str = "",
) -> str:
    """One `lrm_rsc_op`."""
    key = f"{call}:1:{expected}:{UUID}"
    entry_id = entry_id or f"{rsc}_{task}_{interval}"
    return (
        f'<lrm_rsc_op id="{entry_id}" operation_key="{rsc}_{task}_{interval}" '
        f'operation="{task}" transition-key="{key}" transition-magic="{status}:{rc};{key}" '
        f'call-id="{call}" rc-code="{rc}" op-status="{status}" interval="{interval}" '
        f'last-rc-change="{changed}" op-digest="{digest}" {extra}/>'
    )


def history(rsc: str, *operations: str, extra: str = "") -> str:
    """One `lrm_resource`."""
    return (
        f'<lrm_resource id="{rsc}" class="ocf" provider="pacemaker" type="Dummy" {extra}>'
        f"{''.join(operations)}</lrm_resource>"
    )


def running(*resources: str) -> str:
    """Histories of resources that were started there."""
    return "".join(history(r, operation(r, "start")) for r in resources)


@dataclass(slots=True)
class SmallNode:
    """One node: its status and attributes."""

    name: str
    lrm: str = ""
    attrs: dict[str, object] = field(default_factory=dict)
    transient: dict[str, object] = field(default_factory=dict)
    utilization: dict[str, object] = field(default_factory=dict)
    online: bool = True
    state: str = ""
    """Attributes of node_state in place of the usual ones."""


def cib(
    nodes: list[SmallNode] | list[str],
    resources: str,
    constraints: str = "",
    options: dict[str, object] | None = None,
    quorum: bool = True,
    sections: str = "",
    status: str = "",
) -> bytes:
    """A whole document."""
    members = [SmallNode(n) if isinstance(n, str) else n for n in nodes]
    given: dict[str, object] = {"stonith-enabled": "false", "no-quorum-policy": "ignore"}
    given.update(options or {})
    node_xml, state_xml = [], []
    for i, node in enumerate(members, start=1):
        attrs = pairs("instance_attributes", node.name, node.attrs) if node.attrs else ""
        if node.utilization:
            attrs += pairs("utilization", node.name, node.utilization)
        node_xml.append(f'<node id="{i}" uname="{node.name}">{attrs}</node>')
        usual = (
            'in_ccm="true" crmd="online" join="member" expected="member"'
            if node.online
            else 'in_ccm="false" crmd="offline" join="down" expected="down"'
        )
        transient = ""
        if node.transient:
            block = pairs("instance_attributes", f"t-{node.name}", node.transient)
            transient = f'<transient_attributes id="{i}">{block}</transient_attributes>'
        state_xml.append(
            f'<node_state id="{i}" uname="{node.name}" {node.state or usual}>{transient}'
            f'<lrm id="{i}"><lrm_resources>{node.lrm}</lrm_resources></lrm></node_state>'
        )
    return (
        f'<cib epoch="1" num_updates="0" admin_epoch="0" validate-with="pacemaker-3.9" '
        f'crm_feature_set="3.16.0" '
        f'have-quorum="{int(quorum)}" dc-uuid="1" execution-date="{NOW}"><configuration>'
        f"<crm_config>{pairs('cluster_property_set', 'opts', given)}</crm_config>"
        f"<nodes>{''.join(node_xml)}</nodes><resources>{resources}</resources>"
        f"<constraints>{constraints}</constraints>{sections}</configuration>"
        f"<status>{status}{''.join(state_xml)}</status></cib>"
    ).encode()


def assigned(document: bytes) -> Cluster:
    """The working set after assignment, score lines recorded."""
    cluster = pipeline.read(document, NOW, record_scores=True)
    pipeline.assign(cluster)
    return cluster


def place(cluster: Cluster, rsc: str) -> str | None:
    """Name of the node of a resource."""
    node = cluster.by_id[rsc].assigned
    return None if node is None else node.name


def table(cluster: Cluster, rsc: str) -> str:
    """Last printed `node score` pairs of a resource when its node was chosen, by node name."""
    found: dict[str, str] = {}
    for line in cluster.score_lines:
        label, _, rest = line.partition(": ")
        words = rest.split()
        if label == "pcmk__primitive_assign" and words[0] == rsc:
            found[words[4].rstrip(":")] = words[5]
    return ", ".join(f"{node} {score}" for node, score in found.items())


def entries(cluster: Cluster, rsc: str) -> str:
    """The present table of a resource, by node name."""
    names = {n.name: n.index for n in cluster.nodes}
    scores = cluster.by_id[rsc].scores
    return ", ".join(f"{n} {to_text(scores[i])}" for n, i in names.items() if i in scores)


def locate(n: int, rsc: str, node: str, score: object, extra: str = "") -> str:
    """A location constraint for one node."""
    return f'<rsc_location id="l{n}" rsc="{rsc}" node="{node}" score="{score}" {extra}/>'


def colocate(n: int, rsc: str, with_rsc: str, score: object, extra: str = "") -> str:
    """A simple colocation."""
    return f'<rsc_colocation id="c{n}" rsc="{rsc}" with-rsc="{with_rsc}" score="{score}" {extra}/>'
