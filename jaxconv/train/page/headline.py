"""The head of the page: what was trained, and what it has reached."""

import datetime

import numpy as np

from jaxconv._words import counted
from jaxconv.data.dataset import Dataset
from jaxconv.nn.describe import Description
from jaxconv.train.page.evaluated import Evaluated
from jaxconv.train.page.markup import TIMES, Html, element
from jaxconv.train.page.record import Record
from jaxconv.train.page.tables import seconds_in_words


def headline(
    name: str,
    record: Record,
    data: Dataset,
    evaluated: Evaluated,
    description: Description,
    tested: str,
) -> Html:
    """Return the page's head: what was trained, and what it has reached."""
    times = record.times
    seconds = times.compilation + times.training + times.validation
    steps = [line["step"] for line in (*record.training, *record.validations)]
    batches = max(steps, default=0)
    wrong = int(np.sum(evaluated.predicted != evaluated.labels))
    total = description.total
    facts = [
        (f"{wrong:,}", "mistake" if wrong == 1 else "mistakes"),
        (f"{total.weights + total.biases:,}", "parameters"),
        (f"{batches:,}", "batch" if batches == 1 else "batches"),
        (seconds_in_words(seconds), "of training and validation"),
    ]
    if times.images_per_second is not None:
        facts.append((f"{times.images_per_second:,.0f}", "images a second"))
    images, _ = data.train
    today = datetime.datetime.now().astimezone()
    return element(
        "header",
        element("h1", name, element("span", f" on {data.name}")),
        element(
            "p",
            f"{counted(len(images), 'training image')} of "
            f"{TIMES.join(map(str, images.shape[1:]))}, "
            f"{counted(len(data.classes), 'class', 'classes')}. "
            f"Written on {today:%d %B %Y, %H:%M}.",
            class_="faint",
        ),
        element(
            "div",
            element(
                "p",
                element("b", f"{evaluated.accuracy:.2%}"),
                element("span", f"of {tested} classified correctly"),
                class_="figure",
            ),
            element(
                "dl",
                *(
                    element("div", element("dt", what), element("dd", number))
                    for number, what in facts
                ),
                class_="facts",
            ),
            class_="headline",
        ),
    )
