"""Put the page together and write it, whole or not at all."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv._words import counted
from jaxconv.data.dataset import Dataset
from jaxconv.nn import Layer, Params
from jaxconv.nn.describe import Description, describe
from jaxconv.nn.walk import walk
from jaxconv.train._files import replace_text, writing
from jaxconv.train.config import Config
from jaxconv.train.models import make_model
from jaxconv.train.page.curves import curves_section
from jaxconv.train.page.evaluated import Evaluated, confusion, evaluate
from jaxconv.train.page.headline import headline
from jaxconv.train.page.learned import (
    filters_section,
    first_convolution,
    maps_section,
)
from jaxconv.train.page.markup import Html, Section, element
from jaxconv.train.page.matrix import confusion_section
from jaxconv.train.page.mistakes import mistakes_section
from jaxconv.train.page.record import Record, read_record
from jaxconv.train.page.tables import (
    layers_section,
    settings_section,
    times_section,
    versions_section,
)
from jaxconv.train.scaling import Scaling

# The page may load nothing from outside its file.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_page(
    folder: Path, model: Layer, params: Params, data: Dataset, scaling: Scaling
) -> Path:
    """Write `report.html` into the folder of a run, and return its path.

    The page is one file, which fetches nothing. It is made from the run's
    `settings.json` and `metrics.jsonl`, and the model's predictions for `data.test`.

    Args:
      folder: that of the run.
      model: the layer that was trained.
      params: the parameters to show.
      data: what it was trained and validated on.
      scaling: of bytes to what the model takes.

    Raises:
      OSError: a file of the run cannot be read, or the page cannot be written.
    """
    folder = Path(folder)
    page = folder / "report.html"
    content = page_of(read_record(folder), model, params, data, scaling)
    with writing(page, "the report"):
        replace_text(page, content)
    return page


def page_of(
    record: Record, model: Layer, params: Params, data: Dataset, scaling: Scaling
) -> str:
    """Return the page's text."""
    settings, params = record.settings, jax.tree.map(jnp.asarray, params)
    most = settings.get("max_test_images") or None
    images, labels = data.test[0][:most], data.test[1][:most]
    evaluated = evaluate(model, params, images, labels, scaling)
    shape = images.shape[1:]
    description = describe(model, shape)
    counts = confusion(evaluated, len(data.classes))
    classes = _named(data.classes, len(counts))
    name = None
    if not record.own_model:
        name = _model_name(description, settings, len(data.classes), shape)
    if name is None:  # the settings describe another model
        name = "A custom model"
        settings = {k: v for k, v in settings.items() if k not in ("model", "method")}
    tested = _tested(settings, len(images), len(data.test[0]))
    sections = [
        curves_section(record),
        mistakes_section(evaluated, images, classes, tested),
        confusion_section(counts, classes),
        *_learned(model, params, evaluated, images, classes, scaling),
        layers_section(description),
        times_section(record.times),
        settings_section(settings),
        versions_section(record.versions),
    ]
    head = headline(name, record, data, evaluated, description, tested)
    shown = [one for one in sections if one is not None]
    return _document(f"{name} on {data.name}", head, shown)


def _learned(
    model: Layer,
    params: Params,
    evaluated: Evaluated,
    images: np.ndarray,
    classes: Sequence[str],
    scaling: Scaling,
) -> list[Section | None]:
    """Return the two sections on the first convolution; none without one."""
    first = first_convolution(list(walk(model, images.shape[1:])))
    if first is None:
        return []
    right = np.flatnonzero(evaluated.predicted == evaluated.labels)
    index = int(right[0]) if len(right) else 0
    called = f"of the class {classes[evaluated.labels[index]]}"
    return [
        filters_section(params, first),
        maps_section(model, params, images[index], called, scaling, first),
    ]


def _document(title: str, head: Html, sections: Sequence[Section]) -> str:
    style = (resources.files(__package__) / "style.css").read_text("utf-8")
    links = [element("a", one.title, href=f"#{one.name}") for one in sections]
    body = element(
        "body",
        head,
        element("nav", *links, aria_label="Sections"),
        element("main", *(one.content for one in sections)),
    )
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            element(
                "meta", name="viewport", content="width=device-width, initial-scale=1"
            ),
            element("meta", name="color-scheme", content="light dark"),
            element("title", title),
            element("link", rel="icon", href="data:,"),
            element("style", Html(style)),
        ),
        body,
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _model_name(
    description: Description,
    settings: dict[str, Any],
    classes: int,
    shape: tuple[int, ...],
) -> str | None:
    """Return the model's name; None: `fit` was given another than the settings name."""
    known = {key: settings[key] for key in ("model", "method") if key in settings}
    try:
        meant = describe(make_model(Config(**known), classes), shape)
    except ValueError:  # a model that does not take such images
        return None
    same = [row.path for row in meant.rows] == [row.path for row in description.rows]
    same = same and meant.total.weights == description.total.weights
    return str(settings["model"]) if same else None


def _tested(settings: dict[str, Any], count: int, of: int) -> str:
    """Name the images that the model was judged by."""
    if settings.get("overfit_batches"):
        return f"{count:,} images that it was trained on"
    kind = "held-out" if settings.get("held_out") else "test"
    first = "the first " if count < of else ""
    return f"{first}{counted(count, f'{kind} image')}"


def _named(classes: Sequence[str], count: int) -> list[str]:
    """Return the names of all classes of the model, which may be more than given."""
    return [*classes, *map(str, range(len(classes), count))]
