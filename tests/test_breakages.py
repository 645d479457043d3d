"""The list of breakages stands: each text that is to be broken is there, once."""

import pytest


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend("scripts")
    import breakages

    return breakages


def test_every_text_is_in_its_file_exactly_once(script):
    assert script.lost(script.breakages()) == []


def test_a_text_that_is_gone_is_reported(script):
    one = script.breakages()[0]._replace(text="no such text")
    assert "has 0 times 'no such text'" in script.lost([one])[0]


def test_there_are_enough_and_all_have_names_of_their_own(script):
    found = script.breakages()
    assert len({one.name for one in found}) == len(found) >= 40
