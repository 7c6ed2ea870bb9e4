"""Every command has help with an example, a manual page, and completion."""

import configparser
import importlib
import io
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from cli import completion
from cli.crm.levels import LEVELS, load
from cli.manual import COMMANDS, level_page, page, roff, write

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
    assert len(written) == len(COMMANDS) + len(LEVELS) + 3
    for path in written[:-3]:
        lines = path.read_text().splitlines()
        assert lines[0].startswith(".TH ")
        known = {".TH", ".SH", ".TP", ".B", ".nf", ".fi"}
        assert {line.split(" ")[0] for line in lines if line.startswith(".")} <= known


def test_bash_accepts_the_completion():
    text = completion.bash()
    done = subprocess.run(
        ["bash", "-n"], input=text, text=True, capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--cleanup" in text and "complete -F _pacekeeper_crm crm" in text


def test_fish_gets_each_option_with_its_meaning_and_whether_a_value_must_follow():
    lines = [shlex.split(line) for line in completion.fish().splitlines() if "-d" in line]
    (of_resource,) = [x for x in lines if x[2] == "crm_resource" and "resource" in x]
    assert " ".join(of_resource[:-1]) == "complete -c crm_resource -s r -l resource -r -d"
    for line in lines:
        assert line[-1] and not any(word.startswith("--") for word in line[3:-1])
    known = {line[2] for line in lines}
    assert known == set(COMMANDS) - {"crm"}


def test_zsh_knows_every_command_and_its_options():
    text = completion.zsh()
    assert text.splitlines()[0].split() == ["#compdef", *COMMANDS]
    for name in set(COMMANDS) - {"crm"}:
        assert f"    {name}) flags=(" in text
    zsh = shutil.which("zsh")
    if zsh is not None:
        done = subprocess.run(
            [zsh, "-n"], input=text, text=True, capture_output=True, timeout=20, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_the_shell_tells_what_can_follow(tmp_path):
    from tests.cli.crm.session import Session

    session = Session(tmp_path)
    assert session.crm("_complete", "resource", "move", "p1", "") == 0
    assert session.out.split() == ["node1", "node2"]
    assert session.crm("_complete", "nod") == 0
    assert session.out.split() == ["node"]
