"""Whether start orders wait for each other: a quick look before the thorough one.

The thorough one, with names and pictures, is `crmd.scheduler.dependencies`.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Plan
from crmd.scheduler.model import Resource, Variant


def has_order_cycle(plan: Plan) -> bool:
    """Whether start orders of the configuration wait for each other; cheap, without networkx."""
    followers: dict[int, list[Resource]] = {}
    for ordering in plan.user_orderings:
        a, b = ordering.first_rsc, ordering.then_rsc
        if a is not None and b is not None and a is not b:
            if (ordering.first_key or "").endswith(("_start_0", "_promote_0")):
                followers.setdefault(a.index, []).append(b)
                _add_siblings(followers, a, b)
    return _any_cycle(followers)


def _add_siblings(followers: dict[int, list[Resource]], a: Resource, b: Resource) -> None:
    """Two members of one ordered group: the group's own order counts too."""
    group = a.parent
    if group is None or group is not b.parent or group.variant is not Variant.GROUP:
        return
    if group.group is None or not group.group.ordered:
        return
    for first, then in zip(group.children, group.children[1:], strict=False):
        known = followers.setdefault(first.index, [])
        if then not in known:
            known.append(then)


def _any_cycle(followers: dict[int, list[Resource]]) -> bool:
    state: dict[int, int] = {}
    for root in list(followers):
        stack: list[tuple[int, int]] = [(root, 0)]
        if state.get(root):
            continue
        state[root] = 1
        while stack:
            at, i = stack.pop()
            nexts = followers.get(at, ())
            if i >= len(nexts):
                state[at] = 2
                continue
            stack.append((at, i + 1))
            following = nexts[i].index
            if state.get(following) == 1:
                return True
            if not state.get(following):
                state[following] = 1
                stack.append((following, 0))
    return False
