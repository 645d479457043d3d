"""The server bounds its work, and goes on after clients that are slow, many or gone."""

import contextlib
import socket
import threading
import time

import pytest

from jaxconv.explore import server as server_module
from jaxconv.explore.handler import HEADERS as SECURITY
from jaxconv.explore.routes import ROUTES
from tests.explore.answering import DIGIT, check_refusal, idle
from tests.explore.serving import get, post, request

pytestmark = pytest.mark.usefixtures("still_answers")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: "])
def test_a_client_that_says_no_more_is_cut_off(sent, server, monkeypatch):
    monkeypatch.setattr(server, "patience", 0.1)
    with socket.create_connection(server.server_address, 5) as connection:
        connection.sendall(sent)
        assert b"200 OK" not in connection.recv(65536)


def test_a_body_that_trickles_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(server, "patience", 0.2)
    start = time.monotonic()
    with socket.create_connection(server.server_address, 5) as connection:
        connection.sendall(request(server, "POST", "/api/digit", {}, DIGIT)[:-5])
        reply = connection.recv(65536)
    assert reply.startswith(b"HTTP/1.0 408 ")
    assert time.monotonic() - start < 3


def test_connections_beyond_the_most_are_turned_away(server, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(server, "_open", threading.BoundedSemaphore(2))
        clients = [socket.create_connection(server.server_address) for _ in range(2)]
        while server._open._value:
            time.sleep(0.002)
        reply = get(server, "/api/info")
        for client in clients:
            client.close()
        assert reply.status == 503
        assert reply.json == {"error": "The server is busy. Try again in a moment."}
        assert SECURITY.items() <= reply.headers.items()
        idle(server, 2)
        assert get(server, "/api/info").status == 200
        idle(server, 2)


def test_work_beyond_the_most_is_turned_away(server, monkeypatch):
    monkeypatch.setattr(server_module, "_QUEUE", 0.05)
    with contextlib.ExitStack() as stack:
        for _ in range(server_module.MOST_AT_WORK):
            stack.enter_context(server._at_work)
        check_refusal(post(server, "digit", {"index": 2}), 503)


def test_nothing_is_computed_for_a_client_that_has_gone(server, monkeypatch):
    asked = []
    route = ROUTES["digit"]._replace(answer=lambda body, state: asked.append(body))
    with monkeypatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setitem(ROUTES, "digit", route)
        for _ in range(server_module.MOST_AT_WORK):
            stack.enter_context(server._at_work)
        with socket.create_connection(server.server_address, 5) as connection:
            connection.sendall(request(server, "POST", "/api/digit", {}, DIGIT))
        while server._reading or server._open._value == server_module.MOST_OPEN:
            time.sleep(0.002)
        stack.close()  # its turn comes, and its client has gone
        idle(server)
    assert asked == []


@pytest.mark.exhaustive
def test_hundreds_at_once_are_all_answered_or_told_to_wait(server):
    statuses = []

    def ask():
        try:
            statuses.append(post(server, "digit", {"index": 2}).status)
        except ConnectionError:  # told to wait while it was still sending
            statuses.append(503)

    threads = [threading.Thread(target=ask) for _ in range(150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 150
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 20
