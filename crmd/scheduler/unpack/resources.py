"""Resources: what every variant has in common, and the order in which they are read.

Groups and clones are in `collectives`, bundles in `bundles`.
Facts: scheduler-1-assignment.md sections 7 and 9, 6.5.
"""

from __future__ import annotations

from lxml import etree

from cib import durations, scores
from cib.lexical import integer_at_least, is_true, parse_boolean, parse_role
from cib.scores import INFINITY
from crmd.scheduler.model import (
    Cluster,
    MultipleActive,
    Node,
    ProbeMode,
    QuorumPolicy,
    Resource,
    Role,
    Variant,
)
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.nodes import add_utilization
from crmd.scheduler.unpack.operations import read_operations
from crmd.scheduler.unpack.parameters import parameters
from crmd.scheduler.unpack.templates import effective_element

_VARIANTS = {
    "primitive": Variant.PRIMITIVE,
    "group": Variant.GROUP,
    "clone": Variant.CLONE,
    "bundle": Variant.BUNDLE,
}


def read_resources(cluster: Cluster) -> None:
    """The `resources` section; then launchers, connections, and the order by priority."""
    section = cluster.attributes.section("resources")
    children = [] if section is None else list(section.iterchildren(etree.Element))
    for element in children:
        if element.tag == "template":
            template_id = element.get("id")
            if template_id is not None:
                cluster.templates.setdefault(template_id, [])
            continue
        rsc = unpack_resource(cluster, element, None)
        if rsc is not None:
            cluster.resources.append(rsc)
    for rsc in cluster.resources:
        link_launcher(cluster, rsc)
        link_connection(cluster, rsc)
    cluster.resources.sort(key=lambda r: -r.priority)


def unpack_resource(
    cluster: Cluster, element: etree._Element, parent: Resource | None, number: int | None = None
) -> Resource | None:
    """Make a resource of an element, with its children; None if it cannot be used."""
    variant = _VARIANTS.get(element.tag)
    own_id = element.get("id")
    if own_id is None:
        cluster.warnings.append(f"a resource element '{element.tag}' without id is ignored")
        return None
    if variant is None:
        cluster.warnings.append(f"resource {own_id}: unknown kind '{element.tag}'; ignored")
        return None
    effective = effective_element(cluster, element)
    if effective is None:
        return None
    rsc = new_resource(cluster, own_id, variant, effective, parent, number)
    read_common(cluster, rsc)
    if not _read_variant(cluster, rsc):
        forget(cluster, rsc)
        return None
    add_utilization(cluster, effective, rsc.utilization)
    allow_known_nodes(cluster, rsc)
    return rsc


def new_resource(
    cluster: Cluster,
    own_id: str,
    variant: Variant,
    element: etree._Element | None,
    parent: Resource | None,
    number: int | None = None,
) -> Resource:
    """A bare resource object, known under its id."""
    instance_id = own_id if number is None else f"{own_id}:{number}"
    rsc = Resource(instance_id, own_id, variant, element, cluster.n_resources, parent)
    cluster.n_resources += 1
    cluster.by_id.setdefault(instance_id, rsc)
    if parent is not None:
        rsc.bundle = parent if parent.variant is Variant.BUNDLE else parent.bundle
    if element is not None:
        rsc.klass = element.get("class") or ""
        rsc.provider = element.get("provider")
        rsc.type = element.get("type") or ""
    if number is not None:
        rsc.meta["clone"] = str(number)
    return rsc


def forget(cluster: Cluster, rsc: Resource) -> None:
    """Take a resource that proved invalid, and its children, out of the index."""
    for child in rsc.children:
        forget(cluster, child)
    if cluster.by_id.get(rsc.id) is rsc:
        del cluster.by_id[rsc.id]


def _read_variant(cluster: Cluster, rsc: Resource) -> bool:
    from crmd.scheduler.unpack import bundles, collectives

    match rsc.variant:
        case Variant.PRIMITIVE:
            return _read_primitive(cluster, rsc)
        case Variant.GROUP:
            return collectives.read_group(cluster, rsc)
        case Variant.CLONE:
            return collectives.read_clone(cluster, rsc)
        case Variant.BUNDLE:
            return bundles.read_bundle(cluster, rsc)


