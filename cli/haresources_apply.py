"""Loads an imported plan into a cluster or a CIB file: the only part of the import that changes
anything.

One atomic change, under maintenance mode in a running cluster: what runs already is found by probes
and adopted, then maintenance ends.  The old CIB is saved first.  Source: cli.md section 8.7.
"""

from __future__ import annotations

import contextlib
import copy
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cli.command_line import CommandError
from cli.exits import Exit
from cli.source import FileSource, LiveSource, Source, open_source, write_in_one_step
from crmd.haresources import render
from crmd.haresources.model import Plan

if TYPE_CHECKING:
    from lxml import etree

CLIENT = "haresources2cib"
PROBES_S = 120.0
_OURS = ("resources", "constraints", "rsc_defaults", "alerts")
"""Sections that an import owns; crm_config is merged, nodes are the cluster's own."""


def apply(
    plan: Plan, env: Mapping[str, str], stdin: TextIO, out: TextIO, replace: bool = False
) -> Exit:
    """Load the plan; raises CommandError, in which case nothing was changed.

    Refuses (108) a CIB that has other resources, unless `replace`.  The same import twice changes
    nothing.
    """
    from cib import document

    source = open_source(env, stdin)
    before = _query(source)
    wanted = _configuration(before, plan)
    if _same(before, wanted):
        out.write("unchanged: the cluster has exactly this configuration\n")
        return Exit.OK
    _check_foreign(before, wanted, replace)
    saved = _save(source, env, document.to_bytes(before))
    out.write(f"the old CIB is saved in {saved}\n")
    if not isinstance(source, LiveSource):
        _put(source, wanted)
        out.write(f"written to {source.name}\n")
        return Exit.OK
    _load_live(source, env, wanted, out)
    return Exit.OK


def _query(source: Source) -> etree._Element:
    from cib.document import parse
    from cib.operations import Call, Request

    answer = source.perform(Request(Call.QUERY, client=CLIENT))
    if answer.rc is not Exit.OK or answer.xml is None:
        raise CommandError(answer.rc, answer.error or answer.rc.words)
    return parse(answer.xml, source.name)


def _configuration(before: etree._Element, plan: Plan) -> etree._Element:
    """The present configuration with the plan's sections in it."""
    from cib.document import parse

    new = parse(render.to_cib(plan)).find("configuration")
    old = before.find("configuration")
    assert new is not None
    if old is None:
        return copy.deepcopy(new)
    made = copy.deepcopy(old)
    for name in _OURS:
        present, wanted = made.find(name), new.find(name)
        if present is not None and wanted is not None:
            made.replace(present, copy.deepcopy(wanted))
        elif wanted is not None:
            made.append(copy.deepcopy(wanted))
    _merge_properties(made, plan.properties)
    nodes, planned = made.find("nodes"), new.find("nodes")
    if nodes is not None and planned is not None and len(nodes) == 0:
        nodes.extend(copy.deepcopy(list(planned)))
    return made


def _merge_properties(configuration: etree._Element, pairs: tuple[tuple[str, str], ...]) -> None:
    from lxml import etree

    options = configuration.find("crm_config")
    assert options is not None, "every CIB has a crm_config"
    held = options.find("cluster_property_set")
    if held is None:
        held = etree.SubElement(options, "cluster_property_set")
        held.set("id", "cib-bootstrap-options")
    for name, value in pairs:
        _property(held, name, value)


def _property(held: etree._Element, name: str, value: str | None) -> None:
    """Set one property; None removes it."""
    from lxml import etree

    pair = next((p for p in held.iterfind("nvpair") if p.get("name") == name), None)
    if value is None:
        if pair is not None:
            held.remove(pair)
        return
    if pair is None:
        pair = etree.SubElement(held, "nvpair")
        pair.set("id", f"{held.get('id')}-{name}")
        pair.set("name", name)
    pair.set("value", value)


