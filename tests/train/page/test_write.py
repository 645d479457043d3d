"""report.html: what stands in it, for models, data and runs of every kind."""

import html
import html.parser
import pathlib
import re

import pytest

from jaxconv import nn
from jaxconv.train.page import write_page
from tests.train.page.runs import (
    LINES,
    SCALING,
    conv_model,
    dataset,
    dense_model,
    folder_of,
    params_of,
    progress,
)

pytest.importorskip("PIL")

VOID = {"meta", "link", "img", "path"}


class Outline(html.parser.HTMLParser):
    """What a page is made of: its headings, links, images, and whether tags match."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.links, self.images, self.ids = [], [], [], []
        self.open, self.text, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.links += [given[key] for key in ("href", "src") if key in given]
        self.ids += [given["id"]] if "id" in given else []
        if tag == "img":
            self.images.append(given)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def written(path, model=None, data=None, lines=LINES, **settings):
    """Return the text of the page of a run."""
    data = data or dataset()
    model = model or conv_model(len(data.classes))
    folder = folder_of(path, lines, **settings)
    return write_page(folder, model, params_of(model, data), data, SCALING).read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return written(tmp_path_factory.mktemp("runs") / "run", epochs=3)


def words(text):
    return " ".join(" ".join(Outline(text).text).split())


SECTIONS = ["curves", "mistakes", "confusion", "filters", "maps", "layers"]
SECTIONS += ["times", "settings", "versions"]


def test_the_page_has_every_section(page):
    assert Outline(page).ids == SECTIONS


def test_the_tags_match_and_the_headings_are_in_order(page):
    outline = Outline(page)
    assert outline.open == []
    steps = zip([0, *outline.headings], outline.headings, strict=False)
    assert all(heading <= before + 1 for before, heading in steps)
    assert outline.headings.count(1) == 1


def test_nothing_is_fetched(page):
    outline = Outline(page)
    assert all(link.startswith(("data:", "#")) for link in outline.links)
    assert "url(" not in page
    assert "script" not in outline.tags
    assert "default-src 'none'" in html.unescape(page)


def test_every_image_says_what_it_shows(page):
    images = Outline(page).images
    assert len(images) > 4
    assert all(image["alt"] for image in images)


def test_names_from_folders_are_text_not_markup(page):
    assert "<b>bee</b>" not in page
    assert "&lt;b&gt;bee&lt;/b&gt;" in page
    assert 'c"&at' in words(page)
    assert "the <small> set" in words(page)


def test_the_headline_says_what_was_reached(page):
    said = words(page)
    assert re.search(r"\d+\.\d\d% of 24 test images classified correctly", said)
    assert "20 training images of 1 × 8 × 8, 3 classes" in said  # noqa: RUF001


def test_settings_that_were_changed_come_first(page):
    said = words(page)
    assert "epochs 3 default 1 1 setting at the default batch size 60" in said


def test_versions_and_the_processor_are_named(page):
    said = words(page)
    assert re.search(r"jaxconv 0.1.0 jax 0.10.2 python 3.11.7 processor \S", said)


def test_the_layers_are_those_of_describe(page):
    assert re.search(r"conv1 conv 4 × 8 × 8 36 2,304 3 × 3 1 × 1", words(page))  # noqa: RUF001
    assert "(+ the statistics that it keeps)" in words(page)


def test_the_page_is_small(page):
    assert len(page) < 100_000


def test_the_same_page_replaces_the_first(tmp_path):
    first = written(tmp_path / "run", dense_model())
    second = written(tmp_path / "run", dense_model())
    assert len(first) == len(second)
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["metrics.jsonl", "report.html", "settings.json"]


def test_a_model_without_a_convolution_shows_no_filters(tmp_path):
    ids = Outline(written(tmp_path / "run", dense_model())).ids
    assert ids == [name for name in SECTIONS if name not in ("filters", "maps")]


def test_colour_images_and_many_classes(tmp_path):
    data = dataset([f"class {i}" for i in range(60)], channels=3, test=100)
    said = words(written(tmp_path / "run", conv_model(60), data))
    assert "for the three colours; grey is 0" in said
    assert "Of 60 classes, the 50 with the most mistakes are shown." in said


RUNS = {
    "one step": [{"step": 1, "compilation_seconds": 2.0, "seconds": 2.0}, progress(1)],
    "no validation": [line for line in LINES if "validation_accuracy" not in line],
    "no figures": [],
    "not finite": [{**progress(10), "loss": None}, progress(20, speed=0.0)],
    "all equal": [progress(10), progress(20), progress(30)],
    "all zero": [{**progress(step), "learning_rate": 0.0} for step in (10, 20)],
}


@pytest.mark.parametrize("lines", RUNS.values(), ids=RUNS)
def test_a_run_of_any_length_gives_a_page(tmp_path, lines):
    page = written(tmp_path / "run", dense_model(), lines=lines)
    assert Outline(page).open == []
    assert "NaN" not in page
    assert " nan" not in page


def test_held_out_first_and_overfitted_images_are_called_so(tmp_path):
    said = [
        words(written(tmp_path / "run", dense_model(), **settings))
        for settings in (
            {"held_out": 24},
            {"max_test_images": 10},
            {"overfit_batches": 1},
        )
    ]
    assert "of 24 held-out images classified" in said[0]
    assert "of the first 10 test images classified" in said[1]
    assert "of 24 images that it was trained on classified" in said[2]


def test_a_page_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    before = written(tmp_path / "run", dense_model())

    def half_written(path, text, *_):
        with path.open("w") as file:
            file.write(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", half_written)
    data, model = dataset(), dense_model()
    params = params_of(model, data)
    with pytest.raises(
        OSError, match="report cannot be written: No space left"
    ) as told:
        write_page(tmp_path / "run", model, params, data, SCALING)
    assert told.value.errno == 28
    assert (tmp_path / "run" / "report.html").read_text() == before
    assert len(list((tmp_path / "run").iterdir())) == 3


def test_photographs_leave_the_page_small(tmp_path):
    data = dataset(channels=3, size=180, test=30, train=2)
    page = written(tmp_path / "run", dense_model(), data)
    assert "data:image/jpeg" in page
    assert len(page) < 1_000_000


def test_the_model_is_named_if_it_is_the_one_of_the_settings(tmp_path):
    data = dataset(size=28, train=2, test=2)
    said = words(written(tmp_path / "run", nn.models.chapter5(3), data))
    assert said.startswith("chapter5 on the <small> set ")
    assert "model chapter5" in said
    other = words(written(tmp_path / "other", dense_model(), data))
    assert other.startswith("A custom model on the <small> set ")
    assert "model chapter5" not in other
