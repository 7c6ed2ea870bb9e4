import errno
import shutil
import subprocess

import pytest

from cib import digest, document
from cib.document import Version
from cib.files import Directory
from cib.store import Limits, Source, Store, StoreError, Trouble, retry_delay_s
from tests.cib.crash_disk import Crash, CrashDisk

NOW = 1_800_000_000.0


def cib(epoch):
    return document.empty(version=Version(0, epoch, 0))


def epoch_of(loaded):
    return document.version_of(loaded.root).epoch


def settled(count, limits=None):
    """A disk after `count` commits, all synced."""
    disk = CrashDisk()
    store = Store(disk, limits)
    store.load()
    for epoch in range(1, count + 1):
        store.commit(cib(epoch), NOW)
        store.finish()
    disk.sync_directory()
    return disk


def test_what_was_committed_is_loaded():
    disk = settled(3)
    loaded = Store(disk).load()
    assert loaded.source is Source.LIVE and epoch_of(loaded) == 3 and loaded.notes == ()
    assert disk.names() == [
        "cib-0.raw", "cib-0.raw.sig", "cib-1.raw", "cib-1.raw.sig", "cib.last", "cib.xml",
        "cib.xml.sig",
    ]  # fmt: skip


def test_a_new_directory_is_new_and_not_lost():
    assert Store(CrashDisk()).load().source is Source.NEW


def run_until_crash(steps, *, before, commits):
    """Commits on a settled disk with a crash after `steps` operations: (disk, acked, crashed)."""
    disk = settled(before, Limits(backups=3))
    disk.steps_left = steps
    store, acked = Store(disk, Limits(backups=3)), before
    try:
        for epoch in range(before + 1, before + commits + 1):
            store.commit(cib(epoch), NOW)
            acked = epoch
            store.finish()
    except Crash:
        return disk, acked, True
    return disk, acked, False


@pytest.mark.parametrize("any_subset", [False, True])
def test_no_crash_ever_loses_an_acknowledged_change(any_subset):
    states = steps = 0
    crashed = True
    while crashed:
        disk, acked, crashed = run_until_crash(steps, before=5, commits=2)
        for after in disk.states(any_subset=any_subset):
            loaded = Store(after, Limits(backups=3)).load()
            assert loaded.source is Source.LIVE, (steps, after.names(), loaded.notes)
            assert acked <= epoch_of(loaded) <= acked + 1, (steps, after.names())
            states += 1
        steps += 1
    assert steps > 30 and states > (1000 if any_subset else 100)


def test_a_crash_during_the_recovery_loses_nothing_either():
    for steps in range(40):
        disk, acked, _ = run_until_crash(steps, before=2, commits=1)
        for after in disk.states(any_subset=False):
            for more in range(6):
                second = CrashDisk(more, dict(after.names_now), dict(after.names_safe))
                store = Store(second, Limits(backups=3))
                try:
                    store.load()
                    store.commit(cib(9), NOW)
                except Crash:
                    second.steps_left = None
                for last in second.states(any_subset=False):
                    found = Store(last, Limits(backups=3)).load()
                    assert found.source is Source.LIVE
                    assert epoch_of(found) >= acked


def test_a_broken_live_file_is_set_aside_and_the_newest_backup_taken():
    disk = settled(4)
    disk.names_now["cib.xml"].data = b"<cib epoch='999'"
    store = Store(disk)
    loaded = store.load()
    assert loaded.source is Source.BACKUP and epoch_of(loaded) == 3
    assert disk.read("cib.auto.000000") == b"<cib epoch='999'"
    assert any("cib-2.raw" in note for note in loaded.notes)
    store.commit(cib(10), NOW)
    assert epoch_of(Store(disk).load()) == 10


def test_broken_backups_are_skipped():
    disk = settled(4)
    for name in ("cib.xml", "cib-2.raw", "cib-1.raw.sig"):
        disk.names_now[name].data = b"rust"
    assert epoch_of(Store(disk).load()) == 1


def test_nothing_good_at_all_is_lost_and_empty():
    disk = settled(2)
    for name in disk.names():
        disk.names_now[name].data = b"rust"
    loaded = Store(disk).load()
    assert loaded.source is Source.LOST
    assert document.version_of(loaded.root) == Version(0, 0, 0)


def test_an_edited_file_is_kept_aside_and_named():
    disk = settled(2)
    store = Store(disk)
    store.load()
    edited = document.to_bytes(cib(77))
    disk.names_now["cib.xml"].data = edited
    committed = store.commit(cib(3), NOW)
    assert disk.read("cib.xml.edited-1800000000") == edited
    assert "cib.xml.edited-1800000000" in committed.notes[0]
    assert epoch_of(Store(disk).load()) == 3


def test_backups_are_bounded_by_count_and_bytes():
    disk = settled(12, Limits(backups=4))
    raw = [n for n in disk.names() if n.endswith(".raw")]
    assert len(raw) <= 4
    one = len(document.to_bytes(cib(1)))
    disk = settled(12, Limits(backups=100, backup_bytes=3 * one + 5))
    raw = [n for n in disk.names() if n.endswith(".raw")]
    assert 1 <= len(raw) <= 4


def test_a_full_disk_is_an_error_to_retry_and_loses_nothing():
    disk = settled(2)
    store = Store(disk)
    store.load()
    disk.room = 1000
    with pytest.raises(StoreError) as caught:
        store.commit(cib(3), NOW)
    assert caught.value.trouble is Trouble.FULL
    disk.room, disk.fail_with = 10**9, errno.ENOSPC
    with pytest.raises(StoreError) as caught:
        store.commit(cib(3), NOW)
    assert caught.value.trouble is Trouble.FULL
    disk.fail_with = errno.EIO
    with pytest.raises(StoreError) as caught:
        store.commit(cib(3), NOW)
    assert caught.value.trouble is Trouble.IO
    disk.fail_with = None
    assert epoch_of(Store(disk).load()) == 2
    store.commit(cib(3), NOW)
    assert epoch_of(Store(disk).load()) == 3


def test_retries_wait_longer_and_longer_up_to_a_minute():
    assert [retry_delay_s(n) for n in (1, 2, 3, 7, 50)] == [1, 2, 4, 60, 60]


def test_on_a_real_directory(tmp_path):
    directory = Directory(tmp_path)
    store = Store(directory)
    assert store.load().source is Source.NEW
    for epoch in (1, 2):
        store.commit(cib(epoch), NOW)
    store.finish()
    assert epoch_of(Store(directory).load()) == 2
    assert (tmp_path / "cib.xml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "cib-0.raw").exists()


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("cibadmin") is None, reason="cibadmin is not installed")
def test_the_signature_is_what_the_installed_cibadmin_computes(tmp_path):
    Store(Directory(tmp_path)).commit(cib(4), NOW)
    said = subprocess.run(
        ["cibadmin", "--md5-sum", "-x", str(tmp_path / "cib.xml")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == (tmp_path / "cib.xml.sig.next").read_text()
    assert said.stdout.strip() == digest.on_disk(cib(4))
