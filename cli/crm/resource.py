"""The level `resource`: each command is one of `crm_resource`, through the same code.

Only the words differ, and what is told afterwards.  Facts: cli.md section 7, the recorded
sessions of the crm shell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cli.crm.levels import Command, Level, UsageError, want
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.shell import Shell
    from cli.resource.context import Context

_RSC, _NODE = ("resource",), ("resource", "node")


def tool(shell: Shell, *argv: str) -> int:
    """`crm_resource` with these words; with `crm -w` it waits afterwards."""
    from cli import crm_resource

    return int(crm_resource.main(argv, shell.out, shell.err, shell.env, shell.stdin))


def _changed(shell: Shell, rc: int) -> int:
    """After a change that succeeded: wait, where that was asked for."""
    return tool(shell, "--wait") if rc == 0 and shell.wait else rc


def context(shell: Shell) -> Context:
    """What `crm_resource` works with, for commands that are only the shell's."""
    from cli.command_line import CommandLine
    from cli.reply import Reply
    from cli.resource.context import Context

    reply = Reply("crm resource", [], shell.out, shell.err)
    return Context(CommandLine((), ()), reply, shell.env, shell.stdin)


# --- looking --------------------------------------------------------------------------------


def _status(shell: Shell, args: Sequence[str]) -> int:
    if not args:
        return tool(shell, "--list")
    return max(tool(shell, "--locate", "--resource", rsc) for rsc in args)


