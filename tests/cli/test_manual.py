"""Every command has help with an example, a manual page, and completion."""

import configparser
import importlib
import io
import subprocess
from pathlib import Path

import pytest

from cli.crm.levels import LEVELS, load
from cli.manual import COMMANDS, bash_completion, level_page, page, roff, write

ROOT = Path(__file__).resolve().parents[2]


def console_scripts():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(line.replace(" ", "").split("=") for line in lines)


def test_every_installed_command_is_known_to_the_manual():
    assert {name: target.partition(":")[0] for name, target in console_scripts().items()} == dict(
        COMMANDS
    )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_ends_well_and_shows_an_example(name, capsys):
    module = importlib.import_module(COMMANDS[name])
    out = io.StringIO()
    if name == "pacekeeperd":
        with pytest.raises(SystemExit) as ended:
            module.run(["--help"])
        assert ended.value.code == 0
    else:
        assert module.main(["--help"], out, io.StringIO(), {}, io.StringIO()) == 0
    text = out.getvalue() + capsys.readouterr().out
    assert "xamples:" in text
    assert f"{name} " in text.partition("xamples:")[2] or name == "pacekeeperd"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_page_with_its_options_and_examples(name):
    this = page(name)
    text = roff(this)
    for part in (".SH NAME", ".SH SYNOPSIS", ".SH EXAMPLES", ".SH EXIT STATUS"):
        assert part in text
    assert sum(len(rows) for _, rows in this.options) >= 3
    for _, rows in this.options:
        assert all(option and meaning for option, meaning in rows)


@pytest.mark.parametrize("name", sorted(LEVELS))
def test_every_level_of_the_shell_has_a_page(name):
    text = roff(level_page(name))
    for command in load(name).visible():
        assert command.summary.replace("-", "\\-") in text


def test_the_pages_are_well_formed(tmp_path):
    written = write(tmp_path)
    assert len(written) == len(COMMANDS) + len(LEVELS) + 1
    for path in written[:-1]:
        lines = path.read_text().splitlines()
        assert lines[0].startswith(".TH ")
        known = {".TH", ".SH", ".TP", ".B", ".nf", ".fi"}
        assert {line.split(" ")[0] for line in lines if line.startswith(".")} <= known


def test_bash_accepts_the_completion():
    text = bash_completion()
    done = subprocess.run(
        ["bash", "-n"], input=text, text=True, capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--cleanup" in text and "complete -F _pacekeeper_crm crm" in text


def test_the_shell_tells_what_can_follow(tmp_path):
    from tests.cli.crm.session import Session

    session = Session(tmp_path)
    assert session.crm("_complete", "resource", "move", "p1", "") == 0
    assert session.out.split() == ["node1", "node2"]
    assert session.crm("_complete", "nod") == 0
    assert session.out.split() == ["node"]
