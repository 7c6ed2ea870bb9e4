import json
import os

from crmd.daemon.log import FileSink, HaLogRenderer, PlainLog, SafeSink, setup


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_both_front_ends_write_the_same_fields(tmp_path):
    sink = FileSink(tmp_path / "log")
    setup(sink, node="n1").info("peer.dead", peer="n2", silent_s=1.02)
    PlainLog(sink, node="n1").info("peer.dead", peer="n2", silent_s=1.02)
    first, second = read_lines(tmp_path / "log")
    assert set(first) == set(second)
    assert first["peer"] == "n2" and first["level"] == second["level"] == "info"
    assert abs(first["mono"] - second["mono"]) < 5


def test_a_full_disk_costs_lines_and_nothing_else():
    full = os.open("/dev/full", os.O_WRONLY)
    sink = SafeSink(full)
    setup(sink, node="n1").info("x")
    assert sink.lost == 1
    os.close(full)


def test_a_stalled_reader_costs_lines_and_no_time():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sink = SafeSink(writer)
    for _ in range(500):
        sink.write("x" * 1000 + "\n")
    assert sink.lost > 0
    os.close(reader)
    os.close(writer)


def test_a_rotated_log_is_reopened(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("crmd.daemon.log.time.monotonic", lambda: now[0])
    sink = FileSink(tmp_path / "log")
    log = PlainLog(sink)
    log.info("one")
    (tmp_path / "log").rename(tmp_path / "log.1")
    now[0] += 2
    log.info("two")
    assert [line["event"] for line in read_lines(tmp_path / "log")] == ["two"]


def test_a_flood_is_cut_and_counted(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("crmd.daemon.log.time.monotonic", lambda: now[0])
    log = PlainLog(FileSink(tmp_path / "log"))
    for _ in range(1500):
        log.info("x")
    now[0] += 1
    log.info("after")
    lines = read_lines(tmp_path / "log")
    assert len(lines) == 1002
    assert lines[1000] == {"event": "log.suppressed", "lines": 500}


def test_the_classic_line_reads_like_heartbeats(monkeypatch):
    monkeypatch.setattr("crmd.daemon.log.time.strftime", lambda _: "Nov 25 03:31:45")
    monkeypatch.setattr("crmd.daemon.log.os.getpid", lambda: 77)
    line = HaLogRenderer("mysql-master")(
        None, "", {"event": "peer.dead", "level": "warning", "peer": "b", "why": "no beat"}
    )
    assert line == (
        'Nov 25 03:31:45 mysql-master heartbeat: [77]: WARN: peer.dead peer=b why="no beat"'
    )
