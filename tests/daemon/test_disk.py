import asyncio
import threading

from cib import document
from crmd.daemon import disk
from crmd.daemon.paths import Paths
from crmd.membership.pledge import Pledge


def cib(epoch):
    root = document.empty()
    root.set("epoch", str(epoch))
    return document.to_bytes(root)


def prepared(tmp_path):
    paths = Paths(tmp_path)
    paths.prepare()
    return paths


def test_what_was_committed_is_found_again_with_rank_and_pledge(tmp_path):
    paths = prepared(tmp_path)
    store = disk.CibStore(paths)
    assert store.load() == disk.Found(None, ())
    assert disk.read_rank(paths) == (0, Pledge())
    done = commit_all(paths, disk.CibStore(paths), [(1, cib(5), 3, Pledge(2, "n1"))])
    assert done == [(1, True, "")]
    found = disk.CibStore(paths).load()
    assert found.cib == cib(5) and disk.read_rank(paths) == (3, Pledge(2, "n1"))


def commit_all(paths, keeper, commits, notes=None):
    async def main():
        done = []
        committer = disk.Committer(
            paths, keeper, lambda *a: done.append(a), (notes if notes is not None else []).append
        )
        task = asyncio.get_running_loop().create_task(committer.work())
        for each in commits:
            committer.commit(*each)
        async with asyncio.timeout(10):
            while len(done) < len(commits):
                await asyncio.sleep(0.005)
        task.cancel()
        return done

    return asyncio.run(main())


class Slow:
    """A keeper that notes what is written, and by whom."""

    def __init__(self, error=None):
        self.written, self.threads, self.error = [], set(), error

    def write(self, data):
        self.threads.add(threading.get_ident())
        if self.error:
            raise self.error
        self.written.append(data)
        return (f"note {len(self.written)}",)

    def finish(self):
        pass


def test_commits_that_wait_together_are_one_write_of_the_newest_and_all_are_answered(tmp_path):
    paths, keeper, notes = prepared(tmp_path), Slow(), []
    done = commit_all(
        paths, keeper, [(n, b"%d" % n, n, Pledge(n, "a")) for n in range(1, 6)], notes
    )
    assert done == [(n, True, "") for n in range(1, 6)]
    assert keeper.written == [b"5"] and disk.read_rank(paths) == (5, Pledge(5, "a"))
    assert notes == ["note 1"]


def test_writing_happens_outside_the_loop(tmp_path):
    keeper = Slow()
    commit_all(prepared(tmp_path), keeper, [(1, b"x", 1, Pledge())])
    assert threading.get_ident() not in keeper.threads


def test_a_failed_commit_says_why_and_leaves_the_rank_alone(tmp_path):
    paths = prepared(tmp_path)
    done = commit_all(
        paths, Slow(OSError(28, "No space left on device")), [(1, b"x", 9, Pledge(3, "n2"))]
    )
    assert done == [(1, False, "[Errno 28] No space left on device")]
    assert disk.read_rank(paths) == (0, Pledge())


def test_a_rank_that_cannot_be_read_counts_as_none(tmp_path):
    paths = prepared(tmp_path)
    (paths.cib / disk.RANK_FILE).write_text("nonsense")
    assert disk.read_rank(paths) == (0, Pledge())


def test_memory_lasts_over_a_restart_but_not_over_a_reboot(tmp_path):
    paths = prepared(tmp_path)
    memory = disk.Memory(paths, "boot1")
    memory.remember("round", "7")
    memory.remember("round", "8")
    assert disk.Memory(paths, "boot1").values == {"round": "8"}
    assert disk.Memory(paths, "boot2").values == {}
    (paths.run / disk.MEMORY_FILE).write_text("[]")
    assert disk.Memory(paths, "boot1").values == {}


def test_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MEMORY_LIMIT", 2)
    memory = disk.Memory(prepared(tmp_path), "b")
    for name in "abc":
        memory.remember(name, "x")
    assert sorted(memory.values) == ["b", "c"]


def test_a_losing_document_is_kept_for_a_person(tmp_path):
    paths = prepared(tmp_path)
    path = disk.keep_losing(paths, b"<cib/>")
    assert path.read_bytes() == b"<cib/>" and path.stat().st_mode & 0o777 == 0o600
