"""The options of `crm_simulate`, and the request they make.

Facts: scheduler-2-actions.md section 16.1; wording as `crm_simulate --help-all` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cib.lexical import parse_boolean
from cli.command_line import CommandError, CommandLine, Option, Takes, parse
from cli.exits import Exit
from crmd.transition.history import OpSpec, parse_op_spec

SUMMARY = "crm_simulate - simulate a Pacemaker cluster's response to events"

NOTES = """Operation Specification:

The OPSPEC in any command line option is of the form
${resource}_${task}_${interval_in_ms}@${node}=${rc}
(memcached_monitor_20000@bart.example.com=7, for example).
${rc} is an OCF return code.

Examples:

Pretend a recurring monitor action found memcached stopped on node
fred.example.com and, during recovery, that the memcached stop
action failed:

	crm_simulate -LS --op-inject memcached:0_monitor_20000@bart.example.com=7 \
--op-fail memcached:0_stop_0@fred.example.com=1 --save-output /tmp/memcached-test.xml

Now see what the reaction to the stop failed would be:

	crm_simulate -S --xml-file /tmp/memcached-test.xml
"""

_OUT, _DO, _EVENTS = "Output Options", "Operations", "Synthetic Cluster Events"
_FILES, _SOURCE, _APP = "Artifact Options", "Data Source", "Application Options"


def _flag(name: str, short: str, text: str, group: str) -> Option:
    return Option(name, short, Takes.NOTHING, "", text, group)


def _value(name: str, short: str, value: str, text: str, group: str) -> Option:
    return Option(name, short, Takes.VALUE, value, text, group)


OPTIONS = (
    _flag("help", "?", "Show help options", "Help Options"),
    _flag("help-all", "", "Show all help options", "Help Options"),
    _value("output-as", "", "FORMAT", "Specify output format as one of: text, xml, json", _OUT),
    _value("output-to", "", "DEST", 'Specify file name for output (or "-" for stdout)', _OUT),
    _flag("run", "R", "Process the supplied input and show what actions will be taken", _DO),
    _flag("simulate", "S", "Like --run, but also simulate those actions", _DO),
    _flag("in-place", "X", "Like --simulate, but also store the results back to the input", _DO),
    _flag("show-attrs", "A", "Show node attributes", _DO),
    _flag("show-failcounts", "c", "Show resource fail counts", _DO),
    _flag("show-scores", "s", "Show allocation scores", _DO),
    _flag("show-utilization", "U", "Show utilization information", _DO),
    _value("explain", "", "RESOURCE", "Show what the scores of a resource are made of", _DO),
    _value("profile", "P", "DIR", "Time the scheduling of all XML files in a directory", _DO),
    _value("repeat", "N", "N", "With --profile, repeat each test N times", _DO),
    _flag("pending", "j", "Display pending state (always on)", _DO),
    _value("node-up", "u", "NODE", "Simulate bringing a node online", _EVENTS),
    _value("node-down", "d", "NODE", "Simulate taking a node offline", _EVENTS),
    _value("node-fail", "f", "NODE", "Simulate a node failing", _EVENTS),
    _value("op-inject", "i", "OPSPEC", "Generate a failure for the cluster to react to", _EVENTS),
    _value("op-fail", "F", "OPSPEC", "If the task occurs, have it fail with that rc", _EVENTS),
    _value("set-datetime", "t", "DATETIME", "Set date/time (ISO 8601 format)", _EVENTS),
    _value("quorum", "q", "QUORUM", "Set to '1' (or 'true') if the cluster has quorum", _EVENTS),
    _value("watchdog", "w", "DEVICE", "Set to '1' (or 'true') if a watchdog is active", _EVENTS),
    _value("ticket-grant", "g", "TICKET", "Simulate granting a ticket", _EVENTS),
    _value("ticket-revoke", "r", "TICKET", "Simulate revoking a ticket", _EVENTS),
    _value("ticket-standby", "b", "TICKET", "Simulate making a ticket standby", _EVENTS),
    _value("ticket-activate", "e", "TICKET", "Simulate activating a ticket", _EVENTS),
    _value("save-input", "I", "FILE", "Save the input configuration to the named file", _FILES),
    _value("save-output", "O", "FILE", "Save the output configuration to the named file", _FILES),
    _value("save-graph", "G", "FILE", "Save the transition graph (XML format)", _FILES),
    _value("save-dotfile", "D", "FILE", "Save the transition graph (DOT format)", _FILES),
    _flag("all-actions", "a", "Display all possible actions in DOT graph", _FILES),
    _flag("live-check", "L", "Connect to CIB manager and use the current CIB", _SOURCE),
    _value("xml-file", "x", "FILE", "Retrieve XML from the named file", _SOURCE),
    _flag("xml-pipe", "p", "Retrieve XML from stdin", _SOURCE),
    _flag("version", "$", "Display software version and exit", _APP),
    _flag("verbose", "V", "Increase debug output (may be specified multiple times)", _APP),
    _flag("quiet", "Q", "Display only essential output", _APP),
)


@dataclass(frozen=True, slots=True)
class Events:
    """What happens to the cluster before it is scheduled."""

    quorum: str | None = None
    watchdog: str | None = None
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    fail: tuple[str, ...] = ()
    grant: tuple[str, ...] = ()
    revoke: tuple[str, ...] = ()
    standby: tuple[str, ...] = ()
    activate: tuple[str, ...] = ()
    operations: tuple[OpSpec, ...] = ()

    @property
    def any(self) -> bool:
        """Whether the status must be read again; a quorum setting alone does not count."""
        return bool(
            self.watchdog is not None
            or self.up
            or self.down
            or self.fail
            or self.grant
            or self.revoke
            or self.standby
            or self.activate
            or self.operations
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One call of `crm_simulate`."""

    argv: tuple[str, ...] = ()
    live: bool = False
    file: str | None = None
    run: bool = False
    simulate: bool = False
    in_place: bool = False
    attributes: bool = False
    failcounts: bool = False
    scores: bool = False
    utilization: bool = False
    explain: str | None = None
    profile: str | None = None
    repeat: int = 1
    quiet: bool = False
    verbose: int = 0
    output_as: str = "text"
    output_to: str | None = None
    date: str | None = None
    events: Events = field(default_factory=Events)
    failures: tuple[OpSpec, ...] = ()
    save_input: str | None = None
    save_output: str | None = None
    graph: str | None = None
    dot: str | None = None
    all_actions: bool = False

    @property
    def schedules(self) -> bool:
        """Whether the scheduler has to run."""
        return bool(
            self.run
            or self.simulate
            or self.scores
            or self.utilization
            or self.graph
            or self.dot
            or self.all_actions
            or self.explain
        )


