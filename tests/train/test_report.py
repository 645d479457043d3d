"""The progress bar at several widths, and the words of the plain lines."""

import pytest

from jaxconv.train import PlainReport, report

rich_console = pytest.importorskip("rich.console")
bar = pytest.importorskip("jaxconv.train.bar")


def shown(width, total=1000, done=None, loss=0.087, speed=12345.0):
    """Return the bar's line; `done` None is before the first step."""
    console = rich_console.Console(width=width, color_system=None)
    made = bar.BarReport(console)
    with console.capture(), made.running(total):
        if done is not None:
            made.started()
            made.progress(done, loss, speed)
        with console.capture() as capture:
            console.print(*made._bar.get_renderables())
        line = capture.get().rstrip("\n")
    return line


WIDTHS = {  # what is kept, by importance
    12: ("500/1000",),
    20: ("500/1000", "loss 0.087"),
    34: ("500/1000", "loss 0.087", "left"),
    40: ("500/1000", "loss 0.087", "left", "batch"),
    60: ("500/1000", "loss 0.087", "left", "batch", "images/s"),
    80: ("500/1000", "loss 0.087", "left", "batch", "12,345 images/s", "━━━"),
    200: ("500/1000", "loss 0.087", "left", "batch", "12,345 images/s", "━" * 20),
}
ALL = ("500/1000", "loss", "left", "batch", "images/s", "━")


@pytest.mark.parametrize(("width", "words"), WIDTHS.items(), ids=map(str, WIDTHS))
def test_the_bar_drops_columns_by_importance(width, words):
    line = shown(width, done=500)
    assert "\n" not in line
    assert len(line) <= width
    assert [word in line for word in words] == [True] * len(words)
    dropped = ALL[len(words) :]
    assert not any(word in line for word in dropped)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_bar_says_compiling_until_the_first_step(width):
    line = shown(width)
    assert line.startswith("compiling    0/1000")
    assert "loss" not in line
    assert "compiling" not in shown(width, done=1)


def test_a_long_run_fits_forty_columns():
    line = shown(40, total=1_000_000, done=500_000)
    assert len(line) <= 40
    assert " 500000/1000000 loss 0.087 " in line


def test_the_bar_tells_validations_and_the_end():
    console = rich_console.Console(width=80, color_system=None)
    made = bar.BarReport(console)
    with console.capture() as capture, made.running(10):
        made.validation(1, 0.5)
        made.stopping(2)
    assert "Validation accuracy after 1 batch is 50.00%\n" in capture.get()
    assert "Stopping after 2 batches to validate." in capture.get()


LINES = [
    "Training for 1 batch.",
    "Validation accuracy after 1 batch is 50.00% (loss 0.500, 1,000 images/s)",
    "Validation accuracy after 1000 batches is 50.00% (loss 0.500, 1,000 images/s)",
    "Stopping after 1 batch to validate. Ctrl-C again leaves at once.",
]


def test_plain_lines_count_in_the_singular_and_the_plural():
    lines = []
    plain = PlainReport(lines.append)
    with plain.running(1):
        plain.started()
        plain.progress(1, 0.5, 1000.0)
        plain.validation(1, 0.5)
        plain.validation(1000, 0.5)
        plain.stopping(1)
    assert lines == LINES


def test_a_terminal_without_a_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, by rich's reckoning
    assert isinstance(report.make_report(True), PlainReport)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(report.make_report(True), bar.BarReport)
