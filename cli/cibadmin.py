"""`cibadmin`: query and change the CIB.

It only sorts out words and prints answers; `cib.operations` does the work, here on a file or in
the running cluster.  Facts: cli.md section 6, its recorded cases, and the installed tool's help.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes, parse
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply, help_or_version, read_text
from cli.source import Answer, acting_user, open_source
from cli.streams import run_tool

TOOL = "cibadmin"
SUMMARY = "Query and edit the cluster configuration"
NOTES = """\
Examples:

Show the configuration of the running cluster:
        # cibadmin --query --scope configuration

Change the value of an option by its id:
        # cibadmin --modify --xml-text '<nvpair id="cib-bootstrap-options-batch-limit" value="5"/>'

Replace the whole configuration by that in a file:
        # cibadmin --replace --xml-file saved.xml
"""

_COMMANDS = "Commands"
_DATA = "Data"
_MORE = "Additional Options"
OPTIONS = (
    Option("upgrade", "u", Takes.NOTHING, "", "Upgrade to the newest schema", _COMMANDS),
    Option("query", "Q", Takes.NOTHING, "", "Print the CIB or a part of it", _COMMANDS),
    Option("erase", "E", Takes.NOTHING, "", "Erase the whole CIB", _COMMANDS),
    Option("bump", "B", Takes.NOTHING, "", "Raise the epoch by 1", _COMMANDS),
    Option("create", "C", Takes.NOTHING, "", "Create an object; 108 if it exists", _COMMANDS),
    Option("modify", "M", Takes.NOTHING, "", "Change an object; 105 if it does not exist",
           _COMMANDS),
    Option("patch", "P", Takes.NOTHING, "", "Apply a patch (see crm_diff)", _COMMANDS),
    Option("replace", "R", Takes.NOTHING, "", "Put an object in the place of the old one",
           _COMMANDS),
    Option("delete", "D", Takes.NOTHING, "", "Delete the first object that matches", _COMMANDS),
    Option("delete-all", "d", Takes.NOTHING, "", "With --xpath: delete all that match", _COMMANDS),
    Option("empty", "a", Takes.OPTIONAL, "SCHEMA", "Print an empty CIB", _COMMANDS),
    Option("md5-sum", "5", Takes.NOTHING, "", "Print the digest a CIB has on disk", _COMMANDS),
    Option("md5-sum-versioned", "6", Takes.NOTHING, "", "Print the digest a CIB has in a patch",
           _COMMANDS),
    Option("xml-text", "X", Takes.VALUE, "XML", "Take XML from this text", _DATA),
    Option("xml-file", "x", Takes.VALUE, "FILE", "Take XML from this file", _DATA),
    Option("xml-pipe", "p", Takes.NOTHING, "", "Take XML from standard input", _DATA),
    Option("force", "f", Takes.NOTHING, "", "Do it although it is dangerous", _MORE),
    Option("timeout", "t", Takes.VALUE, "SECONDS", "How long to wait for the cluster", _MORE),
    Option("show-access", "S", Takes.OPTIONAL, "FORM",
           "With -Q and -U: what that user may do, as color, text or namespace", _MORE),
    Option("user", "U", Takes.VALUE, "USER", "With the rights of this user", _MORE),
    Option("sync-call", "s", Takes.NOTHING, "", "Wait until the change is everywhere", _MORE),
    Option("local", "l", Takes.NOTHING, "", "Accepted; queries are always local", _MORE),
    Option("scope", "o", Takes.VALUE, "SECTION", "Only this section", _MORE),
    Option("xpath", "A", Takes.VALUE, "XPATH", "Only what this selects", _MORE),
    Option("node-path", "e", Takes.NOTHING, "", "Print the paths of what --xpath selects", _MORE),
    Option("allow-create", "c", Takes.NOTHING, "", "Let --modify create what is missing", _MORE),
    Option("no-children", "n", Takes.NOTHING, "", "Print elements without what is inside", _MORE),
    Option("score", "", Takes.NOTHING, "", "Let NAME=\"NAME++\" and NAME=\"NAME+=N\" count", _MORE),
    Option("node", "N", Takes.VALUE, "NODE", "Accepted; any node answers", _MORE),
    *COMMON_OPTIONS,
)  # fmt: skip

_CALLS = {
    "upgrade": "upgrade",
    "query": "query",
    "erase": "erase",
    "bump": "bump",
    "create": "create",
    "modify": "modify",
    "patch": "patch",
    "replace": "replace",
    "delete": "delete",
    "delete-all": "delete_all",
}
_WITH_XML = frozenset({"create", "modify", "patch", "replace", "delete", "delete-all"})
_DANGEROUS = frozenset({"erase", "upgrade", "delete-all"})
_LOCAL = frozenset({"empty", "md5-sum", "md5-sum-versioned"})
DANGER = (
    "The supplied command is considered dangerous. To prevent accidental destruction of the "
    "cluster, the --force flag is required in order to proceed."
)
_WORDS = {
    Exit.NOSUCH: "No such device or address",
    Exit.EXISTS: "File exists",
    Exit.INSUFFICIENT_PRIV: "Permission denied",
    Exit.OLD: "Update was older than existing configuration",
    Exit.CONFIG: "Update does not conform to the configured schema",
    Exit.PROTOCOL: "Protocol not supported",
    Exit.DIGEST: "Application of update diff failed",
    Exit.TIMEOUT: "Timer expired",
    Exit.USAGE: "Invalid argument",
    Exit.DATAERR: "Invalid data given",
    Exit.QUORUM: "Operation requires quorum",
}
"""How the reference names the reason, where its name of the status says less."""
_SAID_ENOUGH = frozenset({Exit.EXISTS, Exit.OLD, Exit.INSUFFICIENT_PRIV})
"""Reasons that the reference's own words explain; details only with --verbose."""


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Run the command; the exit status."""
    reply = Reply(TOOL, argv, out, err)
    try:
        line = parse(OPTIONS, argv)
        reply.configure(line)
        asked = help_or_version(line, TOOL, SUMMARY, OPTIONS, NOTES)
        if asked is not None:
            out.write(asked)
            return Exit.OK
        return reply.end(_run(line, reply, env, stdin))
    except CommandError as problem:
        reply.error(str(problem))
        return reply.end(problem.code)


def _command(line: CommandLine) -> str:
    if line.words:
        listed = "".join(
            f"\n[{n} of {len(line.words)}] {word}" for n, word in enumerate(line.words, start=1)
        )
        raise CommandError(Exit.USAGE, f"non-option ARGV-elements:{listed}")
    given = [name for name, _ in line.options if name in _CALLS or name in _LOCAL]
    if not given:
        raise CommandError(Exit.USAGE, "Must specify a command option; --help lists them")
    command = given[-1]
    if command == "delete" and line.has("delete-all"):
        return "delete-all"
    return command


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    command = _command(line)
    if command in _DANGEROUS and not line.has("force"):
        raise CommandError(Exit.UNSAFE, DANGER)
    if line.has("show-access"):
        return _show_access(command, line, reply, env, stdin)
    if command in _LOCAL:
        return _local(command, line, reply, stdin)
    return _perform(command, line, reply, env, stdin)


def _xml(line: CommandLine, stdin: TextIO) -> str | None:
    text = line.value("xml-text")
    if text is not None:
        return text
    name = line.value("xml-file")
    if name is not None:
        return read_text(name)
    return stdin.read() if line.has("xml-pipe") else None


def _local(command: str, line: CommandLine, reply: Reply, stdin: TextIO) -> Exit:
    """What needs no CIB to work on."""
    from cib import digest, document

    if command == "empty":
        schema = line.value("empty") or document.DEFAULT_SCHEMA
        reply.show("output", document.to_text(document.empty(schema)))
        return Exit.OK
    xml = _xml(line, stdin)
    if xml is None:
        raise CommandError(Exit.USAGE, "Must supply XML input for digest calculation: -X, -x or -p")
    try:
        root = document.parse(xml)
    except document.DocumentError as problem:
        raise CommandError(Exit.DATAERR, str(problem)) from problem
    value = digest.on_disk(root) if command == "md5-sum" else digest.on_wire(root)
    reply.say(value + "\n")
    reply.add("md5-sum", digest=value)
    return Exit.OK


def _perform(
    command: str, line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO
) -> Exit:
    from cib.operations import Call, Request

    xml = _xml(line, stdin) if command in _WITH_XML else None
    xpath = line.value("xpath")
    if xml is None and command in _WITH_XML and not (xpath and command.startswith("delete")):
        raise CommandError(Exit.USAGE, f"--{command} needs XML: -X TEXT, -x FILE or -p")
    request = Request(
        Call(_CALLS[command]),
        section=line.value("scope"),
        xpath=xpath,
        xml=xml,
        allow_create=line.has("allow-create"),
        score=line.has("score"),
        no_children=line.has("no-children"),
        paths_only=line.has("node-path") and xpath is not None,
        force=line.has("force"),
        user=acting_user(env, line.value("user")),
        client=TOOL,
    )
    answer = open_source(env, stdin).perform(request)
    if answer.rc is not Exit.OK:
        _refused(answer, reply, line, env)
    if answer.xml:
        reply.show("output", answer.xml)
    return answer.rc


def _show_access(
    command: str, line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO
) -> Exit:
    """The whole CIB with the rights of a user; for those whom no list binds."""
    from cib.document import parse as parse_document
    from cib.operations import Call, Request
    from cli.access_show import show

    user = line.value("user")
    if command != "query" or user is None:
        raise CommandError(Exit.USAGE, "--show-access needs --query and --user")
    answer = open_source(env, stdin).perform(Request(Call.QUERY, client=TOOL))
    if answer.rc is not Exit.OK or answer.xml is None:
        _refused(answer, reply, line, env)
        return answer.rc
    form = line.value("show-access") or ("color" if sys.stdout.isatty() else "text")
    reply.show("output", show(parse_document(answer.xml), user, form))
    return Exit.OK


def _refused(answer: Answer, reply: Reply, line: CommandLine, env: Mapping[str, str]) -> None:
    """The reference's sentence, then ours, with the file where the XML came from one.

    Where the reference's words explain the reason, scripts that want its exact text
    (PCMK_stderr) get no more than them.
    """
    from cib.lexical import is_true

    reply.error(f"CIB API call failed: {_WORDS.get(answer.rc, answer.rc.words)}")
    if answer.rc in _SAID_ENOUGH and is_true(env.get("PCMK_stderr")) and not line.has("verbose"):
        return
    file = line.value("xml-file")
    for problem in answer.problems or ((answer.error,) if answer.error else ()):
        where = problem.removeprefix("XML ")
        reply.hint(f"{file} {where}" if file and where.startswith("line ") else problem)


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
