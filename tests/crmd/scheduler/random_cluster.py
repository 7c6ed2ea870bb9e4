"""Random small clusters for the comparison with an installed crm_simulate.

Everything comes from one `random.Random`, so a seed names a cluster.  Left out is what 2.1.5 is
known to decide otherwise (scheduler-1-assignment.md 26, scheduler-2-actions.md 20): each such
rule is named in `test_against_installed`.
"""

from __future__ import annotations

import random

from tests.crmd.scheduler.small_cib import (
    SmallNode,
    cib,
    clone,
    colocate,
    group,
    history,
    locate,
    operation,
    primitive,
    running,
)


def random_cib(seed: int) -> bytes:
    """Two to four nodes, up to seven resources, some constraints, some history."""
    chance = random.Random(seed)
    nodes = [f"n{i}" for i in range(1, chance.randint(2, 4) + 1)]
    lrm: dict[str, list[str]] = {name: [] for name in nodes}
    resources: list[str] = []
    names: list[str] = []
    for i in range(chance.randint(2, 5)):
        xml, name = _resource(chance, i, nodes, lrm)
        resources.append(xml)
        names.append(name)
    states = []
    for name in nodes:
        online = chance.random() < 0.85
        attrs: dict[str, object] = {"standby": "on"} if chance.random() < 0.1 else {}
        states.append(SmallNode(name, "".join(lrm[name]) if online else "", attrs, online=online))
    options: dict[str, object] = {}
    constraints = _constraints(chance, names, nodes)
    if "-INFINITY" not in constraints and chance.random() < 0.3:
        options["symmetric-cluster"] = chance.choice(("true", "false"))
    if chance.random() < 0.2:
        options["maintenance-mode"] = "true"
    return cib(states, "".join(resources), constraints, options)


def _meta(chance: random.Random) -> dict[str, object]:
    meta: dict[str, object] = {}
    if chance.random() < 0.4:
        meta["resource-stickiness"] = chance.choice((0, 1, 100, "INFINITY"))
    if chance.random() < 0.2:
        meta["target-role"] = chance.choice(("Started", "Stopped"))
    if chance.random() < 0.2:
        meta["priority"] = chance.randint(-5, 10)
    if chance.random() < 0.15:
        meta["is-managed"] = chance.choice(("true", "false"))
    if chance.random() < 0.2:
        meta["migration-threshold"] = chance.choice((1, 3))
    return meta


def _resource(
    chance: random.Random, i: int, nodes: list[str], lrm: dict[str, list[str]]
) -> tuple[str, str]:
    kind = chance.choice(("primitive", "primitive", "primitive", "group", "clone"))
    if kind == "group":
        members = [f"m{i}{letter}" for letter in "abc"[: chance.randint(1, 3)]]
        home = chance.choice(nodes)
        for member in members:
            if chance.random() < 0.6:
                lrm[home].append(_history(chance, member))
        parts = (primitive(member, _member_meta(chance)) for member in members)
        return group(f"g{i}", *parts, meta=_meta(chance)), f"g{i}"
    if kind == "clone":
        for name in nodes:
            if chance.random() < 0.5:
                lrm[name].append(running(f"k{i}p"))
        meta = _meta(chance)
        if chance.random() < 0.4:
            meta["interleave"] = "true"
        return clone(f"k{i}", primitive(f"k{i}p"), meta), f"k{i}"
    if chance.random() < 0.6:
        lrm[chance.choice(nodes)].append(_history(chance, f"p{i}"))
    meta = _meta(chance)
    if chance.random() < 0.2:
        meta["allow-migrate"] = "true"
    return primitive(f"p{i}", meta), f"p{i}"


def _member_meta(chance: random.Random) -> dict[str, object]:
    return {"resource-stickiness": 10} if chance.random() < 0.2 else {}


def _history(chance: random.Random, name: str) -> str:
    kind = chance.random()
    if kind < 0.7:
        return running(name)
    if kind < 0.85:
        return history(name, operation(name, "monitor", 7, expected=7))
    failed = operation(
        name, "monitor", 7, call=2, interval=10000, entry_id=f"{name}_last_failure_0"
    )
    return history(name, operation(name, "start"), failed)


def _constraints(chance: random.Random, names: list[str], nodes: list[str]) -> str:
    out = []
    scores = (-1_000_000, -50, 10, 100, "INFINITY", "-INFINITY")
    apart = chance.random() < 0.4
    for n in range(0 if apart else chance.randint(0, 3)):
        out.append(locate(n, chance.choice(names), chance.choice(nodes), chance.choice(scores)))
    joined: set[tuple[str, str]] = set()
    for n in range(chance.randint(0, 3)):
        a, b = chance.sample(names, 2)
        if (a, b) in joined or (b, a) in joined:
            continue
        joined.add((a, b))
        out.append(colocate(n, a, b, "-INFINITY" if apart else chance.choice((50, "INFINITY"))))
    ordered: set[tuple[str, str]] = set()
    for n in range(chance.randint(0, 3)):
        a, b = sorted(chance.sample(names, 2))
        if (a, b) in ordered:
            continue
        ordered.add((a, b))
        kind = chance.choice(("Mandatory", "Optional", "Serialize"))
        symmetrical = "false" if kind == "Serialize" or chance.random() < 0.2 else "true"
        out.append(
            f'<rsc_order id="o{n}" first="{a}" then="{b}" kind="{kind}" '
            f'symmetrical="{symmetrical}"/>'
        )
    return "".join(out)
