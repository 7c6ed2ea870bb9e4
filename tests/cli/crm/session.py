"""Run the crm shell in a test as a function call, on a CIB in a file."""

from __future__ import annotations

import io
from pathlib import Path

from lxml import etree

from cli.crm.main import main

CIB = """\
<cib crm_feature_set="3.19.0" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"/>
      </cluster_property_set>
    </crm_config>
    <nodes>
      <node id="1" uname="node1"/>
      <node id="2" uname="node2"/>
    </nodes>
    <resources>
      <primitive id="p1" class="ocf" provider="heartbeat" type="Dummy"/>
      <group id="g1">
        <primitive id="p2" class="ocf" provider="heartbeat" type="Dummy">
          <meta_attributes id="p2-m">
            <nvpair id="p2-m-target-role" name="target-role" value="Stopped"/>
          </meta_attributes>
        </primitive>
        <primitive id="p3" class="ocf" provider="heartbeat" type="Dummy"/>
      </group>
      <clone id="c1">
        <primitive id="p4" class="ocf" provider="heartbeat" type="Dummy"/>
      </clone>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""  # noqa: E501


class Session:
    """A CIB in a file and what the shell said."""

    def __init__(self, folder: Path, cib: str = CIB) -> None:
        self.path = folder / "cib.xml"
        self.path.write_text(cib)
        self.env = {"CIB_file": str(self.path), "HOME": str(folder), "TZ": "UTC"}
        self.out = self.err = ""

    def crm(self, *words: str, stdin: str = "") -> int:
        """Run `crm WORDS`; the status.  Output is kept in `out` and `err`."""
        out, err = io.StringIO(), io.StringIO()
        status = main(words, out, err, self.env, io.StringIO(stdin))
        self.out, self.err = out.getvalue(), err.getvalue()
        return status

    def cib(self) -> etree._Element:
        """The file as it is now."""
        return etree.fromstring(self.path.read_bytes())

    def values(self, name: str) -> dict[str, str]:
        """Owner of each nvpair of that name -> its value."""
        found = {}
        for pair in self.cib().iter("nvpair"):
            if pair.get("name") == name:
                held = pair.getparent()
                assert held is not None
                owner = held.getparent()
                assert owner is not None
                found[owner.get("id", str(owner.tag))] = pair.get("value", "")
        return found
