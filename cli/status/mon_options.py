"""The options of `crm_mon`, and what they ask for.  Facts: cli.md section 5."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cib.durations import parse_ms
from cli.command_line import CommandError, CommandLine, Option, Takes, parse
from cli.exits import Exit
from cli.status.show import ALL, FENCING, SUMMARY, Section, Show

ABOUT = "Provides a summary of cluster's current state.\n\n" + (
    "Outputs varying levels of detail in a number of different formats."
)

NOTES = """Examples:

Show the status once, inactive resources and fail counts too:
        # crm_mon --one-shot --inactive --failcounts

Show it as one JSON document:
        # crm_mon --output-as=json

Time Specification:

The TIMESPEC in any command line option can be specified in many different
formats. It can be just an integer number of seconds, a number plus units
(ms/msec/us/usec/s/sec/m/min/h/hr), or an ISO 8601 period specification.

Output Control:

By default, a certain list of sections are written to the output destination.
The default varies based on the output format - XML includes everything, while
other output formats will display less. This list can be modified with the
--include and --exclude command line options. Each option may be given multiple
times on the command line, and each can give a comma-separated list of sections.
The options are applied to the default set, from left to right as seen on the
command line. For a list of valid sections, pass --include=list or --exclude=list.
"""

_OUT, _SHOW, _MORE = "Output Options", "Display Options", "Additional Options"
_OLD, _APP = "Deprecated Options", "Application Options"

FORMATS = ("text", "console", "xml", "json", "html")


def _flag(name: str, short: str, text: str, group: str) -> Option:
    return Option(name, short, Takes.NOTHING, "", text, group)


def _value(name: str, short: str, value: str, text: str, group: str) -> Option:
    return Option(name, short, Takes.VALUE, value, text, group)


OPTIONS = (
    _flag("help", "?", "Show help options", "Help Options"),
    _flag("help-all", "", "Show all help options", "Help Options"),
    _value("output-as", "", "FORMAT", f"Output format: {', '.join(FORMATS)}", _OUT),
    _value("output-to", "", "DEST", 'Specify file name for output (or "-" for stdout)', _OUT),
    _value("html-title", "", "TITLE", "Page title (with --output-as=html)", _OUT),
    _value("include", "I", "SECTION(s)", "A list of sections to include in the output", _SHOW),
    _value("exclude", "U", "SECTION(s)", "A list of sections to exclude from the output", _SHOW),
    _value("node", "", "NODE", "Show only what is related to the node or tag", _SHOW),
    _value("resource", "", "RSC", "Show only what is related to the resource or tag", _SHOW),
    _flag("group-by-node", "n", "Group resources by node", _SHOW),
    _flag("inactive", "r", "Display inactive resources", _SHOW),
    _flag("failcounts", "f", "Display resource fail counts", _SHOW),
    _flag("operations", "o", "Display resource operation history", _SHOW),
    _flag("timing-details", "t", "Display operation history with timing details", _SHOW),
    _flag("tickets", "c", "Display cluster tickets", _SHOW),
    Option("fence-history", "m", Takes.OPTIONAL, "LEVEL", "Show fence history (0 to 3)", _SHOW),
    Option("neg-locations", "L", Takes.OPTIONAL, "PREFIX", "Show negative constraints", _SHOW),
    _flag("show-node-attributes", "A", "Display node attributes", _SHOW),
    _flag("hide-headers", "D", "Hide all headers", _SHOW),
    _flag("show-detail", "R", "Show more details (node IDs, clone instances)", _SHOW),
    _flag("show-description", "", "Show resource descriptions", _SHOW),
    _flag("brief", "b", "Brief output", _SHOW),
    _flag("pending", "j", "Display pending state (always on)", _SHOW),
    _flag("simple-status", "s", "One line of output, and a status for Nagios", _SHOW),
    _value("interval", "i", "TIMESPEC", "Update frequency (default is 5 seconds)", _MORE),
    _flag("one-shot", "1", "Display the cluster status once and exit", _MORE),
    _value("xml-file", "x", "FILE", "Read the CIB from a file", _MORE),
    _value("as-html", "h", "FILE", "Use --output-as=html --output-to=FILE instead", _OLD),
    _flag("as-xml", "X", "Use --output-as=xml instead", _OLD),
    _flag("disable-ncurses", "N", "Use --output-as=text instead", _OLD),
    _flag("version", "$", "Display software version and exit", _APP),
    _flag("verbose", "V", "Increase debug output", _APP),
    _flag("quiet", "Q", "Be less descriptive in output", _APP),
)

_NAMES = {section.value: frozenset({section}) for section in Section}
_SETS: dict[str, frozenset[Section]] = {
    **_NAMES,
    "summary": SUMMARY - {Section.OPTIONS},
    "fencing": FENCING,
}

_TEXT_ALL = ALL - {Section.OPTIONS}
_TEXT_DEFAULT = SUMMARY - {Section.OPTIONS} | {
    Section.NODES,
    Section.RESOURCES,
    Section.FAILURES,
    Section.FENCING_FAILED,
    Section.FENCING_PENDING,
}

_TOGGLES = {
    "failcounts": Section.FAILCOUNTS,
    "operations": Section.OPERATIONS,
    "timing-details": Section.OPERATIONS,
    "tickets": Section.TICKETS,
    "neg-locations": Section.BANS,
    "show-node-attributes": Section.ATTRIBUTES,
}


@dataclass(frozen=True, slots=True)
class MonRequest:
    """One call of `crm_mon`; `node` and `resource` are filters, still unresolved."""

    argv: tuple[str, ...]
    output_as: str
    output_to: str | None
    show: Show
    node: str | None
    resource: str | None
    once: bool
    interval_s: float
    file: str | None
    simple: bool
    title: str


def read_request(argv: Sequence[str]) -> MonRequest | CommandLine:
    """The request, or the bare command line where only help or the version is wanted.

    Raises CommandError (64).
    """
    line = parse(OPTIONS, argv)
    if any(line.has(name) for name in ("help", "help-all", "version")):
        return line
    if line.words:
        listed = "\n".join(
            f"[{n} of {len(line.words)}] {word}" for n, word in enumerate(line.words, 1)
        )
        raise CommandError(Exit.USAGE, f"non-option ARGV-elements:\n{listed}")
    output_as, output_to = _output(line)
    is_data = output_as in ("xml", "json")
    show = Show(
        inactive=line.has("inactive") or is_data,
        details=line.has("show-detail"),
        clone_details=line.has("show-detail"),
        brief=line.has("brief"),
        by_node=line.has("group-by-node"),
        timing=line.has("timing-details"),
        description=line.has("show-description"),
        sections=_sections(line, is_data),
        ban_prefix=_ban_prefix(line),
    )
    return MonRequest(
        argv=tuple(argv),
        output_as=output_as,
        output_to=output_to,
        show=show,
        node=line.value("node"),
        resource=line.value("resource"),
        once=line.has("one-shot") or is_data or output_to is not None or output_as == "html",
        interval_s=_interval(line.value("interval")),
        file=line.value("xml-file"),
        simple=line.has("simple-status"),
        title=line.value("html-title", "Cluster Status") or "",
    )


def _output(line: CommandLine) -> tuple[str, str | None]:
    output_as, output_to = line.value("output-as", "text") or "text", line.value("output-to")
    if line.has("as-xml"):
        output_as = "xml"
    if line.has("as-html"):
        output_as, output_to = "html", line.value("as-html")
    if output_as not in FORMATS:
        raise CommandError(
            Exit.USAGE, f"Error creating output format {output_as}: Unknown output format"
        )
    return output_as, None if output_to == "-" else output_to


def _interval(text: str | None) -> float:
    if text is None:
        return 5.0
    ms = parse_ms(text)
    if ms is None or ms < 0:
        raise CommandError(Exit.USAGE, f"Invalid value for -i: {text}")
    return max(ms / 1000.0, 0.1)


def _sections(line: CommandLine, is_data: bool) -> frozenset[Section]:
    default = ALL if is_data else _TEXT_DEFAULT
    every = ALL if is_data else _TEXT_ALL
    chosen = default
    for name, value in line.options:
        if name in ("include", "exclude"):
            for word in (value or "").split(","):
                chosen = _apply(name == "include", word, chosen, every, default)
        elif name in _TOGGLES:
            chosen |= {_TOGGLES[name]}
        elif name == "fence-history":
            chosen = chosen - FENCING if value == "0" else chosen | FENCING
        elif name == "hide-headers":
            chosen -= SUMMARY
    return chosen


def _apply(
    include: bool,
    word: str,
    chosen: frozenset[Section],
    every: frozenset[Section],
    default: frozenset[Section],
) -> frozenset[Section]:
    name = word.partition(":")[0] if word.startswith("bans:") else word
    if name in _SETS:
        return chosen | _SETS[name] if include else chosen - _SETS[name]
    if name == "all":
        return every if include else frozenset()
    if name == "none":
        return frozenset() if include else every
    if name == "default" and include:
        return default
    option = "include" if include else "exclude"
    raise CommandError(Exit.USAGE, f"--{option} options: {', '.join(_valid(include))}")


def _valid(include: bool) -> Iterable[str]:
    special = ["all", "default", "none"] if include else ["all", "none"]
    return sorted([*special, *_SETS])


def _ban_prefix(line: CommandLine) -> str:
    prefix = line.value("neg-locations", "") or ""
    for value in line.values("include"):
        for word in value.split(","):
            if word.startswith("bans:"):
                prefix = word.removeprefix("bans:")
    return prefix
