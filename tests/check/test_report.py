"""Reports where they are shown: at a prompt, in a notebook."""

import pytest

import jaxconv
from jaxconv._table import html_lines, html_table
from jaxconv.check import Failure, Report, Row
from jaxconv.check.verify import Summary

REPORT = Report(
    (Row("step of 1", "output", 1234, 0.5), Row("autodiff", "output", 0, 0.0, "a < b")),
    (Failure("step of 1", "output", "is <b>, expected 2"),),
)


@pytest.fixture(scope="module")
def explanation():
    return jaxconv.explain((2, 3, 8), (3, 4, 2), method="taps")


def test_a_prompt_shows_what_print_shows(explanation):
    summary = Summary(cases=3)
    for shown in (REPORT, explanation, summary):
        assert repr(shown) == str(shown)
    assert repr(REPORT).count("\n") == 4
    assert REPORT.table(skipped=True).count("\n") == 3
    assert repr(summary) == "3 cases in 0 s: all hold"


def test_a_notebook_shows_a_table_and_the_failures_in_red():
    html = REPORT._repr_html_()
    assert html.count("<tr>") == 2
    assert '<td style="text-align: left">1,234</td>' in html
    assert html.startswith(
        '<p style="color: firebrick">output, step of 1: is &lt;b&gt;, expected 2.</p>'
    )
    assert html.endswith("1 check was skipped: see .table(skipped=True).</p>")
    assert "<b>" not in html


def test_a_notebook_shows_the_shapes_the_table_and_the_reasons(explanation):
    html = explanation._repr_html_()
    title = "x [2, 3, 8], w [3, 4, 2], output [2, 4, 8], float32, cpu"
    assert f"<caption>{title}</caption>" in html
    assert html.count("<tr>") == 4
    assert html.count("it was asked for</p>") == 3


def test_numbers_are_flush_right_and_all_text_is_escaped():
    assert html_table(["<", "n"], [[">", "1"]], left=1, caption="&") == (
        '<table><caption>&amp;</caption><tr><th style="text-align: left">&lt;</th>'
        '<th style="text-align: right">n</th></tr>'
        '<tr><td style="text-align: left">&gt;</td>'
        '<td style="text-align: right">1</td></tr></table>'
    )
    assert html_lines(["<"]) == '<p style="color: inherit">&lt;</p>'
