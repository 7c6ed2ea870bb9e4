"""`crm_ticket`: grant, revoke, look at the tickets of a multi-site cluster.

Tickets live in the status section.  Facts: cli.md section 6 and the recorded cases.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool

if TYPE_CHECKING:
    from lxml import etree

    from cli.attribute.store import Store

_QUERIES, _COMMANDS, _MORE = "Queries", "Commands", "Additional Options"
_OPTIONS = (
    Option("info", "l", Takes.NOTHING, "", "Show the tickets", _QUERIES),
    Option("details", "L", Takes.NOTHING, "", "Show the tickets with all attributes", _QUERIES),
    Option("raw", "w", Takes.NOTHING, "", "Show the ids of the tickets", _QUERIES),
    Option("query-xml", "q", Takes.NOTHING, "", "Show the XML of the tickets", _QUERIES),
    Option("constraints", "c", Takes.NOTHING, "", "Show the constraints on tickets", _QUERIES),
    Option("grant", "g", Takes.NOTHING, "", "Grant a ticket to this site", _COMMANDS),
    Option("revoke", "r", Takes.NOTHING, "", "Revoke a ticket from this site", _COMMANDS),
    Option("standby", "s", Takes.NOTHING, "", "Put a ticket into standby", _COMMANDS),
    Option("activate", "a", Takes.NOTHING, "", "Take a ticket out of standby", _COMMANDS),
    Option("get-attr", "G", Takes.VALUE, "ATTRIBUTE", "Show an attribute of a ticket", _COMMANDS),
    Option("set-attr", "S", Takes.VALUE, "ATTRIBUTE", "Set an attribute (with -v)", _COMMANDS),
    Option("delete-attr", "D", Takes.VALUE, "ATTRIBUTE", "Delete an attribute", _COMMANDS),
    Option("cleanup", "C", Takes.NOTHING, "", "Delete all state of a ticket", _COMMANDS),
    Option("attr-value", "v", Takes.VALUE, "VALUE", "Value, with -S", _MORE),
    Option("default", "d", Takes.VALUE, "VALUE", "With -G: if there is none", _MORE),
    Option("force", "f", Takes.NOTHING, "", "Do it although it is dangerous", _MORE),
    Option("ticket", "t", Takes.VALUE, "ID", "Ticket", _MORE),
    Option("set-name", "n", Takes.VALUE, "ID", "Accepted", _MORE),
    Option("nvpair", "i", Takes.VALUE, "ID", "Accepted", _MORE),
    Option("quiet", "Q", Takes.NOTHING, "", "Accepted", _MORE),
    *COMMON_OPTIONS,
)
_NOTES = """\
Examples:

Show all tickets:
        # crm_ticket --info

Grant a ticket to this site, knowing that no other site has it:
        # crm_ticket --ticket siteA --grant --force