def _of_resource(option: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        want(args, 1)
        return max(tool(shell, option, "--resource", rsc) for rsc in args)

    return run


def _constraints(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 1)
    return tool(shell, "--stack", "--resource", args[0])


def _why(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 2)
    options = [word for pair in zip(("--resource", "--node"), args, strict=False) for word in pair]
    return tool(shell, "--why", *options)


def _operations(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 2)
    options = [word for pair in zip(("--resource", "--node"), args, strict=False) for word in pair]
    return tool(shell, "--list-all-operations", *options)


def _scores(shell: Shell, args: Sequence[str]) -> int:
    from cli import crm_simulate

    source = [] if shell.env.get("CIB_file") == "-" else ["--live-check"]
    words = ["--show-scores", "--show-utilization", *source, *args]
    return int(crm_simulate.main(words, shell.out, shell.err, shell.env, shell.stdin))


# --- what people want of a resource ---------------------------------------------------------


def _intend(shell: Shell, rsc: str, name: str, value: str) -> int:
    """Set a meta-attribute that says what is wanted of a resource and all that is in it."""
    from cli.resource import intentions

    found = context(shell)
    element = intentions.subject(found, rsc)
    removed = []
    for pair in intentions.opposed(element, name):
        question = (
            f"'{name}' conflicts with '{pair.get('name')}' attribute. "
            f"Remove '{pair.get('name')}' for resource {element.get('id')}?"
        )
        if shell.force:
            shell.info(f"{question} [YES]")
        if shell.confirm(question):
            removed.append(pair)
    children = _preference(shell)
    for pair in intentions.overrides(element, name):
        if children == "never":
            continue
        holder, said = intentions.owner(pair), f"{pair.get('name')}={pair.get('value')}"
        if children == "always" or shell.confirm(f"{holder} has its own {said}. Remove it?"):
            removed.append(pair)
        elif (pair.get("name"), pair.get("value")) != (name, value):
            shell.warning(f"{holder} keeps its own {said}, which wins; 'crm -F' removes it")
    intentions.set_intention(found, element, name, value, removed)
    return _changed(shell, 0)


def _preference(shell: Shell) -> str:
    from cli.crm.options import preference

    return preference(shell.env, "manage-children")


def _each(name: str, value: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        if not args:
            raise UsageError("Expected at least one resource as argument")
        return max(_intend(shell, rsc, name, value) for rsc in args)

    return run


def _maintenance(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 2)
    word = args[1] if len(args) > 1 else "on"
    if word not in ("on", "off", "true", "false"):
        raise UsageError(f"'{word}': want on or off")
    return _intend(shell, args[0], "maintenance", "true" if word in ("on", "true") else "false")


def _promotion(role: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        from cli.command_line import CommandError
        from cli.resource import intentions

        want(args, 1, 1)
        element = intentions.subject(context(shell), args[0])
        pairs = {p.get("name"): p.get("value") for p in element.iterfind("meta_attributes/nvpair")}
        if element.tag != "master" and pairs.get("promotable") != "true":
            raise CommandError(Exit.ERROR, f"{args[0]} is not a promotable resource")
        return _intend(shell, args[0], "target-role", role)

    return run


def _restart(shell: Shell, args: Sequence[str]) -> int:
    if not args:
        raise UsageError("Expected at least one resource as argument")
    worst = 0
    for rsc in args:
        shell.info(f"ordering {rsc} to stop, then to start")
        shell.err.flush()
        worst = max(worst, tool(shell, "--restart", "--resource", rsc))
    return worst


# --- moving ---------------------------------------------------------------------------------


def _placed(option: str, word: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        passed = [a for a in args if a.startswith("--")]
        words = [a for a in args if not a.startswith("--")]
        if words and words[-1] == "force":
            passed.append("--force")
            words.pop()
        want(words, 1, 3)
        rsc, rest = words[0], words[1:]
        options = ["--resource", rsc, "--quiet", *passed]
        if shell.force and "--force" not in passed:
            options.append("--force")
        lifetime = rest.pop() if rest and _is_lifetime(rest[-1]) else None
        if lifetime is not None:
            options += ["--lifetime", lifetime]
        if len(rest) > 1:
            raise UsageError(f"lifetime '{rest[1]}': want an ISO 8601 duration such as PT1H")
        if rest:
            options += ["--node", rest[0]]
        rc = tool(shell, option, *options)
        if rc == Exit.EXISTS:
            shell.info(f"{rsc} is active on {rest[0]} already; 'force' makes a constraint of it")
        if rc == 0 and "--autoclear" not in passed:
            place = f" to {rest[0]}" if rest and option == "--move" else ""
            place = f" on {rest[0]}" if rest and option == "--ban" else place
            shell.info(f"{word} constraint created for {rsc}{place}")
            shell.info(f"Use `crm resource clear {rsc}` to remove this constraint")
        return _changed(shell, rc)

    return run


def _is_lifetime(word: str) -> bool:
    """`PT1H`, `P2D`: what begins like a duration and cannot be told from one."""
    return word[:1] == "P" and (word[1:2].isdigit() or word[1:2] == "T") and word[-1:].isalpha()


def _clear(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 2)
    from io import StringIO

    from cli import crm_resource

    node = ["--node", args[1]] if len(args) > 1 else []
    said = StringIO()
    words = ["--clear", "--resource", args[0], *node]
    rc = int(crm_resource.main(words, said, shell.err, shell.env, shell.stdin))
    if rc == 0 and said.getvalue():
        shell.info(f"Removed migration constraints for {args[0]}")
    elif rc == 0:
        shell.info(f"no migration constraints for {args[0]}: nothing to remove")
    return _changed(shell, rc)


def _forget(option: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        words = list(args)
        options = ["--force"] if shell.force else []
        if words and words[-1] == "force":
            words.pop()
            options = ["--force"]
        want(words, 0, 2)
        for name, value in zip(("--resource", "--node"), words, strict=False):
            options += [name, value]
        return _changed(shell, tool(shell, option, *options))

    return run


# --- values ---------------------------------------------------------------------------------


def _values(kind: tuple[str, ...]) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        want(args, 3, 4)
        rsc, verb, name = args[:3]
        common = ["--resource", rsc, *kind]
        if verb == "set":
            want(args, 4, 4)
            return _changed(
                shell, tool(shell, "--set-parameter", name, "--parameter-value", args[3], *common)
            )
        want(args, 3, 3)
        if verb == "show":
            return tool(shell, "--get-parameter", name, *common)
        if verb in ("delete", "del"):
            return _changed(shell, tool(shell, "--delete-parameter", name, *common))
        raise UsageError(f"'{verb}': want set, show or delete")

    return run


def _trace(shell: Shell, args: Sequence[str]) -> int:
    from cli.crm.trace import trace

    return trace(shell, args)


def _untrace(shell: Shell, args: Sequence[str]) -> int:
    from cli.crm.trace import untrace

    return untrace(shell, args)


def _failcount(shell: Shell, args: Sequence[str]) -> int:
    from cli.attribute import failcount

    want(args, 3, 4)
    rsc, verb, node = args[:3]
    _context_of(shell, rsc)
    if verb == "show":
        return failcount.show(shell.env, shell.stdin, shell.out, rsc, node)
    if verb == "set":
        want(args, 4, 4)
        return failcount.put(shell.env, shell.stdin, rsc, node, args[3])
    if verb == "delete":
        return failcount.delete(shell.env, shell.stdin, shell.out, rsc, node)
    raise UsageError(f"'{verb}': want set, show or delete")


def _context_of(shell: Shell, rsc: str) -> None:
    from cli.resource.context import find

    session = context(shell)
    if find(session.status, rsc) is None:
        raise session.unknown(rsc)


_VERBS = "set|show|delete"
_RSCS = ("resource*",)

LEVEL = Level(
    "resource",
    "resources: start, stop, move, clean up, ask why",
    (
        Command("status", _status, "[RSC...]", "State of all resources, or where some run",
                "crm resource status web", ("list",), ("show",), _RSCS),
        Command("start", _each("target-role", "Started"), "RSC...", "Let resources run",
                "crm resource start web", (), (), _RSCS),
        Command("stop", _each("target-role", "Stopped"), "RSC...", "Stop resources",
                "crm resource stop web", (), (), _RSCS),
        Command("restart", _restart, "RSC...", "Stop, wait, start, wait",
                "crm resource restart web", (), (), _RSCS),
        Command("move", _placed("--move", "Move"), "RSC [NODE] [LIFETIME] [force] [--wait "
                "[--autoclear]]", "Make a resource run elsewhere, or on a node",
                "crm resource move web node2 --wait --autoclear", (), ("migrate",), _NODE),
        Command("ban", _placed("--ban", "Ban"), "RSC [NODE] [LIFETIME]", "Keep it off a node",
                "crm resource ban web node1 PT1H", (), (), _NODE),
        Command("clear", _clear, "RSC [NODE]", "Remove what move and ban made",
                "crm resource clear web", (), ("unmove", "unmigrate", "unban"), _NODE),
        Command("cleanup", _forget("--cleanup"), "[RSC [NODE]] [force]",
                "Forget failures; what failed is probed again", "crm resource cleanup web",
                (), (), _NODE),
        Command("refresh", _forget("--refresh"), "[RSC [NODE]] [force]",
                "Forget all history; everything is probed again", "crm resource refresh web",
                (), ("reprobe",), _NODE),
        Command("promote", _promotion("Promoted"), "RSC", "Let a promotable resource promote",
                "crm resource promote ms_drbd", (), (), _RSC),
        Command("demote", _promotion("Unpromoted"), "RSC", "Demote a promotable resource",
                "crm resource demote ms_drbd", (), (), _RSC),
        Command("manage", _each("is-managed", "true"), "RSC...", "Let the cluster act on it",
                "crm resource manage web", (), (), _RSCS),
        Command("unmanage", _each("is-managed", "false"), "RSC...",
                "Only watch it, neither start nor stop it", "crm resource unmanage web",
                (), (), _RSCS),
        Command("maintenance", _maintenance, "RSC [on|off]", "Hands off, monitors included",
                "crm resource maintenance web on", (), (), ("resource", "on|off")),
        Command("param", _values(()), "RSC set|show|delete NAME [VALUE]",
                "A parameter of the agent", "crm resource param vip show ip",
                (), (), ("resource", _VERBS, "parameter")),
        Command("meta", _values(("--meta",)), "RSC set|show|delete NAME [VALUE]",
                "A meta-attribute", "crm resource meta web set migration-threshold 3",
                (), (), ("resource", _VERBS, "meta")),
        Command("utilization", _values(("--utilization",)), "RSC set|show|delete NAME [VALUE]",
                "How much capacity it needs", "crm resource utilization vm1 set memory 4096",
                (), (), ("resource", _VERBS)),
        Command("failcount", _failcount, "RSC set|show|delete NODE [VALUE]",
                "How often it failed on a node", "crm resource failcount web show node1",
                (), (), ("resource", _VERBS, "node")),
        Command("constraints", _constraints, "RSC", "Where it may run and with what",
                "crm resource constraints web", (), (), _RSC),
        Command("locate", _of_resource("--locate"), "RSC...", "Nodes that run it",
                "crm resource locate web", (), (), _RSCS),
        Command("why", _why, "[RSC [NODE]]", "Why it runs where it does, or not at all",
                "crm resource why web", (), (), _NODE),
        Command("scores", _scores, "", "The score of every resource on every node",
                "crm resource scores"),
        Command("operations", _operations, "[RSC [NODE]]", "Recorded operations",
                "crm resource operations web", (), (), _NODE),
        Command("trace", _trace, "RSC [OP [INTERVAL [DIR]]]", "Have the agent write down its steps",
                "crm resource trace web start", (), (), ("resource", "probe|start|stop|monitor")),
        Command("untrace", _untrace, "RSC [OP [INTERVAL]]", "The end of tracing",
                "crm resource untrace web", (), (), ("resource", "probe|start|stop|monitor")),
    ),
)  # fmt: skip
