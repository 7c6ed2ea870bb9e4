"""First reading of the status section: tickets, and who is a healthy member.

Facts: scheduler-1-assignment.md section 11.
"""

from __future__ import annotations

from lxml import etree

from cib import durations, scores
from cib.lexical import is_true, parse_boolean, parse_integer
from crmd.scheduler.model import Cluster, Node, QuorumPolicy, Role, Ticket
from crmd.scheduler.unpack.fencing import fence
from crmd.scheduler.unpack.nodes import add_utilization, find_node, node_is_true

NEVER_SEEN = -1


def read_states(cluster: Cluster, status: etree._Element | None) -> None:
    """Tickets and node states in document order (11.1)."""
    if status is None:
        return
    for element in status.iterchildren("tickets", "node_state"):
        if element.tag == "tickets":
            for state in element.iterchildren("ticket_state"):
                _read_ticket(cluster, state)
        else:
            _read_node_state(cluster, element)


def ticket(cluster: Cluster, ticket_id: str) -> Ticket:
    """The ticket of that id; a new one is neither granted nor standby."""
    return cluster.tickets.setdefault(ticket_id, Ticket(ticket_id))


def _read_ticket(cluster: Cluster, state: etree._Element) -> None:
    ticket_id = state.get("id")
    if ticket_id is None:
        return
    t = ticket(cluster, ticket_id)
    t.attrs.update({str(k): str(v) for k, v in state.attrib.items() if k != "id"})
    t.granted = is_true(state.get("granted"))
    t.last_granted = parse_integer(state.get("last-granted"), -1)
    t.standby = is_true(state.get("standby"))


def _read_node_state(cluster: Cluster, state: etree._Element) -> None:
    node_id = state.get("id")
    if node_id is None:
        return
    node = find_node(cluster, node_id, state.get("uname"))
    if node is None:
        cluster.warnings.append(f"node state {node_id}: no such node; ignored")
        return
    node.state = state
    if node.is_remote_kind:
        node.remote_fenced = parse_integer(state.get("node_fenced"), 0) != 0
        return
    merge_transient(cluster, node, state)
    node.standby = node.standby or node_is_true(node, "standby")
    node.maintenance = node.maintenance or node_is_true(node, "maintenance")
    node.unclean = False
    node.seen = True
    node.shutdown = is_shutting_down(node)
    node.expected_up = not node.shutdown and state.get("expected") == "member"
    _decide_online(cluster, node, state)
    if (
        not cluster.quorate
        and node.online
        and cluster.options.no_quorum_policy is QuorumPolicy.FENCE
    ):
        fence(cluster, node, "cluster does not have quorum")


def merge_transient(cluster: Cluster, node: Node, state: etree._Element) -> None:
    """Transient attributes overwrite permanent ones; utilization does not (6.2)."""
    for block in state.iterchildren("transient_attributes"):
        cluster.attributes.merge(block, "instance_attributes", node.attrs, overwrite=True)
        add_utilization(cluster, block, node.utilization)
    node.failure_attributes = None


def is_shutting_down(node: Node) -> bool:
    """Attribute `shutdown` present and not exactly 0 (11.4)."""
    return node.attrs.get("shutdown", "0") != "0"


def _when_member(cluster: Cluster, state: etree._Element) -> int:
    """Since when in the membership: -1 never seen, 0 not now, else seconds (11.5)."""
    text = state.get("in_ccm")
    if text is None:
        return NEVER_SEEN
    word = parse_boolean(text)
    if word is not None:
        return int(cluster.now) if word else 0
    number = scores.leading_integer(text)
    return NEVER_SEEN if number is None or number < 0 else number


def _when_online(state: etree._Element) -> int:
    """Since when the controller is in the process group: 0 not now (11.5)."""
    text = state.get("crmd")
    if text is None or text == "offline":
        return 0
    if text == "online":
        return 1
    return max(0, parse_integer(text, 0))


def _decide_online(cluster: Cluster, node: Node, state: etree._Element) -> None:
    member, online = _when_member(cluster, state), _when_online(state)
    if cluster.options.fencing_enabled:
        up = _online_with_fencing(cluster, node, state, member, online)
    else:
        up = _online_without_fencing(cluster, node, state, member, online)
    node.online = up
    if not up or node.shutdown:
        node.score = -scores.INFINITY


