"""The server: on this computer only, with bounds on what it does at a time.

Each connection is a thread and carries one request. There are at most `MOST_OPEN` of
them, of which `MOST_AT_WORK` compute; more are told to come again. A client has
`PATIENCE` seconds to send its request, in however many pieces.
"""

import contextlib
import os
import secrets
import select
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

from jaxconv.explore import files
from jaxconv.explore.handler import BUSY, Handler, report_failure
from jaxconv.explore.refusals import RefusedError
from jaxconv.explore.state import State, facts

LOOPBACK = "127.0.0.1"
MOST_OPEN = 64
MOST_AT_WORK = 4
PATIENCE = 10.0  # seconds
_QUEUE = 10.0  # seconds that a request waits for its turn


class Server(ThreadingHTTPServer):
    """Serves the page and the answers to its questions."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there, two servers could share the port
    request_queue_size = MOST_OPEN

    state: State
    facts: dict[str, Any]  # of `info`

    def __init__(self, port: int = 0, allow_code: bool = False) -> None:
        """Take the port; 0 is any that is free. `answer_from` comes next.

        With `allow_code` the address that opens the page holds a secret, without which
        no code is run: other users of the computer reach the port, too.

        Raises:
          OSError: the port is taken, or may not be.
        """
        self.files = files.files()
        self.secret = secrets.token_urlsafe(16) if allow_code else None
        self.patience = PATIENCE
        self._open = threading.BoundedSemaphore(MOST_OPEN)
        self._at_work = threading.BoundedSemaphore(MOST_AT_WORK)
        self._reading: dict[socket.socket, float] = {}
        super().__init__((LOOPBACK, port), Handler)

    def answer_from(self, state: State) -> None:
        """Give the server what it answers from, before it serves."""
        self.state, self.facts = state, facts(state)

    def server_bind(self) -> None:
        """Bind without asking for this computer's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def names(self) -> set[str]:
        """The hosts, with port, that requests may be for."""
        names = {f"{host}:{self.server_port}" for host in (LOOPBACK, "localhost")}
        if self.server_port == 80:
            names |= {LOOPBACK, "localhost"}
        return names

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds the secret; cookies know no ports."""
        return f"jaxconv-{self.server_port}"

    @property
    def url(self) -> str:
        """The address that opens the page."""
        query = f"?secret={self.secret}" if self.secret else ""
        return f"http://{LOOPBACK}:{self.server_port}/{query}"

    # Connections

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, unless too many are busy."""
        if not self._open.acquire(blocking=False):
            self._turn_away(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._open.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and let the next one in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.release()

    def _turn_away(self, request: socket.socket) -> None:
        with contextlib.suppress(OSError):
            request.settimeout(0.1)
            request.sendall(BUSY)
            request.shutdown(socket.SHUT_WR)
            request.recv(65536)  # what is unread would cut the answer off
        self.shutdown_request(request)

    def started_reading(self, connection: socket.socket) -> None:
        """Give a client `patience` seconds from now."""
        self._reading[connection] = time.monotonic() + self.patience

    def ended_reading(self, connection: socket.socket) -> None:
        """The request is read; what comes now may take its time."""
        self._reading.pop(connection, None)

    def service_actions(self) -> None:
        """End the reading of requests that take too long; called twice a second."""
        now = time.monotonic()
        for connection, end in list(self._reading.items()):
            if now > end:
                self.ended_reading(connection)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)

    # Work

    @contextlib.contextmanager
    def at_work(self, connection: socket.socket) -> Iterator[None]:
        """Wait for a turn, if need be.

        Raises:
          RefusedError: none came.
          ConnectionError: the client has gone, as when the mouse has moved on.
        """
        if not self._at_work.acquire(timeout=_QUEUE):
            raise RefusedError(503, "The server is busy. Try again in a moment.")
        try:
            if _is_gone(connection):
                raise ConnectionAbortedError
            yield
        finally:
            self._at_work.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that go away; print what else happens."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            report_failure()


def _is_gone(connection: socket.socket) -> bool:
    """Whether the other side has closed, which a request's end alone does not do."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


@contextlib.contextmanager
def running(state: State, port: int = 0, allow_code: bool = False) -> Iterator[Server]:
    """Run a server in a thread, for tests and pictures."""
    with Server(port, allow_code) as server:
        server.answer_from(state)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
