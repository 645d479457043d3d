"""The page's files are served, and go where the package goes."""

from pathlib import Path

import pytest

from jaxconv.explore import files

ROOT = Path(__file__).resolve().parents[2]
PAGE = [path for path in files.PAGE.rglob("*") if path.is_file()]


def test_each_file_of_the_page_has_an_address():
    served = {file.path for file in files.files().values()}
    assert served == set(PAGE)


@pytest.mark.extras
def test_the_wheel_holds_the_page():
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    held = {file.distribution_path for file in builder.recurse_included_files()}
    assert {path.relative_to(ROOT).as_posix() for path in PAGE} <= held
