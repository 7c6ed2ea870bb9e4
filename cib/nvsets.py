"""Name/value sets: which value an attribute has after all blocks of an element are merged.

It does not know what the values mean.  Facts: scheduler-1-assignment.md 5.1: a higher score
wins; between blocks of equal score the last in the document wins; inside a block the first pair
of a name wins; the value `#default` removes what the name had so far.

`compile_sets` does the document's part once; `merge` is cheap and may be called per node.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from lxml import etree

from cib import rules, scores
from cib.refs import References
from cib.rules import RuleInput
from cib.scores import NO_HEALTH, HealthScores


@dataclass(frozen=True, slots=True)
class Block:
    """One set: its id, its score, its rule if it has one, and its pairs in document order."""

    id: str
    score: int
    rule: etree._Element | None
    pairs: tuple[tuple[str, str], ...]


NO_BLOCKS: tuple[Block, ...] = ()


def compile_sets(
    parent: etree._Element,
    set_tag: str,
    refs: References | None = None,
    *,
    first_id: str | None = None,
    health: HealthScores = NO_HEALTH,
) -> tuple[Block, ...]:
    """The `set_tag` children of an element in order of precedence, references resolved.

    The set with id `first_id` precedes all others whatever their scores.
    """
    blocks = []
    for child in parent.iterchildren(set_tag):
        resolved = refs.resolve(child) if refs is not None else child
        if resolved is not None:
            blocks.append(_compile(resolved, refs, health))
    if len(blocks) < 2:
        return tuple(blocks)
    blocks.reverse()
    blocks.sort(key=lambda b: (b.id != first_id, -b.score))
    return tuple(blocks)


def _compile(block: etree._Element, refs: References | None, health: HealthScores) -> Block:
    rule = block.find("rule")
    holder = block
    first = next(block.iterchildren(etree.Element), None)
    if first is not None and first.tag == "attributes":
        holder = first
    pairs = []
    for nvpair in holder.iterchildren("nvpair"):
        resolved = refs.resolve(nvpair) if refs is not None else nvpair
        if resolved is None:
            continue
        name, value = nvpair.get("name") or resolved.get("name"), resolved.get("value")
        if name is not None and value is not None:
            pairs.append((name, value))
    score = scores.parse(block.get("score"), 0, health)
    return Block(block.get("id", ""), score, rule, tuple(pairs))


def merge(
    blocks: Sequence[Block],
    given: RuleInput,
    into: MutableMapping[str, str],
    *,
    overwrite: bool = False,
) -> None:
    """Add the pairs of the blocks whose rules pass to `into`.

    Names that `into` has already stay as they are, unless `overwrite`: then the merged result
    of these blocks replaces them.
    """
    target: MutableMapping[str, str] = {} if overwrite else into
    for block in blocks:
        if block.rule is not None and not rules.passes(block.rule, given):
            continue
        for name, value in block.pairs:
            if value[:1] == "#" and value.lower() == "#default":
                target.pop(name, None)
            elif name not in target:
                target[name] = value
    if overwrite:
        into.update(target)


def unpack(
    parent: etree._Element,
    set_tag: str,
    given: RuleInput,
    into: MutableMapping[str, str],
    *,
    overwrite: bool = False,
    first_id: str | None = None,
    health: HealthScores = NO_HEALTH,
) -> None:
    """`compile_sets` and `merge` in one step, for sets that are looked at once."""
    blocks = compile_sets(parent, set_tag, given.refs, first_id=first_id, health=health)
    if blocks:
        merge(blocks, given, into, overwrite=overwrite)


def depends_on_rules(blocks: Sequence[Block]) -> bool:
    """Whether the merged result can differ between nodes or instants."""
    return any(block.rule is not None for block in blocks)
