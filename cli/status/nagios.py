"""One line and a status for Nagios (`crm_mon -s`).  Facts: cli.md section 5."""

from __future__ import annotations

from cli.status.model import ClusterStatus

OK, WARNING, CRITICAL = 0, 1, 2


def simple_line(status: ClusterStatus) -> tuple[str, int]:
    """The line, and 0 (fine), 1 (a node is not what it should be) or 2."""
    problems = []
    if status.dc is None:
        problems.append("No DC")
    for node in status.nodes:
        if node.standby:
            problems.append(f"standby node: {node.name}")
        elif node.maintenance:
            problems.append(f"maintenance node: {node.name}")
        elif not node.online:
            problems.append(f"offline node: {node.name}")
    if problems:
        return f"CLUSTER WARN: {', '.join(problems)}", WARNING
    total, disabled, _ = status.counts()
    online = sum(node.online for node in status.nodes)
    line = f"CLUSTER OK: {online} node{'' if online == 1 else 's'} online, "
    line += f"{total} resource instance{'' if total == 1 else 's'} configured"
    return line + (f" ({disabled} DISABLED)" if disabled else ""), OK
