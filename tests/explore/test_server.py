"""The server refuses what it must, and answers what it may."""

import functools
import re

import pytest

from jaxconv.explore.handler import HEADERS as SECURITY
from jaxconv.explore.refusals import MOST_BYTES
from jaxconv.explore.routes import ROUTES
from tests.explore import bad_requests as bad
from tests.explore.answering import DIGIT, check_refusal
from tests.explore.serving import exchange, get, post, request, served

pytestmark = pytest.mark.usefixtures("still_answers")


def of(server, value):
    """Put the server's own host and port into headers."""
    if isinstance(value, list):
        return [of(server, one) for one in value]
    host, port = f"127.0.0.1:{server.server_port}", str(server.server_port)
    text = value if isinstance(value, str) else None
    return text.replace("$HOST", host).replace("$PORT", port) if text else value


def test_there_are_at_least_300_bad_requests():
    bodies = bad.BODIES, bad.ODD_BODIES
    tables = bad.FIELDS, *bodies, bad.HEADERS, bad.PATHS, bad.LINES, bad.METHODS
    assert sum(map(len, tables)) >= 300
    assert set(bad.GOOD) == set(ROUTES)


@pytest.mark.parametrize("name", bad.GOOD)
def test_wrong_fields_are_refused_by_name(name, server):
    for question, field, fields in bad.FIELDS:
        if question == name:
            sentence = check_refusal(post(server, name, fields), 400)
            assert sentence.startswith(f"{name}: ")
            assert field in sentence


def test_bodies_that_are_no_json_object_are_refused(server):
    for name, body in bad.BODIES.items():
        sentence = check_refusal(post(server, "digit", body), 400, name)
        assert sentence.startswith("The body "), name
    for name, body in bad.ODD_BODIES.items():
        sentence = check_refusal(post(server, "digit", body), 400, name)
        assert sentence.startswith("digit: "), name


def test_bad_headers_are_refused(server):
    for name, (headers, status) in bad.HEADERS.items():
        given = {key: of(server, value) for key, value in headers.items()}
        data = request(server, "POST", "/api/digit", given, DIGIT)
        check_refusal(exchange(server, data), status, name)


def test_paths_that_are_not_of_the_page_are_refused(server):
    for path in bad.PATHS:
        check_refusal(get(server, path), 404, path)
        status = 404 if path.startswith("/api/") else 405
        data = request(server, "POST", path, {}, DIGIT)
        check_refusal(exchange(server, data), status, path)


def test_what_is_not_http_is_refused(server):
    for name, (data, status) in bad.LINES.items():
        check_refusal(exchange(server, data), status, name)


def test_other_methods_are_refused(server):
    for method in bad.METHODS:
        reply = exchange(server, request(server, method, "/", {}))
        check_refusal(reply, 405, method)
        assert reply.headers["Allow"] == "GET, HEAD, POST"


def test_questions_are_not_asked_by_get(server):
    for name in ROUTES:
        assert "POST" in check_refusal(get(server, f"/api/{name}"), 405, name)


def test_a_get_has_no_body(server):
    for headers in (
        {"Content-Length": "3"},
        {"Content-Length": "-1"},
        {"Content-Length": ["0", "7"]},
        {"Transfer-Encoding": "chunked"},
    ):
        data = request(server, "GET", "/", headers, b"abc")
        check_refusal(exchange(server, data), 400, headers)


