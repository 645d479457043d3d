"""The page's files, by the addresses under which they are served.

The table is made once, from what is there; no path comes from a request.
"""

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent / "page"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


class File(NamedTuple):
    """One file of the page."""

    path: Path
    type: str


def files(folder: Path = PAGE) -> dict[str, File]:
    """Return the files by address; `index.html` is "/", others are of known types."""
    found = {
        f"/{path.relative_to(folder).as_posix()}": File(path, TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in TYPES
    }
    if "/index.html" in found:
        found["/"] = found["/index.html"]
    return found
