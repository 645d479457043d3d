"""The section of five numbers in a browser: its arithmetic is the library's.

It is the only part that computes by itself, in page/js/toy_maths.js.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv import chapter
from tests.explore.accessible import focus_order
from tests.explore.browser import new_tab

pytestmark = [pytest.mark.exhaustive, pytest.mark.extras]
SETTINGS, GEOMETRIES = 200, 50
MAPS = "output", "input_grad", "param_grad"
TESTS = {"output": "output", "input_grad": "input-grad", "param_grad": "param-grad"}
COMPUTE = """async all => {
  const maths = await import("/js/toy_maths.js");
  return all.map(({x, w, g, ...settings}) => [
    maths.output(x, w, settings),
    maths.inputGrad(g, w, settings),
    maths.paramGrad(x, g, settings),
  ]);
}"""


def library(*operands, **settings):
    return [np.asarray(one) for one in by_conv(*operands, **settings)]


def by_conv(x, w, g, *, stride=1, padding=(1, 1), dilation=1):
    """Return the three maps by `jaxconv.conv`."""
    x, w, g = (jnp.asarray(one, jnp.float32)[None, None] for one in (x, w, g))
    facts = {
        "strides": stride,
        "padding": [padding],
        "kernel_dilation": dilation,
    }
    output = jaxconv.conv(x, w, **facts)
    input_grad = jaxconv.conv_input_grad(g, w, input_shape=x.shape, **facts)
    param_grad = jaxconv.conv_param_grad(x, g, kernel_shape=w.shape, **facts)
    return [one[0, 0] for one in (output, input_grad, param_grad)]


def by_chapter(x, w, g):
    """Return the three maps by the chapter's loops."""
    x, w, g = (jnp.asarray(one, jnp.float32) for one in (x, w, g))
    return (
        chapter.conv_1d(x, w),
        chapter.input_grad_1d(x, w, g),
        chapter.param_grad_1d(x, w, g),
    )


def random_geometry(rng):
    """Return how a filter of some length slides over some numbers, with an output."""
    while True:
        size, taps, stride, dilation = (int(rng.integers(1, n)) for n in (8, 6, 4, 4))
        low, high = (int(n) for n in rng.integers(0, 4, 2))
        if size + low + high > (taps - 1) * dilation:
            return size, taps, stride, dilation, (low, high)


