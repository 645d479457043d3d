"""report.html in a browser: no error on the console, nothing wider than the window."""

import html
import re
import shutil
import subprocess

import pytest

from jaxconv.train.page import write_page
from tests.tiers import fast
from tests.train.page.runs import (
    SCALING,
    conv_model,
    dataset,
    dense_model,
    folder_of,
    params_of,
)

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.extras,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome"),
]
pytest.importorskip("PIL")

# A window cannot be narrower than 500 pixels; a frame can, and its page is measured.
FRAME = """<!doctype html><meta charset="utf-8">
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
const frame = document.querySelector("iframe");
onload = () => {{
  const root = frame.contentDocument.documentElement;
  document.title = `${{frame.contentWindow.innerWidth}} ${{root.scrollWidth}}`;
}};
</script>"""


def browse(path, profile):
    """Open a file; return what the console says, and the document afterwards."""
    said = subprocess.run(
        [
            *(
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=2000", "--dump-dom", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return re.findall(r":CONSOLE[:(]\d*\)?.*", said.stderr), said.stdout


def widths(page, folder, width):
    """Return the width of a frame, and that of the page inside it."""
    path = folder / "frame.html"
    path.write_text(FRAME.format(width=width, page=html.escape(page)))
    _, document = browse(path, folder / "profile")
    title = re.search(r"<title>(\d+) (\d+)</title>", document)
    assert title, document[:500]
    return int(title[1]), int(title[2])


MANY = [f"a class with the number {i}" for i in range(47)]
PAGES = {
    "convolution": (conv_model(), dataset()),
    "47 long names": (dense_model(47), dataset(MANY, channels=3, test=300)),
}


@pytest.fixture(scope="module", params=fast(PAGES, "convolution"))
def path(request, tmp_path_factory):
    model, data = PAGES[request.param]
    folder = folder_of(tmp_path_factory.mktemp("runs") / "run", epochs=3)
    return write_page(folder, model, params_of(model, data), data, SCALING)


def test_the_console_stays_empty(path, tmp_path):
    said, document = browse(path, tmp_path)
    assert said == []
    assert "Confusion matrix" in document


@pytest.mark.parametrize("width", fast([400, 1280], 400))
def test_the_page_is_not_wider_than_its_window(path, tmp_path, width):
    inner, page = widths(path.read_text(), tmp_path, width)
    assert (inner, page) == (width, width)


BROKEN = {
    "an error": "<script>undefinedFunction()</script>",
    "fetched": '<meta http-equiv="Content-Security-Policy" '
    'content="default-src \'none\'"><img src="https://localhost:1/a.png">',
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_page_is_seen(broken, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text(f"<!doctype html><title>x</title>{broken}")
    said, _ = browse(path, tmp_path / "profile")
    assert len(said) == 1


@pytest.mark.exhaustive
def test_a_wide_page_is_seen(tmp_path):
    assert widths('<p style="width:600px">x</p>', tmp_path, 400)[1] > 600
