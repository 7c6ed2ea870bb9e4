"""Copies of the CIB: changes apply in order, or not at all."""

import pytest

from cib import document
from crmd.replication.edit import EditError, edit, query
from crmd.replication.replica import Mismatch, Replica, digest_of, make_patch, parse
from crmd.replication.status import apply_changes, find_operation, transient_attributes, xml_id
from crmd.replication.version import Version, made_of, rank_of, round_of, view_of
from crmd.replication.writer import OnDisk, Waiting, Writer

RSC = {"id": "ip", "type": "Dummy", "class": "ocf", "provider": "heartbeat"}
OP = {"id": "ip_last_0", "operation": "start", "call-id": "7", "rc-code": "0"}


def replica(epoch=3):
    return Replica(document.empty(version=Version(0, epoch, 0)))


def never(root, expression):
    raise AssertionError("no XPath here")


def test_status_changes_give_every_copy_the_same_bytes():
    changes = [
        ["node", "n1", {"id": "1", "in_ccm": "true", "crmd": "online"}],
        ["put", "n1", RSC, OP],
        ["attr", "n1", "fail-count-ip#start_0", "2"],
        ["root", {"have-quorum": "1"}],
    ]
    a, b = replica(), replica()
    for copy in (a, b):
        copy.update(Version(0, 3, 0), Version(0, 3, 1), changes)
    assert a.to_bytes() == b.to_bytes()
    assert str(a.version) == "0.3.1"
    assert find_operation(a.root, "n1", "ip", "ip_last_0").get("call-id") == "7"
    assert transient_attributes(a.root, "n1") == {"fail-count-ip#start_0": "2"}


def test_a_newer_result_replaces_the_one_of_the_same_id_whole():
    root = replica().root
    apply_changes(root, [["put", "n1", RSC, {**OP, "exit-reason": "x"}], ["put", "n1", RSC, OP]])
    entry = find_operation(root, "n1", "ip", "ip_last_0")
    assert dict(entry.attrib) == OP


def test_deletions_reach_one_operation_one_resource_or_all_history():
    root = replica().root
    other = {**RSC, "id": "fs"}
    apply_changes(root, [["put", "n1", RSC, OP], ["put", "n1", other, {**OP, "id": "fs_last_0"}]])
    apply_changes(root, [["drop_op", "n1", "ip", "ip_last_0"]])
    assert find_operation(root, "n1", "ip", "ip_last_0") is None
    apply_changes(
        root, [["drop_rsc", "n1", "ip"], ["attr", "n1", "a", "1"], ["attr", "n1", "a", None]]
    )
    assert [e.get("id") for e in root.iter("lrm_resource")] == ["fs"]
    apply_changes(root, [["drop_lrm", "n1"], ["drop_attrs", "n1"]])
    assert [e.tag for e in root.find("status/node_state")] == []


def test_an_unknown_change_is_an_error_not_a_guess():
    with pytest.raises(ValueError, match="is not known"):
        apply_changes(replica().root, [["explode", "n1"]])


def test_an_update_that_skips_a_version_is_refused():
    copy = replica()
    with pytest.raises(Mismatch, match=r"update from 0\.3\.4 does not fit 0\.3\.0"):
        copy.update(Version(0, 3, 4), Version(0, 3, 5), [])
    assert str(copy.version) == "0.3.0"


def test_a_patch_leads_to_the_same_bytes_or_changes_nothing():
    old = replica()
    new = parse(old.to_bytes().replace(b'epoch="3"', b'epoch="4"', 1))
    new.find("configuration").append(parse(b"<cib/>").makeelement("tags"))
    text, digest = make_patch(old.root, new), digest_of(new)
    copy = replica()
    with pytest.raises(Mismatch, match="gives digest"):
        copy.patch(Version(0, 3, 0), text, "0" * 32, 9, "c1")
    assert str(copy.version) == "0.3.0" and not copy.causes
    copy.patch(Version(0, 3, 0), text, digest, 9, "c1")
    assert copy.to_bytes() == document.compact(new)
    assert copy.lineage == (9, 0, 4, 0) and "c1" in copy.causes


def test_what_goes_to_disk_has_neither_status_nor_its_counter():
    copy = replica()
    copy.update(Version(0, 3, 0), Version(0, 3, 1), [["put", "n1", RSC, OP]])
    disk = parse(copy.to_disk())
    assert len(disk.find("status")) == 0 and disk.get("num_updates") == "0"
    assert len(copy.root.find("status")) == 1 and str(copy.version) == "0.3.1"


def test_a_document_with_a_doctype_is_refused():
    with pytest.raises(ValueError, match="DOCTYPE"):
        parse(b'<!DOCTYPE cib [<!ENTITY a "b">]><cib/>')


