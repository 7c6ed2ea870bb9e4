"""Runs the recorded sessions of the crm shell and compares block by block.

As a program: `python -m tests.cli.crm.recorded_sessions [CASE...] [--show] [--update]`.  A block is
one line of input with what is said until the next.  Facts: README of `cli-cases/crm-shell`.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from cib.document import empty, to_text
from cli.crm.main import main as crm
from tests.shared_data import SHARED

RATCHET = Path(__file__).with_name("sessions.txt")
CASES = (
    "bugs", "commit", "confbasic", "confbasic-xml", "delete", "edit", "file", "resource", "shadow",
)  # fmt: skip
SAMPLE = """\
configure
property fencing-enabled=false
node node1
primitive p0 ocf:pacemaker:Dummy
primitive p1 ocf:pacemaker:Dummy
primitive p2 Delay params startdelay=2 mondelay=2 stopdelay=2
primitive p3 ocf:pacemaker:Dummy
clone c1 p1
clone m1 p2 meta promotable=true
rsc_defaults build-resource-defaults: resource-stickiness=1
op_defaults timeout=60s
commit
"""


@dataclass
class Block:
    """One line of input, or a whole single command, with what was said."""

    key: str
    wanted: list[str]
    actual: list[str]

    @property
    def passes(self) -> bool:
        return self.wanted == self.actual


def _lines(text: list[str] | str) -> list[str]:
    lines = text if isinstance(text, list) else text.split("\n")
    kept = []
    for line in lines:
        if line.startswith(".EXT"):
            continue
        line = re.sub(r"^(WARNING|INFO|ERROR): \d+: ", r"\1: ", line)
        line = " ".join(line.split()) if "<" in line else "".join(line.split())
        if line:
            kept.append(line)
    return kept


def _blocks(lines: list[str]) -> list[list[str]]:
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.startswith(".INP:"):
            blocks.append([])
        blocks[-1].append(line)
    return [_with_plain_xml(block) for block in blocks if block]


def _with_plain_xml(block: list[str]) -> list[str]:
    """A document in a block as XML: the order of attributes does not count."""
    start = next((n for n, line in enumerate(block) if line.startswith("<?xml")), None)
    if start is None:
        return block
    text = "\n".join(block[start:]).split("\n", 1)[1]
    root = etree.fromstring(text)
    return [*block[:start], etree.tostring(root, method="c14n").decode()]


@dataclass
class Case:
    """One file of sessions; its steps share a shadow CIB."""

    name: str
    scratch: Path
    env: dict[str, str] = field(default_factory=dict)
    showobj: str = ""
    blocks: list[Block] = field(default_factory=list)

    def run(self, document: dict[str, Any]) -> list[Block]:
        for name, text in document["files"].items():
            (self.scratch / name).write_text(text)
        real = self.scratch / "real.xml"
        real.write_text(to_text(empty("pacemaker-3.9")))
        (self.scratch / "shadow.C").write_text(real.read_text())
        self.env = {
            "CIB_shadow_dir": str(self.scratch),
            "CIB_file": str(real),
            "HOME": str(self.scratch),
            "PACEKEEPER_CRM_ADD_ADVISED_OPS": "yes",
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
        }
        said = self.crm(["-c", "C"], SAMPLE)
        assert not said, said
        steps = document["steps"]
        for number, step in enumerate(steps):
            if step["kind"] == "ext":
                continue
            after = itertools.takewhile(lambda s: s["kind"] == "ext", steps[number + 1 :])
            self._step(number, step, [s["line"] for s in after])
        return self.blocks

    def crm(self, words: list[str], stdin: str = "", file: str | None = None) -> str:
        stream = io.StringIO()
        env = {k: v for k, v in self.env.items() if k != "CIB_file" or file}
        if file:
            env["CIB_file"] = file
        here = os.getcwd()
        os.chdir(self.scratch)
        try:
            crm(words, stream, stream, env, io.StringIO(stdin))
        finally:
            os.chdir(here)
        return stream.getvalue()

    def _step(self, number: int, step: dict[str, Any], after: list[str]) -> None:
        kind = step["kind"]
        if kind == "setenv":
            self.showobj = step["line"].partition("=")[2]
            return
        base = ["-R", "-c", "C"]
        if kind in ("show", "showxml"):
            head = ["configure", "_regtest on", "erase", "erase nodes",
                    "property fencing-enabled=false"]  # fmt: skip
            tail = ["show" if kind == "show" else "show xml", "commit"]
            said = self.crm(base, "\n".join([*head, *step["input"], *tail]) + "\n")
        elif kind == "session":
            said = self.crm(base, "\n".join(step["input"]) + "\n")
        elif kind == "filesession":
            file = self.scratch / "file.xml"
            self.crm(["-c", "C", "configure", "delete", "node1"])
            self.crm(["-c", "C", "configure", "save", "xml", str(file)])
            whole = file.read_text().replace("<cib>", '<cib validate-with="pacemaker-3.9">')
            whole = whole.replace('<?xml version="1.0" ?>\n', "")
            file.write_text(whole.replace("</configuration>", "</configuration><status/>"))
            said = self.crm(["-R"], "\n".join(step["input"]) + "\n", file=str(file))
        else:
            said = self.crm([*base[1:], *shlex.split(step["line"])])
            if self.showobj:
                text = f"configure\n_regtest on\nshow xml {self.showobj}\n"
                said += self.crm(base, text)
        for line in after:
            done = subprocess.run(["/bin/sh", "-c", line], cwd=self.scratch, check=False,
                                  capture_output=True, text=True, timeout=20)  # fmt: skip
            said += done.stdout
        self._compare(number, step, said)

    def _compare(self, number: int, step: dict[str, Any], said: str) -> None:
        wanted, actual = _lines(step["want"]), _lines(said)
        if step["kind"] == "showxml":
            start = next((n for n, w in enumerate(wanted) if w.startswith("<?xml")), 0)
            ours = next((n for n, w in enumerate(actual) if w.startswith("<?xml")), 0)
            end = next((n for n, w in enumerate(actual) if w == "</cib>"), len(actual)) + 1
            said_xml = _with_plain_xml(actual[ours:end])
            block = Block(f"{self.name} {number} xml", _with_plain_xml(wanted[start:]), said_xml)
            self.blocks.append(block)
            return
        ours_by_block = _blocks(actual)
        for at, block in enumerate(_blocks(wanted)):
            ours = self._partner(block, ours_by_block)
            self.blocks.append(Block(f"{self.name} {number}.{at} {block[0][:60]}", block, ours))
        if not wanted:
            self.blocks.append(Block(f"{self.name} {number} {step.get('line')}", [], actual))

    @staticmethod
    def _partner(block: list[str], ours: list[list[str]]) -> list[str]:
        """Our block for the same line of input; each is used once, in order."""
        for at, candidate in enumerate(ours):
            if candidate[0] == block[0] or not block[0].startswith(".INP"):
                del ours[: at + 1]
                return candidate
        return []


def run_case(name: str) -> list[Block]:
    """Run one file of sessions in a scratch folder."""
    if SHARED is None:
        raise FileNotFoundError("no reference data")
    document = json.loads((SHARED / "cli-cases/crm-shell" / f"{name}.json").read_text())
    with tempfile.TemporaryDirectory(prefix="pacekeeper-sessions-") as scratch:
        return Case(name, Path(scratch)).run(document)


def read_ratchet() -> set[str]:
    """Blocks that passed once."""
    return {line for line in RATCHET.read_text().splitlines() if line and line[0] != "#"}


def main(argv: list[str]) -> int:
    """Run the cases named, or all; print the figures."""
    names = [word for word in argv if not word.startswith("--")] or list(CASES)
    known = read_ratchet() if RATCHET.exists() else set()
    total = good = 0
    for name in names:
        blocks = run_case(name)
        passed = {block.key for block in blocks if block.passes}
        total, good = total + len(blocks), good + sum(b.passes for b in blocks)
        print(f"{name}: {sum(b.passes for b in blocks)} of {len(blocks)}")
        for block in blocks:
            if not block.passes and "--show" in argv:
                print("--- " + block.key, *block.wanted, "--- ours", *block.actual, sep="\n")
        known = {key for key in known if key.split(" ")[0] != name} | passed
    print(f"all: {good} of {total}")
    if "--update" in argv:
        head = "# Recorded blocks that pass; python -m tests.cli.crm.recorded_sessions --update\n"
        RATCHET.write_text(head + "".join(f"{key}\n" for key in sorted(known)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
