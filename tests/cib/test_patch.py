import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cib import digest, document
from cib.document import Version, set_version
from cib.patch import Misfit, PatchError, apply, find, make, versions
from tests.shared_data import need

NAMES = st.sampled_from(["a", "b", "c"])
ATTRIBUTES = st.dictionaries(NAMES, st.text("xy'\"<&\n\t", max_size=3), max_size=3)


def element_strategy(children):
    return st.builds(
        build, NAMES, st.none() | st.sampled_from(["1", "2", "it's"]), ATTRIBUTES, children
    )


def build(tag, ident, attributes, children):
    element = etree.Element(tag)
    if ident is not None:
        element.set("id", ident)
    for name, value in attributes.items():
        element.set(name, value)
    for child in children:
        element.append(copy.deepcopy(child))
    return element


COMMENTS = st.sampled_from(["one", "two"]).map(etree.Comment)
LEAVES = element_strategy(st.just([]))
TREES = st.recursive(
    LEAVES, lambda inner: element_strategy(st.lists(inner | COMMENTS, max_size=5)), max_leaves=25
)


def root(children, number):
    cib = build("cib", None, {}, children)
    set_version(cib, Version(0, number, 0))
    return cib


DOCUMENTS = st.lists(TREES | COMMENTS, max_size=5)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_between_any_two_trees_turns_one_into_the_other(before, after):
    old, new = root(before, 1), root(after, 2)
    kept = document.compact(old)
    diff = document.parse(document.to_bytes(make(old, new)))
    assert document.compact(apply(diff, old)) == document.compact(new)
    assert document.compact(old) == kept


@settings(max_examples=200, deadline=None)
@given(TREES, st.permutations(range(8)), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_reordered_dropped_and_added_siblings(tree, order, dropped, added):
    def siblings(numbers):
        return [build("p", str(n), {"v": str(n)}, [tree]) for n in numbers]

    old = root(siblings(n for n in range(8) if n not in added), 1)
    new = root(siblings(n for n in order if n not in dropped), 2)
    assert document.compact(apply(make(old, new), old)) == document.compact(new)


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_patch_on_another_document_fits_or_is_refused_whole(before, after, other):
    diff, third = make(root(before, 1), root(after, 2)), root(other, 1)
    kept = document.compact(third)
    try:
        result = apply(diff, third)
        assert digest.on_wire(result) == diff.get("digest")
    except PatchError as problem:
        assert problem.why in Misfit
    assert document.compact(third) == kept


def test_equal_documents_need_no_patch():
    assert make(root([], 1), root([], 1)) is None


def test_the_version_must_fit():
    diff = make(root([], 1), root([], 2))
    assert versions(diff) == (Version(0, 1, 0), Version(0, 2, 0))
    with pytest.raises(PatchError) as caught:
        apply(diff, root([], 3))
    assert caught.value.why is Misfit.VERSION


def test_a_wrong_digest_is_refused():
    diff = make(root([], 1), root([build("a", "1", {}, [])], 2))
    diff.set("digest", "0" * 32)
    with pytest.raises(PatchError) as caught:
        apply(diff, root([], 1))
    assert caught.value.why is Misfit.DIGEST


@pytest.mark.parametrize(
    "change",
    [
        '<change operation="explode" path="/cib"/>',
        '<change operation="delete" path="/cib/nothing"/>',
        '<change operation="delete" path="/cib"/>',
        '<change operation="delete" path="/cib/comment" position="4"/>',
        '<change operation="create" path="/cib" position="9"><a/></change>',
        '<change operation="create" path="/cib" position="x"><a/></change>',
        '<change operation="create" path="/cib" position="0"/>',
        '<change operation="move" path="/cib" position="0"/>',
        '<change operation="modify" path="/cib"><change-result/></change>',
    ],
)
def test_senseless_changes_are_refused(change):
    diff = etree.fromstring(f'<diff format="2">{change}</diff>')
    with pytest.raises(PatchError):
        apply(diff, root([], 1))


def test_paths_find_the_first_of_their_kind():
    tree = etree.fromstring("""<cib><a id="1"/><a id="it's"><b/></a></cib>""")
    assert find(tree, "/cib/a").get("id") == "1"
    assert find(tree, """/cib/a[@id="it's"]/b""").tag == "b"
    assert find(tree, "/cib/a[@id='2']") is None
    assert find(tree, "nonsense") is None


@pytest.mark.reference
def test_the_recorded_patch_of_the_reference_tool():
    folder = need("cli-cases")
    old, new = (document.parse((folder / f"crm_diff_{n}.xml").read_bytes()) for n in ("old", "new"))
    recorded = document.parse((folder / "crm_diff_patchset.xml").read_bytes())
    ours = make(old, new, with_digest=False)
    about_root = ours.find("change[@path='/cib']")
    assert about_root.find("change-list/change-attr").attrib == {
        "name": "epoch", "operation": "set", "value": "2",
    }  # fmt: skip
    ours.remove(about_root)
    assert document.to_text(ours) == document.to_text(recorded)
    patched = apply(recorded, old, check_version=False)
    patched.set("epoch", "2")
    assert document.to_text(patched) == document.to_text(new)


@pytest.mark.reference
def test_a_patch_made_as_cib_has_the_recorded_digest_and_ignores_attribute_order():
    folder = need("cli-cases")
    old, new = (document.parse((folder / f"crm_diff_{n}.xml").read_bytes()) for n in ("old", "new"))
    ours = make(old, new, track_order=False)
    assert ours.get("digest") == "8ff7162639fd4038647206ae576d5bee"
    recorded = document.parse((folder / "crm_diff_patchset_cib.xml").read_bytes())
    assert [dict(c.attrib) for c in ours.iter("change")] == [
        dict(c.attrib) for c in recorded.iter("change")
    ]
