import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, nn
from jaxconv.nn import kernels, visualize

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.usefixtures("our_errors")
KEY = jax.random.key(0)


def panels(figure):
    """Return what is drawn, by title; empty panels and colour bars are left out."""
    return {
        axis.get_title(): np.asarray(axis.images[0].get_array())
        for axis in figure.axes
        if axis.images and axis.get_title()
    }


def drawn_without_error(figure, path):
    figure.savefig(path)
    assert path.stat().st_size > 1000


def test_filters_draw_each_output_on_one_scale(rng, tmp_path):
    w = rng.normal(size=(2, 5, 3, 4)).astype(np.float32)
    figure = visualize.filters(w, channel=1)
    drawn = panels(figure)
    assert list(drawn) == ["0", "1", "2", "3", "4"]
    for output in range(5):
        assert (drawn[str(output)] == w[1, output]).all()
    most = np.abs(w).max()
    limits = {axis.images[0].get_clim() for axis in figure.axes if axis.get_title()}
    assert limits == {(-most, most)}
    drawn_without_error(figure, tmp_path / "filters.png")


def test_filters_of_three_channels_are_in_colour_with_grey_for_zero():
    w = np.zeros((3, 2, 3, 4), np.float32)
    w[:, 1, 2, 3] = -2, 0, 1
    drawn = panels(visualize.filters(w))
    assert drawn["0"].shape == (3, 4, 3)
    assert (drawn["0"] == 0.5).all()
    assert drawn["1"][2, 3].tolist() == [0, 0.5, 0.75]


def test_filters_beyond_64_are_counted():
    figure = visualize.filters(np.ones((1, 70, 2, 2), np.float32))
    assert len(panels(figure)) == 64
    assert "70 filters" in figure.get_suptitle()
    assert "the first 64" in figure.get_suptitle()


def test_feature_maps_are_what_the_layer_computes(rng, tmp_path):
    layer = nn.Conv2D(4, 3, activation=jnp.tanh)
    image = rng.normal(size=(2, 5, 6)).astype(np.float32)
    _, params = layer.init(KEY, image.shape)
    figure = visualize.feature_maps(layer, params, image)
    drawn = panels(figure)
    y = np.asarray(layer.apply(params, image[None]))[0]
    assert list(drawn) == ["image", "0", "1", "2", "3"]
    for number in range(4):
        np.testing.assert_array_equal(drawn[str(number)], y[number])
    drawn_without_error(figure, tmp_path / "maps.png")


@functools.cache
def small_model():
    model = nn.serial(nn.Conv2D(3, 3, activation=jnp.tanh, flatten=True), nn.Dense(4))
    return model, model.init(KEY, (2, 5, 6))[1]


@pytest.mark.parametrize("label", [None, 2])
def test_saliency_is_the_gradient_of_the_logit(rng, label, tmp_path):
    model, params = small_model()
    image = jnp.asarray(rng.normal(size=(2, 5, 6)), jnp.float32)
    chosen = label
    if label is None:
        chosen = int(model.apply(params, image[None])[0].argmax())
    slope = jax.grad(lambda x: model.apply(params, x[None])[0, chosen])(image)
    figure = visualize.saliency(model, params, image, label)
    drawn = panels(figure)
    assert list(drawn) == ["image", f"|d logit {chosen} / d pixel|"]
    expected = np.abs(slope).max(0)
    np.testing.assert_allclose(list(drawn.values())[1], expected, rtol=1e-5)
    drawn_without_error(figure, tmp_path / "saliency.png")


