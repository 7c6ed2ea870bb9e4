"""Where a tool's CIB comes from: a file, standard input, a shadow, or the running cluster.

First that applies: an option, `CIB_shadow`, `CIB_file` (a path, or `-`), the live cluster.  All of
them answer the same `cib.operations.Request`; a file is written back in one step, with its
versions counted as the live CIB would.  Facts: cli.md section 2.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from cli.command_line import CommandError
from cli.exits import Exit

if TYPE_CHECKING:
    from lxml import etree

    from cib.operations import Outcome, Request

CLUSTER_USERS = ("root", "hacluster")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: exit status, XML text if any, one line of error if any."""

    rc: Exit
    xml: str | None = None
    error: str | None = None
    problems: tuple[str, ...] = ()


class Source(Protocol):
    """Something that holds a CIB and answers requests about it."""

    name: str

    def perform(self, request: Request) -> Answer:
        """Carry out one request; raises CommandError if the CIB cannot be reached or read."""
        ...


def shadow_path(name: str, env: Mapping[str, str]) -> Path:
    """The file of a shadow CIB: `shadow.NAME` in CIB_shadow_dir, else in the user's own folder
    (for root and the cluster's user: the CIB directory)."""
    if "/" in name or not name:
        raise CommandError(Exit.USAGE, f"shadow instance '{name}': want a plain name")
    folder = env.get("CIB_shadow_dir")
    if folder:
        return Path(folder) / f"shadow.{name}"
    if env.get("USER", env.get("LOGNAME", "root")) in CLUSTER_USERS:
        from crmd.daemon.paths import Paths

        return Paths.from_environment(env.get("PACEKEEPER_ROOT")).cib / f"shadow.{name}"
    return Path(env.get("HOME", "/")) / ".cib" / f"shadow.{name}"


def open_source(env: Mapping[str, str], stdin: TextIO, file: str | None = None) -> Source:
    """The source that options and environment name; `file` is what an option said.

    A shadow wins over a file, as the installed tools have it.  Raises CommandError (105) for a
    shadow that does not exist.
    """
    if not file and env.get("CIB_shadow"):
        path = shadow_path(env["CIB_shadow"], env)
        if not path.exists():
            raise CommandError(
                Exit.NOSUCH,
                f"Could not access shadow instance '{env['CIB_shadow']}': "
                "No such file or directory",
            )
        return FileSource(path, env)
    named = file or env.get("CIB_file")
    if named == "-":
        return TextSource(stdin.read(), "standard input", env)
    if named:
        return FileSource(Path(named), env)
    return LiveSource(env)


def acting_user(env: Mapping[str, str], named: str | None = None) -> str:
    """Whose rights count: only root and the cluster's user may name somebody else."""
    import pwd

    wanted = named or env.get("CIB_user")
    try:
        own = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        own = str(os.geteuid())
    return wanted if wanted and own in CLUSTER_USERS else own


def _worked(root: etree._Element, request: Request, env: Mapping[str, str]) -> Outcome:
    """The outcome of a request on a document, by the rights of who acts."""
    if not request.user:
        request = replace(request, user=acting_user(env))
    outcome = _work(root, request)
    traced = env.get("PCMK_trace_functions", "").split(",")
    for line in outcome.trace:
        if line.split(" ")[0] in traced:
            sys.stderr.write(f"{line}\n")
    return outcome


def _work(root: etree._Element, request: Request) -> Outcome:
    from cib import document, operations
    from cib.lexical import compare_versions
    from cib.results import Rc

    stated = root.get("crm_feature_set", "0")
    if request.call is not operations.Call.QUERY:
        if compare_versions(stated, document.FEATURE_SET) > 0:
            text = f"crm_feature_set {stated} is newer than ours, {document.FEATURE_SET}"
            return operations.Outcome(Rc.PROTOCOL, root, error=text)
    return operations.perform(root, request)


def _answer(outcome: Outcome) -> Answer:
    problems = tuple(str(problem) for problem in outcome.problems)
    return Answer(Exit(int(outcome.rc)), outcome.answer, outcome.error, problems)


def parse_cib(data: bytes | str, name: str) -> etree._Element:
    """The root of a CIB; raises CommandError (65) naming file and line."""
    from cib import document

    try:
        root = document.parse(data, name)
    except document.DocumentError as problem:
        raise CommandError(Exit.DATAERR, str(problem)) from problem
    if root.tag != "cib":
        raise CommandError(Exit.DATAERR, f"{name}: the root is <{root.tag}>, want <cib>")
    return root


