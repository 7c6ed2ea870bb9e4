import pytest

from crmd.daemon.paths import PathError, Paths


def test_one_root_moves_everything(tmp_path):
    paths = Paths(tmp_path)
    assert paths.ha_cf == tmp_path / "etc/ha.d/ha.cf"
    assert paths.crmd_socket == tmp_path / "run/pacekeeper/crmd.sock"
    assert paths.cib == tmp_path / "var/lib/pacekeeper/cib"


def test_the_environment_names_the_root(monkeypatch, tmp_path):
    monkeypatch.setenv("PACEKEEPER_ROOT", str(tmp_path))
    assert Paths.from_environment().root == tmp_path
    assert Paths.from_environment("/elsewhere").root.as_posix() == "/elsewhere"


def test_directories_get_the_modes_of_the_table(tmp_path):
    paths = Paths(tmp_path)
    paths.prepare()
    modes = {p: p.stat().st_mode & 0o7777 for p in (paths.run, paths.cib, paths.log, paths.state)}
    assert modes == {paths.run: 0o750, paths.cib: 0o750, paths.log: 0o770, paths.state: 0o755}


def test_preparing_twice_mends_a_loose_mode(tmp_path):
    paths = Paths(tmp_path)
    paths.prepare()
    paths.cib.chmod(0o777)
    paths.prepare()
    assert paths.cib.stat().st_mode & 0o7777 == 0o750


def test_a_link_in_place_of_a_directory_is_refused(tmp_path):
    paths = Paths(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    paths.state.mkdir(parents=True)
    paths.cib.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PathError, match=r"var/lib/pacekeeper/cib: not a directory"):
        paths.prepare()


def test_a_file_in_place_of_a_directory_is_refused(tmp_path):
    paths = Paths(tmp_path)
    paths.run.parent.mkdir(parents=True)
    paths.run.write_text("")
    with pytest.raises(PathError, match="remove it"):
        paths.prepare()
