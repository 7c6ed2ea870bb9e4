"""What every command of `crm_resource` works with: the words given, the CIB, the answer.

Reads the CIB once as it is configured and, when asked, as a status; sends changes to where the CIB
came from.  Facts: cli.md sections 2 and 4.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from cli.command_line import CommandError, CommandLine
from cli.exits import Exit
from cli.reply import Reply
from cli.source import LiveSource, ask_cluster, open_source

if TYPE_CHECKING:
    from lxml import etree

    from cli.status.model import ClusterStatus, NodeStatus, ResourceStatus

TOOL = "crm_resource"
SHOWN_NODES = 8
"""Names of nodes that a message lists."""
PERFORMING = "Error performing operation: "


class Refused(CommandError):
    """A command that cannot be carried out, with the reference's second line."""

    def __init__(self, code: Exit, text: str, hint: str | None = None) -> None:
        super().__init__(code, text)
        self.hint = hint if hint is not None else PERFORMING + code.words


class Context:
    """One run of the tool."""

    def __init__(
        self, line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO
    ) -> None:
        self.line = line
        self.reply = reply
        self.env = env
        self.source = open_source(env, stdin)
        self._has_logged = False

    @cached_property
    def cib(self) -> etree._Element:
        """The CIB as it is now; raises CommandError if it cannot be had."""
        from cib.document import parse
        from cib.operations import Call, Request

        answer = self.source.perform(Request(Call.QUERY, client=TOOL))
        if answer.rc is Exit.INSUFFICIENT_PRIV:
            self.reply.error("Could not obtain the current CIB: Permission denied", named=False)
            raise CommandError(answer.rc, PERFORMING + answer.rc.words)
        if answer.rc is not Exit.OK or answer.xml is None:
            raise CommandError(answer.rc, answer.error or answer.rc.words)
        return parse(answer.xml, self.source.name)

    @cached_property
    def status(self) -> ClusterStatus:
        """What runs where, by the CIB."""
        import copy

        from lxml import etree

        from cib.upgrade import UpgradeError, upgrade
        from cli.status.diagnostics import wants_diagnostics
        from cli.status.reading import CibRead
        from cli.status.view import view

        try:
            root = upgrade(copy.deepcopy(self.cib), in_place=True).root
        except UpgradeError as error:
            raise CommandError(Exit.CONFIG, str(error)) from error
        if root.find("status") is None:
            etree.SubElement(root, "status")
        wants_log = wants_diagnostics(self.env) and not self._has_logged
        self._has_logged = True
        return view(CibRead(root), self.reply.diagnostic if wants_log else None)

    def option(self, name: str) -> str | None:
        """Value of an option, None if not given."""
        return self.line.value(name)

    def has(self, name: str) -> bool:
        """Whether an option was given."""
        return self.line.has(name)

    @property
    def rsc_id(self) -> str:
        """The resource that -r names; raises CommandError (64) without one."""
        name = self.line.value("resource")
        if not name:
            raise CommandError(Exit.USAGE, "Must supply a resource id with -r")
        return name

    def resource(self) -> ResourceStatus:
        """The resource that -r names; raises Refused (105) if there is none."""
        found = find(self.status, self.rsc_id)
        if found is None:
            raise self.unknown(self.rsc_id)
        return found

    def unknown(self, name: str) -> Refused:
        """The refusal of a resource that does not exist, with the nearest name there is."""
        names = sorted({r.plain_id for top in self.status.resources for r in every(top)})
        near = difflib.get_close_matches(name, names, 1, 0.6)
        hint = PERFORMING + Exit.NOSUCH.words
        if near:
            hint += f"\nDid you mean '{near[0]}'?"
        elif names:
            hint += self._help("'crm_resource --list' shows all")
        else:
            hint += self._help("The configuration has no resources yet")
        return Refused(Exit.NOSUCH, f"Resource '{name}' not found", hint)

    def _help(self, text: str) -> str:
        """A line of help; nothing where the reference's exact text is wanted (PCMK_stderr)."""
        from cib.lexical import is_true

        return "" if is_true(self.env.get("PCMK_stderr")) else f"\n{text}"

    def node(self) -> NodeStatus | None:
        """The node that -N names, None if not given; raises Refused (105) if unknown."""
        name = self.line.value("node")
        if name is None:
            return None
        for node in self.status.nodes:
            if name.lower() in (node.name.lower(), node.id.lower()):
                return node
        known = ", ".join(sorted(node.name for node in self.status.nodes)[:SHOWN_NODES])
        hint = PERFORMING + Exit.NOSUCH.words + self._help(f"The cluster has: {known or 'no node'}")
        raise Refused(Exit.NOSUCH, f"Node '{name}' not found", hint)

    def change(
        self,
        call: str,
        section: str | None = None,
        element: etree._Element | None = None,
        xpath: str | None = None,
        allow_create: bool = False,
    ) -> None:
        """Change the CIB where it came from; raises Refused if it does not accept."""
        from cib.document import to_text
        from cib.operations import Call, Request

        request = Request(
            Call(call),
            section=section,
            xpath=xpath,
            xml=None if element is None else to_text(element),
            allow_create=allow_create,
            client=TOOL,
        )
        answer = self.source.perform(request)
        self.__dict__.pop("cib", None)
        self.__dict__.pop("status", None)
        if answer.rc is not Exit.OK:
            said = answer.problems or ((answer.error,) if answer.error else ())
            raise Refused(answer.rc, PERFORMING + answer.rc.words, "\n".join(said))

    @property
    def is_live(self) -> bool:
        """Whether the CIB is that of the running cluster."""
        return isinstance(self.source, LiveSource)

    def ask_cluster(self, payload: dict[str, Any], timeout_s: float = 60.0) -> Mapping[str, Any]:
        """One request to the running cluster; raises CommandError (102 without one)."""
        return ask_cluster(self.env, payload, timeout_s)


def every(resource: ResourceStatus) -> list[ResourceStatus]:
    """A resource and all that is in it, outermost first."""
    return [resource, *(inner for part in resource.parts for inner in every(part))]


def find(status: ClusterStatus, name: str) -> ResourceStatus | None:
    """The resource of that id: exact first, then an instance by its plain id."""
    listed = [r for top in status.resources for r in every(top)]
    for resource in listed:
        if resource.id == name:
            return resource
    for resource in listed:
        if resource.plain_id == name:
            return resource
    return None


def outermost(status: ClusterStatus, name: str) -> ResourceStatus | None:
    """The top-level resource that contains the resource of that id."""
    for top in status.resources:
        if any(name in (r.id, r.plain_id) for r in every(top)):
            return top
    return None


def named(status: ClusterStatus, name: str) -> list[ResourceStatus]:
    """Every resource of that id: one, or all instances that share the plain id."""
    listed = [r for top in status.resources for r in every(top)]
    exact = [r for r in listed if r.id == name and r.id != r.plain_id]
    return exact or [r for r in listed if r.plain_id == name]