def test_other_sites_are_not_told_facts(server):
    assert get(server, "/api/info").status == 200
    check_refusal(get(server, "/api/info", Sec_Fetch_Site="cross-site"), 403)
    check_refusal(get(server, "/api/info", Origin="http://example.org"), 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost"])
def test_the_own_page_is_answered(host, server):
    own = f"{host}:{server.server_port}"
    origin = f"http://{own.lower()}"
    reply = post(
        server,
        "digit",
        {"index": 2},
        Host=own,
        Origin=origin,
        Sec_Fetch_Site="same-origin",
    )
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")


def test_a_body_of_the_most_bytes_is_read(server):
    body = DIGIT.ljust(MOST_BYTES)
    assert post(server, "digit", body).status == 200
    check_refusal(post(server, "digit", body + b" "), 413)


def test_a_body_that_ends_early_is_refused(server):
    data = request(server, "POST", "/api/digit", {"Content-Length": 50}, DIGIT)
    check_refusal(exchange(server, data, end=True), 408)


def test_an_error_of_ours_says_nothing_of_the_inside(server, monkeypatch, capsys):
    def fails(body, state):
        raise RuntimeError("in /home/me/secret.py")

    with monkeypatch.context() as patch:
        patch.setitem(ROUTES, "digit", ROUTES["digit"]._replace(answer=fails))
        check_refusal(post(server, "digit", {"index": 2}), 500)
    assert "a request failed: RuntimeError('in /home" in capsys.readouterr().err


def test_an_answer_to_head_has_no_body(server):
    whole = get(server, "/api/info")
    head = exchange(server, request(server, "HEAD", "/api/info", {}))
    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == str(len(whole.body))


def test_each_file_of_the_page_is_served_with_its_type(server):
    assert server.files["/"].path.name == "index.html"
    for path, file in server.files.items():
        reply = get(server, path)
        assert reply.status == 200
        assert reply.body == file.path.read_bytes()
        assert reply.headers["Content-Type"] == file.type
        assert SECURITY.items() <= reply.headers.items()


def test_a_missing_icon_is_no_error(server):
    assert get(server, "/favicon.ico").status in (200, 204)


def test_it_listens_on_the_loopback_only(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_info_says_what_there_is(server):
    facts = get(server, "/api/info").json
    assert facts["classes"] == list("0123456789")
    assert (facts["filters"], facts["kernel"], facts["digits"]) == (32, 5, 3)
    assert facts["allow_code"] is False
    assert "laplacian" in facts["kernels"]
    assert {"name", "title", "source"} == set(facts["examples"][0])
    assert facts["layers"][0]["weights"] == 800


def test_a_digit_is_the_model_s(server):
    digits, labels = server.state.model.digits
    reply = post(server, "digit", {"index": 2}).json
    assert reply == {"pixels": digits[2, 0].tolist(), "label": int(labels[2])}


def secret_of(server):
    return re.search("secret=(.+)", server.url)[1]


def test_code_is_refused_without_the_switch(server):
    sentence = check_refusal(post(server, "check", {"source": "1"}), 403)
    assert "--allow-code" in sentence
    assert "secret" not in server.url


class Worker:
    """Stands for the process that runs pasted code."""

    def __init__(self, limit):
        self.given = []

    def check(self, source):
        self.given.append(source)
        return {"ok": True}

    def close(self):
        pass


def test_code_runs_only_for_who_has_the_secret(monkeypatch):
    monkeypatch.setattr("jaxconv.explore.checker.Child", Worker)
    with served(allow_code=True) as server:
        ask = functools.partial(post, server, "check", {"source": "x = 1"})
        assert "address" in check_refusal(ask(), 403)
        wrong = get(server, "/?secret=wrong")
        assert (wrong.status, "Set-Cookie" in wrong.headers) == (303, False)
        reply = get(server, f"/?secret={secret_of(server)}")
        assert (reply.status, reply.headers["Location"]) == (303, "/")
        cookie, *traits = reply.headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict"} <= set(traits)
        for bad_cookie in ("", "=", cookie[:-1], f"{cookie}x", "a=b", "\xff; ;=;"):
            check_refusal(ask(Cookie=bad_cookie), 403)
        assert ask(Cookie=f"other=1; {cookie}").json == {"ok": True}
        assert get(server, "/api/info", Cookie=cookie).json["allow_code"] is True
        assert get(server, "/api/info").json["allow_code"] is False
        long = {"source": "#" * 8_001}
        check_refusal(post(server, "check", long, Cookie=cookie), 400)
        assert server.state.checker._child.given == ["x = 1"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", bad.GOOD)
def test_a_good_question_is_answered(name, server):
    reply = post(server, name, bad.GOOD[name])
    assert reply.status == 200, reply
    assert reply.json is not None