def test_a_writer_tells_one_update_per_step_and_counts_it_once():
    writer = Writer(replica())
    writer.status(["put", "n1", RSC, OP])
    writer.status(["attr", "n1", "a", "1"])
    out = writer.flush()
    assert (str(out.base), str(out.version), len(out.changes)) == ("0.3.0", "0.3.1", 2)
    assert writer.flush() is None


def test_a_client_is_answered_when_its_dc_and_a_majority_hold_the_change():
    writer = Writer(replica())
    writer.waiting.append(Waiting("n1", 1, (0, 4), expires=10.0))
    members = ("n1", "n2", "n3")
    held = OnDisk((0, 4), rank_of(2, 1, (0, 4)), 2)
    writer.disks.update(n2=held, n3=held)
    assert writer.settled("n1", members, 2, 2, now=1.0) == []  # the DC's own disk is missing
    writer.disks["n1"] = held
    assert [safe for _, safe in writer.settled("n1", members, 2, 2, now=1.0)] == [True]


def test_a_copy_on_disk_under_an_older_rank_does_not_count_as_safe():
    writer = Writer(replica())
    writer.waiting.append(Waiting("n1", 1, (0, 4), expires=10.0))
    old, new = OnDisk((0, 4), rank_of(1, 7, (0, 4)), 2), OnDisk((0, 4), rank_of(2, 1, (0, 4)), 2)
    writer.disks.update(n1=new, n2=old)
    assert writer.settled("n1", ("n1", "n2"), 2, 2, now=1.0) == []
    writer.disks["n2"] = new
    assert [safe for _, safe in writer.settled("n1", ("n1", "n2"), 2, 2, now=1.0)] == [True]


def test_changes_without_quorum_never_outrank_what_a_quorate_view_made():
    acknowledged = (rank_of(4, 1, (0, 12)), 0, 12, 0)
    alone = (rank_of(4, 1, (0, 11)), 0, 13, 0)  # cut off at 0.11, then changed twice
    untouched = (rank_of(4, 1, (0, 11)), 0, 11, 5)
    assert untouched < alone < acknowledged < (rank_of(4, 2, (0, 11)), 0, 11, 0)
    assert (round_of(alone[0]), view_of(alone[0]), made_of(alone[0])) == (4, (4, 1), (0, 11))


def test_a_client_whose_change_is_not_safe_in_time_is_told_so():
    writer = Writer(replica())
    writer.waiting.append(Waiting("n1", 1, (0, 4), expires=10.0))
    assert writer.settled("n1", ("n1", "n2"), 2, 0, now=9.9) == []
    assert [safe for _, safe in writer.settled("n1", ("n1", "n2"), 2, 0, now=10.0)] == [False]


def test_an_adopted_document_brings_its_own_list_of_requests():
    copy = replica()
    copy.note_cause("n1/a/1")
    copy.adopt(replica().root, rank_of(3, 1, (0, 2)), ["n2/b/7"])
    assert list(copy.causes) == ["n2/b/7"], "what ours had must be made again"
    copy.replace(copy.root, rank_of(3, 2, (0, 2)), ["n2/b/8"])
    assert list(copy.causes) == ["n2/b/7", "n2/b/8"]


def test_replacing_the_whole_cib_keeps_the_live_status():
    copy = replica()
    copy.update(Version(0, 3, 0), Version(0, 3, 1), [["put", "n1", RSC, OP]])
    words = {"call": "replace", "xml": document.to_text(document.empty(version=Version(0, 9, 0)))}
    done = edit(copy.root, words, 0.0, "n1", "root", never)
    assert find_operation(done.root, "n1", "ip", "ip_last_0") is not None
    assert done.root.get("epoch") == "9", "the version of the document that was given"
    assert find_operation(copy.root, "n1", "ip", "ip_last_0") is not None


def test_refusals_carry_the_exit_code_of_the_tools():
    root = replica().root
    older = document.to_text(document.empty(version=Version(0, 1, 0)))
    with pytest.raises(EditError) as error:
        edit(root, {"call": "replace", "xml": older}, 0.0, "n1", "root", never)
    assert error.value.code == 103
    with pytest.raises(EditError) as error:
        edit(root, {"call": "dance"}, 0.0, "n1", "root", never)
    assert error.value.code == 64
    with pytest.raises(EditError) as error:
        query(root, {"call": "query", "section": "tags"}, never)
    assert error.value.code == 105


def test_ids_made_of_names_are_xml_ids():
    assert xml_id("status-1-fail-count-ip#monitor_10000") == "status-1-fail-count-ip.monitor_10000"
    assert xml_id("1a") == "_1a"
