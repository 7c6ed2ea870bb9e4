import hashlib
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cib import digest, document
from cib.document import DocumentError, Version, parse


def test_text_is_written_with_two_blanks_per_level():
    text = '<cib epoch="1"><configuration><nodes/></configuration>\n\n  <status>  </status></cib>'
    assert document.to_text(parse(text)) == (
        '<cib epoch="1">\n  <configuration>\n    <nodes/>\n'
        "  </configuration>\n  <status/>\n</cib>\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<cib", "line 1"),
        ("<cib>\n<a></b></cib>", "line 2"),
        ("", "XML"),
        ('<!DOCTYPE cib [<!ENTITY x SYSTEM "file:///etc/passwd">]><cib>&x;</cib>', "DOCTYPE"),
        ("<a>" * 200 + "</a>" * 200, "deeper than 128"),
        ("\ud800", "XML"),
    ],
)
def test_what_is_not_acceptable_is_refused_with_its_place(text, said):
    with pytest.raises(DocumentError, match=said):
        parse(text)


def test_too_many_elements_are_refused(monkeypatch):
    monkeypatch.setattr(document, "MAX_ELEMENTS", 5)
    with pytest.raises(DocumentError, match="more than 5 elements"):
        parse("<a>" + "<b/>" * 5 + "</a>")


@given(st.binary(max_size=60) | st.text("<>/ab='\"& !-", max_size=60))
def test_any_bytes_are_a_document_or_a_document_error(data):
    try:
        parse(data)
    except DocumentError as problem:
        assert str(problem)


def test_versions_compare_admin_epoch_first():
    assert Version(1, 0, 0) > Version(0, 99, 99)
    assert str(document.version_of(parse('<cib epoch="12" admin_epoch="x"/>'))) == "0.12.0"


def test_sections_are_found_by_name():
    root = document.empty()
    assert document.section(root, "resources").tag == "resources"
    assert document.section(root, "cib") is root
    assert document.section(root, "acls") is None


def test_a_new_cluster_says_a_schema_that_both_pacemakers_read():
    assert document.empty().get("validate-with") == "pacemaker-3.9"


def test_the_digest_of_no_parameters_is_the_one_in_all_histories():
    assert digest.parameters({}) == "f2317cad3d54cec5d7d7aa7d0bf35cf8"
    assert (
        digest.parameters({"b": "2", "a": "1"})
        == hashlib.md5(b' <parameters a="1" b="2"/>\n').hexdigest()
    )


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("cibadmin") is None, reason="cibadmin is not installed")
@pytest.mark.parametrize("value", ["x", "it's", 'a "b" <&>', "tab\t", "new\nline", "é"])
def test_digests_are_those_of_the_installed_cibadmin(tmp_path, value):
    root = document.empty()
    root.set("crm_feature_set", "3.16.1")
    root.set("cib-last-written", "now")
    root[0].set("description", value)
    path = tmp_path / "cib.xml"
    path.write_bytes(document.to_bytes(root))

    def said(option):
        run = subprocess.run(
            ["cibadmin", option, "-x", str(path)], capture_output=True, text=True, check=True
        )
        return run.stdout.strip()

    assert said("--md5-sum") == digest.on_disk(root)
    assert said("--md5-sum-versioned") == digest.on_wire(root)


def test_the_digest_of_parameters_is_that_of_crm_simulate_whatever_they_contain():
    assert (
        digest.parameters({"fake": 'it\'s <a> & "b"\nx\ty'}) == "c42ec75fe1a1337f42dc5e400daf0db0"
    )
    assert digest.parameters({"1": "data"}) != digest.parameters({"2": "data"})
