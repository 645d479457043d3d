import threading

import pytest

from jaxconv.explore.sessions import Sessions
from tests.explore.small import model


def counting(model):
    """Count the changes in the params."""
    count = model.params.get("count", 0) + 1
    return {"count": count}, count


def test_a_session_keeps_its_params_until_it_is_reset():
    sessions = Sessions(model())
    assert [sessions.change("page-one", counting) for _ in range(2)] == [1, 2]
    assert sessions.change("page-two", counting) == 1
    assert sessions.model("page-one").params == {"count": 2}
    assert sessions.model() is model()
    assert sessions.model("unknown") is model()
    sessions.reset("page-one")
    sessions.reset("unknown")
    assert sessions.model("page-one") is model()


def test_the_session_unused_longest_goes_first():
    sessions = Sessions(model(), most=2)
    for name in "one", "two", "two":
        sessions.change(name, counting)
    sessions.model("one")  # used again
    sessions.change("three", counting)
    assert len(sessions) == 2
    assert sessions.model("two") is model()
    assert sessions.model("one").params == {"count": 1}


def test_a_change_that_raises_changes_nothing():
    sessions = Sessions(model())
    sessions.change("page-one", counting)

    def failing(model):
        raise ValueError("no step")

    with pytest.raises(ValueError, match="no step"):
        sessions.change("page-one", failing)
    assert sessions.change("page-one", counting) == 2


def test_no_change_is_lost_between_threads():
    sessions, wait = Sessions(model()), threading.Event()

    def slowly(model):
        wait.wait(0.005)  # let the other threads come in
        return counting(model)

    threads = [
        threading.Thread(target=sessions.change, args=("page-one", slowly))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert "count" not in sessions.model("page-two").params  # others need not wait
    for thread in threads:
        thread.join()
    assert sessions.model("page-one").params == {"count": 8}
