"""A server with a model that nobody trained, and requests to it, byte by byte."""

import contextlib
import json
import socket
from typing import Any, NamedTuple

from jaxconv.explore.server import running
from jaxconv.explore.state import make_state
from tests.explore import small

PIXELS = [[(row * column) % 256 for column in range(28)] for row in range(28)]


class Reply(NamedTuple):
    """What a server sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def served(allow_code: bool = False):
    """Run a server."""
    with (
        make_state(small.model(), allow_code) as state,
        running(state, allow_code=allow_code) as server,
    ):
        yield server


def exchange(server, data: bytes, *, end: bool = False) -> Reply:
    """Send bytes, and read what comes until the server closes."""
    with socket.create_connection(server.server_address, 10) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Reply(int(first.split()[1]), headers, body)


def request(
    server, method: str, path: str, headers: dict[str, Any], body: bytes = b""
) -> bytes:
    """Return a request; headers that are None are left out, lists are repeated."""
    usual: dict[str, Any] = {"Host": f"127.0.0.1:{server.server_port}"}
    if method == "POST":
        usual |= {"Content-Type": "application/json", "Content-Length": len(body)}
    lines = [f"{method} {path} HTTP/1.1"]
    for name, value in (usual | headers).items():
        values = value if isinstance(value, list) else [value]
        lines += [f"{name}: {one}" for one in values if one is not None]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(server, path: str, **headers) -> Reply:
    """Ask for a page."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return exchange(server, request(server, "GET", path, names))


def post(server, name: str, fields: Any, **headers) -> Reply:
    """Ask a question; `fields` are JSON, or bytes as they are."""
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return exchange(server, request(server, "POST", f"/api/{name}", names, body))
