"""Words of the crm shell: which command they mean and how its end is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.crm.interactive import Completer
from cli.crm.levels import LEVELS, load
from cli.crm.shell import Shell
from tests.cli.crm.session import Session


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def test_names_may_be_shortened_while_unambiguous(session):
    assert session.crm("reso", "loc", "p1") == 0
    assert session.out == "resource p1 is NOT running\n"


def test_an_ambiguous_name_is_refused_with_the_choices(session):
    assert session.crm("resource", "ma", "p1") == 2
    assert session.err == "ERROR: 'ma' is ambiguous: maintenance, manage\n"


def test_an_unknown_command_gets_the_nearest_name(session):
    assert session.crm("resource", "strat", "p1") == 2
    assert "did you mean 'start'?" in session.err


def test_a_command_that_fails_gives_1(session):
    assert session.crm("resource", "locate", "p9") == 1
    assert "Resource 'p9' not found" in session.err


def test_missing_words_give_2_and_the_usage(session):
    assert session.crm("resource", "move") == 2
    assert "usage: crm resource move RSC" in session.err


def test_a_script_goes_down_and_up_through_levels(session):
    text = "resource\nlocate p1\nup\nnode\n# a comment\nstandby \\\n  node1\nquit\nnonsense\n"
    assert session.crm(stdin=text) == 0
    assert session.out == "resource p1 is NOT running\n"
    assert session.values("standby") == {"1": "on"}


def test_a_script_tells_the_line_of_an_error_and_goes_on(session):
    assert session.crm(stdin="\nbogus\nnode online node2\n") == 2
    assert session.err.startswith("ERROR: 2: No such command 'bogus'")
    assert session.values("standby") == {"2": "off"}


def test_commands_come_from_a_file(session, tmp_path):
    (tmp_path / "x.crm").write_text("resource locate p1\n")
    assert session.crm("-f", str(tmp_path / "x.crm")) == 0
    assert session.out == "resource p1 is NOT running\n"


@pytest.mark.parametrize("name", sorted(LEVELS))
def test_every_level_has_help_with_all_its_commands(session, name):
    assert session.crm(name, "help") == 0
    for command in load(name).visible():
        assert f"  {command.name} " in session.out
        assert command.summary and command.example.startswith(f"crm {name} {command.name}")


def test_unfinished_quotes_are_told(session):
    assert session.crm(stdin="resource locate 'p1\n") == 2
    assert "No closing quotation" in session.err


def test_a_broken_option_is_usage(session):
    assert session.crm("--nonsense", "status") == 2
    assert session.crm("-o", "manage-children=sometimes", "status") == 2


def test_completion_offers_commands_and_names(session):
    shell = Shell(sys.stdout, sys.stderr, session.env, sys.stdin)
    offered = Completer(shell).candidates
    assert offered("", "res") == ["resource "]
    assert "move " in offered("resource ", "m")
    assert offered("resource move ", "p") == ["p1 ", "p2 ", "p3 ", "p4 "]
    assert offered("resource move p1 ", "") == ["node1 ", "node2 "]
    assert offered("resource start p1 ", "g") == ["g1 "]
    assert offered("node standby node1 ", "r") == ["reboot "]


def test_asking_for_the_status_loads_nothing_heavy(session):
    code = (
        "import sys\nfrom cli.crm.main import main\n"
        "import io, os\n"
        "rc = main(['status'], io.StringIO(), sys.stderr, os.environ, sys.stdin)\n"
        "bad = [m for m in ('networkx', 'pyroute2', 'structlog', 'asyncio') if m in sys.modules]\n"
        "sys.exit(rc or len(bad))\n"
    )
    root = Path(__file__).resolve().parents[3]
    env = {**session.env, "PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=env, timeout=30, check=False)
    assert done.returncode == 0