"""
_COMMAND_NAMES = (
    "info", "details", "raw", "query-xml", "constraints", "grant", "revoke", "standby", "activate",
    "get-attr", "set-attr", "delete-attr", "cleanup",
)  # fmt: skip
_OWN = ("id", "granted", "standby", "last-granted")


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.attribute.store import Store

    given = [name for name, _ in line.options if name in _COMMAND_NAMES]
    command = given[-1] if given else "info"
    store = Store(env, stdin, "crm_ticket")
    if command in ("info", "details", "raw", "query-xml", "constraints"):
        return _look(command, line, reply, store)
    name = line.value("ticket")
    if not name:
        raise CommandError(Exit.USAGE, "Must supply ticket ID with -t")
    if command == "get-attr":
        return _get(name, line, reply, store)
    if command == "cleanup":
        return _cleanup(name, line, reply, store)
    return _change(command, name, line, store)


# --- looking --------------------------------------------------------------------------------


def _states(store: Store, name: str | None) -> list[etree._Element]:
    found = list(store.cib().iterfind("status/tickets/ticket_state"))
    wanted = [state for state in found if name in (None, state.get("id"))]
    if name is not None and not wanted:
        raise CommandError(Exit.NOSUCH, f"No such ticket '{name}'")
    return wanted


def _look(command: str, line: CommandLine, reply: Reply, store: Store) -> Exit:
    name = line.value("ticket")
    if command == "constraints":
        return _constraints(name, reply, store)
    states = _states(store, name)
    if command == "query-xml":
        return _query_xml(states, name, reply, store)
    from lxml import etree

    listed = etree.Element("tickets")
    for state in states:
        if command == "raw":
            reply.say(f"{state.get('id')}\n")
        else:
            reply.say(_line(state, details=command == "details"))
        listed.append(_element(state))
    if not reply.is_text:
        reply.put(listed)
    return Exit.OK


def _line(state: etree._Element, *, details: bool) -> str:
    is_granted, is_standby = state.get("granted") == "true", state.get("standby") == "true"
    word = "granted" if is_granted else "revoked"
    text = f"{state.get('id')}\t{word}{' [standby]' if is_standby else ''}"
    if state.get("last-granted") and not details:
        text += f" last-granted='{_moment(state.get('last-granted', ''))}'"
    if details:
        shown = []
        for key, value in _pairs(state):
            if key == "last-granted":
                shown.append(f"last-granted='{_moment(value)}'")
            elif key != "id":
                shown.append(f"{key}={value}")
        if shown:
            text += f"\t({', '.join(shown)})"
    return text + "\n"


def _pairs(state: etree._Element) -> list[tuple[str, str]]:
    return [(str(key), str(value)) for key, value in state.attrib.items()]


def _moment(text: str) -> str:
    return time.asctime(time.localtime(int(text))) if text.isdigit() else text


def _element(state: etree._Element) -> etree._Element:
    from lxml import etree

    is_granted = state.get("granted") == "true"
    made = etree.Element("ticket", {"id": state.get("id", "")})
    made.set("status", "granted" if is_granted else "revoked")
    made.set("standby", "true" if state.get("standby") == "true" else "false")
    for key, value in _pairs(state):
        if key == "last-granted":
            made.set("last-granted", _moment(value))
        elif key not in ("id", "standby", "status"):
            made.set(key, value)
    return made


def _query_xml(states: list[etree._Element], name: str | None, reply: Reply, store: Store) -> Exit:
    from lxml import etree

    from cib.document import to_text

    if name is not None:
        text = "".join(to_text(state) for state in states)
    else:
        whole = store.cib().find("status/tickets")
        text = "" if whole is None else to_text(whole)
    reply.say(f"State XML:\n\n{text}")
    if not reply.is_text:
        listed = etree.Element("tickets")
        for state in states:
            listed.append(etree.Element("ticket", dict(_pairs(state))))
        reply.put(listed)
    return Exit.OK


def _constraints(name: str | None, reply: Reply, store: Store) -> Exit:
    import copy

    from lxml import etree

    from cib.document import to_text

    cib = store.cib()
    found = [
        element
        for element in cib.iterfind("configuration/constraints/rsc_ticket")
        if name in (None, element.get("ticket"))
    ]
    reply.say("Constraints XML:\n\n" + "".join(to_text(element) for element in found))
    if reply.is_text:
        return Exit.OK
    tickets, resources = etree.Element("tickets"), etree.Element("resources")
    for ticket in dict.fromkeys(element.get("ticket", "") for element in found):
        made = etree.SubElement(tickets, "ticket", {"id": ticket})
        held = etree.SubElement(made, "constraints")
        for element in found:
            if element.get("ticket") == ticket:
                held.append(copy.deepcopy(element))
    for rsc in dict.fromkeys(element.get("rsc") for element in found):
        if rsc is not None:
            etree.SubElement(resources, "resource", {"id": rsc})
    reply.put(tickets)
    reply.put(resources)
    return Exit.OK


def _get(name: str, line: CommandLine, reply: Reply, store: Store) -> Exit:
    from lxml import etree

    key = line.value("get-attr") or ""
    found = [s for s in store.cib().iterfind("status/tickets/ticket_state") if s.get("id") == name]
    value = found[0].get(key) if found else None
    if value is None:
        value = line.value("default")
    if value is None:
        raise CommandError(Exit.NOSUCH, f"Could not query ticket attributes: {key} is not set")
    reply.say(f"{value}\n")
    if not reply.is_text:
        listed = etree.Element("tickets")
        made = etree.SubElement(listed, "ticket", {"id": name})
        etree.SubElement(made, "attribute", {"name": key, "value": value})
        reply.put(listed)
    return Exit.OK


# --- changing -------------------------------------------------------------------------------


def _refuse_grant(name: str) -> CommandError:
    return CommandError(
        Exit.UNSAFE,
        "Ticket modification not allowed\n"
        f"This command cannot help you verify whether '{name}' has been already granted "
        "elsewhere.\nIf you really want to grant "
        f"'{name}' to this site now, and you know what you are doing,\nplease specify --force.",
    )


def _refuse_revoke(name: str) -> CommandError:
    return CommandError(
        Exit.UNSAFE,
        "Ticket modification not allowed\n"
        f"Revoking '{name}' can trigger the specified 'loss-policy'(s) relating to '{name}'.\n\n"
        f"You can check that with:\ncrm_ticket --ticket {name} --constraints\n\n"
        f"Otherwise before revoking '{name}', you may want to make '{name}' standby with:\n"
        f"crm_ticket --ticket {name} --standby\n\n"
        f"If you really want to revoke '{name}' from this site now, and you know what you are "
        "doing,\nplease specify --force.",
    )


def _change(command: str, name: str, line: CommandLine, store: Store) -> Exit:
    attributes: dict[str, str | None] = {}
    match command:
        case "grant":
            attributes["granted"] = "true"
        case "revoke":
            attributes["granted"] = "false"
        case "standby":
            attributes["standby"] = "true"
        case "activate":
            attributes["standby"] = "false"
        case "delete-attr":
            attributes[line.value("delete-attr") or ""] = None
        case _:
            value = line.value("attr-value")
            if value is None:
                raise CommandError(Exit.USAGE, "Must supply attribute value with -v for -S")
            attributes[line.value("set-attr") or ""] = value
    if "granted" in attributes and not line.has("force"):
        raise (_refuse_grant(name) if attributes["granted"] == "true" else _refuse_revoke(name))
    if attributes.get("granted") == "true":
        attributes["last-granted"] = str(int(time.time()))
    _write(name, attributes, store)
    return Exit.OK


def _write(name: str, attributes: Mapping[str, str | None], store: Store) -> None:
    from lxml import etree

    cib = store.cib()
    states = [s for s in cib.iterfind("status/tickets/ticket_state") if s.get("id") == name]
    removing = [key for key, value in attributes.items() if value is None]
    if removing and states:
        state = etree.Element("ticket_state")
        for key, kept in _pairs(states[0]):
            if key not in removing:
                state.set(key, kept)
        store.change("replace", xpath=f"//tickets/ticket_state[@id='{name}']", element=state)
        return
    if removing:
        raise CommandError(Exit.NOSUCH, f"No such ticket '{name}'")
    tickets = etree.Element("tickets")
    state = etree.SubElement(tickets, "ticket_state", {"id": name})
    for key, value in attributes.items():
        state.set(key, value or "")
    store.change("modify", "status", tickets, create=True)


def _cleanup(name: str, line: CommandLine, reply: Reply, store: Store) -> Exit:
    states = _states(store, name)
    if states[0].get("granted") == "true" and not line.has("force"):
        raise _refuse_revoke(name)
    store.change("delete", xpath=f"//tickets/ticket_state[@id='{name}']")
    reply.say(f"Cleaned up {name}\n")
    return Exit.OK


TOOL = Tool("crm_ticket", "Perform tasks related to cluster tickets", _OPTIONS, _NOTES, _run)

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