def _online_with_fencing(
    cluster: Cluster, node: Node, state: etree._Element, member: int, online: int
) -> bool:
    """The table of 11.7, first matching row wins."""
    join, expected = state.get("join"), state.get("expected")
    if node.shutdown:
        return online > 0
    if member < 0:
        fence(cluster, node, "peer has not been seen by the cluster")
        return False
    if join == "banned":
        fence(cluster, node, "peer failed Pacemaker membership criteria")
        return member > 0
    if _is_to_be_terminated(cluster, node):
        if member <= 0 and online <= 0 and join == "down":
            return False
        fence(cluster, node, "fencing was requested")
        return member > 0
    if expected in (None, "down"):
        if _pending_too_long(cluster, member, online):
            fence(cluster, node, "peer pending timed out on joining the process group")
        elif member > 0 or online > 0:
            node.standby = node.pending = True
        return member > 0
    if member <= 0:
        reason = "peer is no longer part of the cluster"
        fence(cluster, node, reason, priority_delay=True)
        return False
    if online <= 0:
        fence(cluster, node, "peer process is no longer available")
        return True
    if join == "member":
        return True
    if join in ("pending", "down"):
        node.standby = node.pending = True
        return True
    fence(cluster, node, "peer was in an unknown state")
    return True


def _is_to_be_terminated(cluster: Cluster, node: Node) -> bool:
    text = node.attrs.get("terminate")
    if text is None:
        return False
    word = parse_boolean(text)
    if word is not None:
        return word
    number = scores.leading_integer(text)
    if number is None:
        cluster.warnings.append(f"node {node.name}: terminate='{text}' is not a boolean; ignored")
        return False
    return number > 0


def _pending_too_long(cluster: Cluster, member: int, online: int) -> bool:
    """11.8; lowers the recheck time when the time-out is still ahead."""
    timeout = durations.seconds_of(cluster.options.node_pending_timeout_ms)
    if timeout <= 0 or member <= 0 or online > 0:
        return False
    if cluster.now >= member + timeout:
        return True
    cluster.recheck(member + timeout)
    return False


def _online_without_fencing(
    cluster: Cluster, node: Node, state: etree._Element, member: int, online: int
) -> bool:
    """11.9."""
    if member <= 0:
        return False
    if online > 0:
        return (state.get("join") or "").lower() == "member"
    if node.expected_up:
        fence(cluster, node, "peer is unexpectedly down")
    return False


def decide_remote_online(node: Node) -> None:
    """Whether a remote or guest node is online, by its connection and launcher (11.10 a)."""
    conn = node.conn
    if conn is None:
        node.online = False
        return
    launcher = conn.launcher
    host = conn.active_on[0] if len(conn.active_on) == 1 else None
    if conn.orig_role is Role.STARTED:
        node.online = True
        if conn.next_role is Role.STOPPED:
            node.shutdown = True
    if launcher is not None and launcher.failed:
        node.online, node.remote_reset = False, True
    elif conn.failed:
        node.online = False
    elif conn.orig_role is Role.STOPPED or (
        launcher is not None and launcher.orig_role is Role.STOPPED
    ):
        node.online, node.remote_reset = False, False
    elif launcher is not None and host is not None and not host.online and host.unclean:
        node.online, node.remote_reset = False, True


def read_remote_state(cluster: Cluster, node: Node, state: etree._Element) -> None:
    """Attributes of a remote or guest node's entry (11.10 b)."""
    node.remote_maint = parse_integer(state.get("node_in_maintenance"), 0) != 0
    if not node.remote_reset:
        node.unclean = False
        node.seen = True
    merge_transient(cluster, node, state)
    if is_shutting_down(node):
        node.shutdown = True
    if node_is_true(node, "standby"):
        node.standby = True
    if node_is_true(node, "maintenance") or (node.conn is not None and not node.conn.managed):
        node.maintenance = True
    discovery = node.attrs.get("resource-discovery-enabled")
    if discovery is not None and not is_true(discovery):
        if not (node.is_remote and not cluster.options.fencing_enabled):
            node.probes_allowed = False
