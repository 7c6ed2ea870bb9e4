import random
import shutil
import subprocess
import time

import pytest
from lxml import etree

from cib import document, schema
from cib.upgrade import upgrade
from tests.shared_data import need

BASE = """<cib validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
<configuration>
<crm_config><cluster_property_set id="options">
<nvpair id="o1" name="stonith-enabled" value="false"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/></nodes>
<resources>{resources}<primitive id="a" class="ocf" provider="heartbeat" type="Dummy"/>
<primitive id="b" class="ocf" provider="heartbeat" type="Dummy"/></resources>
<constraints>{constraints}</constraints>{more}
</configuration>
<status/>
</cib>"""


def problems(resources="", constraints="", more=""):
    text = BASE.format(resources=resources, constraints=constraints, more=more)
    return schema.validate(document.parse(text))


def test_a_sound_configuration_has_no_problem():
    assert problems() == []
    assert schema.is_valid(document.empty())


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"resources": '<primitive id="1a" class="lsb" type="x"/>'}, "'1a': id"),
        ({"resources": '<primitive id="c" class="ocf" type="x"/>'}, "provider if the class is ocf"),
        ({"resources": '<primitive id="c" class="lsb" type="x" foo="1"/>'}, "attribute foo"),
        ({"resources": '<primitive id="c" template="t"/>'}, 'template="t" does not exist'),
        ({"resources": '<group id="g"/>'}, "'g': is empty; add <primitive>"),
        ({"resources": '<primitive id="a" class="lsb" type="x"/>'}, "id is also that of"),
        ({"resources": '<bundle id="g"><docker/></bundle>'}, "<docker>: has no attribute image"),
        ({"constraints": '<rsc_location id="l" rsc="a" node="n1"/>'}, "node with score or rules"),
        ({"constraints": '<rsc_location id="l" rsc="zz" node="n" score="1"/>'}, 'rsc="zz"'),
        ({"constraints": '<rsc_order id="o" first="a" then="b" kind="foo"/>'},
         "use Optional, Mandatory, Serialize"),
        ({"constraints": '<rsc_colocation id="c" rsc="a" with-rsc="b" score="1.5"/>'}, "integer"),
        ({"constraints": '<rsc_wish id="w"/>'}, "has no place in <constraints>"),
        ({"more": "<status/>"}, "has no place in <configuration>"),
        ({"more": '<fencing-topology><fencing-level id="f" target="n1" index="0" devices="a"/>'
                  "</fencing-topology>"}, "an integer from 1"),
    ],
)  # fmt: skip
def test_a_refusal_names_line_element_and_remedy(where, said):
    found = [p for p in problems(**where) if p.fatal]
    assert found and found[0].line >= 5
    assert said in str(found[0]) and found[0].remedy


def test_the_document_itself_must_be_a_cib():
    assert not schema.is_valid(document.parse("<resources/>"))
    assert not schema.is_valid(document.parse('<cib epoch="x" admin_epoch="0" num_updates="0"/>'))


def test_a_tag_that_names_nothing_is_only_a_warning():
    found = problems(more='<tags><tag id="t"><obj_ref id="zz"/></tag></tags>')
    assert [p.fatal for p in found] == [False]


@pytest.mark.reference
def test_every_reference_input_is_accepted_before_and_after_its_upgrade():
    count = 0
    for folder in ("scheduler-cases", "scheduler-cases-random"):
        for path in sorted(need(folder, "xml").glob("*.xml")):
            root = document.parse(path.read_bytes(), path.name)
            if root.get("validate-with") == "none":
                continue
            for tree in (root, upgrade(root).root):
                assert [str(p) for p in schema.validate(tree) if p.fatal] == [], path.name
            count += 1
    assert count > 1000


def spoil(root, rng):
    """Make one change that no schema can accept; says what it was."""
    elements = [e for e in root.find("configuration").iter(etree.Element) if e.get("id")]
    victim = rng.choice([e for e in elements if e.tag in ("primitive", "nvpair", "op")])
    kind = rng.choice(["attribute", "child", "no id", "twice"])
    if kind == "attribute":
        victim.set("unheard-of", "1")
    elif kind == "child":
        etree.SubElement(victim, "unheard-of")
    elif kind == "no id":
        del victim.attrib["id"]
    else:
        etree.SubElement(victim.getparent(), victim.tag, dict(victim.attrib))
    return f"{kind} {victim.tag}"


@pytest.mark.reference
@pytest.mark.interop
@pytest.mark.skipif(shutil.which("crm_verify") is None, reason="crm_verify is not installed")
def test_spoilt_reference_inputs_are_refused_as_the_installed_crm_verify_does(tmp_path):
    rng = random.Random(7)
    paths = sorted(need("scheduler-cases", "xml").glob("*.xml"))
    for path in rng.sample(paths, 12):
        root = document.parse(path.read_bytes())
        root.set("validate-with", "pacemaker-3.9")
        kind = spoil(root, rng)
        spoilt = tmp_path / path.name
        spoilt.write_bytes(document.to_bytes(root))
        assert not schema.is_valid(document.parse(spoilt.read_bytes())), (path.name, kind)
        said = subprocess.run(["crm_verify", "-x", str(spoilt)], capture_output=True, check=False)
        assert said.returncode == 78, (path.name, kind)


def test_a_huge_status_is_not_walked_and_the_document_stays_whole():
    states = "".join(f'<node_state id="x{n}" uname="x{n}"/>\n' for n in range(50_000))
    text = BASE.format(resources="", constraints="", more="").replace(
        "<status/>", f"<status>{states}</status>"
    )
    root = document.parse(text)
    before = etree.tostring(root)
    began = time.process_time()
    assert schema.validate(root) == []
    assert time.process_time() - began < 2.0  # the validator itself needs 7 s for them
    assert etree.tostring(root) == before
