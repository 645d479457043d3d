"""The section of images in a browser: what it shows is what the library computes.

The expected numbers come from `jax.grad` of the model, from the weights that the server
keeps in its folder, without the package's code for the page.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.data import load_mnist
from jaxconv.explore.model import open_model
from tests.explore import browser
from tests.explore.accessible import focus_order, nameless, pale
from tests.explore.browser import THEMES, WIDTHS, new_tab

pytestmark = [pytest.mark.exhaustive, pytest.mark.extras]
DIGIT = 5  # of the test set: a 1
PIXEL, TAP = (11, 15), (1, 3)
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}  # six digits, and a sum in another order


@pytest.fixture(scope="module")
def library(served):
    """Return the model's parameters and what they give for any pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(served.cache))
        return Library(open_model())


class Library:
    """The model by jaxconv.nn, and its loss, whose gradients JAX takes."""

    def __init__(self, model):
        self.scaling, self.params = model.scaling, model.params
        self.layer = nn.models.chapter5()
        sizes = jnp.abs(self.params["conv1"]["filters"]).max((0, 2, 3))
        self.map = int(sizes.argmax())  # of the strongest filter, which saturates
        self.loss_and_grads = jax.jit(jax.value_and_grad(self.loss, (0, 1)))

    def scaled(self, pixels):
        return jnp.asarray(self.scaling(np.array([[pixels]], np.uint8)))

    def logits(self, pixels):
        return self.layer.apply(self.params, self.scaled(pixels))[0]

    def loss(self, x, params, label):
        logits = self.layer.apply(params, x)
        return nn.softmax_cross_entropy(logits, jnp.array([label]))


def settle(tab):
    browser.settle(tab, "images")


def value(tab, test):
    return float(tab.locator(f"#images [data-test={test}]").get_attribute("data-value"))


def values(tab, test, count=10):
    return [value(tab, f"{test}-{at}") for at in range(count)]


def take_digit(tab, index=DIGIT):
    """Ask for a digit of the test set, and return its pixels."""
    box = tab.locator("#images [data-test=digit]")
    box.fill(str(index))
    box.press("Enter")
    settle(tab)
    return load_mnist()[1][0][index, 0].tolist()


def press(tab, test):
    tab.locator(f"#images [data-test={test}]").click()
    settle(tab)


def point(tab, test, pixel):
    """Move the mouse to a pixel of a picture."""
    box = tab.locator(f"#images [data-test={test}] canvas")
    box.scroll_into_view_if_needed()
    size = box.bounding_box()
    row, column = pixel
    tab.mouse.move(
        size["x"] + (column + 0.5) / 28 * size["width"],
        size["y"] + (row + 0.5) / 28 * size["height"],
    )
    settle(tab)


def drawn(tab, draw):
    """Do something that draws, and return the pixels that the page then sent last."""
    sent = []
    tab.on("request", lambda one: sent.append(one) if "/forward" in one.url else None)
    draw()
    settle(tab)
    return json.loads(sent[-1].post_data)["pixels"]


def stroke(tab):
    size = tab.locator("#images [data-test=pad] canvas").bounding_box()
    at = (
        lambda share: size["x"] + share * size["width"],
        size["y"] + 0.3 * size["height"],
    )
    tab.mouse.move(at[0](0.3), at[1])
    tab.mouse.down()
    tab.mouse.move(at[0](0.7), at[1], steps=8)
    tab.mouse.move(at[0](0.45), at[1] + 0.5 * size["height"], steps=8)
    tab.mouse.up()


def assert_logits(tab, library, pixels):
    np.testing.assert_allclose(
        values(tab, "logit"), library.logits(pixels), rtol=2e-4, atol=2e-4
    )


def test_a_digit_goes_forward_as_in_the_library(open_page, library):
    tab = open_page("images")
    pixels = take_digit(tab)
    assert_logits(tab, library, pixels)
    expected = jax.nn.softmax(library.logits(pixels))
    np.testing.assert_allclose(values(tab, "probability"), expected, **TOLERANCE)


