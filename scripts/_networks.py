"""Whole networks that `bench.py nets` and `profile` time: their steps and inference.

The module is imported without Keras: only building a network needs it.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

KERAS = (
    "MobileNetV2",
    "ResNet50",
    "EfficientNetB0",
    "DenseNet121",
    "ConvNeXtTiny",
    "Xception",
)
NN = (  # models of jaxconv.nn, which `_networks_nn` builds
    "nn ResNet-20",
    "nn MobileNet",
    "nn DenseNet-40",
    "nn OctConv ResNet-20",
    "nn board tower",
)
CLASSES = 1000
RATE = 0.0001  # of plain SGD: at 0.001 ResNet50 makes 4e-2 of rounding in 10 steps
DRAWS = 3


class Network(NamedTuple):
    """A network's state and its two functions, neither of them jitted."""

    state: Any  # a pytree of arrays: parameters and statistics
    train: Callable[..., Any]  # (state, x, y) -> (state, loss), by plain SGD
    infer: Callable[..., Any]  # (state, x) -> logits
    inputs: list[tuple[Any, Any]]  # a few (images, labels), each its own draw


def keras_network(
    name: str, batch: int = 8, size: int = 96, dtype: str = "float32"
) -> Network:
    """Build one of `keras.applications` with random weights, all layers trainable.

    Nothing is drawn at random in a step: the rates of dropout and of stochastic depth
    are set to 0. Parameters, statistics and images are of `dtype`; for float64, set
    jax_enable_x64 before.
    """
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    settings = {"include_preprocessing": False} if name == "ConvNeXtTiny" else {}
    keras.utils.set_random_seed(0)
    with _all_of(dtype):
        model = getattr(keras.applications, name)(
            weights=None,
            classes=CLASSES,
            classifier_activation=None,
            input_shape=(size, size, 3),
            **settings,
        )
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0

    def call(params: Any, fixed: Any, x: Any, training: bool) -> Any:
        return model.stateless_call(params, fixed, x, training=training)

    params, fixed = model.trainable_variables, model.non_trainable_variables
    # Keras's EfficientNet divides its images by 255.
    scale = 255 if name == "EfficientNetB0" else 1
    inputs = draws((batch, size, size, 3), dtype, scale)
    return network(call, _copied(params), _copied(fixed), inputs)


def network(call: Callable[..., Any], params: Any, fixed: Any, inputs: Any) -> Network:
    """Return the network of `call`: (params, fixed, x, training) -> (logits, fixed).

    `fixed` is what the gradient leaves alone: statistics, after training the new ones.
    """
    import jax
    import jax.numpy as jnp
    import optax

    def train(state: Any, x: Any, y: Any) -> Any:
        def loss_of(params: Any) -> Any:
            logits, fixed = call(params, state[1], x, training=True)
            logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
            return losses.mean(), fixed

        (loss, fixed), grads = jax.value_and_grad(loss_of, has_aux=True)(state[0])
        params = jax.tree.map(lambda p, g: p - RATE * g, state[0], grads)
        return (params, fixed), loss

    def infer(state: Any, x: Any) -> Any:
        return call(*state, x, training=False)[0]

    return Network((params, fixed), train, infer, inputs)


def draws(
    shape: tuple[int, ...], dtype: str, scale: float = 1, classes: int = CLASSES
) -> list[Any]:
    """Draw a few batches: normal images of this shape, and labels."""
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    return [
        (
            jnp.asarray(scale * rng.normal(size=shape), dtype),
            jnp.asarray(rng.integers(0, classes, shape[0]), jnp.int32),
        )
        for _ in range(DRAWS)
    ]


@contextlib.contextmanager
def _all_of(dtype: str) -> Iterator[None]:
    """Let Keras make weights of this dtype, and compute in it."""
    import keras

    if dtype == "float64":  # else Keras normalises in float32, JAX's usual type
        from keras.src.backend.common import dtypes

        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def _copied(variables: list[Any]) -> list[Any]:
    """Copy the variables' arrays: a step that donates its state would delete them."""
    import jax.numpy as jnp

    return [jnp.array(variable.value) for variable in variables]
