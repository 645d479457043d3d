"""HTML by functions: text is escaped unless it is markup, so that none is forgotten."""

import html
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

ARROW, DASH, TIMES = "\N{RIGHTWARDS ARROW}", "\N{EN DASH}", " \N{MULTIPLICATION SIGN} "
_VOID = {"img", "link", "meta", "col", "br"}


class Html(str):
    """Text that is markup, and is not escaped."""

    __slots__ = ()


def element(name: str, /, *inside: Any, **attributes: Any) -> Html:
    """Return an element; what stands inside is escaped, unless it is markup.

    An underscore at the end of an attribute's name is dropped, others become hyphens.
    None and False leave an attribute out, True gives it no value.

    >>> element("a", "R&D", class_="wide", data_n=1, hidden=None)
    '<a class="wide" data-n="1">R&amp;D</a>'
    """
    given = "".join(
        f" {_hyphens(key)}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{joined(inside)}</{name}>")


def joined(pieces: Iterable[Any]) -> Html:
    """Return pieces of text and markup as markup, without those that are None."""
    return Html(
        "".join(
            piece if isinstance(piece, Html) else html.escape(str(piece))
            for piece in pieces
            if piece is not None
        )
    )


class Section(NamedTuple):
    """A section of the page, to which links lead by its name."""

    title: str
    name: str
    content: Html


def section(title: str, *inside: Any, name: str, intro: Any = None) -> Section:
    """Return a section with its heading, and a sentence on what it shows."""
    content = element(
        "section",
        element("h2", title),
        element("p", intro, class_="intro") if intro else None,
        *inside,
        id=name,
        aria_label=title,
    )
    return Section(title, name, content)


def scrolled(inside: Any, label: str) -> Html:
    """Return a box that scrolls, by keys too, if its content is too wide."""
    return element(
        "div", inside, class_="scrolled", tabindex=0, role="region", aria_label=label
    )


def table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], *, left: int, class_: str
) -> Html:
    """Return a table; the first `left` columns are flush left, the others right.

    The first cell of each row is its heading.
    """

    def cells(name: str, row: Sequence[Any], **attributes: Any) -> list[Html]:
        return [
            element(
                "th" if column == 0 else name,
                cell,
                class_=None if column < left else "number",
                **({"scope": "row"} if column == 0 else {}) | attributes,
            )
            for column, cell in enumerate(row)
        ]

    head = element("tr", *cells("th", header, scope="col"))
    body = [element("tr", *cells("td", row)) for row in rows]
    return element(
        "table", element("thead", head), element("tbody", *body), class_=class_
    )


def _hyphens(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
