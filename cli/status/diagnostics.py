"""What the reference's libraries log while they read a CIB, in the shape of `PCMK_stderr=1`.

`FUNCTION<TAB>LEVEL: MESSAGE`; the function names are aliases that scripts know.
Facts: cli.md section 2 (diagnostics) and the recorded cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cib.lexical import is_true
from cli.status.results import exit_text

if TYPE_CHECKING:
    from lxml import etree

    from crmd.scheduler.model import Cluster

_UPGRADE = "pcmk__update_schema"

NO_FENCING = (
    "Resource start-up disabled since no fencing resources have been defined. Either configure "
    "some or disable fencing with the fencing-enabled option. NOTE: Clusters with shared data "
    "need fencing to ensure data integrity."
)


def wants_diagnostics(env: Mapping[str, str]) -> bool:
    """Whether the libraries' messages are to reach standard error."""
    return is_true(env.get("PCMK_stderr"))


def diagnostics(cluster: Cluster) -> list[str]:
    """Messages of level error about an unpacked cluster, in order."""
    lines = []
    if cluster.options.fencing_enabled and not cluster.have_fence_devices:
        lines.append(f"unpack_resources \terror: {NO_FENCING}")
    for failure in cluster.hard_failures:
        lines.append(
            f"unpack_rsc_op \terror: Preventing {failure.resource.id} from restarting on "
            f"{failure.node.name} because of hard failure ({exit_text(failure.entry.rc)}) | "
            f"{failure.entry.id}"
        )
    return lines


def upgrade_diagnostics(root: etree._Element, env: Mapping[str, str]) -> list[str]:
    """What bringing a CIB to the newest schema has to say, version by version.

    Empty for a CIB that is there already, or whose schema is not known.
    """
    from cib.schema_history import walk
    from cib.upgrade import UpgradeError

    try:
        steps = walk(root)
    except UpgradeError:
        return []
    traced = _UPGRADE in env.get("PCMK_trace_functions", "").split(",")
    lines: list[str] = []
    for step in steps:
        lines += step.complaints
        if traced:
            verdict = "does not validate" if step.complaints else "validates"
            lines.append(f"{_UPGRADE} \tdebug: Schema {step.name} {verdict}")
    if traced and len(steps) > 1 and not steps[-1].complaints:
        lines.append(f"{_UPGRADE} \tinfo: Transformed the configuration schema to {steps[-1].name}")
    return lines


def upgrade_refusal(claimed: str, newest: str) -> str:
    """The sentence for a CIB that no version from the claimed one on accepts."""
    return (
        f"Cannot upgrade configuration (claiming {claimed} schema) to at least {newest} because "
        f"it does not validate with any schema from {claimed} to the latest"
    )
