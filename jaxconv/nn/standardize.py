"""Weight standardisation: filters of mean 0 and variance 1, whatever is learned."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import check_params, described
from jaxconv.nn._normalize import check_epsilon
from jaxconv.nn.layer import Layer, Params
from jaxconv.nn.layer import update as update_layer


def weight_standardized(layer: Layer, *, epsilon: float = 1e-6) -> Layer:
    """Make a convolution standardise its filters before each use.

    The filters of each output channel become `(w - mean) / sqrt(variance + epsilon)`,
    over input channels and window, with the biased variance. The params are as before.

    Raises:
      ValueError: `layer` is not a `Layer`, `epsilon` is not above 0; from `init`: the
        layer has no `filters` of its own, or filters of one number, which become 0.

    Source: S. Qiao et al. (2019), arXiv:1903.10520, equation 5.
    """
    caller = "weight_standardized"
    if not isinstance(layer, Layer):
        raise ValueError(
            f"{caller}: layer must be a Layer with filters, got {described(layer)}."
        )
    check_epsilon(caller, epsilon)

    def filters_of(params: Params) -> Array:
        check_params(caller, params)
        if "filters" not in params:
            raise ValueError(
                f"{caller}: {layer.name} has no filters of its own, only "
                f"{sorted(params)}. Standardise each convolution in it."
            )
        return params["filters"]

    def init(key, input_shape):
        shape, params = layer.init(key, input_shape)
        filters = filters_of(params)
        if math.prod(filters.shape) == filters.shape[1]:
            raise ValueError(
                f"{caller}: the filters of {layer.name} have one number for each of "
                f"the output channels (axis 1 of {filters.shape}), which would become "
                "0. Leave this layer as it is."
            )
        return shape, params

    def standardized(params: Params) -> Params:
        filters = filters_of(params)
        axes = (0, *range(2, filters.ndim))
        deviations = filters - jnp.mean(filters, axes, keepdims=True)
        variance = jnp.mean(deviations * deviations, axes, keepdims=True)
        return {**params, "filters": deviations * jax.lax.rsqrt(variance + epsilon)}

    def apply(params, x, *, key=None):
        return layer.apply(standardized(params), x, key=key)

    def update(params, x, *, key=None, mask=None):
        y, after = update_layer(layer, standardized(params), x, key=key, mask=mask)
        return y, {**after, "filters": params["filters"]}

    keeps = layer.update is not None
    return dataclasses.replace(
        layer, init=init, apply=apply, update=update if keeps else None
    )
