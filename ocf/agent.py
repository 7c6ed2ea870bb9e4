"""Base class of the resource agents written in Python, and their entry point.

It owns what all agents share: parameters from the environment, start-when-started and
stop-when-stopped, waiting until monitor agrees, meta-data, usage, exit codes and exit reasons.
It does not decide what "running" means, nor start or stop anything: that is the agent's.
An agent is used in two ways with the same result: as an executable (`main`), and inside a fork
of the warm process (`ocf.forkserver`).  Imports stay small because start latency is failover
time; no lxml, no dataclasses, no pathlib.  Facts: ocf.md sections 2 to 5, style.md 3.4.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ocf.codes import EXIT_REASON_PREFIX, RUNNING, AgentError, Rc

__all__ = ["Action", "Agent", "AgentError", "Param", "Rc", "call_target", "is_true", "main"]

_TRUE_WORDS = frozenset({"yes", "true", "1", "YES", "TRUE", "True", "ja", "on", "ON"})
DEFAULT_TIMEOUT_S = 20.0


def is_true(word: str) -> bool:
    """Whether a parameter means yes; the list of words is the shell library's (ocf.md 2)."""
    return word in _TRUE_WORDS


class Param(NamedTuple):
    """One resource parameter. `default` may contain `{instance}`; None means no default."""

    name: str
    long: str
    default: str | None = None
    type: str = "string"
    required: bool = False
    unique: bool = False
    short: str = ""
    unique_group: str = ""
    reloadable: bool = False


class Action(NamedTuple):
    """One advertised action with the times advised to people (never a scheduler's default)."""

    name: str
    timeout: str = "20s"
    interval: str = ""
    depth: str = ""
    role: str = ""


STANDARD_ACTIONS = (
    Action("start"),
    Action("stop"),
    Action("monitor", "20s", "10s", "0"),
    Action("meta-data", "5s"),
    Action("validate-all"),
)


