"""The README and the table of names: complete, its files exist, what it shows is so."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

from jaxconv.conv.methods import onednn_region

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TABLES = (ROOT / "jaxconv" / "README.md").read_text()
PACKAGES = {
    "": "jaxconv",
    "check.": "jaxconv.check",
    "nn.": "jaxconv.nn",
    "data.": "jaxconv.data",
    "train.": "jaxconv.train",
    "chapter.": "jaxconv.chapter",
}
NAMES = dict(re.findall(r"^\|`([\w.]+)`\|`([\w./]+\.py)`\|.+\|$", TABLES, re.M))


def test_the_table_names_every_public_name():
    public = {
        prefix + name
        for prefix, package in PACKAGES.items()
        for name in importlib.import_module(package).__all__
    }
    assert set(NAMES) == public


@pytest.mark.parametrize(("name", "file"), NAMES.items(), ids=NAMES)
def test_a_name_is_defined_in_the_file_that_is_given(name, file):
    path, _, last = name.rpartition(".")
    public = getattr(importlib.import_module(f"jaxconv.{path}".strip(".")), last)
    assert (ROOT / "jaxconv" / file).is_file()
    dotted = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    module = importlib.import_module(f"jaxconv.{dotted}")
    if inspect.ismodule(public):
        assert public is module
        return
    assert getattr(module, last) is public
    if inspect.isclass(public) or inspect.isfunction(public):
        assert public.__module__ == module.__name__


def test_its_links_and_the_files_that_it_names_exist():
    links = re.findall(r"\]\(([\w./]+)\)", README)
    named = re.findall(r"^\| `((?:jaxconv|scripts|tests)[\w./]*)`", README, re.M)
    assert len(links) >= 2
    assert len(named) >= 5
    for path in links + named:
        assert (ROOT / path).exists(), path


def test_it_is_short_and_its_commands_stand_alone():
    assert len(README.split()) <= 1500
    for command in (
        'python -m pip install -e ".[train]" && python scripts/train.py',
        'python -m pip install -e ".[test]" && python -m pytest -n auto',
    ):
        assert f"```sh\n{command}\n```" in README


def test_its_times_are_those_of_the_benchmarks():
    benchmarks = (ROOT / "scripts" / "BENCHMARKS.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([\d.,]+), ([\d.,]+), ([\d.,]+) \|", README, re.M)
    assert len(rows) == 6
    for network, jaxconv, lax, torch in rows:
        cells = rf"\| {network}, \d+ \| {lax} \| {jaxconv} \| {torch} \|"
        assert re.search(cells, benchmarks)


def test_the_report_of_the_flax_model_is_what_is_printed(capsys):
    pytest.importorskip("flax")
    if onednn_region.unavailable("float32"):
        pytest.skip("the report names oneDNN, which does not compute here")
    code, shown = re.search(
        r"```python\n(import flax.*?)```\n\n```text\n(.*?)```", README, re.S
    ).groups()
    exec(code, {})
    assert capsys.readouterr().out == shown
