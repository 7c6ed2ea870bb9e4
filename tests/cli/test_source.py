import io
import os
import stat
import threading

import pytest

from cib import document
from cib.operations import Call, Request
from cli import cibadmin
from cli.command_line import CommandError
from cli.exits import Exit
from cli.source import (
    FileSource,
    LiveSource,
    TextSource,
    answer_of,
    open_source,
    shadow_path,
    write_in_one_step,
)
from crmd.daemon import ipc

DUMMY = '<primitive id="a" class="ocf" provider="heartbeat" type="Dummy"/>'


def text():
    return document.to_text(document.empty())


def source_of(env, stdin="", **options):
    return open_source(env, io.StringIO(stdin), **options)


def test_the_first_named_source_applies(tmp_path):
    shadow = tmp_path / "shadow.try"
    shadow.write_text(text())
    env = {"CIB_file": "/f.xml", "CIB_shadow": "try", "CIB_shadow_dir": str(tmp_path)}
    assert source_of(env, file="/option.xml").name == "/option.xml"
    assert source_of(env).name == str(shadow)
    del env["CIB_shadow"]
    assert source_of(env).name == "/f.xml"
    assert isinstance(source_of({}), LiveSource)
    assert isinstance(source_of({"CIB_file": "-"}, text()), TextSource)


def test_a_missing_shadow_is_named_and_its_name_is_plain(tmp_path):
    with pytest.raises(CommandError, match="'gone'") as caught:
        source_of({"CIB_shadow": "gone", "CIB_shadow_dir": str(tmp_path)})
    assert caught.value.code is Exit.NOSUCH
    with pytest.raises(CommandError, match="plain name"):
        shadow_path("../../etc/passwd", {"CIB_shadow_dir": str(tmp_path)})


def test_a_change_is_written_back_with_versions_mode_and_link_kept(tmp_path):
    real = tmp_path / "real.xml"
    real.write_text(text())
    real.chmod(0o640)
    link = tmp_path / "link.xml"
    link.symlink_to(real)
    answer = FileSource(link).perform(Request(Call.CREATE, section="resources", xml=DUMMY))
    assert answer.rc is Exit.OK
    assert document.version_of(document.parse(real.read_bytes())).epoch == 2
    assert link.is_symlink() and stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.xml", "real.xml"]


def test_a_refused_change_leaves_the_file_byte_for_byte(tmp_path):
    path = tmp_path / "cib.xml"
    path.write_text("<!-- mine -->" + text())
    before = path.read_bytes(), path.stat().st_mtime_ns
    bad = Request(Call.CREATE, section="constraints",
                  xml='<rsc_location id="l" rsc="zz" node="n" score="1"/>')  # fmt: skip
    assert FileSource(path).perform(bad).rc is Exit.CONFIG
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [(None, Exit.NOSUCH, "no such file"), ("<cib", Exit.DATAERR, "line 1"),
     ("<resources/>", Exit.DATAERR, "want <cib>")],
)  # fmt: skip
def test_a_file_that_holds_no_cib_is_refused_by_name(tmp_path, content, code, said):
    path = tmp_path / "cib.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError, match=said) as caught:
        FileSource(path).perform(Request(Call.QUERY))
    assert caught.value.code is code and str(path) in str(caught.value)


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CommandError, match="not written"):
        write_in_one_step(tmp_path / "no" / "cib.xml", b"x")


def test_a_cib_of_a_newer_feature_set_is_not_changed(tmp_path):
    path = tmp_path / "cib.xml"
    path.write_text(text().replace('crm_feature_set="3.', 'crm_feature_set="99.'))
    assert FileSource(path).perform(Request(Call.BUMP)).rc is Exit.PROTOCOL
    assert FileSource(path).perform(Request(Call.QUERY)).rc is Exit.OK


def test_without_a_cluster_the_socket_is_named(tmp_path):
    with pytest.raises(CommandError, match="is the cluster running") as caught:
        LiveSource({"PACEKEEPER_ROOT": str(tmp_path)}).perform(Request(Call.QUERY))
    assert caught.value.code is Exit.DISCONNECT


def test_the_running_cluster_is_asked_over_its_socket(tmp_path):
    os.makedirs(tmp_path / "run/pacekeeper")
    server = ipc.listen(tmp_path / "run/pacekeeper/crmd.sock", group=None)
    server.setblocking(True)
    asked = []

    def serve():
        connection, _ = server.accept()
        decoder, messages = ipc.Decoder(), []
        while not messages:
            messages = decoder.feed(connection.recv(65536))
        asked.extend(messages)
        connection.sendall(ipc.encode({"rc": 0, "xml": "<nodes/>\n", "error": None}))
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    out, err = io.StringIO(), io.StringIO()
    env = {"PACEKEEPER_ROOT": str(tmp_path)}
    code = cibadmin.main(["-Q", "-o", "nodes"], out, err, env, io.StringIO())
    thread.join(5)
    server.close()
    assert (code, out.getvalue(), err.getvalue()) == (0, "<nodes/>\n", "")
    assert asked[0]["op"] == "cib"
    assert asked[0]["request"]["call"] == "query" and asked[0]["request"]["section"] == "nodes"


@pytest.mark.parametrize(
    ("reply", "code"),
    [({"rc": 108, "xml": None, "error": "e"}, Exit.EXISTS),
     ({"ok": True, "outcome": {"rc": 0, "xml": "x"}}, Exit.OK),
     ({"ok": False, "code": 106, "error": "no quorum"}, Exit.QUORUM)],
)  # fmt: skip
def test_every_form_of_answer_is_understood(reply, code):
    assert answer_of(reply).rc is code


def test_an_answer_that_is_none_is_a_broken_protocol():
    with pytest.raises(CommandError) as caught:
        answer_of({"hello": 1})
    assert caught.value.code is Exit.PROTOCOL