def test_a_drawing_goes_forward_as_in_the_library(open_page, library):
    tab = open_page("images")
    settle(tab)
    press(tab, "clear")
    pixels = drawn(tab, lambda: stroke(tab))
    assert 30 < np.count_nonzero(pixels) < 200
    assert_logits(tab, library, pixels)
    press(tab, "erase")
    rubbed = drawn(tab, lambda: stroke(tab))
    assert np.sum(rubbed) == 0
    assert_logits(tab, library, rubbed)


def test_pointing_at_a_map_shows_patch_filter_products_and_sum(open_page, library):
    tab = open_page("images")
    x = library.scaled(take_digit(tab))[0, 0]
    press(tab, f"map-{library.map}")
    point(tab, "map-large", PIXEL)
    weights = library.params["conv1"]["filters"][0, library.map]
    row, column = PIXEL
    patch = x[row - 2 : row + 3, column - 2 : column + 3]
    tables = tab.locator("#images .equation .taps").evaluate_all(
        "tables => tables.map(table => "
        "[...table.querySelectorAll('td')].map(cell => +cell.dataset.value))"
    )
    for shown, expected in zip(tables, (patch, weights, patch * weights), strict=True):
        np.testing.assert_allclose(shown, np.ravel(expected), **TOLERANCE)
    total = (patch * weights).sum()
    assert abs(total) > 0.5
    np.testing.assert_allclose(value(tab, "sum"), total, **TOLERANCE)
    np.testing.assert_allclose(value(tab, "value"), jnp.tanh(total), **TOLERANCE)


def test_switching_to_backward_shows_the_losss_gradients(open_page, library):
    tab = open_page("images")
    pixels = take_digit(tab)
    press(tab, "mode-backward")
    tab.locator("#images [data-test=class]").select_option("3")
    settle(tab)
    x = library.scaled(pixels)
    loss, (of_x, of_params) = library.loss_and_grads(x, library.params, 3)
    np.testing.assert_allclose(value(tab, "loss"), loss, **TOLERANCE)
    expected = jax.nn.softmax(library.logits(pixels)) - jax.nn.one_hot(3, 10)
    np.testing.assert_allclose(values(tab, "logit-grad"), expected, **TOLERANCE)

    press(tab, f"map-{library.map}")
    point(tab, "image-grad", PIXEL)
    np.testing.assert_allclose(
        value(tab, "pixel-value"), of_x[0, 0][PIXEL], **TOLERANCE
    )

    press(tab, "tap-{}-{}".format(*TAP))
    expected = of_params["conv1"]["filters"][0, library.map][TAP]
    np.testing.assert_allclose(value(tab, "weight-value"), expected, **TOLERANCE)
    heat = tab.locator("#images [data-test=heat]").get_attribute("data-values")
    np.testing.assert_allclose(np.sum(json.loads(heat)), expected, **TOLERANCE)


def test_steps_of_descent_are_those_of_the_library(open_page, library):
    tab = open_page("images")
    pixels = take_digit(tab)
    tab.locator("#images [data-test=class]").select_option("3")
    settle(tab)
    trained, logits = value(tab, "loss"), values(tab, "logit")
    rate = float(
        tab.locator("#images [data-test=rate]").get_attribute("aria-valuetext")
    )
    x, params = library.scaled(pixels), library.params
    losses = []
    for _ in range(12):
        loss, (_, grads) = library.loss_and_grads(x, params, 3)
        params = jax.tree.map(lambda old, grad: old - rate * grad, params, grads)
        losses.append(loss)
    press(tab, "step-1")
    np.testing.assert_allclose(value(tab, "loss"), losses[1], rtol=1e-3, atol=1e-5)
    press(tab, "step-10")
    np.testing.assert_allclose(value(tab, "loss"), losses[11], rtol=1e-3, atol=1e-5)
    assert value(tab, "taken") == 11
    assert tab.locator("#images .changed").is_visible()
    assert value(tab, "loss") < trained
    press(tab, "reset")
    assert value(tab, "loss") == trained
    assert values(tab, "logit") == logits
    assert not tab.locator("#images .changed").is_visible()


