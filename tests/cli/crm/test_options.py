"""Preferences of the person at the shell: what is read, what is not ours, what is broken."""

from pathlib import Path

import pytest

from cli.command_line import CommandError
from cli.crm.options import preference, preferences_file
from cli.exits import Exit


def saved(tmp_path, text):
    env = {"HOME": str(tmp_path)}
    path = preferences_file(env)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return env


def test_a_saved_preference_counts_and_one_of_this_run_wins(tmp_path):
    env = saved(tmp_path, '{"wait": "yes"}')
    assert preference(env, "wait") == "yes"
    assert preference({**env, "PACEKEEPER_CRM_WAIT": "no"}, "wait") == "no"
    assert preference({"HOME": str(tmp_path / "nobody")}, "wait") == "no"


@pytest.mark.parametrize("text", ['{"wait"', '["wait"]'])
def test_a_broken_file_is_named(tmp_path, text):
    with pytest.raises(CommandError) as error:
        preference(saved(tmp_path, text), "wait")
    assert error.value.code == Exit.DATAERR
    assert "crm.json" in str(error.value) and "remove or repair it" in str(error.value)


def test_a_file_in_the_home_of_another_user_is_not_ours(tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    env = saved(tmp_path, '{"wait": "yes"}')
    monkeypatch.setattr(Path, "read_text", refuse)
    assert preference(env, "wait") == "no"