def max_pool():
    def pool(x):
        window = (1, 1, 2, 2)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")

    def init(key, shape):
        return (shape[0], shape[1] // 2, shape[2] // 2), {}

    return nn.Layer(init, lambda params, x, *, key=None: pool(x), "pool")


def field_of(model, shape, position):
    _, params = model.init(KEY, shape)
    figure = visualize.receptive_field(model, params, shape, position)
    (rectangle,) = figure.axes[0].patches
    left, top = rectangle.get_xy()
    bounds = (top + 0.5, left + 0.5, rectangle.get_height(), rectangle.get_width())
    return figure, bounds


CHAINS = {  # the reach of one output: first row, first column, height, width
    "convolution and stride": (
        lambda: nn.serial(nn.Conv2D(2, 3), nn.Conv2D(2, (3, 1), strides=2)),
        (5, 5, 5, 3),  # "SAME" pads 16 rows below only: rows 6 to 8, and one around
    ),
    "convolution, pooling, convolution": (
        lambda: nn.serial(nn.Conv2D(1, 3, activation=nn.ReLU()), max_pool(), last()),
        (3, 3, 8, 8),  # 3 + 1 + 2 * 2 pixels, from 2 * (3 - 1) - 1
    ),
}


def last():
    return nn.Conv2D(2, 3)


@pytest.mark.parametrize("chain", CHAINS)
def test_receptive_field_is_the_known_rectangle(chain, tmp_path):
    model, expected = CHAINS[chain][0](), CHAINS[chain][1]
    figure, bounds = field_of(model, (1, 16, 14), (1, 3, 3))
    assert bounds == expected
    assert f"{bounds[2]} x {bounds[3]} pixels" in figure.axes[0].get_title()
    drawn_without_error(figure, tmp_path / "field.png")


def test_receptive_field_gathers_what_many_images_show():
    _, bounds = field_of(max_pool(), (1, 2, 2), (0, 0, 0))
    assert bounds == (0, 0, 2, 2)  # each image shows the one pixel that is largest


def test_receptive_field_of_the_middle_is_drawn_without_a_position():
    figure, bounds = field_of(nn.Conv2D(3, 3), (1, 9, 7), None)
    assert bounds == (3, 2, 3, 3)
    assert "(1, 4, 3)" in figure.axes[0].get_title()


def test_receptive_field_is_nothing_where_weights_are_zero():
    layer = nn.Conv2D(1, 3, weight_init=jax.nn.initializers.zeros)
    _, bounds = field_of(layer, (1, 6, 6), None)
    assert bounds[2:] == (0, 0)


def test_classic_draws_what_conv_computes(tmp_path):
    image = kernels.photograph(24)
    figure = visualize.classic(image)
    drawn = panels(figure)
    named = {**kernels.DETECTORS, **kernels.CHANGERS}
    assert list(drawn) == ["image", *named]
    grey = image.mean(0)[None, None]
    for name, w in named.items():
        y = np.asarray(conv(grey, w[None, None], padding="VALID"))[0, 0]
        np.testing.assert_allclose(drawn[name], y, atol=1e-5)
    drawn_without_error(figure, tmp_path / "classic.png")


def test_classic_draws_a_blank_image():
    assert not panels(visualize.classic(np.ones((1, 5, 5), np.float32)))[
        "corners"
    ].any()


WRONG = {
    "two axes": ((5, 6), r"got \(5, 6\). Write image\[None\]"),
    "batch": ((7, 2, 5, 6), "Take one of the batch"),
    "channels-last": ((5, 6, 3), "Is it channels-last"),
}


@pytest.mark.parametrize(("shape", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", ["feature_maps", "saliency", "classic"])
def test_an_image_of_other_axes_is_an_error(name, shape, message):
    args = () if name == "classic" else small_model()
    with pytest.raises(ValueError, match=f"^{name}: image must be .*{message}"):
        getattr(visualize, name)(*args, np.ones(shape, np.float32))


def test_errors_say_what_does_not_fit():
    model, params = small_model()
    conv1, image = nn.Conv2D(2, 3), np.ones((2, 5, 6), np.float32)
    _, conv_params = conv1.init(KEY, image.shape)
    with pytest.raises(ValueError, match=r"filters: filters must be .* got \(4,\)"):
        visualize.filters(np.ones(4, np.float32))
    with pytest.raises(ValueError, match="channel must be from 0 to 1, got 2"):
        visualize.filters(np.ones((2, 1, 3, 3), np.float32), channel=2)
    with pytest.raises(ValueError, match=r"feature_maps: .* got \(4,\). Leave out"):
        visualize.feature_maps(model, params, image)
    with pytest.raises(ValueError, match=r"saliency: .* got \(2, 5, 6\)"):
        visualize.saliency(conv1, conv_params, image)
    with pytest.raises(ValueError, match="label must be from 0 to 3, got 4"):
        visualize.saliency(model, params, image, 4)
    with pytest.raises(ValueError, match=r"must be \(channels, height, width\)"):
        visualize.receptive_field(model, params, (60,))
    with pytest.raises(ValueError, match=r"got \(4,\). The output is \(4,\)"):
        visualize.receptive_field(model, params, (2, 5, 6), (4,))
    with pytest.raises(ValueError, match="at least 3 x 3 pixels"):
        visualize.classic(np.ones((1, 2, 5), np.float32))


def test_matplotlib_is_imported_when_called_only_and_pyplot_never():
    code = (
        "import sys, numpy as np\n"
        "from jaxconv.nn import visualize\n"
        "assert 'matplotlib' not in sys.modules\n"
        "w = np.ones((1, 1, 3, 3), np.float32)\n"
        "visualize.filters(w)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "sys.modules['matplotlib.figure'] = None\n"
        "try: visualize.filters(w)\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'pip install -e ".[plots]"' in done.stdout
