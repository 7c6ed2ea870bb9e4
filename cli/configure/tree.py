"""Objects in a configuration tree: find, put in place, delete, rename.

Works on the tree given and tells what it changed besides what was asked for.  It knows no CIB
source and no words.  Facts: cli.md section 7.1 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from cli.command_line import CommandError
from cli.configure.ids import give_ids, keep_ids
from cli.configure.language import RESOURCES
from cli.exits import Exit

COLLECTIVES = ("group", "clone", "master", "bundle")
SECTIONS = (
    "crm_config", "nodes", "resources", "constraints", "fencing-topology", "tags", "acls",
    "alerts", "rsc_defaults", "op_defaults",
)  # fmt: skip
TOPOLOGY = "fencing_topology"
_REFERENCES = ("rsc", "with-rsc", "first", "then")


class TreeError(CommandError):
    """The change makes no sense in this configuration."""

    def __init__(self, text: str) -> None:
        super().__init__(Exit.ERROR, text)


def section(root: etree._Element, name: str, *, make: bool = True) -> etree._Element | None:
    """A section of the configuration, made where it is missing."""
    configuration = root.find("configuration")
    if configuration is None:
        raise TreeError("the CIB has no configuration; start from 'cibadmin --empty'")
    found = configuration.find(name)
    if found is None and make:
        found = etree.SubElement(configuration, name)
    return found


def objects(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """Every object with its section, resources inside others too, in document order."""
    for name in SECTIONS:
        held = section(root, name, make=False)
        if held is None:
            continue
        if name == "fencing-topology":
            if len(held):
                yield name, held
            continue
        for element in held:
            if not isinstance(element.tag, str):
                continue
            yield name, element
            if name == "resources":
                for inner in element.iterdescendants(*RESOURCES):
                    yield name, inner


def object_id(element: etree._Element) -> str:
    """What a person calls an object: its id, a node its name."""
    if element.tag == "fencing-topology":
        return TOPOLOGY
    if element.tag == "node":
        return element.get("uname", element.get("id", ""))
    return element.get("id", "")


def find(root: etree._Element, name: str) -> tuple[str, etree._Element] | None:
    """The object of that id."""
    for where, element in objects(root):
        if object_id(element) == name:
            return where, element
    return None


def find_resource(root: etree._Element, name: str) -> etree._Element | None:
    """The resource of that id; None for other objects."""
    found = find(root, name)
    return found[1] if found is not None and found[1].tag in RESOURCES else None


def ids(root: etree._Element) -> set[str]:
    """Every id in the configuration."""
    configuration = root.find("configuration")
    if configuration is None:
        return set()
    skipped = ("resource_ref", "obj_ref", "role", "member")
    return {e.get("id", "") for e in configuration.iter() if e.tag not in skipped}


# --- putting an object in place -------------------------------------------------------------


def put(root: etree._Element, where: str, new: etree._Element, *, retarget: bool) -> list[str]:
    """Put an object in the place of the one with its id, or add it; what else was changed.

    Members of a collective are moved into it.  With `retarget`, constraints on a resource that
    becomes part of a new collective are moved to that.  Raises TreeError.
    """
    held = section(root, where)
    assert held is not None
    found = find(root, object_id(new))
    old = None if found is None else found[1]
    if old is not None and found is not None and (found[0] != where or _differ(old, new)):
        raise TreeError(f"{object_id(new)}: there is a {old.tag} of that id; delete it first")
    members = _members(root, new, old)
    resolve_references(root, new)
    if old is not None:
        keep_ids(new, old)
    give_ids(new, ids(root) - _own_ids(old))
    if where == "fencing-topology":
        _replace_children(held, new)
        return []
    told: list[str] = []
    outer = old.getparent() if old is not None else held
    assert outer is not None
    _release(held, old, members)
    for member in members:
        _detach(member, old)
        new.append(member)
    if old is not None and old.getparent() is not None:
        new.tail = old.tail
        outer.replace(old, new)
    else:
        held.append(new)
        if retarget and members:
            for member in members:
                told += _retarget(root, member.get("id", ""), new.get("id", ""))
    return told


def _differ(old: etree._Element, new: etree._Element) -> bool:
    return old.tag != new.tag and {str(old.tag), str(new.tag)} != {"clone", "master"}


def _own_ids(old: etree._Element | None) -> set[str]:
    return set() if old is None else {e.get("id", "") for e in old.iter()}


def _members(
    root: etree._Element, new: etree._Element, old: etree._Element | None
) -> list[etree._Element]:
    """The resources that a collective's references mean; the references go."""
    members = []
    for reference in list(new.iterfind("member")):
        name = reference.get("id", "")
        new.remove(reference)
        child = find_resource(root, name)
        if child is None:
            raise TreeError(f"{new.get('id')} refers to missing object {name}")
        if new.tag == "group" and child.tag != "primitive":
            raise TreeError(f"a group may contain only primitives; {name} is {child.tag}")
        if new.tag in ("clone", "master") and child.tag not in ("primitive", "group"):
            raise TreeError(f"a clone contains a primitive or a group; {name} is {child.tag}")
        outer = child.getparent()
        if outer is not None and outer.tag in COLLECTIVES and outer is not old:
            raise TreeError(
                f"Cannot create {new.tag}:{new.get('id')}: Child {child.tag}:{name} already in "
                f"{outer.tag}:{outer.get('id')}"
            )
        members.append(child)
    return members


