"""Three whole nodes with haresources on loopback: one survivor takes over, groups come home."""

from __future__ import annotations

import pytest

from tests.daemon.test_haresourcesd import Pair, configure
from tests.heartbeat.daemons import free_port

NAMES = ("alice", "bob", "carol")


@pytest.fixture
def three(tmp_path):
    port = free_port()
    for name in NAMES:
        configure(tmp_path / name, port)
        config = tmp_path / name / "etc/ha.d"
        text = (config / "ha.cf").read_text()
        (config / "ha.cf").write_text(text.replace("node alice bob", f"node {' '.join(NAMES)}"))
        (config / "haresources").write_text("".join(f"{n} Flag::{n[0]}\n" for n in NAMES))
    made = Pair(tmp_path, names=NAMES)
    try:
        yield made
    finally:
        for name in list(made.processes):
            made.kill_all(name)


def test_three_nodes_keep_one_owner_per_group_through_deaths_and_returns(three):
    for name in NAMES:
        three.start(name)
    three.until(alice=["a"], bob=["b"], carol=["c"])
    three.settled()
    three.kill_all("carol")
    (three.folder / "carol/flags/c").unlink()  # what a power cut clears
    three.until(alice=["a", "c"], bob=["b"], carol=[])
    three.start("carol")
    three.until(alice=["a"], bob=["b"], carol=["c"])
    three.settled()
    assert three.actions("alice")[-2:] == ["start c", "stop c"]
    assert three.actions("carol").count("start c") == 2
    three.kill_all("alice")
    (three.folder / "alice/flags/a").unlink()
    three.until(alice=[], bob=["a", "b"], carol=["c"])
    three.end("bob")
    three.until(alice=[], bob=[], carol=["a", "b", "c"])