def _same(before: etree._Element, wanted: etree._Element) -> bool:
    from cib.document import compact

    present = before.find("configuration")
    return present is not None and compact(present) == compact(wanted)


def _check_foreign(before: etree._Element, wanted: etree._Element, replace: bool) -> None:
    ids = {e.get("id") for e in wanted.iterfind("resources/*")}
    others = [
        str(e.get("id"))
        for e in before.iterfind("configuration/resources/*")
        if e.get("id") not in ids
    ]
    if others and not replace:
        shown = ", ".join(others[:5])
        raise CommandError(
            Exit.EXISTS,
            f"the cluster has other resources ({shown}) that the import would remove; "
            "nothing changed, give --replace to do it",
        )


def _save(source: Source, env: Mapping[str, str], data: bytes) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    if isinstance(source, FileSource):
        path = source.path.with_name(f"{source.path.name}.before-import-{stamp}")
    else:
        from crmd.daemon.paths import Paths

        folder = Paths.from_environment(env.get("PACEKEEPER_ROOT")).state
        path = folder / f"cib-before-import-{stamp}.xml"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
    write_in_one_step(path, data)
    return path


def _put(source: Source, configuration: etree._Element) -> None:
    from cib.document import to_text
    from cib.operations import Call, Request

    request = Request(
        Call.REPLACE, section="configuration", xml=to_text(configuration), client=CLIENT
    )
    answer = source.perform(request)
    if answer.rc is not Exit.OK:
        said = "; ".join(answer.problems) or answer.error or answer.rc.words
        raise CommandError(answer.rc, f"the CIB was not accepted, nothing changed: {said}")


def _load_live(
    source: LiveSource, env: Mapping[str, str], wanted: etree._Element, out: TextIO
) -> None:
    quiet = copy.deepcopy(wanted)
    held = quiet.find("crm_config/cluster_property_set")
    assert held is not None, "the merge made one"
    was = next(
        (p.get("value") for p in held.iterfind("nvpair") if p.get("name") == "maintenance-mode"),
        None,
    )
    _property(held, "maintenance-mode", "true")
    _put(source, quiet)
    out.write("loaded in maintenance mode; probing what runs already\n")
    _wait_idle(env)
    _tell_running(_query(source), out)
    after = _query(source).find("configuration")
    assert after is not None, "just written"
    held = after.find("crm_config/cluster_property_set")
    assert held is not None, "just written"
    _property(held, "maintenance-mode", was)
    _put(source, after)
    out.write("maintenance mode ended; the cluster manages the resources now\n")


def _wait_idle(env: Mapping[str, str]) -> None:
    from crmd.daemon import ipc
    from crmd.daemon.paths import Paths

    socket = Paths.from_environment(env.get("PACEKEEPER_ROOT")).crmd_socket
    try:
        with ipc.Client(socket, PROBES_S + 10.0) as client:
            answer: Mapping[str, Any] = client.call({"op": "wait", "timeout_s": PROBES_S})
    except ipc.IpcError as problem:
        raise CommandError(
            Exit.TEMPFAIL, f"{problem}; the cluster is left in maintenance mode"
        ) from problem
    if not answer.get("ok") or not answer.get("idle"):
        raise CommandError(
            Exit.TIMEOUT,
            f"probes were not done within {PROBES_S:g} s; the cluster is left in maintenance "
            "mode: look at crm status, then crm configure property maintenance-mode=false",
        )


def _tell_running(cib: etree._Element, out: TextIO) -> None:
    from cib.upgrade import upgrade
    from cli.status.reading import CibRead
    from cli.status.view import view

    status = view(CibRead(upgrade(cib).root))
    found = False
    for top in status.resources:
        for rsc in top.primitives():
            for place in rsc.active:
                out.write(f"adopted, it runs already: {rsc.id} on {place.node}\n")
                found = True
    if not found:
        out.write("nothing runs yet\n")
