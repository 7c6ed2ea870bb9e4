"""haresources2cib: turn the files of a Heartbeat cluster into a CIB.

Also `crm cluster import-heartbeat`.  Reads, converts, checks and prints; nothing is changed unless
`--apply` is given.  Decisions are made in `crmd.haresources`.  Source: cli.md section 8.7.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from cli.command_line import CommandError
from cli.exits import Exit
from cli.heartbeat_files import Folder, Unreadable, read_folder
from cli.streams import run_tool
from crmd.haresources import render
from crmd.haresources.convert import Options, convert
from crmd.haresources.lint import lint
from crmd.haresources.model import Finding, Plan, Severity, Style
from crmd.haresources.render_html import to_html
from crmd.haresources.render_pcs import to_pcs

TOOL = "haresources2cib"
_REPORTS = {
    "report": render.to_report,
    "json": render.to_json,
    "html": to_html,
}
OUTPUTS = ("cib", "crm", "pcs", "diff", "haresources", *_REPORTS)
_BLOCKING = (Severity.ERROR, Severity.CRITICAL)

EXAMPLE = """\
examples:
  haresources2cib /etc/ha.d                     print the CIB, report on standard error
  haresources2cib --output crm /etc/ha.d        the same as crm shell commands
  haresources2cib --output report /etc/ha.d     every decision and every finding
  haresources2cib --output html /etc/ha.d       the same as a page for a browser
  haresources2cib --output pcs /etc/ha.d        as pcs commands
  haresources2cib --output diff /etc/ha.d       what it would change in the present CIB
  haresources2cib --output haresources CIB.xml  the way back; without a file the present CIB
  haresources2cib --accept H020 --apply         load it into the running cluster

