"""Flax, Equinox, Haiku and Keras run their convolutions on jaxconv.

Every library builds a strided convolution, one with groups, a transposed one and a
dense head. Images are whole numbers up to 2, parameters up to 1, and no sum on the way
to an output or a gradient can reach 2 ** 24 (the dense head's stay below 11 million):
float32 holds them all, in any order of addition, so "equal" means every bit.
"""

import functools
import os
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import Jaxpr, subjaxprs
from jax.stages import Traced

import jaxconv
from tests.reference import integers

pytestmark = pytest.mark.extras

IMAGES = (2, 8, 8, 4)
CLASSES = 3
LAX = (jax.lax.conv_general_dilated, jax.lax.conv_transpose)
CONV, TRANSPOSE = "conv_general_dilated", "conv_transpose"
OURS = {"conv_output", "conv_input_grad", "conv_param_grad"}

Model = tuple[Any, Callable[[Any, jax.Array], jax.Array]]
"""Parameters, and the function of parameters and images."""


def linen(transposed: bool = True, **argument: Any) -> Model:
    nn = pytest.importorskip("flax.linen", reason="needs the [clients] extra")
    layers = [
        nn.Conv(8, (3, 3), strides=2, **argument),
        nn.relu,
        nn.Conv(8, (3, 3), feature_group_count=2, kernel_dilation=2, **argument),
        nn.relu,
        nn.ConvTranspose(2, (3, 3), strides=(2, 2)) if transposed else nn.relu,
        lambda x: x.reshape(len(x), -1),
        nn.Dense(CLASSES),
    ]
    model = nn.Sequential(layers)
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(IMAGES)), model.apply


def nnx(transposed: bool = True, **argument: Any) -> Model:
    nnx = pytest.importorskip("flax.nnx", reason="needs the [clients] extra")

    def build() -> Any:
        to = functools.partial
        conv = to(nnx.Conv, kernel_size=(3, 3), rngs=nnx.Rngs(0), **argument)
        enlarge = to(nnx.ConvTranspose, kernel_size=(3, 3), rngs=nnx.Rngs(0))
        return nnx.Sequential(
            conv(4, 8, strides=2),
            nnx.relu,
            conv(8, 8, feature_group_count=8),
            nnx.relu,
            enlarge(8, 2, strides=(2, 2)) if transposed else nnx.relu,
            lambda x: x.reshape(len(x), -1),
            nnx.Linear(128, CLASSES, rngs=nnx.Rngs(0)),
        )

    definition, parameters = nnx.split(nnx.eval_shape(build))
    return parameters, lambda parameters, x: nnx.merge(definition, parameters)(x)


def equinox() -> Model:
    eqx = pytest.importorskip("equinox", reason="needs the [clients] extra")

    def build(key: jax.Array) -> Any:
        layers = [
            eqx.nn.Conv2d(4, 6, 3, stride=2, padding=1, key=key),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=2, key=key),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.ConvTranspose2d(6, 2, 4, stride=2, padding=1, key=key),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(128, CLASSES, key=key),
        ]
        return eqx.nn.Sequential(layers)

    model = eqx.filter_eval_shape(build, jax.random.key(0))
    parameters, rest = eqx.partition(model, lambda leaf: hasattr(leaf, "shape"))

    def run(parameters: Any, x: jax.Array) -> jax.Array:
        return jax.vmap(eqx.combine(parameters, rest))(jnp.moveaxis(x, -1, 1))

    return parameters, run


def haiku() -> Model:
    hk = pytest.importorskip("haiku", reason="needs the [clients] extra")

    def run(x: jax.Array) -> jax.Array:
        layers = [
            hk.DepthwiseConv2D(2, 3, stride=2),
            jax.nn.relu,
            hk.Conv2D(8, 3, rate=2, feature_group_count=2),
            jax.nn.relu,
            hk.Conv2DTranspose(2, 3, stride=2),
            hk.Flatten(),
            hk.Linear(CLASSES),
        ]
        return hk.Sequential(layers)(x)

    model = hk.without_apply_rng(hk.transform(run))
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(IMAGES)), model.apply