def read_request(argv: Sequence[str]) -> Request | CommandLine:
    """The request, or the bare command line if only help or the version is wanted.

    Raises CommandError (64) for what is not understood.
    """
    line = parse(OPTIONS, argv)
    if any(line.has(name) for name in ("help", "help-all", "version")):
        return line
    if line.words:
        listed = "\n".join(
            f"  [{n} of {len(line.words)}] {word}" for n, word in enumerate(line.words, 1)
        )
        raise CommandError(Exit.USAGE, f"non-option ARGV-elements:\n{listed}")
    output_as = line.value("output-as", "text") or "text"
    if output_as not in ("text", "xml", "json"):
        raise CommandError(
            Exit.USAGE, f"Error creating output format {output_as}: Unknown output format"
        )
    in_place = line.has("in-place")
    return Request(
        argv=tuple(argv),
        live=line.has("live-check"),
        file=None if line.has("xml-pipe") else line.value("xml-file"),
        run=line.has("run"),
        simulate=line.has("simulate") or in_place or line.has("op-fail"),
        in_place=in_place,
        attributes=line.has("show-attrs"),
        failcounts=line.has("show-failcounts"),
        scores=line.has("show-scores"),
        utilization=line.has("show-utilization"),
        explain=line.value("explain"),
        profile=line.value("profile"),
        repeat=_repeat(line.value("repeat")),
        quiet=line.has("quiet"),
        verbose=sum(name == "verbose" for name, _ in line.options),
        output_as=output_as,
        output_to=line.value("output-to"),
        date=line.value("set-datetime"),
        events=_events(line),
        failures=_op_specs(line, "op-fail"),
        save_input=line.value("save-input"),
        save_output=line.value("save-output"),
        graph=line.value("save-graph"),
        dot=line.value("save-dotfile"),
        all_actions=line.has("all-actions"),
    )


def _events(line: CommandLine) -> Events:
    for name in ("quorum", "watchdog"):
        value = line.value(name)
        if value is not None and parse_boolean(value) is None:
            raise CommandError(Exit.USAGE, f"--{name}={value}: want 'true' or 'false'")
    return Events(
        quorum=line.value("quorum"),
        watchdog=line.value("watchdog"),
        up=tuple(line.values("node-up")),
        down=tuple(line.values("node-down")),
        fail=tuple(line.values("node-fail")),
        grant=tuple(line.values("ticket-grant")),
        revoke=tuple(line.values("ticket-revoke")),
        standby=tuple(line.values("ticket-standby")),
        activate=tuple(line.values("ticket-activate")),
        operations=_op_specs(line, "op-inject"),
    )


def _op_specs(line: CommandLine, name: str) -> tuple[OpSpec, ...]:
    try:
        return tuple(parse_op_spec(text) for text in line.values(name))
    except ValueError as e:
        raise CommandError(Exit.USAGE, f"--{name}: {e}") from e


def _repeat(text: str | None) -> int:
    if text is None:
        return 1
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise CommandError(Exit.USAGE, f"--repeat={text}: want a number from 1 to 10000")
    return int(text)
