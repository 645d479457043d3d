"""The images with the largest loss that are classified wrongly."""

from collections.abc import Sequence

import numpy as np

from jaxconv._words import counted
from jaxconv.train.page.evaluated import Evaluated
from jaxconv.train.page.images import image, picture
from jaxconv.train.page.markup import ARROW, Section, element, section

_MOST = 30


def mistakes_section(
    evaluated: Evaluated, images: np.ndarray, classes: Sequence[str], tested: str
) -> Section:
    """Show the images whose true class the model gives the lowest probability."""
    mistakes = evaluated.mistakes()
    title, name = "The worst mistakes", "mistakes"
    if not len(mistakes):
        words = f"There are none: all {tested} are classified correctly."
        return section(title, name=name, intro=words)
    cards = []
    for index in mistakes[:_MOST]:
        truth = classes[evaluated.labels[index]]
        taken = classes[evaluated.predicted[index]]
        shown = image(picture(images[index]), f"{truth} taken for {taken}")
        cards.append(
            element(
                "figure",
                shown,
                element(
                    "figcaption",
                    element(
                        "span",
                        element("b", truth, title=truth),
                        element("i", f"{ARROW} {taken}", title=taken),
                    ),
                    element(
                        "span", f"{evaluated.probability[index]:.1%}", class_="sure"
                    ),
                ),
                title=f"image {index}, loss {evaluated.loss[index]:.2f}",
            )
        )
    count = counted(len(mistakes), "mistake")
    if len(cards) < len(mistakes):
        count = f"{len(cards)} of {count}"
    return section(
        title,
        element("div", *cards, class_="mistakes"),
        name=name,
        intro=f"{count} on {tested}, the largest loss first: true class {ARROW} "
        "predicted class, and its probability.",
    )