def keras() -> Model:
    # In an empty home no keras.json sets another layout, and none is left behind.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as home:
        patch.setitem(os.environ, "KERAS_BACKEND", "jax")
        patch.setitem(os.environ, "KERAS_HOME", home)
        keras = pytest.importorskip("keras", reason="needs the [clients] extra")
    layers = [
        keras.Input(IMAGES[1:]),
        keras.layers.DepthwiseConv2D(3, 2, "same", 2, activation="relu"),
        keras.layers.Conv2D(8, 3, padding="same", groups=2, dilation_rate=2),
        keras.layers.ReLU(),
        keras.layers.Conv2DTranspose(2, 3, 2, "same"),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES),
    ]
    model = keras.Sequential(layers)
    parameters = [variable.value for variable in model.trainable_variables]

    def run(parameters: Any, x: jax.Array) -> jax.Array:
        with jax.numpy_rank_promotion("allow"):  # Dense adds its bias to all rows
            return model.stateless_call(parameters, [], x)[0]

    return parameters, run


class Client(NamedTuple):
    """A library's model, as it is and as it is given to `patch`."""

    parameters: Any
    on_lax: Callable[[Any, jax.Array], jax.Array]
    on_jaxconv: Callable[[Any, jax.Array], jax.Array]
    served: list[str]  # the functions of lax that patch takes over


ARGUMENT = {"conv_general_dilated": jaxconv.conv_general_dilated}
CLIENTS = {
    "linen": (linen, {}, [CONV, CONV, TRANSPOSE]),
    # Conv takes our function; ConvTranspose takes none and is left to patch.
    "linen by argument": (linen, ARGUMENT, [TRANSPOSE]),
    "nnx by argument": (nnx, ARGUMENT, [TRANSPOSE]),
    "equinox": (equinox, {}, [CONV, CONV, CONV]),
    "haiku": (haiku, {}, [CONV, CONV, TRANSPOSE]),
    "keras": (keras, {}, [CONV, CONV, TRANSPOSE]),
}


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    library, argument, served = CLIENTS[request.param]
    parameters, on_lax = library()
    on_jaxconv = library(**argument)[1] if argument else on_lax
    draw = whole_numbers(seed=0)
    parameters = jax.tree.map(lambda leaf: draw(leaf.shape, 1), parameters)
    return Client(parameters, on_lax, on_jaxconv, served)


def whole_numbers(seed: int) -> Callable[[tuple[int, ...], int], jax.Array]:
    """Return a function that draws an array of a shape, up to a number."""
    generator = np.random.default_rng(seed)
    return lambda shape, most: jnp.asarray(integers(generator, shape, -most, most))


class Seen(NamedTuple):
    """Outputs and gradients both ways, the primitives that ran, patch's report."""

    on_lax: Any
    on_jaxconv: Any
    lax_primitives: set[str]
    our_primitives: set[str]
    report: Any


@pytest.fixture(scope="module")
def seen(client: Client) -> Seen:
    draw = whole_numbers(seed=1)
    arguments = client.parameters, draw(IMAGES, 2), draw((2, CLASSES), 1)
    lax_trace = trace(client.on_lax, client.parameters)
    on_lax = lax_trace.lower().compile()(*arguments)
    with jaxconv.patch() as report:
        our_trace = trace(client.on_jaxconv, client.parameters)
        on_jaxconv = our_trace.lower().compile()(*arguments)
    primitives = [names(traced.jaxpr.jaxpr) for traced in (lax_trace, our_trace)]
    return Seen(on_lax, on_jaxconv, *primitives, report)


