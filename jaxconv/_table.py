"""Tables as plain text, and as HTML for notebooks."""

import html
from collections.abc import Iterable, Sequence


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Return each row as a line; the first `left` columns are flush left, others right.

    >>> aligned([("a", "1"), ("bcd", "10")], left=1)
    ['a     1', 'bcd  10']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def html_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], left: int, caption: str = ""
) -> str:
    """Return an HTML table; the first `left` columns are flush left, others right.

    >>> html_table(["a"], [["<b>"]], left=1).count("&lt;b&gt;")
    1
    """
    parts = [f"<caption>{html.escape(caption)}</caption>"] if caption else []
    for tag, cells in (("th", header), *(("td", row) for row in rows)):
        line = ""
        for column, cell in enumerate(cells):
            side = "left" if column < left else "right"
            line += f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>'
        parts.append(f"<tr>{line}</tr>")
    return f"<table>{''.join(parts)}</table>"


def html_lines(lines: Iterable[str], color: str = "inherit") -> str:
    """Return each line as an HTML paragraph."""
    style = f' style="color: {color}"'
    return "".join(f"<p{style}>{html.escape(line)}</p>" for line in lines)
