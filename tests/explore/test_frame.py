"""The page's frame and its smaller sections in a browser."""

import numpy as np
import pytest

from jaxconv.check import check_bilinear
from jaxconv.data import load_mnist
from jaxconv.explore.examples import EXAMPLES
from jaxconv.nn.kernels import CHANGERS, DETECTORS
from tests.explore.accessible import nameless, pale
from tests.explore.browser import THEMES, WIDTHS, new_tab

pytestmark = [pytest.mark.exhaustive, pytest.mark.extras]
SECTIONS = "toy", "ideas", "check"


def settle(tab, section):
    if section != "toy":
        tab.wait_for_selector(f"#{section}[data-busy='0']", timeout=60_000)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_fits_and_can_be_read(open_page, section, theme):
    for width in WIDTHS:
        tab = open_page(section, width=width, theme=theme)
        settle(tab, section)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        everything = tab.locator("body")
        assert nameless(everything) == []
        assert pale(everything) == []


def test_tabs_have_addresses_and_keys(open_page):
    tab = open_page("toy")
    tab.locator("#tab-toy").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert tab.url.endswith("#ideas")
    assert tab.locator("#ideas").is_visible()
    assert not tab.locator("#toy").is_visible()
    assert tab.locator("#tab-ideas").get_attribute("aria-selected") == "true"
    assert tab.evaluate("document.activeElement.id") == "tab-ideas"
    settle(tab, "ideas")
    tab.go_back()
    assert tab.locator("#images").is_visible()
    settle(tab, "images")


def test_the_first_link_skips_to_the_content(open_page):
    tab = open_page("check")
    settle(tab, "check")
    first = tab.locator("a, button, input").first
    assert first.get_attribute("class") == "skip"
    first.focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    assert tab.locator("#check").is_visible()


def test_the_theme_that_one_chooses_is_kept(open_page):
    tab = open_page("toy", theme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(paper)
    tab.locator("[data-test=theme]").click()
    dark = tab.evaluate(paper)
    assert dark != light
    tab.reload()
    assert tab.evaluate(paper) == dark
    assert tab.locator("[data-test=theme]").text_content() == "Light"


# Ideas -------------------------------------------------------------------------------


def test_filters_are_those_of_the_library(open_page):
    tab = open_page("ideas")
    settle(tab, "ideas")
    names = tab.locator("#ideas .kernel-list button").all()
    assert [name.get_attribute("aria-label") for name in names] == [
        *DETECTORS,
        *CHANGERS,
    ]
    names[3].click()
    settle(tab, "ideas")
    weights = [
        float(tab.locator(f"#ideas [data-test=kernel-{at}]").input_value())
        for at in range(9)
    ]
    assert weights == np.ravel(DETECTORS["vertical edges (Sobel)"]).tolist()


def test_pooling_shows_what_each_keeps_of_four_pixels(open_page):
    tab = open_page("ideas")
    settle(tab, "ideas")
    row, column = 4, 6
    pixels = load_mnist()[1][0][8, 0] / 255  # the page begins with digit 8
    four = pixels[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
    for name, right in {
        "max_pool": four.max(),
        "average_pool": four.mean(),
        "stride": four[0, 0],
    }.items():
        place = tab.locator(f"#ideas [data-test=halves-{name}-value]")
        found = float(place.get_attribute("data-value"))
        np.testing.assert_allclose(found, right, rtol=1e-4)


def test_an_output_of_the_second_layer_sees_as_far_as_the_sliders_say(open_page):
    tab = open_page("ideas")
    settle(tab, "ideas")
    for test, value in {"kernels-0": 3, "kernels-1": 5, "strides-0": 2}.items():
        tab.locator(f"#ideas [data-test=receptive-{test}]").fill(str(value))
    settle(tab, "ideas")
    said = tab.locator("#ideas [data-test=receptive]").text_content()
    assert "5 \N{MULTIPLICATION SIGN} 5 outputs of layer 1" in said
    assert "11 \N{MULTIPLICATION SIGN} 11 pixels" in said


# Check -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["right", "not-turned"])
def test_the_report_is_that_of_check_bilinear(open_page, name):
    tab = open_page("check")
    settle(tab, "check")
    tab.locator("#check [data-test=example]").select_option(name)
    settle(tab, "check")
    place = {}
    exec("import jax.numpy as jnp\n" + EXAMPLES[name].source, place)
    maps = [place[key] for key in ("output", "input_grad", "param_grad")]
    shapes = place.get("x_shape", (8,)), place.get("w_shape", (3,))
    report = check_bilinear(*maps, *shapes)
    assert tab.locator("#check [data-test=report]").text_content() == str(report)
    patterns = tab.locator("#check [data-test=pattern]").all_text_contents()
    expected = {one.pattern for one in report.failures if one.pattern}
    assert {text[:-1].lower() for text in patterns} == {one.lower() for one in expected}
    assert (tab.locator("#check .verdict.right").count() == 1) == report.ok
    assert (tab.locator("#check td.bad").count() > 0) == (not report.ok)


CODE = """
def output(x, w):
    return w[0] * x


def input_grad(g, w):
    return w[0] * g


def param_grad(x, g):
    return jnp.vdot(x, g)[None] * jnp.array([1.0, 0.0, 1.0])
"""


def test_code_that_one_pastes_is_checked(open_page):
    tab = open_page("check")
    settle(tab, "check")
    tab.locator("#check [data-test=code]").fill(CODE)
    tab.locator("#check [data-test=check]").click()
    settle(tab, "check")
    verdict = tab.locator("#check [data-test=verdict]").text_content()
    assert verdict == "Wrong: param_grad"
    wrong = tab.locator("#check .compared table").first.locator("td")
    bad = wrong.evaluate_all("all => all.map(cell => cell.matches('.bad'))")
    assert bad == [False, False, True]


def test_without_the_switch_code_is_read_only_and_says_why(chromium, served):
    tab, complaints = new_tab(chromium, served, 1280, "light")
    try:
        tab.goto(f"{served.address}/#check")  # without the secret
        settle(tab, "check")
        assert not tab.locator("#check [data-test=code]").is_editable()
        note = tab.locator("#check [data-test=check-note]").text_content()
        assert "--allow-code" in note
    finally:
        tab.context.close()
    assert not complaints, complaints
