"""One HTTP request: the page's files, and JSON under /api/."""

import contextlib
import hmac
import http
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from jaxconv._program import DEBUG
from jaxconv.explore import refusals, routes
from jaxconv.explore.answers import to_json
from jaxconv.explore.refusals import RefusedError
from jaxconv.explore.requests import parse

JSON = "application/json; charset=utf-8"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}
_API = "/api/"
_NOT_READ = {  # by the standard library, which would repeat what it was sent
    400: "The request cannot be read.",
    405: "The server answers GET, HEAD and POST only.",
    414: "The address is too long.",
    431: "The headers are too long, or too many.",
    505: "The server speaks HTTP/1.",
}
_LINGER = 1.0  # seconds for what a refused client is still sending


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def error(status: int, sentence: str) -> Answer:
    """Return an error in JSON."""
    allow = (("Allow", "GET, HEAD, POST"),) if status == 405 else ()
    return Answer(status, json.dumps({"error": sentence}).encode(), headers=allow)


class Handler(BaseHTTPRequestHandler):
    """Answers one request, and closes the connection."""

    server: Any  # a `Server`
    timeout = 5  # seconds in which nothing comes; `Server.patience` bounds the whole
    disable_nagle_algorithm = True  # it would hold the body back behind the headers
    all_read = False

    def setup(self) -> None:
        """Let the server know that a request is being read."""
        super().setup()
        self.server.started_reading(self.connection)

    def finish(self) -> None:
        """Close; an answer to a request that is not read to its end arrives, too."""
        self.server.ended_reading(self.connection)
        super().finish()
        if self.all_read:
            return
        end = time.monotonic() + _LINGER
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER / 4)
            while time.monotonic() < end and self.connection.recv(65536):
                pass

    # The methods of HTTP, by the names that the standard library looks for

    def do_GET(self) -> None:
        """Answer with a file of the page, or with facts."""
        self._answer(self._get)

    def do_HEAD(self) -> None:
        """Answer as to GET; `_send` leaves the body out."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Answer a question."""
        self._answer(self._post)

    def _answer(self, answer: Callable[[], Answer]) -> None:
        """Send what a function returns, or why there is nothing."""
        try:
            refusals.check_headers(self.headers, self.server.names)
            found = answer()
        except RefusedError as refused:
            found = error(refused.status, str(refused))
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            report_failure()
            found = error(500, "The server failed at this; its terminal says how.")
        self._send(found)

    def _get(self) -> Answer:
        path, _, query = self.path.partition("?")
        refusals.check_no_body(self.headers)
        self._end_of_request()
        if path == "/" and query.startswith("secret="):
            return self._let_in(query.removeprefix("secret="))
        if path == f"{_API}info":
            refusals.check_site(self.headers)
            facts = self.server.facts | {"allow_code": self._may_run_code()}
            return Answer(200, to_json(facts).encode())
        if path.removeprefix(_API) in routes.ROUTES and path.startswith(_API):
            raise RefusedError(405, f"Ask {path} by POST.")
        if path == "/favicon.ico" and path not in self.server.files:
            return Answer(204, b"")
        file = self.server.files.get(path)
        if file is None:
            raise RefusedError(404, "There is no such page.")
        return Answer(200, file.path.read_bytes(), file.type)

    def _let_in(self, secret: str) -> Answer:
        """Keep the secret in a cookie, and take it out of the address."""
        headers = [("Location", "/")]
        right = self.server.secret
        if right and hmac.compare_digest(secret.encode(), right.encode()):
            cookie = f"{self.server.cookie}={right}; Path=/; HttpOnly; SameSite=Strict"
            headers.append(("Set-Cookie", cookie))
        return Answer(303, b"", headers=tuple(headers))

    def _may_run_code(self) -> bool:
        right = self.server.secret
        given = refusals.cookie(self.headers, self.server.cookie)
        if right is None or given is None:
            return False
        return hmac.compare_digest(given.encode(), right.encode())

    def _post(self) -> Answer:
        refusals.check_site(self.headers)
        if not self.path.startswith(_API):
            raise RefusedError(405, "Only /api/ is asked by POST.")
        name = self.path.removeprefix(_API)
        if name not in routes.ROUTES:
            raise RefusedError(404, "There is no such question.")
        length = refusals.body_length(self.headers)
        try:
            data = self.rfile.read(length)
        except TimeoutError:
            data = b""
        self._end_of_request()
        if len(data) < length:
            raise RefusedError(408, "The body ended early, or came too slowly.")
        fields, trusted = parse(data), self._may_run_code()
        with self.server.at_work(self.connection):
            answer = routes.answer(name, fields, self.server.state, trusted)
            return Answer(200, to_json(answer).encode())

    def _end_of_request(self) -> None:
        self.all_read = True
        self.server.ended_reading(self.connection)

    # What is sent

    def _send(self, answer: Answer) -> None:
        self.request_version = "HTTP/1.0"  # also to a client that sent no version
        self.send_response(answer.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Type", answer.type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """Refuse what the standard library could not read."""
        status = 405 if code == 501 else int(code)
        self._send(error(status, _NOT_READ.get(status, "The request cannot be read.")))

    def version_string(self) -> str:
        """Name the server, without versions."""
        return "jaxconv"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing: the page asks many times a second."""


def report_failure() -> None:
    """Say on the terminal which error a request met; with --debug, where."""
    kind, error, trace = sys.exc_info()
    if DEBUG in os.environ:
        traceback.print_exception(kind, error, trace)
    else:
        print(f"{sys.argv[0]}: a request failed: {error!r}", file=sys.stderr)


def _busy() -> bytes:
    """Return the whole answer to a connection for which there is no room."""
    answer = error(503, "The server is busy. Try again in a moment.")
    lines = [f"HTTP/1.0 503 {http.HTTPStatus(503).phrase}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    lines += [f"Content-Type: {JSON}", f"Content-Length: {len(answer.body)}", "", ""]
    return "\r\n".join(lines).encode() + answer.body


BUSY = _busy()
