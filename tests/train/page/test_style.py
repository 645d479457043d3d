"""The page's colours: text of at least 4.5 to 1 on whatever is behind it."""

import re
from importlib import resources

import pytest

STYLE = (resources.files("jaxconv.train.page") / "style.css").read_text()
SCHEMES = ("light", "dark", "print")


def variables():
    """Return the variables of each scheme; those after the first change some."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    found = [dict(re.findall(r"--(\w+): ([^;]+);", block)) for block in blocks]
    return {name: found[0] | own for name, own in zip(SCHEMES, found, strict=True)}


def rgb(value):
    if value.startswith("#"):
        digits = value[1:] if len(value) == 7 else "".join(2 * c for c in value[1:])
        return [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    return [int(number) for number in value.split()]


def luminance(colour):
    """Source: WCAG 2.2, relative luminance."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (one / 255 for one in colour)
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    lights = sorted(luminance(colour) + 0.05 for colour in (one, other))
    return lights[1] / lights[0]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("text", ["ink", "faint", "accent", "warm"])
@pytest.mark.parametrize("behind", ["paper", "raised"])
def test_text_stands_out_from_the_paper(scheme, text, behind):
    colours = variables()[scheme]
    assert contrast(rgb(colours[text]), rgb(colours[behind])) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["hit", "miss"])
def test_counts_stand_out_from_the_darkest_cell(scheme, kind):
    colours = variables()[scheme]
    shade = re.search(rf"td\.{kind} {{.*?calc\((.*?)\)\)", STYLE)[1]
    most = sum(map(float, re.findall(r"\d*\.\d+", shade)))
    mixed = [
        most * over + (1 - most) * under
        for over, under in zip(rgb(colours[kind]), rgb(colours["raised"]), strict=True)
    ]
    assert contrast(rgb(colours["ink"]), mixed) >= 4.5