class Agent:
    """A resource agent. Subclasses say what it is, and implement monitor, start and stop.

    `validate` runs before start and for validate-all; it raises AgentError.  `promote`, `demote`,
    `notify`, `reload`, `reload_agent`, `migrate_to`, `migrate_from` run when advertised.
    """

    name = ""
    version = "1.0"
    api = "1.0"
    short = ""
    long = ""
    params: tuple[Param, ...] = ()
    actions: tuple[Action, ...] = STANDARD_ACTIONS
    unknown_action = Rc.UNIMPLEMENTED
    no_action = Rc.UNIMPLEMENTED
    """Exit code of a call without an action; it differs among the reference agents."""
    is_strict = False
    """If true, senseless parameters fail stop and probe too (only where the reference does)."""
    started_codes = RUNNING
    """Codes of monitor that let start return at once, and end the wait after it."""

    def __init__(self, environ: Mapping[str, str], action: str = "monitor") -> None:
        self.env = environ
        self.action = action
        self.instance = environ.get("OCF_RESOURCE_INSTANCE") or "default"
        self.p: dict[str, str] = {
            p.name: environ.get(f"OCF_RESKEY_{p.name}") or self._default(p) for p in self.params
        }

    def _default(self, param: Param) -> str:
        return (param.default or "").replace("{instance}", self.instance)

    # -- to be implemented

    def validate(self) -> None:
        """Raise AgentError when the parameters cannot work."""

    def monitor(self) -> Rc:
        """SUCCESS, RUNNING_PROMOTED, NOT_RUNNING, or an error code."""
        raise NotImplementedError

    def start(self) -> None:
        """Called only when monitor said NOT_RUNNING."""
        raise NotImplementedError

    def stop(self) -> None:
        """Called only when monitor did not say NOT_RUNNING."""
        raise NotImplementedError

    # -- what the environment says

    def given(self, name: str) -> bool:
        """Whether the parameter was configured (its default does not count)."""
        return bool(self.env.get(f"OCF_RESKEY_{name}"))

    def meta(self, name: str) -> str:
        """Value of CRM_meta_`name`, or an empty string."""
        return self.env.get(f"OCF_RESKEY_CRM_meta_{name}", "")

    @property
    def is_probe(self) -> bool:
        return self.action in ("monitor", "status") and self.meta("interval") in ("", "0")

    @property
    def is_clone(self) -> bool:
        return bool(self.meta("clone_max"))

    @property
    def is_promotable(self) -> bool:
        if is_true(self.meta("promotable")):
            return True
        counts = (self.meta("promoted_max"), self.meta("master_max"))
        return any(c.isdigit() and int(c) > 0 for c in counts)

    @property
    def timeout_s(self) -> float:
        """Seconds this action may take (20 when the caller did not say)."""
        text = self.meta("timeout")
        return int(text) / 1000 if text.isdigit() and int(text) else DEFAULT_TIMEOUT_S

    @property
    def check_level(self) -> int:
        """OCF_CHECK_LEVEL. Raises AgentError (ARGS) when it is no number."""
        text = self.env.get("OCF_CHECK_LEVEL") or "0"
        if not text.isdigit():
            raise AgentError(Rc.ARGS, f"OCF_CHECK_LEVEL={text!r}: not a number")
        return int(text)

    @property
    def state_dir(self) -> str:
        """Directory for state files of agents, made when it is missing."""
        path = self.env.get("HA_RSCTMP") or "/run/resource-agents"
        try:
            os.makedirs(path, mode=0o1755)
        except FileExistsError:
            pass
        return path

    @property
    def run_dir(self) -> str:
        return self.env.get("HA_VARRUN") or "/run"

    def log(self, level: str, text: str) -> None:
        """One line on stderr, which the executor hands to the log."""
        sys.stderr.write(f"{self.name}({self.instance})[{os.getpid()}]: {level}: {text}\n")

    # -- actions

    def run(self) -> Rc:
        """Do the action and return its exit code; an AgentError becomes code and exit reason."""
        try:
            return self._dispatch()
        except AgentError as e:
            return self._answer(e.rc, str(e))
        except PermissionError as e:
            return self._answer(Rc.PERM, f"{e.filename or self.name}: {e.strerror or e}")
        except OSError as e:
            return self._answer(Rc.GENERIC, f"{e.filename or self.name}: {e.strerror or e}")

    def _answer(self, rc: Rc, text: str) -> Rc:
        if self.is_probe and rc in (Rc.ARGS, Rc.PERM, Rc.INSTALLED, Rc.CONFIGURED):
            if not self.is_strict:
                self.log("INFO", f"{text}; a probe calls that not running")
                return Rc.NOT_RUNNING
        if self.action == "stop" and rc in (Rc.ARGS, Rc.INSTALLED, Rc.CONFIGURED):
            if not self.is_strict:
                self.log("WARN", f"{text}; so it cannot be running, stop is done")
                return Rc.SUCCESS
        sys.stderr.write(f"{EXIT_REASON_PREFIX}{' '.join(text.split())}\n")
        return rc

    def _dispatch(self) -> Rc:
        match self.action:
            case "meta-data":
                from ocf.metadata import resource_agent_xml

                sys.stdout.write(resource_agent_xml(type(self)))
                return Rc.SUCCESS
            case "usage" | "help":
                sys.stdout.write(self.usage())
                return Rc.SUCCESS
            case "validate-all":
                self.validate()
                return Rc.SUCCESS
            case "start":
                return self.start_once()
            case "stop":
                return self.stop_once()
            case "monitor" | "status":
                return self.monitor()
            case _:
                return self._dispatch_optional()

    def _dispatch_optional(self) -> Rc:
        if self.action not in {a.name for a in self.actions}:
            sys.stderr.write(self.usage())
            return self.unknown_action
        method: Callable[[], Rc | None] = getattr(self, self.action.replace("-", "_"))
        return method() or Rc.SUCCESS

    def start_once(self) -> Rc:
        """Start unless it runs; return when monitor agrees."""
        self.validate()
        if self.monitor() in self.started_codes:
            return Rc.SUCCESS
        self.start()
        return self._wait(self.started_codes, "start")

    def stop_once(self) -> Rc:
        """Stop unless it is stopped; return when monitor agrees."""
        if self.monitor() is Rc.NOT_RUNNING:
            return Rc.SUCCESS
        self.stop()
        return self._wait(frozenset({Rc.NOT_RUNNING}), "stop")

    def _wait(self, wanted: frozenset[Rc], what: str) -> Rc:
        deadline = time.monotonic() + max(0.1, self.timeout_s - 0.5)
        pause = 0.005
        while (rc := self.monitor()) not in wanted:
            if time.monotonic() >= deadline:
                raise AgentError(
                    Rc.GENERIC, f"{what} was done, but monitor still says {rc.name} ({int(rc)})"
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
        return Rc.SUCCESS

    def usage(self) -> str:
        """Text of the usage action."""
        names = "|".join(dict.fromkeys(a.name for a in self.actions))
        return f"usage: {self.name} {{{names}}}\nParameters are OCF_RESKEY_* variables.\n"


def main(agent: type[Agent], argv: Sequence[str] | None = None) -> int:
    """Exit code of one call; `argv` are the words after the program name."""
    words = sys.argv[1:] if argv is None else argv
    if not words:
        sys.stderr.write(agent(os.environ).usage())
        return int(agent.no_action)
    return int(agent(os.environ, words[0]).run())


def call_target(target: str, argv: Sequence[str]) -> int:
    """Exit code of `module:attribute`: an Agent class, or a function of the argument list."""
    module, _, attribute = target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, type) and issubclass(found, Agent):
        return main(found, argv)
    return int(found(argv))
