"""The configuration being edited: a copy of the CIB, changed in memory until it is committed.

A commit checks, then sends the difference; if the CIB has changed meanwhile it merges what does
not conflict, and refuses with the names of what does.  Facts: cli.md section 7.1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from lxml import etree

from cib.document import compact, parse, to_text
from cli.command_line import CommandError
from cli.configure import language, tree
from cli.configure.ids import free_id
from cli.configure.tree import TreeError
from cli.exits import Exit
from cli.source import open_source

if TYPE_CHECKING:
    from cli.source import Source

CLIENT = "crm configure"
ATTEMPTS = 10
"""How often a commit starts over because the status changed under it."""


class Conflict(CommandError):
    """Somebody else changed the same objects."""

    def __init__(self, names: Sequence[str]) -> None:
        text = (
            f"the CIB was changed meanwhile in the same place: {', '.join(names)}; "
            "'refresh' takes the present one (your changes are lost), 'commit force' overrides it"
        )
        super().__init__(Exit.OLD, text)


class Editor:
    """One editing session."""

    def __init__(self, env: Mapping[str, str], stdin: TextIO) -> None:
        self.env = env
        self.source: Source = open_source(env, stdin)
        self.base = self._read()
        self.tree = copy.deepcopy(self.base)

    def _read(self) -> etree._Element:
        from cib.operations import Call, Request

        answer = self.source.perform(Request(Call.QUERY, client=CLIENT))
        if answer.rc is not Exit.OK or answer.xml is None:
            raise CommandError(answer.rc, answer.error or answer.rc.words)
        return parse(answer.xml, self.source.name)

    def refresh(self) -> None:
        """Forget all changes and take the present CIB."""
        self.base = self._read()
        self.tree = copy.deepcopy(self.base)

    @property
    def is_changed(self) -> bool:
        """Whether there is something to commit."""
        return _configuration(self.base) != _configuration(self.tree)

    def changed_names(self) -> list[str]:
        """Objects that differ from the CIB as it was read."""
        before = {tree.object_id(e): compact(language.flat(e)) for _, e in tree.objects(self.base)}
        return [
            tree.object_id(e)
            for _, e in tree.objects(self.tree)
            if before.get(tree.object_id(e)) != compact(language.flat(e))
        ]

    # --- changes ----------------------------------------------------------------------------

    def node_names(self) -> list[str]:
        """Names of the nodes in the edited configuration."""
        return [e.get("uname", "") for e in self.tree.iterfind("configuration/nodes/node")]

    def create(self, words: Sequence[str]) -> list[str]:
        """A new object from its words, or options added to a set; what else was changed."""
        where, element = language.parse(words, self.node_names())
        if where in ("crm_config", "rsc_defaults", "op_defaults") and words[0] != "xml":
            tree.merge_options(self.tree, where, element)
            return []
        name = tree.object_id(element)
        found = tree.find(self.tree, name)
        replaceable = element.tag in ("node", "fencing-topology", "acl_target", "acl_group")
        if found is not None and not (replaceable or words[0] == "xml"):
            raise TreeError(
                f"Cannot create {element.tag} with ID '{name}': Found existing {found[1].tag} "
                "with same ID."
            )
        if found is None and name in tree.ids(self.tree) and element.tag != "node":
            raise TreeError(f"id '{name}' is in use already")
        if found is not None and element.tag == "node":
            self._merge_node(found[1], element)
            return []
        return self._as_one(lambda: tree.put(self.tree, where, element, retarget=True))

    def _merge_node(self, old: etree._Element, new: etree._Element) -> None:
        """`node` for a node that exists adds to it; its id stays."""
        from cli.configure.ids import give_ids

        for held in list(new):
            same = old.find(str(held.tag))
            if same is None:
                old.append(held)
                continue
            for pair in list(held.iterfind("nvpair")):
                like = [p for p in same if p.get("name") == pair.get("name")]
                if like:
                    like[0].set("value", pair.get("value", ""))
                else:
                    same.append(pair)
        if new.get("type") is not None:
            old.set("type", new.get("type", ""))
        give_ids(old, tree.ids(self.tree))

    def replace(self, words: Sequence[str]) -> None:
        """An object from its words, in the place of the one with its id."""
        where, element = language.parse(words, self.node_names())
        found = tree.find(self.tree, tree.object_id(element))
        if found is not None and element.tag == "node":
            element.set("id", found[1].get("id", ""))
        self._as_one(lambda: tree.put(self.tree, where, element, retarget=False))

    def _as_one(self, change: Callable[[], list[str]]) -> list[str]:
        """A change is made whole or not at all."""
        kept = copy.deepcopy(self.tree)
        try:
            return change()
        except CommandError:
            self.tree = kept
            raise

    def delete(self, names: Sequence[str], force: bool) -> list[str]:
        """Delete objects; what else was changed.  Refuses what runs, unless forced."""
        for name in names:
            if tree.find(self.tree, name) is None:
                raise TreeError(f"object {name} does not exist{self._nearest(name)}")
        running = [] if force else [n for n in names if self._runs(n)]
        if running:
            raise CommandError(
                Exit.UNSAFE,
                f"resource {', '.join(running)} is running, can't delete it; stop it first, "
                "or use --force",
            )
        told: list[str] = []
        for name in tree.delete_order(self.tree, list(names)):
            if tree.find(self.tree, name) is not None:
                told += tree.delete(self.tree, name)
        return told

    def _nearest(self, name: str) -> str:
        from cli.crm.levels import nearest

        return nearest(name, [tree.object_id(e) for _, e in tree.objects(self.tree)])

    def _runs(self, name: str) -> bool:
        """Whether the status says that a resource is active somewhere."""
        if tree.find_resource(self.tree, name) is None:
            return False
        if self.base.find("status/node_state") is None:
            return False
        from cli.resource.context import find
        from cli.status.reading import CibRead
        from cli.status.view import view

        found = find(view(CibRead(copy.deepcopy(self.base))), name)
        return found is not None and found.is_active()

    def rename(self, old: str, new: str) -> list[str]:
        """Rename an object."""
        return self._as_one(lambda: tree.rename(self.tree, old, new))

    def add_monitor(self, args: Sequence[str]) -> None:
        """`monitor RSC[:ROLE] INTERVAL[:TIMEOUT]`; raises TreeError."""
        from cli.configure.resources import add_monitor
        from cli.configure.words import Words

        rsc, op = add_monitor(Words(["monitor", *args]))
        element = tree.find_resource(self.tree, rsc)
        if element is None or element.tag != "primitive":
            raise TreeError(f"{rsc} is no primitive{self._nearest(rsc)}")
        held = element.find("operations")
        if held is None:
            held = etree.SubElement(element, "operations")
        op.set("id", free_id(f"{rsc}-monitor-{op.get('interval')}", tree.ids(self.tree)))
        held.append(op)

    def change_group(
        self, name: str, *, add: str = "", remove: str = "", place: str = "", beside: str = ""
    ) -> None:
        """Put a resource into a group or take it out; raises TreeError."""
        element = tree.find_resource(self.tree, name)
        if element is None or element.tag != "group":
            raise TreeError(f"{name} is no group{self._nearest(name)}")
        members = [c.get("id", "") for c in element.iterfind("primitive")]
        if remove:
            if remove not in members:
                raise TreeError(f"configure.modgroup: {remove} is not member of {name}")
            members.remove(remove)
        else:
            at = len(members)
            if place:
                if beside not in members:
                    raise TreeError(f"configure.modgroup: {beside} is not member of {name}")
                at = members.index(beside) + (place == "after")
            members.insert(at, add)
        if not members:
            self.delete([name], force=True)
            return
        text = language.show("resources", element)
        words = language.split(text)
        kept = [w for w in words[2 + len(list(element.iterfind("primitive"))) :]]
        self.replace(["group", name, *members, *kept])

    def set_value(self, path: str, value: str) -> None:
        """`ID.NAME VALUE`: change one value of an object; raises TreeError."""
        name, dot, key = path.rpartition(".")
        found = tree.find(self.tree, name) if dot else None
        if found is None:
            raise TreeError(f"'{path}': want ID.NAME, and an object of that id")
        element = found[1]
        if key in element.attrib and key != "id":
            element.set(key, value)
            return
        for pair in element.iter("nvpair"):
            if pair.get("name") == key:
                pair.set("value", value)
                return
        raise TreeError(f"'{key}' is not set in {name}; add it with 'edit' or 'resource param'")

    def maintenance_settings(self) -> list[tuple[str, Callable[[], None]]]:
        """Objects that have a maintenance attribute, each with the act of removing it."""
        found: list[tuple[str, Callable[[], None]]] = []
        for where, element in sorted(tree.objects(self.tree), key=lambda x: tree.object_id(x[1])):
            if where not in ("resources", "nodes"):
                continue
            tag = "instance_attributes" if where == "nodes" else "meta_attributes"
            for pair in element.iterfind(f"{tag}/nvpair"):
                if pair.get("name") == "maintenance":
                    found.append((tree.object_id(element), _removal(pair)))
        return found

    def change_texts(self, before: str, after: str) -> None:
        """Objects shown as `before` are now as in `after`; what is missing there is deleted.

        All of it or nothing; raises CommandError.
        """
        kept = copy.deepcopy(self.tree)
        try:
            old = [language.parse(language.split(line)) for _, line in logical_lines(before)]
            given = set(self.load_objects(after, "the edited text"))
            gone = [n for n in (tree.object_id(e) for _, e in old) if n not in given]
            for name in tree.delete_order(self.tree, gone):
                if tree.find(self.tree, name) is not None:
                    tree.delete(self.tree, name)
        except CommandError:
            self.tree = kept
            raise

    def erase(self, nodes: bool) -> None:
        """Empty the configuration; the nodes stay unless they are what is meant."""
        configuration = self.tree.find("configuration")
        if configuration is None:
            return
        for held in list(configuration):
            if (held.tag == "nodes") == nodes:
                for child in list(held):
                    held.remove(child)
                if held.tag not in ("crm_config", "nodes", "resources", "constraints"):
                    configuration.remove(held)

    def load(self, text: str, method: str, name: str) -> None:
        """Take over a whole text: XML or commands; `update` changes, `replace` and `push` start
        from nothing (`push` keeps the nodes' attributes out of it)."""
        kept = copy.deepcopy(self.tree)
        try:
            if method in ("replace", "push"):
                self.erase(False)
                if method == "replace":
                    self._clear_nodes()
            if text.lstrip().startswith("<"):
                self._load_xml(text, name)
            else:
                self.load_objects(text, name)
        except CommandError:
            self.tree = kept
            raise

    def _clear_nodes(self) -> None:
        for element in self.tree.iterfind("configuration/nodes/node"):
            for child in list(element):
                element.remove(child)

    def _load_xml(self, text: str, name: str) -> None:
        from cib.document import DocumentError

        try:
            given = parse(text, name)
        except DocumentError as problem:
            raise CommandError(Exit.DATAERR, str(problem)) from problem
        root = given if given.tag == "cib" else None
        if root is None:
            root = etree.Element("cib")
            root.append(given)
        for where, element in list(tree.objects(root)):
            outer = element.getparent()
            if where == "resources" and outer is not None and outer.tag != "resources":
                continue
            held = tree.section(self.tree, where)
            assert held is not None
            if where == "fencing-topology":
                parent = held.getparent()
                assert parent is not None
                parent.replace(held, copy.deepcopy(element))
                continue
            old = next((e for e in held if e.get("id") == element.get("id")), None)
            if old is not None:
                held.replace(old, copy.deepcopy(element))
            else:
                held.append(copy.deepcopy(element))

    def load_objects(self, text: str, name: str, keep: set[str] | None = None) -> list[str]:
        """Objects in the language, in any order; the ids found."""
        parsed = []
        for number, line in logical_lines(text):
            try:
                words = language.split(line)
                if words:
                    parsed.append((number, words, language.parse(words, self.node_names())))
            except ValueError as problem:
                raise CommandError(Exit.DATAERR, f"{number}: {name}: {problem}") from problem
            except CommandError as problem:
                raise CommandError(problem.code, f"{number}: {problem}") from problem
        order = {"primitive": 1, "template": 0, "bundle": 2, "group": 3, "clone": 4, "master": 4}
        parsed.sort(key=lambda entry: order.get(str(entry[2][1].tag), 5))
        self._free_members([e for _, _, (_, e) in parsed])
        for _, _, (where, element) in parsed:
            found = tree.find(self.tree, tree.object_id(element))
            if found is not None and element.tag == "node":
                element.set("id", found[1].get("id", ""))
            tree.put(self.tree, where, element, retarget=False)
        return [tree.object_id(e) for _, _, (_, e) in parsed]

    def _free_members(self, given: list[etree._Element]) -> None:
        """Before collectives are put anew, their present members are let go."""
        collectives = [e for e in given if e.tag in tree.COLLECTIVES]
        claimed: dict[str, str] = {}
        for element in collectives:
            for member in element.iterfind("member"):
                name, holder = member.get("id", ""), element.get("id", "")
                if name in claimed and claimed[name] != holder:
                    raise TreeError(
                        f"Cannot create {element.tag}:{holder}: Child {name} already in "
                        f"{claimed[name]}"
                    )
                claimed[name] = holder
        held = tree.section(self.tree, "resources")
        assert held is not None
        for element in collectives:
            old = tree.find_resource(self.tree, element.get("id", ""))
            if old is not None:
                for child in [c for c in old if c.tag in language.RESOURCES]:
                    old.remove(child)
                    held.append(child)

    # --- committing -------------------------------------------------------------------------

    def errors(self) -> list[str]:
        """What the schema says against committing this."""
        from cib import schema

        return [str(p) for p in schema.validate(self.tree) if p.fatal]

    def warnings(self) -> list[str]:
        """What a person should look at, though it may be committed."""
        from cli.configure.checks import check

        return check(self.tree)

    def commit(self, force: bool = False) -> None:
        """Send the changes.  Raises Conflict, or CommandError with the refusal's words."""
        from cib import patch
        from cib.operations import Call, Request

        for _ in range(ATTEMPTS):
            present = self._read()
            wanted = self._merged(present, force)
            change = patch.make(present, _counted(wanted))
            if change is None:
                self.refresh()
                return
            request = Request(Call.PATCH, xml=to_text(change), client=CLIENT)
            answer = self.source.perform(request)
            if answer.rc is Exit.OK:
                self.refresh()
                return
            if answer.rc not in (Exit.OLD, Exit.DIGEST):
                said = "\n".join(answer.problems) or answer.error or answer.rc.words
                raise CommandError(answer.rc, said)
        raise CommandError(Exit.TEMPFAIL, "the CIB keeps changing; try again")

    def _merged(self, present: etree._Element, force: bool) -> etree._Element:
        """The present CIB with our configuration, or with our changes made to its own."""
        wanted = copy.deepcopy(present)
        if _configuration(present) == _configuration(self.base) or force:
            _put_configuration(wanted, self.tree)
            return wanted
        ours, theirs = _changes(self.base, self.tree), _changes(self.base, present)
        both = sorted(name for name in ours if name in theirs and ours[name] != theirs[name])
        if both:
            raise Conflict([name for _, name in both])
        for (where, name), text in sorted(ours.items()):
            held = tree.section(wanted, where)
            assert held is not None
            for element in list(held):
                if element.get("id") == name:
                    held.remove(element)
            if text is not None:
                held.append(parse(text, name))
        return wanted


def _removal(pair: etree._Element) -> Callable[[], None]:
    def remove() -> None:
        held = pair.getparent()
        assert held is not None
        held.remove(pair)
        outer = held.getparent()
        if len(held) == 0 and outer is not None:
            outer.remove(held)

    return remove


def _configuration(root: etree._Element) -> bytes:
    found = root.find("configuration")
    return b"" if found is None else compact(found)


def _counted(root: etree._Element) -> etree._Element:
    """The document as it will be numbered after the change."""
    root.set("epoch", str(int(root.get("epoch", "0")) + 1))
    root.set("num_updates", "0")
    return root


def _put_configuration(root: etree._Element, source: etree._Element) -> None:
    old, new = root.find("configuration"), source.find("configuration")
    assert old is not None and new is not None
    root.replace(old, copy.deepcopy(new))


def _changes(old: etree._Element, new: etree._Element) -> dict[tuple[str, str], bytes | None]:
    """What was added, changed (its text) or deleted (None) below the sections."""
    before, after = _texts(old), _texts(new)
    return {key: after.get(key) for key in {*before, *after} if before.get(key) != after.get(key)}


def _texts(root: etree._Element) -> dict[tuple[str, str], bytes]:
    texts = {}
    for held in root.iterfind("configuration/*"):
        for element in held:
            if isinstance(element.tag, str):
                texts[(str(held.tag), element.get("id", ""))] = compact(element)
    return texts


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers; `\\` continues, `#` at the beginning is a comment."""
    lines: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        start = start or number
        stripped = raw.strip()
        if stripped.startswith("#"):
            if not pending:
                start = 0
            continue
        if stripped.endswith("\\"):
            pending += stripped[:-1] + " "
            continue
        if pending + stripped:
            lines.append((start, pending + stripped))
        pending, start = "", 0
    if pending.strip():
        lines.append((start, pending))
    return lines