class TextSource:
    """A CIB in memory; changes last as long as the tool runs."""

    def __init__(self, text: str, name: str, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._env = env or {}
        self._root: etree._Element | None = None
        self._text = text

    def perform(self, request: Request) -> Answer:
        """Carry out one request in memory."""
        if self._root is None:
            self._root = parse_cib(self._text, self.name)
        outcome = _worked(self._root, request, self._env)
        self._root = outcome.cib
        return _answer(outcome)


class FileSource:
    """A CIB in a file; read for each request, written back in one step if it changed."""

    def __init__(self, path: Path, env: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._env = env or {}
        self.name = str(path)

    def read(self) -> etree._Element:
        """The document; raises CommandError (105: no such file, 66: unreadable, 65: no CIB)."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError as problem:
            raise CommandError(Exit.NOSUCH, f"{self.path}: no such file") from problem
        except OSError as problem:
            reason = problem.strerror or problem
            raise CommandError(Exit.NOINPUT, f"{self.path}: not readable ({reason})") from problem
        return parse_cib(data, self.name)

    def perform(self, request: Request) -> Answer:
        """Carry out one request on the file."""
        outcome = _worked(self.read(), request, self._env)
        if outcome.changed:
            from cib import document

            write_in_one_step(self.path, document.to_bytes(outcome.cib))
        return _answer(outcome)


def write_in_one_step(path: Path, data: bytes) -> None:
    """Replace a file's content so that a reader, or a crash, finds the old or the new one.

    Mode and owner stay as they were.  Raises CommandError (73).
    """
    target = path.resolve()
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                _copy_rights(target, file.fileno())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as problem:
        reason = problem.strerror or problem
        raise CommandError(Exit.CANTCREAT, f"{path}: not written ({reason})") from problem


def _copy_rights(target: Path, descriptor: int) -> None:
    try:
        was = target.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, 0o600)
        return
    os.fchmod(descriptor, was.st_mode & 0o7777)
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, was.st_uid, was.st_gid)


class LiveSource:
    """The running cluster, asked over crmd's socket."""

    name = "the running cluster"

    def __init__(self, env: Mapping[str, str], timeout_s: float = 30.0) -> None:
        self._env = env
        self._timeout_s = timeout_s

    def perform(self, request: Request) -> Answer:
        """Carry out one request on the cluster; raises CommandError (102) without one."""
        from crmd.daemon import ipc
        from crmd.daemon.paths import Paths

        socket = Paths.from_environment(self._env.get("PACEKEEPER_ROOT")).crmd_socket
        try:
            with ipc.Client(socket, self._timeout_s) as client:
                reply = client.call({"op": "cib", "request": request.to_dict()})
        except ipc.NotRunning as problem:
            raise CommandError(Exit.DISCONNECT, str(problem)) from problem
        except ipc.IpcError as problem:
            raise CommandError(Exit.TEMPFAIL, str(problem)) from problem
        return answer_of(reply)


def answer_of(reply: Mapping[str, Any]) -> Answer:
    """The answer in a reply of crmd: the outcome itself, wrapped, or a refusal with a code.

    Raises CommandError (76) for anything else.
    """
    words = reply.get("outcome", reply)
    code = words.get("rc", reply.get("code")) if isinstance(words, Mapping) else None
    if not isinstance(code, int):
        raise CommandError(Exit.PROTOCOL, "crmd answered something that is no outcome")
    known = code in {int(e) for e in Exit}
    return Answer(
        Exit(code) if known else Exit.ERROR,
        words.get("xml"),
        words.get("error") or reply.get("error"),
        tuple(str(p) for p in words.get("problems", ())),
    )


def ask_cluster(
    env: Mapping[str, str], payload: Mapping[str, Any], timeout_s: float = 60.0
) -> Mapping[str, Any]:
    """One request of `crmd.controller.requests` to the running cluster.

    Raises CommandError: 102 without a cluster, 75 if it does not answer in time, and the code of
    its refusal.
    """
    from crmd.daemon import ipc
    from crmd.daemon.paths import Paths

    socket = Paths.from_environment(env.get("PACEKEEPER_ROOT")).crmd_socket
    try:
        with ipc.Client(socket, timeout_s) as client:
            answer = client.call(dict(payload))
    except ipc.NotRunning as problem:
        raise CommandError(Exit.DISCONNECT, str(problem)) from problem
    except ipc.IpcError as problem:
        raise CommandError(Exit.TEMPFAIL, str(problem)) from problem
    if not answer.get("ok"):
        code = answer.get("code", int(Exit.ERROR))
        known = Exit(code) if code in {int(e) for e in Exit} else Exit.ERROR
        raise CommandError(known, str(answer.get("error", "the cluster refused")))
    return answer
