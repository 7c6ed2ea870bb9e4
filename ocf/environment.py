"""The environment agents run in: one clean set of variables, made in one place.

Nothing of the daemon's own environment reaches an agent.  A file `agent-environment` in the
config directory (lines NAME=VALUE, `#` comments) overrides or adds variables: that is how a lab
puts stand-in commands first in PATH.  Facts: ocf.md section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ocf.calls import AgentCall
from ocf.codes import EXIT_REASON_PREFIX

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT_FILE = "agent-environment"
_META = "CRM_meta_"


class EnvironmentFileError(Exception):
    """A line of the environment file is not NAME=VALUE; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where agents are looked up and keep their state; `extra` are variables that win over all."""

    ocf_roots: tuple[Path, ...] = (Path("/usr/lib/ocf"),)
    resource_d: Path = Path("/etc/ha.d/resource.d")
    init_d: Path = Path("/etc/init.d")
    fence_dirs: tuple[Path, ...] = (Path("/usr/sbin"),)
    agent_state: Path = Path("/run/resource-agents")
    agent_run: Path = Path("/run")
    secrets: Path = Path("/var/lib/pacemaker/lrm/secrets")
    use_system_agents: bool = False
    """If true, installed executables win over our Python agents (PACEKEEPER_AGENTS=system)."""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Search path of commands."""
        return self.extra.get("PATH", DEFAULT_PATH)


def read_environment_file(path: Path) -> dict[str, str]:
    """Variables of an environment file; empty when there is none.

    Raises EnvironmentFileError for a line without `=` or with a bad name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise EnvironmentFileError(f"{path} line {number}: {text!r}: want NAME=VALUE")
        found[name] = value.strip("\"'")
    return found


def base_environment(places: Places) -> dict[str, str]:
    """What every agent and helper gets, whatever its class."""
    return {
        "PATH": DEFAULT_PATH,
        "LC_ALL": "C",
        "HOME": "/root",
        "SHELL": "/bin/sh",
        "PWD": "/",
        "HA_RSCTMP": str(places.agent_state),
        "HA_VARRUN": str(places.agent_run),
        "HA_DIR": str(places.resource_d.parent),
        "HA_logfacility": "daemon",
        "HA_debug": "0",
        **places.extra,
    }


def ocf_environment(call: AgentCall, places: Places) -> dict[str, str]:
    """Variables of one OCF action. `OCF_CHECK_LEVEL` among parameters or meta goes unprefixed."""
    env = {
        **base_environment(places),
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_ROOT": str(places.ocf_roots[0]),
        "OCF_RESOURCE_INSTANCE": call.rsc,
        "OCF_RESOURCE_TYPE": call.agent.type,
        "OCF_RESOURCE_PROVIDER": call.agent.provider or "",
        "OCF_EXIT_REASON_PREFIX": EXIT_REASON_PREFIX,
        "OCF_RESKEY_CRM_meta_timeout": str(call.timeout_ms),
        "OCF_RESKEY_CRM_meta_interval": str(call.interval_ms),
        "OCF_RESKEY_CRM_meta_name": call.operation,
    }
    for name, value in sorted(call.params.items()):
        if name == "OCF_CHECK_LEVEL":
            env[name] = value
        else:
            env[f"OCF_RESKEY_{name}"] = value
    for name, value in sorted(call.meta.items()):
        env[_meta_variable(name)] = value
    env.update(places.extra)
    return env


def _meta_variable(name: str) -> str:
    if name in ("OCF_CHECK_LEVEL", "OCF_OUTPUT_FORMAT"):
        return name
    if name == "crm_feature_set":
        return f"OCF_RESKEY_{name}"
    return f"OCF_RESKEY_{_META}{name.removeprefix(_META).replace('-', '_')}"
