"""The sentences of `Executing Cluster Transition` and `Performing Requested Modifications`.

Facts: scheduler-2-actions.md sections 16.3 and 16.5.
"""

from __future__ import annotations

from crmd.transition.imagine import (
    AttributeStep,
    ClusterStep,
    FencingStep,
    PseudoStep,
    ResourceStep,
    Step,
)


def step_line(step: Step) -> str:
    """One list item (without its bullet) for a step of a pretended transition."""
    match step:
        case PseudoStep(key, None):
            return f"Pseudo action:   {key}"
        case PseudoStep(key, node):
            return f"Pseudo action:   {key} on {node}"
        case FencingStep(node, operation):
            return f"Fencing {node} ({operation})"
        case ClusterStep(operation, None, node):
            return f"Cluster action:  {operation} on {node}"
        case ClusterStep(operation, resource, node):
            return f"Cluster action:  {operation} for {resource} on {node}"
        case ResourceStep(resource, operation, interval_ms, node):
            what = f"{operation}={interval_ms}" if interval_ms else operation
            return f"Resource action: {resource:<15} {what} on {node}"
        case AttributeStep(name, value, node_id):
            return f"Injecting attribute {name}={value} into /node_state '{node_id}'"
