"""The CIB as a document: safe parsing, versions, sections, and the text it is written as.

It does not validate against a schema (`cib.schema`), change anything (`cib.operations`) nor
touch a disk (`cib.store`).  Facts: reliability.md section 8 (limits), cli.md section 6.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from lxml import etree

from cib import scores

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 128
MAX_ELEMENTS = 500_000

FEATURE_SET = "3.20.5"
DEFAULT_SCHEMA = "pacemaker-3.9"
"""What a new CIB says in `validate-with`: both Pacemaker 2.1 and 3 read it."""
NEW_FEATURE_SET = "3.16.1"
"""What a new CIB says in `crm_feature_set`: Pacemaker 2.1.5 changes no CIB with a newer one."""

CONFIGURATION_SECTIONS = (
    "crm_config", "nodes", "resources", "constraints", "rsc_defaults", "op_defaults", "acls",
    "fencing-topology", "tags", "alerts",
)  # fmt: skip
SECTIONS: dict[str, str] = {
    "cib": "",
    "configuration": "configuration",
    "status": "status",
    **{name: f"configuration/{name}" for name in CONFIGURATION_SECTIONS},
}
"""Section name -> path below the root, as lxml's `find` takes it."""


class DocumentError(ValueError):
    """A text is no acceptable XML document; `line` is where it stopped making sense, or 0."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The three counters of a CIB, most significant first."""

    admin_epoch: int = 0
    epoch: int = 0
    num_updates: int = 0

    def __str__(self) -> str:
        return f"{self.admin_epoch}.{self.epoch}.{self.num_updates}"


def safe_parser() -> etree.XMLParser:
    """The parser for everything that comes from outside: no entities, no network, no huge trees."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_pis=True,
        strip_cdata=True,
    )


def parse(data: bytes | str, source: str = "XML") -> etree._Element:
    """The root element of an XML text, blanks between elements removed.

    `source` names the text in messages.  Raises DocumentError for what is not well-formed, has a
    DOCTYPE, or exceeds a limit.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > MAX_BYTES:
        raise DocumentError(
            f"{source}: {len(raw)} bytes are more than the limit of {MAX_BYTES}; refused"
        )
    try:
        root = etree.fromstring(raw, safe_parser())
    except etree.XMLSyntaxError as problem:
        line = problem.lineno or 0
        raise DocumentError(f"{source} line {line}: {problem.msg}", line) from problem
    except ValueError as problem:
        raise DocumentError(f"{source}: {problem}") from problem
    if root.getroottree().docinfo.internalDTD is not None:
        raise DocumentError(f"{source}: a DOCTYPE is not accepted; remove it", 1)
    check_limits(root, source)
    strip_blanks(root)
    return root


def check_limits(root: etree._Element, source: str) -> None:
    """Raises DocumentError if a tree has too many elements or nests too deeply."""
    count, depth = 0, 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            count, depth = count + 1, depth + 1
            if depth > MAX_DEPTH:
                raise DocumentError(f"{source}: nested deeper than {MAX_DEPTH} levels; refused")
            if count > MAX_ELEMENTS:
                raise DocumentError(f"{source}: more than {MAX_ELEMENTS} elements; refused")
        else:
            depth -= 1


def strip_blanks(root: etree._Element) -> None:
    """Remove text that is only white space between elements."""
    for element in root.iter():
        if element.text and isinstance(element.tag, str) and not element.text.strip():
            element.text = None
        if element.tail and not element.tail.strip():
            element.tail = None


def to_text(element: etree._Element) -> str:
    """An element as people read it: two spaces per level, a newline at the end."""
    return etree.tostring(element, pretty_print=True, encoding="unicode", with_tail=False)


def to_bytes(element: etree._Element) -> bytes:
    """An element in the same form as `to_text`, in UTF-8."""
    return etree.tostring(element, pretty_print=True, encoding="utf-8", with_tail=False)


def compact(element: etree._Element) -> bytes:
    """An element without any formatting, in UTF-8."""
    return etree.tostring(element, encoding="utf-8", with_tail=False)


@functools.lru_cache(maxsize=4096)
def _counter(text: str) -> int:
    return scores.integer(text.strip()) if scores.is_number(text.strip()) else 0


def version_of(root: etree._Element) -> Version:
    """The version of a CIB; a counter that is missing or no number is 0."""
    return Version(
        _counter(root.get("admin_epoch", "0")),
        _counter(root.get("epoch", "0")),
        _counter(root.get("num_updates", "0")),
    )


def set_version(root: etree._Element, version: Version) -> None:
    """Write a version into a CIB in place."""
    root.set("admin_epoch", str(version.admin_epoch))
    root.set("epoch", str(version.epoch))
    root.set("num_updates", str(version.num_updates))


def section(root: etree._Element, name: str) -> etree._Element | None:
    """The element of a section (`resources`, `status`, ...); None if the document has none.

    Raises KeyError for a name that is no section.
    """
    path = SECTIONS[name]
    return root.find(path) if path else root


def empty(schema: str = DEFAULT_SCHEMA, version: Version = Version(0, 1, 0)) -> etree._Element:
    """A CIB without any content, for a new cluster."""
    root = etree.Element("cib")
    root.set("crm_feature_set", NEW_FEATURE_SET)
    root.set("validate-with", schema)
    set_version(root, version)
    configuration = etree.SubElement(root, "configuration")
    for name in ("crm_config", "nodes", "resources", "constraints"):
        etree.SubElement(configuration, name)
    etree.SubElement(root, "status")
    return root