def test_every_step_that_is_asked_for_is_taken(open_page):
    tab = open_page("images")
    settle(tab)
    button = tab.locator("#images [data-test=step-1]")
    button.evaluate("button => { for (let at = 0; at < 3; at++) button.click(); }")
    settle(tab)
    assert value(tab, "taken") == 3


def test_keys_alone_draw_choose_and_point(open_page, library):
    tab = open_page("images")
    settle(tab)
    press(tab, "clear")
    tab.locator("#images [data-test=pad]").focus()

    def line():
        for key in ("ArrowUp", "Space", *["Shift+ArrowRight"] * 5):
            tab.keyboard.press(key)

    pixels = np.array(drawn(tab, line))
    assert pixels[13].argmax() == 14
    assert np.count_nonzero(pixels[13]) >= 6
    assert_logits(tab, library, pixels)

    tab.locator("#images [data-test=map-0]").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    settle(tab)
    chosen = tab.locator("#images .gallery [aria-checked=true]")
    assert chosen.get_attribute("data-test") == "map-9"
    assert chosen.evaluate("node => node === document.activeElement")

    tab.locator("#images [data-test=map-large]").focus()
    for key in ("ArrowUp", "ArrowLeft", "Shift+ArrowLeft"):
        tab.keyboard.press(key)
    settle(tab)
    where = tab.locator("#images .lens.row .where").text_content()
    assert where.startswith("Output (13, 8) of map 9")


def test_a_finger_draws_and_points(chromium, served, library):
    tab, complaints = new_tab(chromium, served, 400, "light", has_touch=True)
    try:
        tab.goto(f"{served.url}#images")
        settle(tab)
        press(tab, "clear")
        size = tab.locator("#images [data-test=pad] canvas").bounding_box()
        middle = size["x"] + size["width"] / 2, size["y"] + size["height"] / 2
        pixels = drawn(tab, lambda: tab.touchscreen.tap(*middle))
        assert 4 <= np.count_nonzero(pixels) <= 16
        assert_logits(tab, library, pixels)
        large = tab.locator("#images [data-test=map-large]")
        large.scroll_into_view_if_needed()
        size = large.bounding_box()
        tab.touchscreen.tap(size["x"] + 3, size["y"] + 3)
        settle(tab)
        where = tab.locator("#images .lens.row .where").text_content()
        assert where.startswith("Output (0, 0)")
        assert "padding" in where
        assert not complaints, complaints
    finally:
        tab.context.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_at_any_width(open_page, width, theme):
    tab = open_page("images", width=width, theme=theme)
    settle(tab)
    for mode in ("forward", "backward"):
        press(tab, f"mode-{mode}")
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, mode


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("mode", ["forward", "backward"])
def test_everything_has_a_name_and_can_be_read(open_page, theme, mode):
    tab = open_page("images", theme=theme)
    settle(tab)
    press(tab, f"mode-{mode}")
    tab.mouse.move(0, 0)
    section = tab.locator("#images")
    assert nameless(section) == []
    assert pale(section) == []


def test_tab_goes_through_the_section_in_the_order_that_one_sees(open_page):
    tab = open_page("images")
    settle(tab)
    seen = focus_order(tab, "[data-test=mode-forward]", 12)
    assert [
        "map" if name[:4] == "map-" and name[4:].isdigit() else name for name in seen
    ] == [
        *("pad", "digit", "another", "clear", "erase"),
        *("map", "class", "step-1", "step-10", "reset", "rate", "map-large"),
    ]


def test_with_reduced_motion_nothing_moves(open_page):
    tab = open_page("images")
    settle(tab)
    press(tab, "mode-backward")
    assert tab.evaluate("document.getAnimations().length") == 0