def trace(run: Callable, parameters: Any) -> Traced:
    """Trace the model there and back: to its output and to all gradients."""

    def there_and_back(parameters: Any, images: jax.Array, g: jax.Array) -> Any:
        output, pull = jax.vjp(run, parameters, images)
        return output, pull(g)

    shapes = [jax.ShapeDtypeStruct(a, jnp.float32) for a in (IMAGES, (2, CLASSES))]
    return jax.jit(there_and_back).trace(parameters, *shapes)


def names(jaxpr: Jaxpr) -> set[str]:
    """Return the names of the primitives that convolve, lax's and ours."""
    here = {equation.primitive.name for equation in jaxpr.eqns} & (OURS | {CONV})
    return here.union(*map(names, subjaxprs(jaxpr)))


def test_the_outputs_are_those_of_lax(seen: Seen):
    np.testing.assert_array_equal(seen.on_jaxconv[0], seen.on_lax[0])


def test_the_gradients_are_those_of_lax(seen: Seen):
    jax.tree.map(np.testing.assert_array_equal, seen.on_jaxconv[1], seen.on_lax[1])


def test_no_output_or_gradient_is_zero_throughout(seen: Seen):
    assert all(jnp.any(leaf) for leaf in jax.tree.leaves(seen.on_lax))


def test_only_our_primitives_convolve(seen: Seen):
    assert seen.our_primitives == OURS


def test_outside_patch_only_those_of_lax_do(seen: Seen):
    assert seen.lax_primitives == {CONV}


def test_the_report_names_every_call(client: Client, seen: Seen):
    assert [call.function for call in seen.report.served] == client.served


def test_nothing_is_passed_on(seen: Seen):
    assert seen.report.passed_on == []


@pytest.mark.usefixtures("seen")
def test_lax_has_its_functions_back():
    assert (jax.lax.conv_general_dilated, jax.lax.conv_transpose) == LAX


def test_two_steps_of_training_move_the_parameters_alike(client: Client):
    on_lax = train(client.on_lax, client.parameters)
    with jaxconv.patch():
        on_jaxconv = train(client.on_jaxconv, client.parameters)
    jax.tree.map(assert_nearly_equal, on_jaxconv, on_lax)


def train(run: Callable, parameters: Any) -> Any:
    """Return how far two steps of gradient descent move the parameters."""
    images, labels = whole_numbers(seed=2)(IMAGES, 2), jnp.arange(2)
    optimizer = optax.sgd(0.1)

    def loss(parameters: Any) -> jax.Array:
        logits = run(parameters, images)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean()

    @jax.jit
    def step(parameters: Any, state: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(jax.grad(loss)(parameters), state)
        return optax.apply_updates(parameters, updates), state

    start = jax.tree.map(lambda leaf: leaf / 8, parameters)
    first = step(start, optimizer.init(start))
    return jax.tree.map(jnp.subtract, step(*first)[0], start)


def assert_nearly_equal(ours: jax.Array, theirs: jax.Array) -> None:
    # A softmax's gradients are no whole numbers: two orders of addition differ in the
    # last places, here by up to 2e-6 of the largest entry.
    largest = float(jnp.abs(theirs).max())
    assert largest > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize("library", [linen, nnx])
def test_the_argument_needs_no_patch(library: Callable):
    parameters, run = library(transposed=False, **ARGUMENT)
    assert names(trace(run, parameters).jaxpr.jaxpr) == OURS


def test_patch_alone_does_not_reach_nnx_conv():
    parameters, run = nnx(transposed=False)
    with jaxconv.patch() as report:
        trace(run, parameters)
    assert {call.function for call in report.passed_on} == {CONV}
    assert "flax.nnx.nn.linear.Conv.__call__ holds a reference" in str(report)
    assert report.served == []


def test_patch_everywhere_reaches_nnx_conv():
    parameters, run = nnx(transposed=False)
    with jaxconv.patch(everywhere=True) as report:
        assert names(trace(run, parameters).jaxpr.jaxpr) == OURS
    assert [call.function for call in report.served] == [CONV, CONV]
