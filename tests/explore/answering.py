"""A server that must still answer after each test, and what its refusals say."""

import json
import re
import time

import pytest

from jaxconv.explore import server as server_module
from jaxconv.explore.handler import HEADERS as SECURITY
from tests.explore import bad_requests as bad
from tests.explore.serving import post, served

LEAKS = re.compile(rb"Traceback|/jaxconv|site-packages|\.py\b|python|File |0x[0-9a-f]+")
DIGIT = json.dumps(bad.GOOD["digit"]).encode()


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


@pytest.fixture
def still_answers(server):
    """After every test the server answers, and no request is left in it."""
    idle(server)
    yield
    assert post(server, "digit", bad.GOOD["digit"]).status == 200
    idle(server)


def idle(server, most=server_module.MOST_OPEN):
    """Wait until all connections are closed."""
    end = time.monotonic() + 5
    while (server._reading or server._open._value < most) and time.monotonic() < end:
        time.sleep(0.002)
    assert not server._reading
    assert server._open._value == most


def check_refusal(reply, status, which=""):
    """Check status and headers, and that a sentence says why, without inner things."""
    assert reply.status == status, (which, reply)
    assert SECURITY.items() <= reply.headers.items()
    assert reply.headers["Server"] == "jaxconv"
    assert list(reply.json) == ["error"]
    sentence = reply.json["error"]
    assert re.fullmatch(r"\S.{10,400}[.?]", sentence), sentence
    assert not LEAKS.search(reply.body), sentence
    return sentence