Errors and critical findings stop the import until each code is accepted or the file corrected.
"""


def parser(prog: str = TOOL) -> argparse.ArgumentParser:
    """The command line, also the source of the manual page."""
    made = argparse.ArgumentParser(
        prog=prog,
        description="Convert Heartbeat's ha.cf, authkeys and haresources into a CIB, "
        "telling every decision.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="folder of ha.cf, authkeys and haresources (default: /etc/ha.d); "
        "with --output haresources a CIB",
    )
    add("--ha-cf", type=Path, metavar="FILE", help="instead of DIR/ha.cf")
    add(
        *("--haresources", "-c", "--config"),
        type=Path,
        action="append",
        metavar="FILE",
        help="instead of DIR/haresources; give one for each node to have them compared",
    )
    add("--authkeys", type=Path, metavar="FILE", help="instead of DIR/authkeys")
    add("--root", type=Path, default=Path("/"), metavar="DIR", help="file tree of the host")
    styles = [style.value for style in Style]
    add("--style", choices=styles, default="auto", help="how far to leave Heartbeat's own way")
    add("--no-ocf", action="store_true", help="the old tool's name for --style exact")
    add("--no-monitor", action="store_true", help="add no monitors")
    add("--fix-order", action="store_true", help="devices first, addresses last")
    add("--prefer", choices=["ocf", "systemd", "lsb"], default="", help="class of plain services")
    add("--move-on-first-failure", action="store_true", help="migration-threshold=1")
    add("--ignore-quorum", action="store_true", help="no-quorum-policy=ignore on two nodes")
    add("--accept", action="append", default=[], metavar="CODE", help="go on in spite of CODE")
    add("--accept-missing", action="append", default=[], metavar="NAME", help="script to come")
    add("--output", choices=OUTPUTS, default="cib", help="what to print (default: cib)")
    add("--stdout", action="store_true", help="accepted for the old tool's sake: the default")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="print only (the default)")
    what.add_argument("--apply", action="store_true", help="load into the cluster or CIB_file")
    add("--replace", action="store_true", help="with --apply: remove resources that are not ours")
    add("--quiet", "-q", action="store_true", help="no report on standard error")
    return made


def plan_for(folder: Folder, args: argparse.Namespace) -> Plan:
    """Convert and check; the plan carries all findings, worst first within a code."""
    style = Style.EXACT if args.no_ocf else Style(args.style)
    options = Options(
        style=style,
        fix_order=args.fix_order,
        prefer=args.prefer,
        move_on_first_failure=args.move_on_first_failure,
        ignore_quorum=args.ignore_quorum,
        comment_ids=True,
    )
    missing = frozenset(args.accept_missing)
    problems = [
        *folder.findings,
        *lint(folder.haresources, folder.settings, folder.facts, style, missing),
    ]
    plan = convert(folder.haresources, folder.settings, folder.facts, options)
    if args.no_monitor:
        plan = plan.without_monitors()
    return plan.with_findings((*problems, *plan.findings))


def blocking(plan: Plan, accepted: Sequence[str]) -> list[Finding]:
    """Findings that stop the import."""
    return [f for f in plan.findings if f.severity in _BLOCKING and f.code not in accepted]


def main(
    argv: Sequence[str],
    out: TextIO,
    err: TextIO,
    env: Mapping[str, str],
    stdin: TextIO,
    prog: str = TOOL,
) -> int:
    """Run the command; returns the exit status of cli.md section 3."""
    try:
        args = parser(prog).parse_args(argv)
    except SystemExit as ended:
        return Exit.OK if ended.code == 0 else Exit.USAGE
    if args.output == "haresources":
        return _way_back(args.folder, out, err, env, stdin, prog)
    try:
        folder = read_folder(
            args.folder or Path("/etc/ha.d"), args.ha_cf, args.haresources, args.authkeys, args.root
        )
    except Unreadable as error:
        err.write(f"{prog}: {error}\n")
        return Exit.NOINPUT
    plan = plan_for(folder, args)
    stop = blocking(plan, args.accept)
    if args.output in _REPORTS:
        out.write(_REPORTS[args.output](plan))
    elif not args.quiet and not stop:
        err.write(render.to_report(plan))
    for finding in stop:
        err.write(f"{prog}: {finding}\n")
    if stop:
        codes = " ".join(f"--accept {code}" for code in sorted({f.code for f in stop}))
        err.write(f"{prog}: nothing written; correct the files, or go on with {codes}\n")
        return Exit.CONFIG
    if args.output == "diff":
        return _differences(plan, out, err, env, stdin, prog)
    if args.apply:
        from cli.haresources_apply import apply

        try:
            return apply(plan, env, stdin, out, args.replace)
        except CommandError as error:
            err.write(f"{prog}: {error}\n")
            return error.code
    match args.output:
        case "cib":
            out.write(render.to_cib(plan).decode())
        case "crm":
            out.write(render.to_crm(plan))
        case "pcs":
            out.write(to_pcs(plan))
    return Exit.OK


def _way_back(
    file: Path | None,
    out: TextIO,
    err: TextIO,
    env: Mapping[str, str],
    stdin: TextIO,
    prog: str,
) -> int:
    """Print a CIB as haresources; 78 with the reasons where it cannot be said so."""
    from cli.status.reading import read_cib
    from crmd.haresources.export import to_haresources

    try:
        read = read_cib(None if file is None else str(file), env, stdin)
    except CommandError as error:
        err.write(f"{prog}: {error}\n")
        return error.code
    exported = to_haresources(read.root)
    for text in exported.lost:
        err.write(f"{prog}: not in haresources: {text}\n")
    for text in exported.refused:
        err.write(f"{prog}: cannot be said in haresources: {text}\n")
    if exported.refused:
        err.write(f"{prog}: nothing written; take these out of the CIB first\n")
        return Exit.CONFIG
    out.write(exported.text)
    return Exit.OK


def _differences(
    plan: Plan, out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO, prog: str
) -> int:
    """Print how the present configuration and the plan differ; 1 if they do, as crm_diff."""
    import difflib

    from cib.document import parse, to_text
    from cli.status.reading import prepare, read_cib

    try:
        present = read_cib(None, env, stdin)
    except CommandError as error:
        err.write(f"{prog}: {error}\n")
        return error.code
    planned = prepare(parse(render.to_cib(plan).decode()), "imported")
    before, after = (
        [line for part in read.root.iterfind("configuration") for line in to_text(part).split("\n")]
        for read in (present, planned)
    )
    lines = list(difflib.unified_diff(before, after, "present", "imported", lineterm=""))
    out.writelines(f"{line}\n" for line in lines)
    return Exit.ERROR if lines else Exit.OK


def run() -> None:
    """Entry point of the console script."""
    sys.exit(run_tool(main))


if __name__ == "__main__":
    run()
