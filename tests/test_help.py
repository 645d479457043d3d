"""`help` of the package and of the chapter: what matters comes first."""

import importlib
import pydoc

import pytest

import jaxconv
from jaxconv import chapter


def shown(module):
    """Return the lines of `help`, without bold letters."""
    text = pydoc.plain(pydoc.render_doc(module))
    return [line.strip() for line in text.splitlines()]


def test_the_package_begins_with_its_calls():
    lines = shown(jaxconv)
    first = lines.index("DESCRIPTION")
    section = lines[first : lines.index("PACKAGE CONTENTS")]
    assert section[1].startswith("conv(x, w)")
    text = " ".join(section)
    for name in (*jaxconv.__all__, "_output, _input_grad, _param_grad"):
        assert name in text or name == "Explanation"


@pytest.mark.parametrize("name", ["_output", "_input_grad", "_param_grad"])
def test_the_chapter_shows_the_maps_with_channels(name):
    lines = shown(chapter)
    functions = lines[lines.index("FUNCTIONS") :]
    assert any(line.startswith(f"{name}(") for line in functions)


def test_the_chapter_begins_with_a_table_of_every_map():
    lines = shown(chapter)
    at = lines.index("DESCRIPTION") + 1
    names = " ".join(lines[at : at + 5]).split()
    maps = [n for n in chapter.__all__ if "conv" in n or "grad" in n or n == "_output"]
    assert set(maps) - {"conv_1d_sum", "conv_1d_batch_sum"} <= set(names)


@pytest.mark.parametrize("name", ["chapter", "check", "data", "nn", "train"])
def test_a_part_is_imported_when_asked_for(name, monkeypatch):
    part = importlib.import_module(f"jaxconv.{name}")
    monkeypatch.delattr(jaxconv, name)
    assert getattr(jaxconv, name) is part


def test_what_is_no_part_is_no_attribute():
    with pytest.raises(AttributeError, match="'jaxconv' has no attribute 'layers'"):
        _ = jaxconv.layers
