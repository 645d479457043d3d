"""The progress bar at several widths, and the words of the plain lines."""

import contextlib
import importlib.util
import itertools

import pytest

from jaxconv.train import PlainLines, observers
from jaxconv.train.observers import Observers, Progress
from jaxconv.train.pace import Pace

rich_console = pytest.importorskip("rich.console")
bar = pytest.importorskip("jaxconv.train.bar")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def figures(done, loss=0.087, accuracy=0.973, speed=12345.0):
    return Progress(done, 2, loss, accuracy, 0.01, speed)


def shown(width, total=1000, done=None, **numbers):
    """Return the bar's line; `done` None is before the first step."""
    console = rich_console.Console(width=width, color_system=None)
    made = bar.ProgressBar(console)
    with console.capture(), made.running(total):
        if done is not None:
            made.started()
            made.progress(figures(done, **numbers))
        with console.capture() as capture:
            console.print(*made._bar.get_renderables())
    return capture.get().rstrip("\n")


WORDS = ("500/1000", "loss 0.087", " left", " 97.3%", "accuracy")
WIDTHS = {  # what is kept, by importance
    12: ("500/1000",),
    20: ("500/1000", "loss 0.087"),
    31: ("500/1000", "loss 0.087", " left"),
    40: ("500/1000", "loss 0.087", " left", " 97.3%"),
    48: WORDS,
    60: (*WORDS, "━━━"),
    80: (*WORDS, "━━━", "12,345 images/s"),
    90: (*WORDS, "━━━", "12,345 images/s", "epoch 3"),
    200: (*WORDS, "━" * 20, "12,345 images/s", "epoch 3", "batch "),
}
ALL = (*WORDS, "━", "images/s", "epoch", "batch")


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


def test_the_bar_tells_validations_notes_and_the_end():
    console = rich_console.Console(width=80, color_system=None)
    made = bar.ProgressBar(console)
    with console.capture() as capture, made.running(10):
        made.validation(1, 0.5)
        made.note("A file [1] was passed over.")
        made.stopping(2)
    assert "Validation accuracy after 1 batch is 50.00%\n" in capture.get()
    assert "A file [1] was passed over.\n" in capture.get()
    assert "Stopping after 2 batches to validate." in capture.get()


def test_a_resumed_bar_begins_where_the_run_was_stopped():
    console = rich_console.Console(width=80, color_system=None)
    made = bar.ProgressBar(console)
    with console.capture(), made.running(1000, 700):
        assert made._bar.tasks[0].completed == 700
        made.started()
        assert made._bar.tasks[0].completed == 701


def test_the_time_left_is_that_of_the_batches_of_this_run():
    clock = Clock()
    pace = Pace(1000, 700, clock)
    clock.now = 60.0  # compiling
    pace.start()
    assert pace.left() is None
    clock.now = 62.0
    pace.move(801)  # 100 batches in 2 seconds
    assert pace.left() == pytest.approx(199 * 0.02)
    clock.now = 63.0
    assert pace.left() == pytest.approx(199 * 0.02 - 1)
    clock.now = 99.0
    assert pace.left() == 0


LINES = [
    "Training for 1 batch.",
    "Validation accuracy after 1 batch is 50.00% "
    "(training: loss 0.500, accuracy 40.0%, 1,000 images/s)",
    "Validation accuracy after 1000 batches is 50.00% "
    "(training: loss 0.500, accuracy 40.0%, 1,000 images/s)",
    "A note.",
    "Stopping after 1 batch to validate. Ctrl-C again leaves at once.",
]


def test_plain_lines_count_in_the_singular_and_the_plural():
    lines = []
    plain = PlainLines(lines.append)
    with plain.running(1):
        plain.started()
        plain.progress(figures(1, 0.5, 0.4, 1000.0))
        plain.validation(1, 0.5)
        plain.validation(1000, 0.5)
        plain.note("A note.")
        plain.stopping(1)
    assert lines == LINES


def test_plain_lines_say_what_an_earlier_run_has_done():
    lines = []
    with PlainLines(lines.append).running(1000, 700):
        assert lines == ["Training for 1,000 batches, 700 of which are done."]


def lines_of(seconds, each=1.0, validate_every=0):
    """Return when lines are printed in a run whose batches take `each` seconds."""
    clock, times = Clock(), []
    plain = PlainLines(lambda line: times.append(clock.now), clock)
    with plain.running(int(seconds / each)):
        plain.started()
        for done in range(1, int(seconds / each)):
            clock.now = done * each
            plain.progress(figures(done))
            if validate_every and done % validate_every == 0:
                plain.validation(done, 0.5)
    return times[1:]


def test_plain_lines_come_now_and_then_where_nothing_is_validated():
    assert lines_of(100) == [30, 60, 90]
    assert lines_of(100, validate_every=20) == [20, 40, 60, 80]
    day = lines_of(86400, each=10.0)
    assert len(day) < 400
    gaps = [later - sooner for sooner, later in itertools.pairwise(day)]
    assert max(gaps) == 300


def test_a_plain_line_of_progress_says_how_far_and_how_long():
    clock, lines = Clock(), []
    plain = PlainLines(lines.append, clock)
    with plain.running(2000):
        plain.started()
        clock.now = 40.0
        plain.progress(figures(1001))
    assert lines[1] == (
        "1,001 of 2,000 batches: loss 0.087, accuracy 97.3%, 12,345 images/s, 0:40 left"
    )


class Told:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.calls = []

    @contextlib.contextmanager
    def running(self, *arguments):
        self.calls.append(("running", *arguments))
        yield
        self.calls.append(("end",))

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))


def test_observers_tell_each_of_them_everything():
    told = Told(), Told()
    together = Observers(*told)
    with together.running(10, 3):
        together.started()
        together.progress(figures(5))
        together.validation(5, 0.5)
        together.note("so")
        together.stopping(6)
    assert told[0].calls == told[1].calls
    assert told[0].calls == [
        ("running", 10, 3),
        ("started",),
        ("progress", figures(5)),
        ("validation", 5, 0.5),
        ("note", "so"),
        ("stopping", 6),
        ("end",),
    ]


@pytest.mark.parametrize("made", [PlainLines(), Observers(), bar.ProgressBar()])
def test_each_is_an_observer(made):
    assert isinstance(made, observers.Observer)


def test_a_terminal_without_a_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, by rich's reckoning
    assert isinstance(observers.make_display(True), PlainLines)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(observers.make_display(True), bar.ProgressBar)


def test_without_rich_there_are_lines(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert isinstance(observers.make_display(True), PlainLines)
