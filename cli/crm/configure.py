"""The level `configure`: the configuration in the shell's language.

Changes stay in memory until `commit`; a single call, and leaving the level in a script, commits
by itself.  The language is `cli.configure`, the copy being edited `cli.crm.editor`.
Facts: cli.md section 7.1.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.crm.levels import Command, Level, UsageError, want
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.editor import Editor
    from cli.crm.shell import Shell


def editor(shell: Shell) -> Editor:
    """The editing session of the shell, begun where there is none."""
    if shell.editor is None:
        from cli.crm.editor import Editor

        shell.editor = Editor(shell.env, shell.stdin)
    return shell.editor


def _leave(shell: Shell) -> int:
    """Going up: a person is asked about changes, a script commits them unless it failed."""
    session = shell.editor
    if session is None:
        return 0
    if session.is_changed:
        if shell.is_interactive:
            if not shell.force and shell.ask is not None:
                if not shell.ask("There are changes pending. Do you want to commit them?"):
                    shell.editor = None
                    return 0
        elif shell.failed:
            shell.editor = None
            shell.error("changes not committed, because a command failed; nothing was changed")
            return 1
        rc = shell.run_plain(lambda: _commit(shell, ["force"] if shell.force else []))
        if rc and shell.is_interactive:
            return rc
        shell.editor = None
        return rc
    shell.editor = None
    return 0


# --- commands on the whole ------------------------------------------------------------------


def _commit(shell: Shell, args: Sequence[str]) -> int:
    session = editor(shell)
    for word in args:
        if word not in ("force", "replace"):
            raise UsageError(f"'{word}': want force or replace")
    force = shell.force or "force" in args
    if not session.is_changed:
        shell.info("apparently there is nothing to commit")
        shell.info("try changing something first")
        return 0
    errors = session.errors()
    for text in session.warnings():
        shell.warning(text)
    for text in errors:
        shell.error(text)
    if errors:
        shell.error("not committed: correct it, or 'refresh' to start over")
        return 1
    session.commit(force)
    if shell.wait:
        from cli.crm.resource import tool

        return tool(shell, "--wait")
    return 0


def _verify(shell: Shell, args: Sequence[str]) -> int:
    from cli.crm.verify import verify

    want(args, 0, 1)
    session = editor(shell)
    for text in session.warnings():
        shell.warning(text)
    return verify(shell, session.tree, args)


def _show(shell: Shell, args: Sequence[str]) -> int:
    from cli.configure import showing

    session = editor(shell)
    words = list(args)
    as_xml = bool(words) and words[0] == "xml"
    if as_xml:
        words.pop(0)
    chosen = showing.choose(session.tree, words, session.changed_names)
    if as_xml:
        shell.out.write(showing.xml_text(session.tree, chosen if words else None))
    else:
        ordered = showing.ordered(chosen, by_id=_sorts(shell))
        for text in showing.texts(ordered):
            shell.out.write(text + "\n")
    return 0


def _sorts(shell: Shell) -> bool:
    from cli.crm.options import preference

    return preference(shell.env, "sort-elements") == "yes"


def _save(shell: Shell, args: Sequence[str]) -> int:
    from cli.configure import showing
    from cli.source import write_in_one_step

    words = list(args)
    as_xml = bool(words) and words[0] == "xml"
    if as_xml:
        words.pop(0)
    want(words, 1)
    session = editor(shell)
    chosen = showing.choose(session.tree, words[1:], session.changed_names)
    if as_xml:
        text = showing.xml_text(session.tree, chosen if words[1:] else None)
    else:
        texts = showing.texts(showing.ordered(chosen, by_id=_sorts(shell)))
        text = "".join(f"{each}\n" for each in texts)
    if words[0] == "-":
        shell.out.write(text)
    else:
        write_in_one_step(Path(words[0]), text.encode())
    return 0


def _load(shell: Shell, args: Sequence[str]) -> int:
    words = list(args)
    if words and words[0] in ("xml", "cli"):
        words.pop(0)
    want(words, 2, 2)
    method, name = words
    if method not in ("replace", "update", "push"):
        raise UsageError(f"'{method}': want replace, update or push")
    if name == "-":
        text = shell.stdin.read()
    else:
        from cli.reply import read_text

        text = read_text(name)
    editor(shell).load(text, method, name)
    return 0


def _edit(shell: Shell, args: Sequence[str]) -> int:
    from cli.configure import showing

    session = editor(shell)
    program = shell.env.get("EDITOR") or shell.env.get("VISUAL") or "vi"
    texts = showing.texts(
        showing.ordered(showing.choose(session.tree, args, session.changed_names), by_id=True)
    )
    before = "".join(f"{text}\n" for text in texts)
    after = before
    while True:
        after = _edited(shell, program, after)
        if after == before:
            return 0
        try:
            session.change_texts(before, after)
            return 0
        except CommandError as problem:
            shell.error(str(problem))
            if shell.ask is None or not shell.ask("Edit again?"):
                return 1


def _edited(shell: Shell, program: str, text: str) -> str:
    with tempfile.NamedTemporaryFile("w+", suffix=".crm", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        _program(shell, [*shlex.split(program), file.name], None)
        return Path(file.name).read_text(encoding="utf-8")


def _program(shell: Shell, argv: list[str], text: str | None) -> str:
    """Run an editor or filter; its output.  Raises CommandError if it fails."""
    shell.out.flush()
    try:
        done = subprocess.run(
            argv,
            input=text,
            stdout=None if text is None else subprocess.PIPE,
            text=True,
            env={**os.environ, **shell.env},
            check=False,
        )
    except OSError as problem:
        raise CommandError(Exit.OSFILE, f"{argv[0]}: {problem.strerror}") from problem
    if done.returncode != 0:
        raise CommandError(Exit.ERROR, f"{argv[0]} ended with status {done.returncode}")
    return done.stdout or ""


def _filter(shell: Shell, args: Sequence[str]) -> int:
    from cli.configure import showing

    want(args, 1)
    session = editor(shell)
    chosen = showing.choose(session.tree, args[1:], session.changed_names)
    texts = showing.texts(showing.ordered(chosen, by_id=True))
    before = "".join(f"{text}\n" for text in texts)
    after = _program(shell, shlex.split(args[0]), before)
    if after != before:
        session.change_texts(before, after)
    return 0


def _refresh(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 0)
    editor(shell).refresh()
    return 0


def _erase(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    if args and args[0] != "nodes":
        raise UsageError(f"'{args[0]}': want nodes")
    editor(shell).erase(bool(args))
    return 0


def _simulate(shell: Shell, args: Sequence[str]) -> int:
    import io

    from cib.document import to_text
    from cli import crm_simulate

    options = {"scores": "--show-scores", "utilization": "--show-utilization"}
    words = [options[word] for word in args if word in options]
    source = io.StringIO(to_text(editor(shell).tree))
    return int(
        crm_simulate.main(
            ["--xml-pipe", "--simulate", *words], shell.out, shell.err, shell.env, source
        )
    )


# --- commands on objects --------------------------------------------------------------------


def _create(keyword: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        want(args, 1)
        session = editor(shell)
        for text in session.create([keyword, *args]):
            shell.info(text)
        if keyword in ("primitive", "clone", "ms"):
            _advise(shell, args[0])
        return 0

    return run


def _advise(shell: Shell, name: str) -> None:
    """Add what the agent and good practice advise, where the person wants that."""
    from cli.crm.options import preference

    if preference(shell.env, "add-advised-ops") == "yes":
        from cli.crm.advice import add_advised_operations, interleave

        add_advised_operations(editor(shell), name, shell.env)
        interleave(editor(shell), name)


def _delete(shell: Shell, args: Sequence[str]) -> int:
    names = [word for word in args if word not in ("force", "--force")]
    want(names, 1)
    force = shell.force or len(names) < len(args)
    for text in editor(shell).delete(names, force):
        shell.info(text)
    return 0


def _rename(shell: Shell, args: Sequence[str]) -> int:
    want(args, 2, 2)
    for text in editor(shell).rename(*args):
        shell.info(text)
    return 0


def _monitor(shell: Shell, args: Sequence[str]) -> int:
    want(args, 2, 2)
    editor(shell).add_monitor(args)
    return 0


def _modgroup(shell: Shell, args: Sequence[str]) -> int:
    want(args, 3, 5)
    group, verb, name = args[:3]
    if verb == "add" and len(args) in (3, 5):
        place = args[3] if len(args) == 5 else ""
        if place not in ("", "after", "before"):
            raise UsageError(f"'{place}': want after or before")
        editor(shell).change_group(group, add=name, place=place, beside=args[-1])
    elif verb == "remove" and len(args) == 3:
        editor(shell).change_group(group, remove=name)
    else:
        raise UsageError(f"'{verb}': want add or remove")
    return 0


def _set(shell: Shell, args: Sequence[str]) -> int:
    want(args, 2, 2)
    editor(shell).set_value(args[0], args[1])
    return 0


def _get_property(shell: Shell, args: Sequence[str]) -> int:
    from cib import options

    want(args, 1, 1)
    for pair in editor(shell).tree.iterfind("configuration/crm_config//nvpair"):
        if pair.get("name") in (args[0], options.NEW_NAMES.get(args[0])):
            shell.out.write(f"{pair.get('value')}\n")
            return 0
    known = options.BY_NAME.get(options.NEW_NAMES.get(args[0], args[0]))
    if known is None:
        raise CommandError(Exit.NOSUCH, f"property '{args[0]}' is not set")
    shell.out.write(f"{known.default}\n")
    return 0


def _property(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1)
    if args == ["maintenance-mode=true"]:
        _maintenance_of_all(shell)
    return _create("property")(shell, args)


def _maintenance_of_all(shell: Shell) -> None:
    """Hands off everything: what single objects say of it is in the way later."""
    for name, drop in editor(shell).maintenance_settings():
        question = f"'maintenance' attribute already exists in {name}. Remove it?"
        if shell.force:
            shell.info(f"{question} [YES]")
        if shell.confirm(question):
            drop()


def _schema(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    root = editor(shell).tree
    if args:
        root.set("validate-with", args[0])
    else:
        shell.out.write(f"{root.get('validate-with')}\n")
    return 0


def _objects(
    keyword: str,
    words: str,
    summary: str,
    example: str,
    *completes: str,
    aliases: tuple[str, ...] = (),
) -> Command:
    return Command(
        keyword,
        _create(keyword),
        words,
        summary,
        f"crm configure {keyword} {example}",
        aliases,
        completes=completes,
    )


_LIST = "[params|meta|utilization NAME=VALUE...]"
_OBJECT = ("object*",)

LEVEL = Level(
    "configure",
    "the configuration: show, change, load, save",
    (
        Command("show", _show, "[xml] [changed|ID|type:T|tag:T|related:ID]...",
                "The configuration, or parts of it", "crm configure show web",
                completes=_OBJECT),
        Command("edit", _edit, "[ID...]", "Change it in an editor ($EDITOR)",
                "crm configure edit web", completes=_OBJECT),
        Command("load", _load, "[xml|cli] replace|update|push FILE|-", "Take over a file",
                "crm configure load update web.crm", completes=("replace|update|push",)),
        Command("save", _save, "[xml] FILE|- [ID...]", "Write it to a file",
                "crm configure save backup.crm"),
        Command("commit", _commit, "[force]", "Make the changes take effect",
                "crm configure commit"),
        Command("verify", _verify, "", "Check the configuration as edited",
                "crm configure verify"),
        Command("simulate", _simulate, "[scores] [utilization]",
                "What the changes would make the cluster do", "crm configure simulate",
                ("ptest",)),
        _objects("node", "[ID:] NAME[:TYPE] [attributes|utilization NAME=VALUE...]", "A node",
                 "node1 attributes rack=7"),
        _objects("primitive", f"ID [CLASS:[PROVIDER:]]TYPE|@TEMPLATE {_LIST} [op NAME A=V...]",
                 "A resource", "vip IPaddr2 params ip=10.0.0.1 op monitor interval=10s"),
        _objects("rsc_template", f"ID [CLASS:[PROVIDER:]]TYPE {_LIST} [op NAME A=V...]",
                 "What several resources share", "vm ocf:heartbeat:VirtualDomain"),
        _objects("group", f"ID RSC... {_LIST}", "Resources that run together, in this order",
                 "web fs httpd vip", "", "resource*"),
        _objects("clone", "ID RSC [meta NAME=VALUE...]", "A resource on several nodes",
                 "c_ping ping meta interleave=true", "", "resource"),
        _objects("ms", "ID RSC [meta NAME=VALUE...]", "A promotable clone",
                 "ms_drbd drbd meta notify=true", "", "resource"),
        _objects("master", "ID RSC [meta NAME=VALUE...]", "A promotable clone of old",
                 "ms_drbd drbd", "", "resource"),
        _objects("bundle", "ID docker|podman|rkt A=V... [network ...] [storage ...] "
                 "[primitive RSC]", "A resource in containers",
                 "httpd docker image=pcmk:http replicas=2 primitive apache"),
        _objects("location", "ID RSC|/REGEX/|{SET} [role=R] SCORE: NODE | rule ...",
                 "Where it should run", "l1 web 100: node1", "", "resource"),
        _objects("colocation", "ID SCORE: A[:ROLE] B[:ROLE]... [node-attribute=]",
                 "What runs together", "c1 inf: web ms_drbd:Promoted",
                 aliases=("collocation",)),
        _objects("order", "ID [Mandatory|Optional|Serialize:] A[:ACTION] B[:ACTION]... "
                 "[symmetrical=]", "What comes first", "o1 Mandatory: ms_drbd:promote web:start"),
        _objects("rsc_ticket", "ID TICKET: RSC[:ROLE]... [loss-policy=]", "What needs a ticket",
                 "t1 siteA: web loss-policy=fence"),
        Command("property", _property, "[SET:] NAME=VALUE...", "Options of the cluster",
                "crm configure property maintenance-mode=true", completes=("property*",)),
        _objects("rsc_defaults", "[SET:] NAME=VALUE...", "Defaults of all resources",
                 "resource-stickiness=100", "meta*"),
        _objects("op_defaults", "[SET:] NAME=VALUE...", "Defaults of all operations",
                 "timeout=60s"),
        _objects("fencing_topology", "[NODE:] DEV[,DEV]... ...", "Which device fences first",
                 "node1: ipmi1 pdu1"),
        _objects("tag", "ID: OBJECT...", "A name for several objects", "db: mysql vip_db",
                 "", "object*"),
        _objects("role", "ID read|write|deny xpath:X|ref:ID|type:T [attribute:A] ...",
                 "Rights on the configuration", "watcher read xpath:/cib"),
        _objects("acl_target", "USER ROLE...", "The roles of a user", "bob watcher"),
        _objects("acl_group", "GROUP ROLE...", "The roles of a group", "staff watcher"),
        _objects("alert", "ID PATH [attributes ...] [meta ...] to RECIPIENT ...",
                 "A program told of events", "mail /usr/bin/notify.sh to root@localhost"),
        _objects("xml", "XML", "An object as XML", "'<tag id=\"t\"><obj_ref id=\"web\"/></tag>'"),
        Command("monitor", _monitor, "RSC[:ROLE] INTERVAL[:TIMEOUT]", "Add a monitor",
                "crm configure monitor vip 10s:20s", completes=("resource",)),
        Command("modgroup", _modgroup, "ID add RSC [after|before RSC] | remove RSC",
                "Change the members of a group", "crm configure modgroup web add vip2 after fs",
                completes=("resource", "add|remove", "resource", "after|before", "resource")),
        Command("delete", _delete, "ID... [--force]", "Remove objects",
                "crm configure delete vip2", (), ("rm",), _OBJECT),
        Command("rename", _rename, "OLD NEW", "Give an object another id",
                "crm configure rename vip vip1", completes=("object",)),
        Command("set", _set, "ID.NAME VALUE", "Change one value",
                "crm configure set vip.ip 10.0.0.2", completes=("object",)),
        Command("get_property", _get_property, "NAME", "The value of a property",
                "crm configure get_property maintenance-mode", completes=("property",)),
        Command("filter", _filter, "PROGRAM [ID...]", "Change it by a filter program",
                "crm configure filter \"sed 's/10s/20s/'\" vip"),
        Command("refresh", _refresh, "", "Forget changes, take the present configuration",
                "crm configure refresh"),
        Command("erase", _erase, "[nodes]", "Empty the configuration, or the nodes",
                "crm configure erase"),
        Command("schema", _schema, "[SCHEMA]", "The schema, or another one",
                "crm configure schema"),
        Command("_test", lambda shell, args: 0, hidden=True),
        Command("_regtest", lambda shell, args: 0, hidden=True),
    ),
    leave=_leave,
)  # fmt: skip