def _release(
    held: etree._Element, old: etree._Element | None, members: list[etree._Element]
) -> None:
    """Resources that leave a collective become resources of their own, right behind it."""
    if old is None:
        return
    place = old
    while place.getparent() is not held and place.getparent() is not None:
        up = place.getparent()
        assert up is not None
        place = up
    for child in [c for c in old if c.tag in RESOURCES and c not in members]:
        old.remove(child)
        place.addnext(child)
        place = child


def _detach(member: etree._Element, old: etree._Element | None) -> None:
    outer = member.getparent()
    if outer is not None:
        outer.remove(member)


def _replace_children(held: etree._Element, new: etree._Element) -> None:
    for child in list(held):
        held.remove(child)
    for child in list(new):
        held.append(child)


def merge_options(root: etree._Element, where: str, new: etree._Element) -> None:
    """Set properties or defaults in the set of that id, or add the set."""
    held = section(root, where)
    assert held is not None
    old = next((e for e in held if e.get("id") == new.get("id")), None)
    if old is None:
        give_ids(new, ids(root))
        held.append(new)
        return
    for pair in list(new):
        like = [p for p in old.iterfind("nvpair") if p.get("name") == pair.get("name")]
        if pair.tag == "nvpair" and like:
            like[0].set("value", pair.get("value", ""))
        else:
            old.append(pair)
    if new.get("score") is not None:
        old.set("score", new.get("score", ""))
    give_ids(old, ids(root))


def resolve_references(root: etree._Element, new: etree._Element) -> None:
    """`$id-ref=` may name the object that holds what is meant: put the real id there."""
    for part in new.iter("rule", "operations", "instance_attributes", "meta_attributes"):
        wanted = part.get("id-ref")
        if wanted is None:
            continue
        for element in root.iter(str(part.tag)):
            if element.get("id") == wanted:
                break
        else:
            found = find(root, wanted)
            inner = None if found is None else found[1].find(str(part.tag))
            if inner is not None and inner.get("id"):
                part.set("id-ref", inner.get("id", ""))


# --- constraints ----------------------------------------------------------------------------


def _constraints(root: etree._Element) -> Iterator[etree._Element]:
    held = section(root, "constraints", make=False)
    if held is not None:
        yield from (e for e in held if isinstance(e.tag, str))


def referring(root: etree._Element, rsc: str) -> list[etree._Element]:
    """The constraints that name a resource."""
    found = []
    for element in _constraints(root):
        names = {element.get(key) for key in _REFERENCES}
        names |= {ref.get("id") for ref in element.iter("resource_ref")}
        if rsc in names:
            found.append(element)
    return found


def _retarget(root: etree._Element, old: str, new: str) -> list[str]:
    """Let every constraint on `old` name `new`; a sentence for each."""
    told = []
    for element in referring(root, old):
        for key in _REFERENCES:
            if element.get(key) == old:
                element.set(key, new)
        for reference in element.iter("resource_ref"):
            if reference.get("id") == old:
                reference.set("id", new)
        told.append(f"modified {_called(element)} from {old} to {new}")
    return told


