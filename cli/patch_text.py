"""A patch of the CIB as people read it: `+`, `-`, `++`, `--`, `+~` lines.

Facts: the recorded `crm_shadow` cases and the installed tool's output.
"""

from __future__ import annotations

from lxml import etree


def patch_text(patch: etree._Element) -> str:
    """The lines of a v2 patch, versions first."""
    lines = []
    version = patch.find("version")
    if version is not None:
        source, target = version.find("source"), version.find("target")
        lines.append(f"Diff: --- {_version(source)} {patch.get('format', '2')}")
        lines.append(f"Diff: +++ {_version(target)} {patch.get('digest') or '(no digest)'}")
    for change in patch.iterfind("change"):
        lines += _change(change)
    return "".join(f"{line}\n" for line in lines)


def _version(element: etree._Element | None) -> str:
    if element is None:
        return "0.0.0"
    return ".".join(element.get(n, "0") for n in ("admin_epoch", "epoch", "num_updates"))


def _change(change: etree._Element) -> list[str]:
    path, operation = change.get("path", ""), change.get("operation")
    if operation == "delete":
        position = change.get("position")
        return [f"-- {path}" + (f" ({position})" if position is not None else "")]
    if operation == "move":
        return [f"+~ {path} moved to offset {change.get('position')}"]
    if operation == "create":
        return [line for child in change for line in _created(path, child)]
    lines = []
    attributes = list(change.iterfind("change-list/change-attr"))
    put = [f"@{a.get('name')}={a.get('value')}" for a in attributes if a.get("operation") == "set"]
    gone = [f"@{a.get('name')}" for a in attributes if a.get("operation") == "unset"]
    if put:
        lines.append(f"+  {path}:  {', '.join(put)}")
    if gone:
        lines.append(f"-- {path}:  {', '.join(gone)}")
    return lines


def _created(path: str, element: etree._Element) -> list[str]:
    from cib.document import to_text

    first, *rest = to_text(element).rstrip("\n").split("\n")
    indent = " " * (len(path) + 3)
    return [f"++ {path}:  {first}", *(f"++ {indent}{line}" for line in rest)]
