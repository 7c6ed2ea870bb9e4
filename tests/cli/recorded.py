"""Runs the recorded blocks of `cli-cases` and compares them, as that folder's README says.

As a program it prints which blocks pass:  `python -m tests.cli.recorded SUITE... [--update]`;
`--update` rewrites the ratchet file.  A block passes when its text agrees after blanking what
changes from run to run.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.exits import describe
from tests.shared_data import SHARED

RATCHET = Path(__file__).with_name("ratchet.txt")
ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60
# Tools of this repository by name; the system's own must not be reachable.
TOOLS = {
    "cibadmin": "cli.cibadmin",
    "crm_diff": "cli.crm_diff",
    "crm_verify": "cli.crm_verify",
    "crm_shadow": "cli.crm_shadow",
    "crm_attribute": "cli.crm_attribute",
    "crm_resource": "cli.crm_resource",
    "crm_mon": "cli.crm_mon",
    "crm_simulate": "cli.crm_simulate",
    "crm_ticket": "cli.crm_ticket",
    "crm_rule": "cli.crm_rule",
    "crm_error": "cli.crm_error",
    "crm_failcount": "cli.crm_failcount",
    "crmadmin": "cli.crmadmin",
    "iso8601": "cli.iso8601",
}

PROGRAMS = (
    *("sh", "cat", "sed", "grep", "cp", "rm", "mv", "echo", "env", "tr", "head", "tail", "true"),
    *("false", "mktemp", "touch", "mkdir", "test", "date", "awk", "sort", "sleep"),
)


@dataclass
class Block:
    """One recorded block: its name, the text expected, and what our tools said."""

    suite: str
    name: str
    expected: str
    actual: str = ""

    @property
    def key(self) -> str:
        return f"{self.suite}: {self.name}"

    @property
    def passes(self) -> bool:
        return normalise(self.expected) == normalise(self.actual)


_BLANKED = (
    (re.compile(r"(Last (?:updated|change):).*"), r"\1"),
    (re.compile(r"(Migration will take effect until:).*"), r"\1"),
    (re.compile(r"\(version [^)]*\)"), "(version)"),
    (re.compile(r"<(last_update|last_change) .*"), r"<\1>"),
    (re.compile(r"last-rc-change='[^']*',? ?"), ""),
    (re.compile(r' ?\blast-rc-change="[^"]*"'), ""),
    (re.compile(r"(last-failure-[^=\s]*=)[0-9]+"), r"\1"),
    (re.compile(r'\b(api-version|version|default|start|end)="[^"]*"'), r'\1=""'),
    (re.compile(r' ?\b(crm_feature_set|validate-with|cib-last-written)="[^"]*"'), ""),
    (re.compile(r'request="\S*/'), 'request="'),
    (re.compile(r"/tmp/cts-cli\.[\w.]+"), "/tmp/cts-cli"),
)


def normalise(text: str) -> list[str]:
    """Lines without white space and without what changes from run to run."""
    for pattern, replacement in _BLANKED:
        text = pattern.sub(replacement, text)
    return ["".join(line.split()) for line in text.rstrip().splitlines()]


def available(folder: Path) -> dict[str, str]:
    """Make a folder of our tools; name -> module of those that exist."""
    found = {}
    for tool, module in TOOLS.items():
        if (ROOT / (module.replace(".", "/") + ".py")).exists():
            found[tool] = module
            script = folder / tool
            script.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
            script.chmod(0o755)
    return found


def _system_path(folder: Path) -> str:
    """A PATH with our tools first and the ordinary programs, none of a cluster."""
    plain = folder / "plain"
    plain.mkdir()
    for name in PROGRAMS:
        real = shutil.which(name)
        if real:
            (plain / name).symlink_to(real)
    return f"{folder}:{plain}"


@dataclass
class Runner:
    """Runs one suite; `env` is the environment as the nodes leave it."""

    suite: str
    data: Path
    scratch: Path
    env: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def run(self) -> list[Block]:
        """All blocks of the suite with what our tools said."""
        document = json.loads((self.data / f"{self.suite}.json").read_text())
        recorded = list(_recorded(self.suite, (self.data / f"{self.suite}.exp").read_text()))
        tools = self.scratch / "bin"
        tools.mkdir()
        available(tools)
        self.env = {
            "PATH": _system_path(tools),
            "LC_ALL": "C",
            "TZ": "UTC",
            "HOME": str(self.scratch),
            "PCMK_stderr": "1",
            "PYTHONPATH": str(ROOT),
            "PACEKEEPER_ROOT": str(self.scratch / "root"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for member in document["members"]:
            self._node(member)
        for block, (name, text) in zip(self.blocks, recorded, strict=True):
            assert block.name == name, f"{self.suite}: {block.name} is not {name}"
            block.expected = text
        return self.blocks

    def _text(self, text: str) -> str:
        tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        text = text.replace("@DATA@", str(self.data))
        text = text.replace("@TOMORROW@", tomorrow.strftime("%F %T %z"))
        return re.sub(r"@INLINE:([^@]+)@", lambda m: (self.data / m[1]).read_text().strip(), text)

    def _shell(
        self, line: str, stdin: str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", self._text(line)],
            input=stdin if stdin is not None else "",
            env=dict(env if env is not None else self.env),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            cwd=self.scratch,
        )

    def _node(self, node: dict[str, Any]) -> None:
        saved = {name: self.env.get(name) for name in node.get("env", {})}
        for name, value in node.get("env", {}).items():
            if value is None:
                self.env.pop(name, None)
            else:
                self.env[name] = self._text(value)
        if node["kind"] in ("test", "acl"):
            self._test(node)
        else:
            self._group(node)
        for name, value in saved.items():
            if value is not None:
                self.env[name] = value

    def _steps(self, steps: list[dict[str, str]], env: Mapping[str, str] | None = None) -> None:
        for step in steps:
            if "sh" in step:
                self._shell(step["sh"], env=env)
            elif step["builtin"] == "delete_shadow_resource_defaults":
                self._reset_shadow()
            else:
                raise ValueError(f"builtin {step['builtin']} is not known")

    def _reset_shadow(self) -> None:
        self._shell("cibadmin --delete --xml-text '<rsc_defaults/>'")
        path = Path(self.env["CIB_shadow_dir"]) / f"shadow.{self.env['CIB_shadow']}"
        if path.exists():
            text = path.read_text()
            for name, value in (("admin_epoch", 0), ("epoch", 1), ("num_updates", 0)):
                text = re.sub(rf'\b{name}="[^"]*"', f'{name}="{value}"', text, count=1)
            path.write_text(text)

    def _group(self, node: dict[str, Any]) -> None:
        temporary = []
        if node["kind"] == "shadow":
            folder = Path(tempfile.mkdtemp(prefix="cts-cli.shadow.", dir="/tmp"))
            temporary.append(folder)
            self.env |= {"CIB_shadow_dir": str(folder), "CIB_shadow": "cts-cli"}
            if node.get("create"):
                self._create_shadow(node)
            for name, value in node.get("env", {}).items():
                if name == "CIB_shadow" and value is None:
                    self.env.pop(name, None)
                elif name == "CIB_shadow":
                    self.env[name] = value
        if "cib" in node:
            handle, name = tempfile.mkstemp(prefix="cts-cli.cib.xml.", dir="/tmp")
            os.close(handle)
            source = node["cib"]
            text = (self.data / source["file"]).read_text() if "file" in source else source["text"]
            Path(name).write_text(self._text(text))
            temporary.append(Path(name))
            self.env["CIB_file"] = name
        self._steps(node.get("setup", []))
        for member in node["members"]:
            self._node(member)
        self._steps(node.get("teardown", []))
        if "cib" in node:
            self.env.pop("CIB_file", None)
        if node["kind"] == "shadow":
            self.env.pop("CIB_shadow_dir", None)
            self.env.pop("CIB_shadow", None)
        for path in temporary:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _create_shadow(self, node: dict[str, Any]) -> None:
        kind = "--create-empty" if node.get("empty") else "--create"
        schema = f" --validate-with {node['schema']}" if node.get("schema") else ""
        path = Path(self.env["CIB_shadow_dir"]) / "shadow.cts-cli"
        self._shell(f"crm_shadow --batch --force {kind} cts-cli{schema}")
        if not path.exists() and node.get("empty"):
            path.write_text(self._shell("cibadmin --empty=pacemaker-4.0").stdout)
        self._reset_shadow()

    def _test(self, node: dict[str, Any]) -> None:
        before = ""
        stdin = self._stdin(node.get("stdin"))
        if node["kind"] == "acl":
            before, stdin = self._acl_input(node)
        else:
            self._steps(node.get("setup", []))
        done = self._shell(node["cmd"], stdin)
        text = before + done.stderr + done.stdout
        if node.get("show_cib"):
            shown = self._shell("cibadmin -Q", env={**self.env, "CIB_user": "root"})
            text += f"=#=#=#= Current cib after: {node['name']} =#=#=#=\n"
            text += shown.stderr + shown.stdout
        status = done.returncode
        text += f"=#=#=#= End test: {node['name']} - {describe(status)} ({status}) =#=#=#=\n"
        self._steps(node.get("teardown", []))
        text = text.replace(str(self.data), "CTS_CLI_DATA")
        self.blocks.append(Block(self.suite, node["name"], "", text))

    def _stdin(self, source: dict[str, str] | None) -> str | None:
        if source is None:
            return None
        if "file" in source:
            return (self.data / source["file"]).read_text()
        if "text" in source:
            return self._text(source["text"])
        return self._shell(source["sh"]).stdout

    def _acl_input(self, node: dict[str, Any]) -> tuple[str, str]:
        as_root = {**self.env, "CIB_user": "root"}
        text = self._shell("cibadmin -Q", env=as_root).stdout
        handle, name = tempfile.mkstemp(prefix="cts-cli.acl.", dir="/tmp")
        os.close(handle)
        Path(name).write_text(text)
        env = {k: v for k, v in as_root.items() if k not in ("CIB_shadow", "CIB_shadow_dir")}
        self._steps(node.get("setup", []), env={**env, "CIB_file": name})
        changed = Path(name).read_text()
        Path(name).unlink()
        return changed, changed


def _recorded(suite: str, text: str) -> Iterator[tuple[str, str]]:
    """Name and text of each block, what stands before its Begin line included."""
    carried = ""
    begin = re.compile(r"=#=#=#= Begin test: (.*) =#=#=#=\n")
    for part in re.split(r"(?<=\n)(?:\* Passed: .*\n)", text):
        found = begin.search(part)
        if found is None:
            carried += part
            continue
        yield found[1], (carried + part[: found.start()]) + part[found.end() :]
        carried = ""


def run_suite(suite: str) -> list[Block]:
    """Run a suite in a scratch folder of its own."""
    if SHARED is None:
        raise FileNotFoundError("no reference data")
    with tempfile.TemporaryDirectory(prefix="pacekeeper-recorded-") as scratch:
        # Some blocks change the CIB files that they name: they get copies of their own.
        data = Path(scratch, "data")
        shutil.copytree(SHARED / "cli-cases", data, copy_function=shutil.copyfile)
        home = Path(scratch, "home")
        home.mkdir()
        return Runner(suite, data, home).run()


def read_ratchet() -> set[str]:
    """The blocks that passed once and must not fail again."""
    return {line for line in RATCHET.read_text().splitlines() if line and not line.startswith("#")}


def main(argv: list[str]) -> int:
    """Run the suites named, print the figures, with --update rewrite the ratchet."""
    known = read_ratchet()
    for suite in [word for word in argv if not word.startswith("--")]:
        blocks = run_suite(suite)
        passed = {block.key for block in blocks if block.passes}
        good = sum(block.passes for block in blocks)  # two blocks may share a name
        print(f"{suite}: {good} of {len(blocks)}")
        for block in blocks:
            if not block.passes and "--show" in argv:
                print(f"--- {block.key}\n{block.expected}\n--- ours\n{block.actual}")
        known = {key for key in known if not key.startswith(f"{suite}: ")} | passed
    if "--update" in argv:
        head = "# Recorded blocks that pass; python -m tests.cli.recorded SUITE... --update\n"
        RATCHET.write_text(head + "".join(f"{key}\n" for key in sorted(known)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
