"""Layout of the transition summary."""

from crmd.scheduler.report.summary import Change, layout


def test_columns_are_as_wide_as_the_widest_line_needs():
    lines = layout(
        [
            Change("Start", "a", "n1"),
            Change("Move", "long-name", "n1 -> n2", "due to node availability"),
        ]
    )
    assert lines == (
        "Start      a             (       n1 )",
        "Move       long-name     ( n1 -> n2 )  due to node availability",
    )


def test_short_names_keep_the_smallest_column():
    assert layout([Change("Start", "abcde", "n1")]) == ("Start      abcde   (    n1 )",)


def test_a_finished_sentence_is_printed_as_it_is():
    assert layout([Change(whole="Fence (off) n1 'because'")]) == ("Fence (off) n1 'because'",)
