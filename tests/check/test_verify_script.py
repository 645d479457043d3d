"""scripts/verify.py: fuzzing a type alone, and asking an unknown jaxlib."""

import pytest

from jaxconv.check import fuzz
from jaxconv.conv.methods import onednn_region
from tests.check.script import script

HERE = "0.9.9", "Linux", "x86_64"
ROW = {"float32": "avx2", "bfloat16": "avx512_bf16"}


@pytest.fixture
def fuzzed(monkeypatch):
    """Note what would be computed, with which settings, and say that it holds."""
    seen = []

    def hold(batches, tell, **settings):
        lines = [line for batch in batches for line in batch]
        seen.append(({line.split("/")[1] for line in lines}, len(lines), settings))
        return fuzz.Summary(cases=len(lines))

    monkeypatch.setattr(fuzz, "fuzz", hold)
    monkeypatch.setattr(onednn_region, "unavailable", lambda dtype: None)
    return seen


DTYPES = {"float32": 3, "bfloat16": 3, "float32 bfloat16": 6}


@pytest.mark.parametrize(("words", "cases"), DTYPES.items(), ids=DTYPES)
def test_a_type_may_be_fuzzed_alone(words, cases, fuzzed, monkeypatch):
    dtypes = words.split()
    given = "--fuzz", "onednn", "--cases", "3", "--dtypes", *dtypes
    assert script(monkeypatch, *given) == 0
    assert fuzzed == [(set(dtypes), cases, {"jobs": 2, "unverified": False})]


def test_without_a_type_nothing_is_fuzzed(fuzzed, monkeypatch, capsys):
    assert script(monkeypatch, "--fuzz", "onednn", "--dtypes") == 2
    assert "--dtypes takes float32, bfloat16 or both" in capsys.readouterr().err
    assert fuzzed == []


@pytest.fixture
def asked(fuzzed, monkeypatch):
    """Let the jaxlib be an unknown one, on a processor that has all it needs."""
    monkeypatch.setattr(fuzz, "types_here", lambda: (HERE, list(ROW)))
    monkeypatch.setattr(fuzz, "first_call", lambda dtype: None)
    monkeypatch.setattr(onednn_region, "VERIFIED", {})
    return fuzzed


def test_a_jaxlib_that_works_is_told_as_a_line_of_the_table(asked, monkeypatch, capsys):
    assert script(monkeypatch, "--probe", "--cases", "3") == 0
    *_, said, line = capsys.readouterr().out.splitlines()
    assert said == "For VERIFIED in jaxconv/conv/methods/onednn_region.py:"
    assert eval("{" + line + "}") == {HERE: ROW}
    assert asked == [({*ROW}, 6, {"jobs": 2, "unverified": True})]


def test_a_jaxlib_that_fails_is_told_with_its_failure(asked, monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "first_call", {"bfloat16": "crashes"}.get)
    assert script(monkeypatch, "--probe") == 1
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "This jaxlib's oneDNN does not run in bfloat16: crashes."
    assert asked == []


def test_a_summary_of_nothing_does_not_say_that_it_holds():
    assert str(fuzz.Summary()) == "0 cases in 0 s: nothing was checked"
