"""What pretended actions and injected events leave in a copy of the CIB.

Works on an lxml tree handed in by the caller (a copy: the tree is changed in place), takes
the time as an argument, and reads nothing.  The order of the walk is `crmd.transition.imagine`.
Facts: scheduler-2-actions.md sections 16.3 to 16.5 and 7.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from cib import digest
from cib.lexical import parse_integer
from cib.scores import is_number
from crmd.scheduler.transition import Action, ActionKind
from crmd.transition.imagine import (
    AttributeStep,
    ClusterStep,
    FencingStep,
    PseudoStep,
    ResourceStep,
    Step,
)

if TYPE_CHECKING:
    Element = etree._Element
else:
    Element = Any

UUID_PLACE = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
"""Stands where a real history entry has the id of the process that ran the transition."""

_NOT_HASHED = frozenset(
    {"id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip"}
)


@dataclass(frozen=True, slots=True)
class OpSpec:
    """`RSC_TASK_INTERVALMS@NODE=RC`, an operation result to inject or to pretend."""

    resource: str
    task: str
    interval_ms: int
    node: str
    rc: int
    text: str

    @property
    def is_failure(self) -> bool:
        """Whether the result counts as failure: rc 0 and a probe that found nothing do not."""
        return self.rc != 0 and not (self.rc == 7 and self.interval_ms == 0)


def parse_op_spec(text: str) -> OpSpec:
    """The parts of an OPSPEC; raises ValueError with the expected form."""
    wanted = f"'{text}' is not RESOURCE_TASK_INTERVAL@NODE=RC (interval in milliseconds)"
    key, at, rest = text.partition("@")
    node, equals, rc = rest.rpartition("=")
    parts = key.rsplit("_", 1)
    if not at or not equals or not node or len(parts) != 2 or not parts[1].isdigit():
        raise ValueError(wanted)
    name, interval = parts
    for double in ("migrate_to", "migrate_from"):
        if name.endswith("_" + double):
            resource, task = name[: -len(double) - 1], double
            break
    else:
        resource, separator, task = name.rpartition("_")
        if not separator:
            raise ValueError(wanted)
    if not resource or not task or not rc.lstrip("-").isdigit():
        raise ValueError(wanted)
    return OpSpec(resource, task, int(interval), node, int(rc), text)


def parameters_digest(attributes: Iterable[tuple[str, str]]) -> str:
    """MD5 of the parameters of an action, from the attributes it has in the graph."""
    given = dict(attributes)
    recurring = given.get("CRM_meta_interval", "0") not in ("0", "")
    kept = {
        name: value
        for name, value in given.items()
        if name not in _NOT_HASHED
        and (not name.startswith("CRM_meta_") or (recurring and name == "CRM_meta_timeout"))
    }
    return digest.parameters(kept)


class SimulatedCib:
    """A CIB whose status section follows the pretended actions.

    `known(name)` says whether a resource of that id or history id exists in the scheduled
    state; `now` is the wall clock in whole seconds since the epoch, even where another time is
    in effect for scheduling.  An entry that is replaced keeps what is not written anew; where a
    history occurs twice, a third is begun.
    """

    def __init__(
        self,
        root: Element,
        *,
        now: int,
        feature_set: str,
        known: Callable[[str], bool] = lambda name: True,
        failures: Iterable[OpSpec] = (),
        start_failure_is_fatal: bool = True,
    ) -> None:
        self.root = root
        self.now = now
        self.feature_set = feature_set
        self.known = known
        self.failures = tuple(failures)
        self.start_failure_is_fatal = start_failure_is_fatal
        self.steps: list[Step] = []
        status = root.find("status")
        self.status = status if status is not None else etree.SubElement(root, "status")
        self._states: dict[str, Element] = {}
        self._histories: dict[Element, dict[str, list[Element]]] = {}
        for state in self.status.iterchildren("node_state"):
            self._states.setdefault(state.get("uname", state.get("id", "")), state)

    # --- actions of a transition ---------------------------------------------------------

    def perform(self, action: Action) -> bool:
        """Pretend one action, note it in `steps`, and say whether it succeeded."""
        if action.kind is ActionKind.PSEUDO:
            self.steps.append(PseudoStep(action.operation_key, action.on_node))
            return True
        if action.kind is ActionKind.CRM:
            self._perform_cluster_action(action)
            return True
        return self._perform_operation(action)

    def _perform_cluster_action(self, action: Action) -> None:
        node = action.on_node or ""
        if action.operation != "stonith":
            resource = action.resource.id if action.resource is not None else None
            self.steps.append(ClusterStep(action.operation, resource, node))
            return
        how = action.attribute("CRM_meta_stonith_action", "reboot") or "reboot"
        self.steps.append(FencingStep(node, how))
        if how != "on":
            self._drop_node(self._state_of(node, action.on_node_uuid or node))

    def _perform_operation(self, action: Action) -> bool:
        ref, node = action.resource, action.on_node or ""
        if ref is None:
            return True
        shown = ref.id if self.known(ref.id) or not ref.long_id else ref.long_id
        interval_ms = int(action.attribute("CRM_meta_interval", "0") or 0)
        if action.operation == "delete":
            self.steps.append(ResourceStep(shown, "delete", 0, node))
            return True
        expected = int(action.attribute("CRM_meta_op_target_rc", "0") or 0)
        failure = self._pretended(shown, ref.id, action.operation, interval_ms, node)
        rc = expected if failure is None else failure.rc
        uuid = node if action.router_node else action.on_node_uuid or node
        state = self._state_of(node, uuid)
        described = {"class": ref.klass}
        if ref.provider is not None:
            described["provider"] = ref.provider
        described["type"] = ref.type
        history = self._resource_history(state, shown, ref.id, described)
        self.steps.append(
            ResourceStep(
                shown,
                action.operation,
                interval_ms,
                node,
                failed_rc=None if failure is None else failure.rc,
                action_id=action.id,
            )
        )
        if failure is not None:
            for name, value in self.fail_count(state, shown, action.operation, interval_ms):
                self.steps.append(AttributeStep(name, value, state.get("id", "")))
        self._record(history, ref.id, action, interval_ms, rc, expected, node)
        return failure is None

    def _pretended(
        self, shown: str, configured: str, task: str, interval_ms: int, node: str
    ) -> OpSpec | None:
        wanted = {f"{name}_{task}_{interval_ms}@{node}=".lower() for name in (shown, configured)}
        for failure in self.failures:
            if failure.text.lower().startswith(tuple(wanted)):
                return failure
        return None

    # --- injected events -----------------------------------------------------------------

    def node_up(self, node: str) -> None:
        """The node is a member, with a running controller."""
        self._member(node, in_ccm="true", crmd="online", join="member", expected="member")

    def node_fail(self, node: str) -> None:
        """The node was a member and vanished without leaving."""
        self._member(node, in_ccm="false", crmd="online", join="member", expected="member")

    def node_down(self, node: str) -> None:
        """The node left cleanly; its history and transient attributes are gone."""
        state = self._state_of(node, self.node_id(node))
        self._drop_node(state)
        state.set("crm-debug-origin", "crm_simulate")
        self._count()
        self._count()

    def node_id(self, node: str) -> str:
        """Id of a node given by name, from the configuration; the name itself if unknown."""
        for element in self.root.iterfind("configuration/nodes/node"):
            if element.get("uname", "").lower() == node.lower():
                return element.get("id", node)
        return node

    def _member(self, node: str, **facts: str) -> None:
        self._configure(node)
        state = self._state_of(node, self.node_id(node))
        for name, value in facts.items():
            state.set(name, value)
        state.set("crm-debug-origin", "crm_simulate")
        self._count()

    def _configure(self, node: str) -> None:
        """A node nobody configured is new: it is added, as a change of the configuration."""
        nodes = self.root.find("configuration/nodes")
        known = {e.get("uname", "").lower() for e in nodes} if nodes is not None else set()
        if nodes is None or node.lower() in known or node in self._states:
            return
        etree.SubElement(nodes, "node", {"id": node, "uname": node})
        self.root.set("epoch", str(parse_integer(self.root.get("epoch")) + 1))
        self.root.set("num_updates", "0")

    def _count(self) -> None:
        """One change of the status, as the live CIB numbers it."""
        self.root.set("num_updates", str(parse_integer(self.root.get("num_updates")) + 1))

    def ticket(self, name: str, **facts: str) -> None:
        """Set attributes of a ticket's state, which is created if need be."""
        tickets = self.status.find("tickets")
        if tickets is None:
            tickets = etree.SubElement(self.status, "tickets")
        for state in tickets.iterchildren("ticket_state"):
            if state.get("id") == name:
                break
        else:
            state = etree.SubElement(tickets, "ticket_state", {"id": name})
        for key, value in facts.items():
            state.set(key.replace("_", "-"), value)

    def inject_operation(
        self, spec: OpSpec, described: Mapping[str, str], attributes: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Record the result of an operation that never ran.

        `described` holds class, provider and type of the resource's agent; `attributes` the
        parameters it would have run with.
        """
        state = self._state_of(spec.node, self.node_id(spec.node))
        history = self._resource_history(state, spec.resource, spec.resource, described)
        action = Action(
            id=0,
            kind=ActionKind.RSC_OP,
            operation=spec.task,
            operation_key=f"{spec.resource}_{spec.task}_{spec.interval_ms}",
            attributes=tuple(attributes),
        )
        self._record(history, spec.resource, action, spec.interval_ms, spec.rc, 0, spec.node)

    def fail_count(
        self, state: Element, resource: str, task: str, interval_ms: int
    ) -> list[tuple[str, str]]:
        """Raise the fail count of an operation; the transient attributes that were written."""
        suffix = f"{resource}#{task}_{interval_ms}"
        name = f"fail-count-{suffix}"
        block = self._transient(state)
        previous = next(
            (
                pair.get("value")
                for pair in block.iterchildren("nvpair")
                if pair.get("name") == name
            ),
            None,
        )
        fatal = task == "stop" or (task == "start" and self.start_failure_is_fatal)
        if fatal or previous == "INFINITY":
            value = "INFINITY"
        else:
            value = str(parse_integer(previous) + 1 if previous and is_number(previous) else 1)
        written = [(name, value), (f"last-failure-{suffix}", str(self.now))]
        for key, text in written:
            for pair in block.iterchildren("nvpair"):
                if pair.get("name") == key:
                    break
            else:
                pair = etree.SubElement(block, "nvpair", {"id": f"{block.get('id')}-{key}"})
                pair.set("name", key)
            pair.set("value", text)
        return written

    def state_of(self, node: str) -> Element:
        """The node's `node_state`, created if need be."""
        return self._state_of(node, self.node_id(node))

    # --- the tree ------------------------------------------------------------------------

    def _state_of(self, node: str, uuid: str) -> Element:
        state = self._states.get(node)
        if state is None:
            state = etree.SubElement(self.status, "node_state", {"id": uuid, "uname": node})
            self._states[node] = state
            self._count()
        return state

    @staticmethod
    def _drop_node(state: Element) -> None:
        for name, value in (
            ("in_ccm", "false"),
            ("crmd", "offline"),
            ("join", "down"),
            ("expected", "down"),
        ):
            state.set(name, value)
        for child in list(state):
            if child.tag in ("lrm", "transient_attributes"):
                state.remove(child)

    @staticmethod
    def _transient(state: Element) -> Element:
        transient = state.find("transient_attributes")
        if transient is None:
            transient = etree.SubElement(state, "transient_attributes", {"id": state.get("id", "")})
        block = transient.find("instance_attributes")
        if block is None:
            block = etree.SubElement(
                transient, "instance_attributes", {"id": f"status-{state.get('id', '')}"}
            )
        return block

    def _resource_history(
        self, state: Element, shown: str, configured: str, described: Mapping[str, str]
    ) -> Element:
        lrm = state.find("lrm")
        if lrm is None:
            lrm = etree.SubElement(state, "lrm", {"id": state.get("id", "")})
        resources = lrm.find("lrm_resources")
        if resources is None:
            resources = etree.SubElement(lrm, "lrm_resources")
        by_id = self._histories_by_id(resources)
        for name in dict.fromkeys((shown, configured)):
            entries = by_id.get(name, ())
            if len(entries) == 1:
                return entries[0]
        made = etree.SubElement(resources, "lrm_resource", {"id": configured, **described})
        by_id.setdefault(configured, []).append(made)
        return made

    def _histories_by_id(self, resources: Element) -> dict[str, list[Element]]:
        """The entries of an `lrm_resources`; only `_resource_history` adds to it meanwhile."""
        found = self._histories.get(resources)
        if found is None:
            found = self._histories[resources] = {}
            for entry in resources.iterchildren("lrm_resource"):
                found.setdefault(entry.get("id", ""), []).append(entry)
        return found

    def _record(
        self,
        history: Element,
        resource: str,
        action: Action,
        interval_ms: int,
        rc: int,
        expected: int,
        node: str,
    ) -> None:
        self._count()
        call = 1 + max(
            (parse_integer(entry.get("call-id")) for entry in history.iterchildren("lrm_rsc_op")),
            default=0,
        )
        operation = action.operation
        if operation in ("reload", "reload-agent"):
            operation = "start"
        key = f"{resource}_{operation}_{interval_ms}"
        for entry_id in _entry_ids(resource, key, action, operation, interval_ms, rc == expected):
            for entry in history.iterchildren("lrm_rsc_op"):
                if entry.get("id") == entry_id:
                    break
            else:
                entry = etree.SubElement(history, "lrm_rsc_op")
            transition_key = f"{call}:-1:{expected}:{UUID_PLACE}"
            facts = {
                "id": entry_id,
                "operation_key": key,
                "operation": operation,
                "crm-debug-origin": "crm_simulate",
                "crm_feature_set": self.feature_set,
                "transition-key": transition_key,
                "transition-magic": f"0:{rc};{transition_key}",
                "exit-reason": "",
                "on_node": node,
                "call-id": str(call),
                "rc-code": str(rc),
                "op-status": "0",
                "interval": str(interval_ms),
                "last-rc-change": str(self.now),
                "exec-time": "0",
                "queue-time": "0",
            }
            if operation in ("migrate_to", "migrate_from"):
                facts["migrate_source"] = action.attribute("CRM_meta_migrate_source") or ""
                facts["migrate_target"] = action.attribute("CRM_meta_migrate_target") or ""
            facts["op-digest"] = parameters_digest(action.attributes)
            for name, value in facts.items():
                entry.set(name, value)


def _entry_ids(
    resource: str, key: str, action: Action, operation: str, interval_ms: int, as_expected: bool
) -> list[str]:
    """Ids of the entries that one result leaves."""
    if operation == "notify":
        kind = action.attribute("CRM_meta_notify_type") or ""
        task = action.attribute("CRM_meta_notify_operation") or ""
        return [f"{resource}_{kind}_notify_{task}_0"]
    if operation in ("migrate_to", "migrate_from"):
        return [key]
    if not as_expected:
        failed = f"{resource}_last_failure_0"
        return [failed] if interval_ms else [failed, f"{resource}_last_0"]
    return [key if interval_ms else f"{resource}_last_0"]