def _called(element: etree._Element) -> str:
    """`location:l1`."""
    return f"{str(element.tag).removeprefix('rsc_')}:{element.get('id')}"


def _drop_references(root: etree._Element, rsc: str) -> list[str]:
    """Take a resource out of constraints and tags; constraints that would hang go."""
    told = []
    for element in referring(root, rsc):
        holder = element.getparent()
        assert holder is not None
        for reference in list(element.iter("resource_ref")):
            outer = reference.getparent()
            if reference.get("id") == rsc and outer is not None:
                outer.remove(reference)
                if len(outer) == 0:
                    element.remove(outer)
        named = any(element.get(key) == rsc for key in _REFERENCES)
        left = list(element.iter("resource_ref"))
        pairless = element.tag in ("rsc_colocation", "rsc_order") and len(left) < 2
        if named or not left or pairless:
            holder.remove(element)
            told.append(f"hanging {_called(element)} deleted")
        else:
            told.append(f"constraint {_called(element)} updated")
    tags = section(root, "tags", make=False)
    for tag in list(tags) if tags is not None else ():
        for reference in list(tag):
            if reference.get("id") == rsc:
                tag.remove(reference)
        if len(tag) == 0 and tags is not None:
            tags.remove(tag)
            told.append(f"tag {tag.get('id')} is empty: deleted")
    return told


# --- deleting and renaming ------------------------------------------------------------------


def delete(root: etree._Element, name: str) -> list[str]:
    """Delete an object; what else was changed.  Raises TreeError if there is none.

    What a collective holds stays; a group or clone that becomes empty goes too.
    """
    found = find(root, name)
    if found is None:
        raise TreeError(f"object {name} does not exist")
    where, element = found
    if where == "fencing-topology":
        _remove(element)
        return []
    if where != "resources" or element.tag == "template":
        _remove(element)
        return []
    return _delete_resource(root, element)


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def _delete_resource(root: etree._Element, element: etree._Element) -> list[str]:
    told: list[str] = []
    name = element.get("id", "")
    outer = element.getparent()
    assert outer is not None
    children = [c for c in element if c.tag in RESOURCES]
    if outer.tag in ("clone", "master") and element.tag == "group":
        told += _delete_resource(root, outer)  # the clone goes, the group stays for now
        outer = element.getparent()
        assert outer is not None
    if children:
        told += _retarget(root, name, children[0].get("id", ""))
        place = element
        for child in children:
            place.addnext(child)
            place = child
        told += [t for t in _drop_references(root, name) if not t.startswith("hanging")]
        _remove(element)
        return told
    told += _drop_references(root, name)
    outer.remove(element)
    if outer.tag in COLLECTIVES and not any(c.tag in RESOURCES for c in outer):
        if outer.tag != "bundle":
            told += _delete_resource(root, outer)
    return told


def delete_order(root: etree._Element, names: list[str]) -> list[str]:
    """Names in the order that deletes collectives before what they hold."""

    def depth(name: str) -> int:
        found = find(root, name)
        return 0 if found is None else -sum(1 for _ in found[1].iterdescendants(*RESOURCES))

    return sorted(dict.fromkeys(names), key=depth)


def rename(root: etree._Element, old: str, new: str) -> list[str]:
    """Give an object another id; automatic ids of its parts follow.  Raises TreeError."""
    found = find(root, old)
    if found is None:
        raise TreeError(f"object {old} does not exist")
    if find(root, new) is not None or new in ids(root):
        raise TreeError(f"object {new} exists already")
    _, element = found
    if element.tag in ("node", "fencing-topology"):
        raise TreeError(f"a {element.tag} cannot be renamed")
    element.set("id", new)
    for part in element.iterdescendants():
        name = part.get("id", "")
        inner = next((a for a in part.iterancestors(*RESOURCES)), element)
        if part.tag not in RESOURCES and inner is element and name.startswith(f"{old}-"):
            part.set("id", new + name[len(old) :])
    told = _retarget(root, old, new)
    for reference in root.iterfind("configuration/tags/tag/obj_ref"):
        if reference.get("id") == old:
            reference.set("id", new)
    return told
