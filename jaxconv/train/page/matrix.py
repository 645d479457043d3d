"""The confusion matrix: which class was taken for which, and how often."""

from collections.abc import Sequence

import numpy as np

from jaxconv._words import counted
from jaxconv.train.page.markup import DASH, Html, Section, element, scrolled, section

_MOST = 50  # classes that a table can show
_COUNTS = 16  # classes whose cells are wide
_PAIRS = 6


def confusion_section(counts: np.ndarray, classes: Sequence[str]) -> Section:
    """Draw how often each class, a row, was taken for each class, a column."""
    errors = counts - np.diag(np.diag(counts))
    shown = _shown(errors)
    left_out = len(classes) - len(shown)
    intro = (
        "Rows are the true classes, columns the predicted ones: correct predictions "
        "are on the diagonal, blue; mistakes are red. The last column is the share of "
        "the row that is correct."
    )
    if left_out:
        intro += (
            f" Of {counted(len(classes), 'class', 'classes')}, the {len(shown)} with "
            "the most mistakes are shown."
        )
    matrix = _matrix(counts[np.ix_(shown, shown)], counts, shown, classes)
    return section(
        "Confusion matrix",
        element(
            "div",
            scrolled(matrix, "Confusion matrix"),
            _pairs(errors, classes),
            class_="beside",
        ),
        name="confusion",
        intro=intro,
    )


def _shown(errors: np.ndarray) -> np.ndarray:
    """Return the classes to show: all, or those with the most mistakes."""
    if len(errors) <= _MOST:
        return np.arange(len(errors))
    involved = errors.sum(0) + errors.sum(1)
    return np.sort(np.argsort(-involved, kind="stable")[:_MOST])


def _matrix(
    cells: np.ndarray, counts: np.ndarray, shown: np.ndarray, classes: Sequence[str]
) -> Html:
    names = [classes[index] for index in shown]
    totals = counts.sum(1)[shown]
    shares = cells / np.maximum(totals, 1)[:, None]
    worst = float((shares - np.diag(np.diag(shares))).max()) or 1.0
    head = element(
        "tr",
        element("th", element("span", "truth", class_="faint"), class_="corner"),
        *(
            element("th", element("span", name), scope="col", title=name)
            for name in names
        ),
        element("th", element("span", "right"), scope="col", class_="right"),
    )
    rows = [
        element(
            "tr",
            element("th", element("span", names[i]), scope="row", title=names[i]),
            *(
                _cell(int(cells[i, j]), float(shares[i, j]), i == j, worst, names, i, j)
                for j in range(len(names))
            ),
            element("td", f"{shares[i, i]:.1%}" if totals[i] else DASH, class_="right"),
        )
        for i in range(len(names))
    ]
    long = max(map(len, names)) > 3
    sizes = "few" if len(names) <= _COUNTS else "many"
    return element(
        "table",
        element("thead", head),
        element("tbody", *rows),
        class_=f"confusion {sizes}{' long' if long else ''}",
    )


def _cell(
    count: int,
    share: float,
    right: bool,
    worst: float,
    names: Sequence[str],
    i: int,
    j: int,
) -> Html:
    """Return a cell, shaded by its share of the row; a mistake relative to `worst`."""
    if not count:
        return element("td", class_="hit" if right else None)
    shade = share if right else (share / worst) ** 0.5
    taken = "" if right else f" taken for {names[j]}"
    return element(
        "td",
        str(count),
        class_="hit" if right else "miss",
        style=f"--s:{shade:.2f}",
        title=f"{names[i]}{taken}: {counted(count, 'image')}, {share:.1%}",
    )


def _pairs(errors: np.ndarray, classes: Sequence[str]) -> Html | None:
    """List the pairs that are most often mistaken for each other."""
    order = np.argsort(-errors, axis=None, kind="stable")[:_PAIRS]
    pairs = [divmod(int(index), len(errors)) for index in order]
    items = [
        element(
            "li",
            element("b", classes[i]),
            " taken for ",
            element("b", classes[j]),
            f": {counted(int(errors[i, j]), 'time')}",
        )
        for i, j in pairs
        if errors[i, j]
    ]
    if not items:
        return element("p", "There are no mistakes.")
    return element(
        "div",
        element("h3", "Most often mistaken"),
        element("ul", *items, class_="pairs"),
    )