def _read_meta(cluster: Cluster, rsc: Resource) -> None:
    """Meta-attributes in their order of precedence (7.4)."""
    meta, attributes = rsc.meta, cluster.attributes
    clone_number = meta.get("clone")
    meta.clear()
    given = attributes.given(agent=(rsc.klass or None, rsc.provider, rsc.type or None))
    if rsc.element is not None:
        for name, value in rsc.element.attrib.items():
            if str(value).lower() != "#default":
                meta[str(name)] = str(value)
    meta["id"] = rsc.id
    if clone_number is not None:
        meta["clone"] = clone_number
    attributes.merge(rsc.element, "meta_attributes", meta, given)
    ancestor = rsc.parent
    while ancestor is not None:
        inherited: dict[str, str] = {}
        attributes.merge(ancestor.element, "meta_attributes", inherited, given)
        for name, value in inherited.items():
            meta.setdefault(name, value)
        ancestor = ancestor.parent
    defaults = cluster.attributes.section("rsc_defaults")
    attributes.merge(defaults, "meta_attributes", meta, given)
    if rsc.parent is not None:
        for name, value in rsc.parent.meta.items():
            if value.lower() != "#default":
                meta.setdefault(name, value)


def read_common(cluster: Cluster, rsc: Resource) -> None:
    _read_meta(cluster, rsc)
    meta = rsc.meta
    if rsc.is_primitive:
        rsc.operations = read_operations(cluster, rsc.element)
    rsc.fence_device = rsc.klass == "stonith"
    rsc.is_remote_connection = rsc.is_primitive and is_remote_agent(rsc)
    health = cluster.attributes.health
    rsc.priority = scores.parse(meta.get("priority"), 0, health)
    critical = meta.get("critical")
    rsc.critical = critical is None or is_true(critical)
    rsc.notify = is_true(meta.get("notify"))
    rsc.migratable = is_true(meta.get("allow-migrate"))
    if rsc.is_remote_connection and "allow-migrate" not in meta and "container" not in meta:
        rsc.migratable = True
    _read_managed(cluster, rsc)
    rsc.stickiness = scores.parse(meta.get("resource-stickiness"), 0, health)
    threshold = scores.parse(meta.get("migration-threshold"), INFINITY, health)
    rsc.ban_after = INFINITY if threshold < 0 else threshold
    multiple = (meta.get("multiple-active") or "").lower()
    rsc.multiple_active = {
        "stop_only": MultipleActive.STOP_ONLY,
        "block": MultipleActive.BLOCK,
        "stop_unexpected": MultipleActive.STOP_UNEXPECTED,
    }.get(multiple, MultipleActive.STOP_START)
    _read_requires(cluster, rsc)
    rsc.failure_timeout_ms = durations.interval_ms(meta.get("failure-timeout"))
    if rsc.is_remote_connection and "container" not in meta:
        text = parameters(cluster, rsc, None).get("reconnect_interval")
        if text is not None:
            rsc.remote_reconnect_ms = durations.interval_ms(text)
            rsc.failure_timeout_ms = rsc.remote_reconnect_ms
    top = rsc.top
    if top.variant is Variant.CLONE and top is not rsc:
        rsc.unique = is_true(meta.get("globally-unique"))
        rsc.promotable = is_true(meta.get("promotable"))
    elif rsc.variant is Variant.CLONE:
        rsc.promotable = is_true(meta.get("promotable"))
    target = target_role(cluster, rsc)
    if target is not None:
        rsc.next_role = target


def is_remote_agent(rsc: Resource) -> bool:
    """Whether the agent is `ocf:pacemaker:remote`."""
    return (
        rsc.klass.lower() == "ocf"
        and (rsc.provider or "").lower() == "pacemaker"
        and rsc.type.lower() == "remote"
    )


def _read_managed(cluster: Cluster, rsc: Resource) -> None:
    """`is-managed`, `maintenance` and maintenance mode (7.7)."""
    rsc.managed = not cluster.options.maintenance_mode
    word = rsc.meta.get("is-managed")
    if word is not None and word != "default":
        rsc.managed = is_true(word)
    if is_true(rsc.meta.get("maintenance")) or cluster.options.maintenance_mode:
        rsc.managed = False
        rsc.maintenance = True


def _read_requires(cluster: Cluster, rsc: Resource) -> None:
    """What the resource needs before it may start (7.8)."""
    options = cluster.options
    word = (rsc.meta.get("requires") or "").lower()
    if word not in ("nothing", "quorum", "fencing", "unfencing"):
        if rsc.fence_device or rsc.is_remote_connection:
            word = "quorum"
        elif cluster.unfencing_in_use:
            word = "unfencing"
        elif options.fencing_enabled:
            word = "fencing"
        elif options.no_quorum_policy is QuorumPolicy.IGNORE:
            word = "nothing"
        else:
            word = "quorum"
    if word == "unfencing" and (rsc.fence_device or not options.fencing_enabled):
        word = "quorum"
    rsc.needs_quorum = word == "quorum"
    rsc.needs_fencing = word in ("fencing", "unfencing")
    rsc.needs_unfencing = word == "unfencing"


