"""Which fence devices may shoot a node, in which order, and the call that does it.

Reads the CIB; talks to nobody.  A device without host list or map is taken to know every node but
the ones another device names: its agent has the last word.
Source: ocf.md sections 10.1 to 10.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from ocf.calls import AgentCall, AgentRef

Tree = etree._Element

DEFAULT_TIMEOUT_S = 60.0
_DURATION = re.compile(r"\s*(\d+)\s*(ms|s|sec|m|min|h|hr)?\s*\Z")
_SECONDS = {None: 1.0, "ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0}
_SECONDS |= {"h": 3600.0, "hr": 3600.0}
_OURS = ("action", "provides", "stonith-timeout", "crm_feature_set")


def seconds(text: str | None, default: float) -> float:
    """A duration of a fence parameter; `default` when absent or unreadable."""
    found = _DURATION.match(text or "")
    return default if found is None else int(found[1]) * _SECONDS[found[2]]


@dataclass(frozen=True, slots=True)
class Device:
    """A `stonith` resource."""

    id: str
    type: str
    params: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    banned: frozenset[str] = frozenset()
    """Nodes that must not run it (location -INFINITY)."""
    running_on: str | None = None

    def hosts(self) -> Mapping[str, str] | None:
        """Target to the name the agent knows it by; None when neither list nor map is given."""
        names: dict[str, str] = {}
        for name in re.split(r"[\s,;]+", self.params.get("pcmk_host_list", "")):
            if name:
                names[name] = name
        for pair in re.split(r"[\s;]+", self.params.get("pcmk_host_map", "")):
            target, colon, port = pair.partition(":")
            if colon and target:
                names[target] = port
        return names or None

    def can_fence(self, target: str) -> bool:
        """Whether the target is one of its hosts, as far as the configuration says."""
        hosts = self.hosts()
        return hosts is None or target in hosts

    def delay(self, target: str, chance: float) -> float:
        """Seconds to wait before shooting; `chance` in [0, 1) picks within pcmk_delay_max."""
        base_text = self.params.get("pcmk_delay_base", "0")
        base = 0.0
        if ":" in base_text:
            for pair in re.split(r"[\s;]+", base_text):
                name, _, value = pair.partition(":")
                if name == target:
                    base = seconds(value, 0.0)
        else:
            base = seconds(base_text, 0.0)
        longest = seconds(self.params.get("pcmk_delay_max"), 0.0)
        if longest <= 0:
            return base
        base = min(base, longest)
        return base + int((longest - base + 1) * chance) if longest > base else base

    def has_delay(self) -> bool:
        """Whether the configuration asks for any delay."""
        return "pcmk_delay_base" in self.params or "pcmk_delay_max" in self.params

    def timeout(self, action: str) -> float:
        """Seconds that one run of the action may take."""
        return seconds(self.params.get(f"pcmk_{action}_timeout"), DEFAULT_TIMEOUT_S)

    def call(self, target: str, action: str, user_data: str) -> AgentCall:
        """The agent call that carries out `action` against `target`.

        Its `rsc` names device and target, so that it waits for no monitor of the device.
        """
        params = {
            name: value
            for name, value in self.params.items()
            if name not in _OURS and not name.startswith(("pcmk_", "CRM_meta_"))
        }
        params["nodename"] = target
        port = (self.hosts() or {}).get(target, target)
        argument = self.params.get("pcmk_host_argument")
        for name in ("plug", "port") if argument is None else (argument,):
            if name != "none" and params.get(name, "dynamic") == "dynamic":
                params[name] = port
        return AgentCall(
            call_id=0,
            rsc=f"{self.id}/{target}",
            agent=AgentRef("stonith", self.type),
            operation=self.params.get(f"pcmk_{action}_action", action),
            params=params,
            timeout_ms=int(self.timeout(action) * 1000),
            user_data=user_data,
        )


def devices(root: Tree) -> dict[str, Device]:
    """All enabled fence devices of a CIB, by id, in document order."""
    found: dict[str, Device] = {}
    for element in root.iterfind("configuration/resources//primitive"):
        if element.get("class") != "stonith":
            continue
        if _pair(element, "meta_attributes", "target-role") == "Stopped":
            continue
        rsc = element.get("id", "")
        params = {
            str(p.get("name")): str(p.get("value", ""))
            for p in element.iterfind("instance_attributes/nvpair")
        }
        found[rsc] = Device(
            rsc,
            element.get("type", ""),
            params,
            _integer(params.get("priority")),
            _banned(root, rsc),
            _running_on(root, rsc),
        )
    return found


def _pair(element: Tree, block: str, name: str) -> str | None:
    for pair in element.iterfind(f"{block}/nvpair"):
        if pair.get("name") == name:
            return pair.get("value")
    return None


def _integer(text: str | None) -> int:
    try:
        return int(text or "0")
    except ValueError:
        return 0


def _banned(root: Tree, rsc: str) -> frozenset[str]:
    return frozenset(
        str(e.get("node"))
        for e in root.iterfind("configuration/constraints/rsc_location")
        if e.get("rsc") == rsc and e.get("node") and e.get("score") == "-INFINITY"
    )


def _running_on(root: Tree, rsc: str) -> str | None:
    for state in root.iterfind("status/node_state"):
        for entry in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if entry.get("id") != rsc:
                continue
            for op in entry:
                if op.get("operation") in ("start", "monitor") and op.get("rc-code") == "0":
                    return state.get("uname")
    return None


def levels(root: Tree, target: str) -> list[tuple[Device, ...]]:
    """What to try against the target, in order; all devices of one level must succeed."""
    known = devices(root)
    chosen: list[tuple[int, tuple[Device, ...]]] = []
    for level in root.iterfind("configuration/fencing-topology/fencing-level"):
        if _concerns(root, level, target):
            names = [n.strip() for n in (level.get("devices") or "").split(",")]
            if all(n in known for n in names):
                index = _integer(level.get("index"))
                chosen.append((index, tuple(known[n] for n in names)))
    if chosen:
        return [group for _, group in sorted(chosen, key=lambda item: item[0])]
    able = [d for d in known.values() if d.can_fence(target)]
    able.sort(key=lambda d: (d.hosts() is None, -d.priority))
    return [(device,) for device in able]


def _concerns(root: Tree, level: Tree, target: str) -> bool:
    if level.get("target") is not None:
        return level.get("target") == target
    pattern = level.get("target-pattern")
    if pattern is not None:
        try:
            return re.search(pattern, target) is not None
        except re.error:
            return False
    name, value = level.get("target-attribute"), level.get("target-value")
    for node in root.iterfind("configuration/nodes/node"):
        if node.get("uname") == target and name is not None:
            return _pair(node, "instance_attributes", name) == value
    return False


def executors(device: Device, target: str, members: tuple[str, ...], dc: str) -> list[str]:
    """Members that may run the device against the target, best first."""
    able = [m for m in members if m != target and m not in device.banned]
    able.sort(key=lambda m: (m != device.running_on, m != dc, m))
    return able