def random_settings(rng):
    """Return settings of which half are the chapter's: odd, stride 1, same length.

    Numbers are random in each, but shapes recur: each is compiled once.
    """
    geometries = [random_geometry(rng) for _ in range(GEOMETRIES)]
    for at in range(SETTINGS // 2):
        taps = (1, 3, 5)[at % 3]
        yield True, _numbers(rng, 2 + 3 * (at % 2), taps, 1, 1, (taps // 2,) * 2)
        yield False, _numbers(rng, *geometries[at % GEOMETRIES])


def _numbers(rng, size, taps, stride, dilation, padding):
    length = (size + sum(padding) - (taps - 1) * dilation - 1) // stride + 1
    x, w, g = (rng.integers(-9, 10, n).tolist() for n in (size, taps, length))
    facts = {"stride": stride, "dilation": dilation, "padding": padding}
    return {"x": x, "w": w, "g": g, "size": size, "taps": taps} | facts


def test_two_hundred_random_settings_agree_with_the_library(open_page, rng):
    are_chapters, settings = zip(*random_settings(rng), strict=True)
    computed = open_page("toy").evaluate(COMPUTE, list(settings))
    assert len(computed) == SETTINGS
    chapters = jax.jit(by_chapter)
    others = jax.jit(by_conv, static_argnames=("stride", "dilation", "padding"))
    for is_chapters, one, maps in zip(are_chapters, settings, computed, strict=True):
        operands = [np.float32(one[name]) for name in "xwg"]
        facts = {name: one[name] for name in ("stride", "dilation", "padding")}
        expected = chapters(*operands) if is_chapters else others(*operands, **facts)
        for name, found, right in zip(MAPS, maps, expected, strict=True):
            np.testing.assert_array_equal(found, right, err_msg=f"{name} of {one}")


def test_settings_without_an_output_have_none(open_page):
    settings = {"size": 5, "taps": 5, "stride": 1, "dilation": 3, "padding": [1, 1]}
    operands = {"x": [1, 2, 3, 4, 5], "w": [1, 1, 1, 1, 1], "g": []}
    ((output, input_grad, param_grad),) = open_page("toy").evaluate(
        COMPUTE, [settings | operands]
    )
    assert output == []
    assert input_grad == param_grad == [0] * 5


def shown(tab, name):
    """Return the numbers of one of the three results, as the page shows them."""
    nodes = tab.locator(f"#toy [data-test^={TESTS[name]}-]")
    return [
        float(value)
        for value in nodes.evaluate_all("all => all.map(n => n.dataset.value)")
    ]


def assert_shows(tab, expected):
    for name, right in zip(MAPS, expected, strict=True):
        np.testing.assert_allclose(shown(tab, name), right, rtol=1e-5, err_msg=name)


def at(tab, test):
    return tab.locator(f"#toy [data-test={test}]")


def slide(tab, test, value):
    at(tab, test).fill(str(value))


def test_the_page_begins_with_the_chapters_example(open_page):
    tab = open_page("toy")
    x, w = jnp.arange(1.0, 6), jnp.ones(3)
    assert_shows(tab, by_chapter(x, w, jnp.ones(5)))


def test_the_results_change_as_one_types_and_slides(open_page):
    tab = open_page("toy")
    x, w, g = [1.0, -2.5, 3, 4, 5], [2.0, 1, -1], np.ones(5)
    at(tab, "x-1").fill("-2.5")
    at(tab, "w-0").fill("2")
    at(tab, "w-2").fill("-1")
    at(tab, "g-3").fill("0.5")
    g[3] = 0.5
    assert_shows(tab, library(x, w, g))
    slide(tab, "stride", 2)
    assert_shows(tab, library(x, w, g[:3], stride=2))
    slide(tab, "padding", 3)
    slide(tab, "dilation", 2)
    facts = {"stride": 2, "padding": (3, 3), "dilation": 2}
    assert_shows(tab, library(x, w, g[:4], **facts))
    slide(tab, "length", 5)
    assert_shows(tab, library(x, [*w, 1, 1], g[:2], **facts))
    tab.wait_for_selector("#toy [data-test=agreement][data-state=equal]")


def test_what_is_no_number_changes_nothing(open_page):
    tab = open_page("toy")
    before = [shown(tab, name) for name in MAPS]
    for text in ("", "1e999"):
        at(tab, "x-2").fill(text)
        assert at(tab, "x-2").get_attribute("aria-invalid") == "true"
        assert [shown(tab, name) for name in MAPS] == before
    at(tab, "x-3").focus()
    assert at(tab, "x-2").input_value() == "3"


# What is pointed at: the cells that light, as (output, input, weight), and the formula.
POINTED = {
    "output-2": (
        "row",
        {(2, 1, 0), (2, 2, 1), (2, 3, 2)},
        "o2 = x1·w0 + x2·w1 + x3·w2",
    ),
    "input-grad-1": (
        "column",
        {(0, 1, 2), (1, 1, 1), (2, 1, 0)},
        "∂x1 = g0·w2 + g1·w1 + g2·w0",
    ),
    "x-4": ("column", {(3, 4, 2), (4, 4, 1)}, "∂x4 = g3·w2 + g4·w1"),
    "param-grad-0": (
        "diagonal",
        {(0, -1, 0), (1, 0, 0), (2, 1, 0), (3, 2, 0), (4, 3, 0)},
        "∂w0 = 0·g0 + x0·g1 + x1·g2 + x2·g3 + x3·g4",
    ),
}
LIT = """kind => [...document.querySelectorAll(`#toy .cell[data-lit=${kind}]`)]
  .map(({dataset: {row, column, tap}}) => [+row, +column, +tap])"""


@pytest.mark.parametrize("test", POINTED)
def test_pointing_lights_a_row_a_column_or_a_diagonal(open_page, test):
    tab = open_page("toy")
    kind, cells, letters = POINTED[test]
    at(tab, test).hover()
    assert set(map(tuple, tab.evaluate(LIT, kind))) == cells
    card = at(tab, f"formula-{kind}")
    assert card.get_attribute("data-on") == "true"
    assert card.locator(".letters").text_content() == letters


def test_the_numbers_stand_in_the_formula(open_page):
    tab = open_page("toy")
    at(tab, "x-3").fill("-4")
    at(tab, "output-2").hover()
    card = at(tab, "formula-row")
    numbers = card.locator(".numbers").text_content()
    assert numbers == "= 2·1 + 3·1 + (\N{MINUS SIGN}4)·1"
    assert card.locator(".total").text_content() == "= 1"
    assert card.locator(".sentence").text_content() == (
        "o2 reads x1 through w0, x2 through w1 and x3 through w2."
    )


def test_a_product_is_where_a_row_a_column_and_a_diagonal_cross(open_page):
    tab = open_page("toy")
    tab.locator("#toy .cell[data-row='3'][data-tap='0']").hover()
    assert tab.evaluate(LIT, "cross") == [[3, 2, 0]]
    for kind, count in {"row": 2, "column": 2, "diagonal": 4}.items():
        assert len(tab.evaluate(LIT, kind)) == count
        assert at(tab, f"formula-{kind}").get_attribute("data-on") == "true"


def test_one_sum_comes_out_in_three_ways(open_page):
    tab = open_page("toy")
    for place, number in {"x-0": "7", "w-1": "-3", "g-4": "2.5"}.items():
        at(tab, place).fill(number)
    sums = at(tab, "same").locator("strong").all_text_contents()
    assert len(sums) == 3
    assert len(set(sums)) == 1


def test_keys_alone_point(open_page):
    tab = open_page("toy")
    at(tab, "output-2").focus()
    tab.keyboard.press("ArrowDown")
    assert len(tab.evaluate(LIT, "row")) == 3
    assert at(tab, "formula-row").locator(".letters").text_content().startswith("o3 ")
    at(tab, "w-1").focus()
    assert len(tab.evaluate(LIT, "diagonal")) == 5


def test_tab_goes_from_what_is_given_to_what_is_computed(open_page):
    tab = open_page("toy")
    seen = focus_order(tab, "#toy [data-test=x-3]", 12)
    assert seen == [
        *("x-4", "w-0", "w-1", "w-2", "g-0", "g-1", "g-2", "g-3", "g-4"),
        *("output-4", "param-grad-2", "input-grad-4"),
    ]


def test_a_finger_points(chromium, served):
    tab, complaints = new_tab(chromium, served, 400, "light", has_touch=True)
    try:
        tab.goto(f"{served.url}#toy")
        at(tab, "input-grad-3").tap()
        assert {column for _, column, _ in tab.evaluate(LIT, "column")} == {3}
        assert at(tab, "formula-column").is_visible()
        assert not at(tab, "formula-row").is_visible()
    finally:
        tab.context.close()
    assert not complaints, complaints


def test_the_tour_ends_when_one_points(open_page):
    tab = open_page("toy")
    at(tab, "play").click()
    assert at(tab, "play").text_content() == "Stop"
    assert at(tab, "formula-row").locator(".letters").text_content().startswith("o0 ")
    at(tab, "x-1").hover()
    assert at(tab, "play").text_content() == "Show me"
