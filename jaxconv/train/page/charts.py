"""Charts as inline SVG: lines stretch with the page, the text beside them does not."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxconv.train.page.markup import Html, element

_MOST_POINTS = 400  # of a line; more are averaged
_TICKS = 5
_DOTS = 40  # points of a line that are marked


class Line(NamedTuple):
    """A line of a chart. `raw` is drawn faintly, below its moving mean."""

    name: str
    kind: str  # a class of style.css, which gives the colour
    steps: Sequence[float]
    values: Sequence[float | None]
    raw: bool = False
    dots: bool = False


class Scale(NamedTuple):
    """The range of an axis, from `low` to `high`, and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: np.ndarray | float) -> Any:
        """Return where values lie, 0 at the low end and 1 at the high one."""
        low, high, at = self.low, self.high, np.asarray(value, np.float64)
        if self.log:
            low, high, at = math.log(low), math.log(high), np.log(np.maximum(at, low))
        return (at - low) / (high - low)


def chart(
    title: str,
    lines: Sequence[Line],
    *,
    last: int,
    log: bool = False,
    percent: bool = False,
    from_zero: bool = False,
) -> Html:
    """Draw lines over the steps from 0 to `last`.

    Args:
      title: what the values are.
      lines: at least one; values that are None are left out.
      last: the last step.
      log: draw a logarithmic scale, if the values span a factor of 5 above 0.
      percent: values are shares, which end at 1.
      from_zero: the scale begins at 0.
    """
    drawn = [line for line in map(_finite, lines) if len(line.steps)]
    if not drawn:
        return Html("")
    shown = [value for line in drawn for value in _seen(line)]
    y = _scale_of(shown, log=log, percent=percent, from_zero=from_zero)
    x = linear(0.0, float(last))._replace(high=float(last))
    paths = [path for line in drawn for path in _paths(line, x, y)]
    grid = "".join(f"M0 {_y(y, tick):.1f}H1000" for tick in y.ticks)
    svg = element(
        "svg",
        element("path", class_="grid", d=grid),
        *paths,
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}: {'; '.join(_in_words(line, percent) for line in drawn)}",
    )
    keys = [element("span", line.name, class_=f"key {line.kind}") for line in drawn]
    rows = [
        element("span", _number(tick, percent), style=f"top:{_y(y, tick) / 10:.2f}%")
        for tick in y.ticks
    ]
    columns = [
        element("span", f"{tick:,.0f}", style=f"left:{100 * float(x.share(tick)):.2f}%")
        for tick in x.ticks
        if tick <= x.high and tick.is_integer()
    ]
    return element(
        "figure",
        element("figcaption", element("h3", title), *keys),
        element(
            "div",
            element("div", *rows, class_="rows", aria_hidden="true"),
            svg,
            element("div", *columns, class_="columns", aria_hidden="true"),
            class_="plot",
        ),
        class_="chart",
    )


def linear(low: float, high: float) -> Scale:
    """Return a scale from a round number to a round number.

    >>> linear(0.13, 0.98).ticks
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    if high <= low:
        room = abs(low) or 1.0
        low, high = (0.0, 2 * room) if low > 0 else (low - room, low + room)
    step = _round_step((high - low) / _TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks)


def logarithmic(low: float, high: float) -> Scale:
    """Return a scale whose ticks are 1, 2 and 5 times the powers of ten.

    >>> logarithmic(0.04, 2.3).ticks
    (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = [round(factor * 10.0**n, 12 - n) for n in powers for factor in factors]
    return Scale(low, high, tuple(t for t in ticks if low <= t <= high), log=True)


def smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean over the `window` values around each, fewer at the ends."""
    half = window // 2
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    high, low = np.minimum(at + half + 1, len(values)), np.maximum(at - half, 0)
    return (sums[high] - sums[low]) / (high - low)


def _finite(line: Line) -> Line:
    """Leave out what is not finite, and average neighbours where there are too many."""
    pairs = [
        (step, value)
        for step, value in zip(line.steps, line.values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    if len(pairs) > _MOST_POINTS:
        parts = np.array_split(np.asarray(pairs, np.float64), _MOST_POINTS)
        pairs = [tuple(part.mean(axis=0)) for part in parts]
    return line._replace(
        steps=[step for step, _ in pairs], values=[value for _, value in pairs]
    )


def _seen(line: Line) -> list[float]:
    """Return the values that the scale must cover: of raw ones, their moving mean."""
    values = np.asarray(line.values, np.float64)
    return smoothed(values, _window(values)).tolist() if line.raw else values.tolist()


def _scale_of(
    values: list[float], *, log: bool, percent: bool, from_zero: bool
) -> Scale:
    low, high = min(values), max(values)
    if log and low > 0 and high / low >= 5:
        return logarithmic(low / 1.15, high * 1.15)
    if percent:
        return linear(min(float(np.quantile(values, 0.15)), 0.95), 1.0)
    return linear(0.0, 1.05 * high) if from_zero else linear(low, high)


def _paths(line: Line, x: Scale, y: Scale) -> list[Html]:
    values = np.asarray(line.values, np.float64)
    means = smoothed(values, _window(values)) if line.raw else values
    at = 1000 * x.share(np.asarray(line.steps, np.float64))
    paths = []
    if line.raw and len(values) > 2:
        paths += [element("path", class_=f"raw {line.kind}", d=_joined(at, values, y))]
    if len(values) > 1:
        paths += [element("path", class_=line.kind, d=_joined(at, means, y))]
    if len(values) == 1 or (line.dots and len(values) <= _DOTS):
        dots = " ".join(
            f"M{a:.1f} {_y(y, value):.1f}h0"
            for a, value in zip(at, values, strict=True)
        )
        paths += [element("path", class_=f"dots {line.kind}", d=dots)]
    return paths


def _joined(at: np.ndarray, values: np.ndarray, y: Scale) -> str:
    points = (
        f"{a:.1f} {_y(y, value):.1f}" for a, value in zip(at, values, strict=True)
    )
    return "M" + "L".join(points)


def _y(y: Scale, value: float) -> float:
    return 1000 * (1 - float(y.share(value)))


def _window(values: np.ndarray) -> int:
    return max(1, len(values) // 30)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(f for f in (1, 2, 5, 10) if f * power >= step * 0.999)


def _number(value: float, percent: bool = False) -> str:
    """Return a number in at most four digits, without trailing zeros.

    >>> _number(0.02), _number(0.955, True), _number(15000.0), _number(5e-5)
    ('0.02', '95.5%', '15,000', '5e-05')
    """
    if percent:
        return f"{round(100 * value, 6):g}%"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _in_words(line: Line, percent: bool) -> str:
    first, last = (
        f"{value:.1%}" if percent else f"{value:.4g}"
        for value in (line.values[0] or 0.0, line.values[-1] or 0.0)
    )
    if len(line.steps) == 1:
        return f"{line.name} {last} after batch {line.steps[0]:,.0f}"
    return (
        f"{line.name} from {first} after batch {line.steps[0]:,.0f} to {last} after "
        f"batch {line.steps[-1]:,.0f}"
    )
