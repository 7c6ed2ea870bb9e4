"""CIB to working set: nodes, resources, status, constraints (scheduler part 1, 4 - 16)."""

from __future__ import annotations

from lxml import etree

from cib import dates
from cib.lexical import compare_versions
from crmd.scheduler.model import Cluster, Recorder
from crmd.scheduler.unpack import (
    constraints,
    history,
    locations,
    node_state,
    nodes,
    options,
    references,
    resources,
)
from crmd.scheduler.unpack.attributes import Attributes

FEATURE_SET = "3.20.5"
"""The `crm_feature_set` whose rules are implemented."""


def unpack(cib: etree._Element, now: float, explain: Recorder | None = None) -> Cluster:
    """Read an upgraded CIB into a new working set (3.1 steps 1 - 9).  `cib` is changed.

    A CIB of a newer feature set gives an empty working set, with a warning.
    """
    cluster = unpack_status(cib, now, explain)
    unpack_constraints(cluster)
    return cluster


def unpack_status(cib: etree._Element, now: float, explain: Recorder | None = None) -> Cluster:
    """The state of the cluster (3.1 steps 1 - 7), as status displays show it.

    Failures found in it change scores already: `explain` is told about them.
    """
    cluster = Cluster(cib=cib, now=now, attributes=Attributes(cib, dates.local(now)))
    cluster.explain = explain
    options.read_quorum(cluster)
    if compare_versions(cluster.feature_set, FEATURE_SET) > 0:
        cluster.warnings.append(
            f"cib: crm_feature_set {cluster.feature_set} is newer than {FEATURE_SET}; "
            "nothing is scheduled"
        )
        return cluster
    options.read_options(cluster)
    nodes.read_nodes(cluster)
    nodes.add_implied_remote_nodes(cluster)
    resources.read_resources(cluster)
    references.read_tags(cluster)
    status = next(cib.iterchildren("status"), None)
    node_state.read_states(cluster, status)
    history.read_histories(cluster, status)
    return cluster


def unpack_constraints(cluster: Cluster) -> None:
    """What the configuration wants (3.1 steps 8 and 9); nothing for a refused CIB."""
    if compare_versions(cluster.feature_set, FEATURE_SET) > 0:
        return
    locations.add_node_health(cluster)
    constraints.read_constraints(cluster)
    recheck = cluster.attributes.recheck.at
    if recheck is not None:
        cluster.recheck(recheck)