def target_role(cluster: Cluster, rsc: Resource) -> Role | None:
    """The limit that `target-role` sets, or None when it has no effect (7.9)."""
    word = rsc.meta.get("target-role")
    if word is None or word in ("default", "Started"):
        return None
    role = parse_role(word)
    if role is None or role is Role.UNKNOWN:
        cluster.warnings.append(f"resource {rsc.id}: target-role '{word}' is not a role; ignored")
        return None
    if role is Role.STARTED:
        return None
    if role > Role.STARTED:
        if not rsc.top.promotable:
            cluster.warnings.append(
                f"resource {rsc.id}: target-role '{word}' needs a promotable clone; ignored"
            )
            return None
        if role is Role.PROMOTED:
            return None
    return Role(role)


def _read_primitive(cluster: Cluster, rsc: Resource) -> bool:
    """Agent checks (7.11); whether the primitive can be used."""
    top = rsc.top
    if rsc.fence_device:
        cluster.have_fence_devices = True
    if top.variant is not Variant.CLONE:
        return True
    if rsc.promotable and rsc.klass != "ocf":
        cluster.warnings.append(
            f"resource {rsc.id}: only ocf agents can be promotable, not '{rsc.klass}'; ignored"
        )
        return False
    if rsc.unique and rsc.klass not in ("ocf", "stonith"):
        _make_anonymous(cluster, top, rsc)
    return True


def _make_anonymous(cluster: Cluster, clone: Resource, rsc: Resource) -> None:
    cluster.warnings.append(
        f"clone {clone.id}: agents of class '{rsc.klass}' cannot be globally unique; "
        "treated as anonymous"
    )
    facts = clone.clone
    if facts is None:
        raise AssertionError(f"{clone.id} is the top of an instance but no clone")
    facts.node_max = 1
    facts.max = min(facts.max, len(cluster.nodes))

    def clear(r: Resource) -> None:
        r.unique = False
        r.meta["globally-unique"] = "false"
        for child in r.children:
            clear(child)

    clear(clone)
    clear(rsc)


def allow_known_nodes(cluster: Cluster, rsc: Resource) -> None:
    """The table of a new resource: the nodes of now with their base scores (7.12).

    In an opt-in cluster only connections of guests and bundle nodes have one, which then has
    bundle nodes in it too.
    """
    symmetric = cluster.options.symmetric
    if not symmetric and not (rsc.is_remote_connection and "container" in rsc.meta):
        return
    for node in cluster.nodes:
        if not symmetric or node.probe_mode is not ProbeMode.NEVER:
            tables.add_entry(rsc, node)


def link_launcher(cluster: Cluster, rsc: Resource) -> None:
    """`container`: which resource launches this one (6.5); children too."""
    for child in rsc.children:
        link_launcher(cluster, child)
    name = rsc.meta.get("container")
    if name is None or name == rsc.id or rsc.launcher is not None:
        return
    launcher = cluster.by_id.get(name)
    if launcher is None:
        cluster.warnings.append(f"resource {rsc.id}: there is no container '{name}'")
        return
    rsc.launcher = launcher
    launcher.launched.append(rsc)


def link_connection(cluster: Cluster, rsc: Resource) -> None:
    """A top-level connection and its node (6.5)."""
    if not rsc.is_remote_connection:
        return
    node = cluster.node(rsc.id)
    if node is None:
        return
    link_node(cluster, rsc, node)


def link_node(cluster: Cluster, rsc: Resource, node: Node) -> None:
    """Make a connection and its node known to each other."""
    node.conn = rsc
    if rsc.launcher is None:
        node.unclean = cluster.options.startup_fencing
    else:
        node.attrs["#kind"] = "container"


def minimum(meta: dict[str, str], name: str, default: int, low: int = 0) -> int:
    """A "minimum m" integer meta-attribute (2.2); `default` when absent."""
    text = meta.get(name)
    return default if text is None else integer_at_least(text, low)


def flag_unless_false(meta: dict[str, str], name: str) -> bool:
    """Unset, invalid or true is on (7.6)."""
    text = meta.get(name)
    return text is None or parse_boolean(text) is not False
