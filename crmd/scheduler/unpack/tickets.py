"""Ticket constraints, and what a lost ticket does at once.

Facts: scheduler-1-assignment.md 16.11, 16.12.
"""

from __future__ import annotations

from lxml import etree

from cib.lexical import Role, parse_role
from crmd.scheduler.model import Cluster, LossPolicy, Resource, Ticket, TicketConstraint
from crmd.scheduler.requests import TicketMade
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.fencing import fence
from crmd.scheduler.unpack.node_state import ticket
from crmd.scheduler.unpack.references import known_members, resource_named, resource_sets


def read_ticket_constraint(cluster: Cluster, element: etree._Element) -> None:
    """One `rsc_ticket`, simple or with sets."""
    ticket_id = element.get("ticket")
    if ticket_id is None:
        cluster.warnings.append(f"rsc_ticket {element.get('id')}: no ticket named; ignored")
        return
    t = ticket(cluster, ticket_id)
    if element.find("resource_set") is not None:
        for resource_set in resource_sets(cluster, element):
            members = known_members(cluster, resource_set)
            for rsc in members:
                _add(cluster, element, t, rsc, resource_set.get("role"))
            if len(members) < len(resource_set.findall("resource_ref")):
                return
        return
    single = resource_named(cluster, element.get("rsc") or "")
    if single is None:
        cluster.warnings.append(
            f"rsc_ticket {element.get('id')}: no resource '{element.get('rsc')}'; ignored"
        )
        return
    _add(cluster, element, t, single, element.get("rsc-role"))


def _add(
    cluster: Cluster, element: etree._Element, t: Ticket, rsc: Resource, role_text: str | None
) -> None:
    role = parse_role(role_text)
    if role is None:
        cluster.warnings.append(
            f"rsc_ticket {element.get('id')}: '{role_text}' is not a role; ignored"
        )
        return
    if role is Role.STARTED:
        role = Role.UNKNOWN
    policy = _policy(cluster, element.get("loss-policy"), role)
    made = TicketConstraint(element.get("id") or "", t, rsc, role, policy)
    rsc.tickets.append(made)
    cluster.requests.append(TicketMade(4, made))
    if not t.granted or t.standby:
        apply_loss(cluster, made, rsc)


def _policy(cluster: Cluster, word: str | None, role: Role) -> LossPolicy:
    match (word or "").lower():
        case "fence":
            return LossPolicy.FENCE if cluster.options.fencing_enabled else LossPolicy.STOP
        case "freeze":
            return LossPolicy.FREEZE
        case "demote":
            return LossPolicy.DEMOTE
        case "stop":
            return LossPolicy.STOP
        case _:
            return LossPolicy.DEMOTE if role is Role.PROMOTED else LossPolicy.STOP


def apply_loss(cluster: Cluster, constraint: TicketConstraint, rsc: Resource) -> None:
    """What a ticket that is not granted, or in standby, does to the primitives below (16.12)."""
    for child in rsc.children:
        apply_loss(cluster, constraint, child)
    if rsc.children:
        return
    t, role, policy = constraint.ticket, constraint.role, constraint.policy
    if rsc.active_on and not t.granted:
        same_role = role is Role.UNKNOWN or role is rsc.orig_role
        match policy:
            case LossPolicy.STOP:
                tables.ban_everywhere(cluster, rsc, f"ticket {t.id} was lost")
            case LossPolicy.DEMOTE:
                if role is not Role.PROMOTED:
                    tables.ban_everywhere(cluster, rsc, f"ticket {t.id} was lost")
            case LossPolicy.FENCE if same_role:
                tables.ban_everywhere(cluster, rsc, f"ticket {t.id} was lost")
                for node in rsc.active_on:
                    fence(cluster, node, "deadman ticket was lost", phase=4)
            case LossPolicy.FREEZE if same_role:
                rsc.managed = False
                rsc.blocked = True
            case _:
                pass
    elif not t.granted or t.standby:
        if role is not Role.PROMOTED or policy is LossPolicy.STOP:
            tables.ban_everywhere(cluster, rsc, f"ticket {t.id} is not granted")
