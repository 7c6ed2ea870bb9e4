"""haresources is read word for word as Heartbeat reads it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from crmd.haresources.parse import is_bare_address, parse
from tests.shared_data import need


def as_recorded(text: str) -> list[dict[str, object]]:
    return [
        {
            "node": line.node,
            "resources": [
                {
                    "word": w.word,
                    "canonical": w.canonical,
                    "script": w.script,
                    "arguments": w.arguments,
                }
                for w in line.resources
            ],
        }
        for line in parse(text).lines
    ]


def test_the_sixteen_recorded_files_give_the_same_words() -> None:
    cases = json.loads(need("cli-cases", "haresources", "parse.json").read_text())
    assert len(cases) == 16
    wrong = [c["name"] for c in cases if as_recorded(c["text"]) != c["lines"]]
    assert wrong == []


def test_every_word_knows_its_line_and_column() -> None:
    file = parse("# two nodes\nnode1 a \\\n  b::x\n", "ha/haresources")
    (line,) = file.lines
    assert str(line.place) == "ha/haresources:2:1"
    assert [str(w.place) for w in line.resources] == ["ha/haresources:2:7", "ha/haresources:3:3"]
    assert line.joined
    assert [c.text for c in file.comments] == ["two nodes"]


def test_a_word_with_a_separator_is_never_a_bare_address() -> None:
    assert is_bare_address("10.0.0.1/24/eth0")
    assert not is_bare_address("10.0.0.1::x")
    assert not is_bare_address("1.2.3")


def test_an_empty_argument_vanishes() -> None:
    (line,) = parse("n mysqld::\n").lines
    assert line.resources[0].script == "mysqld"
    assert line.resources[0].args == ()


@given(st.text(alphabet="ab1.:#\\\r\n \t/", max_size=60))
def test_any_text_is_read_and_no_word_is_invented(text: str) -> None:
    for line in parse(text).lines:
        assert line.node == line.node.lower() and line.node
        for word in line.resources:
            assert " " not in word.word and "\t" not in word.word and "#" not in word.word
            assert word.args == tuple(word.arguments.split())


@given(st.lists(st.sampled_from(["db", "10.0.0.1", "Filesystem::/dev/sda::/x"]), min_size=1))
def test_joining_lines_with_a_blank_before_the_backslash_changes_nothing(words: list[str]) -> None:
    flat = "n " + " ".join(words) + "\n"
    bent = "n " + " \\\n  ".join(words) + "\n"
    assert as_recorded(flat) == as_recorded(bent)
