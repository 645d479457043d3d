"""What the server does not accept of a request, decided before its body is read.

The server is meant for one page, which it serves itself. Any other page that is open in
the same browser can send requests to it, too: a plain one (its `Origin` tells), or one
under a name of its own that leads here (DNS rebinding; the `Host` tells).
"""

import re
from collections.abc import Collection
from email.message import Message

MOST_BYTES = 64 * 1024  # of a body; 28 rows of 28 pixels take 4
_JSON = re.compile(r'application/json(?:\s*;\s*charset="?utf-8"?)?', re.IGNORECASE)


class RefusedError(ValueError):
    """A request is not answered: an HTTP status, and one sentence that says why."""

    def __init__(self, status: int, sentence: str) -> None:
        """Keep both."""
        super().__init__(sentence)
        self.status = status


def check_headers(headers: Message, names: Collection[str]) -> None:
    """Refuse requests for another host, or from a page of another origin.

    `names` are the hosts, with port, under which the server may be addressed.
    """
    if headers.defects or headers.get_payload():
        raise RefusedError(400, "A header of the request cannot be read.")
    hosts = [host.lower() for host in headers.get_all("Host", [])]
    if len(hosts) != 1 or hosts[0] not in names:
        raise RefusedError(
            421, f"This server answers as {' and '.join(sorted(names))} only."
        )
    origins = headers.get_all("Origin", [])
    if origins and origins != [f"http://{hosts[0]}"]:
        raise RefusedError(403, "This server answers its own page only.")


def check_site(headers: Message) -> None:
    """Refuse requests that the browser says come from elsewhere, without an origin."""
    sites = headers.get_all("Sec-Fetch-Site", [])
    if set(sites) - {"same-origin", "none"}:
        raise RefusedError(403, "This server answers its own page only.")


def check_no_body(headers: Message) -> None:
    """Refuse a body where none belongs."""
    lengths = headers.get_all("Content-Length", [])
    if "Transfer-Encoding" in headers or set(lengths) - {"0"}:
        raise RefusedError(400, "A request for a page or a fact has no body.")


def body_length(headers: Message) -> int:
    """Return how many bytes of JSON follow the headers."""
    if "Transfer-Encoding" in headers:
        raise RefusedError(411, "Send the body in one piece, with its Content-Length.")
    lengths = headers.get_all("Content-Length", [])
    if not lengths:
        raise RefusedError(411, "The request has no Content-Length.")
    if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", lengths[0], re.ASCII):
        raise RefusedError(400, "Content-Length must be one whole number of bytes.")
    length = int(lengths[0])
    if length > MOST_BYTES:
        raise RefusedError(
            413, f"The body must be at most {MOST_BYTES:,} bytes, got {length:,}."
        )
    kinds = headers.get_all("Content-Type", [])
    if len(kinds) != 1 or not _JSON.fullmatch(kinds[0].strip()):
        raise RefusedError(415, "The Content-Type must be application/json, in UTF-8.")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError(415, "Send the body as it is, not compressed.")
    return length


def cookie(headers: Message, name: str) -> str | None:
    """Return the value of a cookie, None if the request brings none of that name."""
    for pair in "; ".join(headers.get_all("Cookie", [])).split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return None
