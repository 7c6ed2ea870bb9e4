"""Options as GLib's parser accepts them."""

import pytest

from cli.command_line import CommandError, Option, Takes, parse

OPTIONS = (
    Option("simulate", "S"),
    Option("quiet", "Q"),
    Option("xml-file", "x", Takes.VALUE, "FILE"),
    Option("neg-locations", "L", Takes.OPTIONAL, "PREFIX"),
)


def test_short_options_can_be_joined_and_end_with_a_value():
    line = parse(OPTIONS, ["-SQxfile", "word"])
    assert line.options == (("simulate", None), ("quiet", None), ("xml-file", "file"))
    assert line.words == ("word",)


def test_a_long_option_takes_its_value_after_equals_or_as_the_next_word():
    line = parse(OPTIONS, ["--xml-file=a", "--xml-file", "b", "--", "-S"])
    assert line.values("xml-file") == ["a", "b"] and line.value("xml-file") == "b"
    assert line.words == ("-S",)


def test_an_optional_value_needs_an_equals_sign():
    assert parse(OPTIONS, ["-L", "cli"]).options == (("neg-locations", None),)
    assert parse(OPTIONS, ["-L=cli"]).value("neg-locations") == "cli"
    assert parse(OPTIONS, ["-L3"]).value("neg-locations") == "3"
    assert parse(OPTIONS, ["-LS"]).options == (("neg-locations", None), ("simulate", None))
    assert parse(OPTIONS, ["--neg-locations=cli"]).value("neg-locations") == "cli"


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--simul"], "Unknown option --simul"),
        (["-Z"], "Unknown option -Z"),
        (["-x"], "Missing argument for -x"),
        (["--xml-file"], "Missing argument for --xml-file"),
        (["--quiet=1"], "Unknown option --quiet=1"),
    ],
)
def test_what_is_not_understood_ends_with_64(argv, text):
    with pytest.raises(CommandError) as caught:
        parse(OPTIONS, argv)
    assert (str(caught.value), caught.value.code) == (text, 64)
