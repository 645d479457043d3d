"""A call of one of lax's convolutions: translated into the engine's terms, and run."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxconv.conv import primitives
from jaxconv.conv.arguments.dtypes import as_precision
from jaxconv.conv.arguments.shapes import dilate
from jaxconv.conv.auto.plan import Plan, plan_for
from jaxconv.conv.auto.target import target_of
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import refusal
from jaxconv.conv.primitives.eager import checked_once, is_eager, one_program
from jaxconv.dropin.lax_rules import check, dimension_numbers_of


class Translation(NamedTuple):
    """A call in the engine's terms, all but the numbers in its arrays."""

    spec: lax.ConvDimensionNumbers
    turn: bool  # whether to turn the filters and exchange their channels
    blocks: int  # of the batch: lax's batch_group_count
    dtype: Any  # to compute in
    result: Any  # to return
    geometry: Geometry
    method: str
    precision: lax.Precision | None

    @property
    def plan(self) -> Plan:
        """What computes the output here."""
        facts = self.geometry, self.dtype, self.method
        return plan_for("output", *facts, target_of())


def facts_of(array: Array) -> tuple[Any, ...]:
    """Return what a call is checked by: shape, type, and any explicit sharding."""
    placed = jax.typeof(array).sharding
    explicit = any(axis is not None for axis in placed.spec)
    return array.shape, array.dtype, placed if explicit else None


@checked_once
def translated(
    name: str, operands: tuple, given: dict[str, Any], method: str
) -> Translation:
    """Check a call by lax's rules, and translate it."""
    lhs, rhs = (
        jax.ShapeDtypeStruct(shape, dtype, sharding=placed)
        for shape, dtype, placed in operands
    )
    result = check(name, lhs, rhs, given)
    turn = bool(given.get("transpose_kernel"))
    if name == "conv_transpose":
        given = _as_dilated(lhs, rhs, given)
    spec = dimension_numbers_of(name, lhs, rhs, given.get("dimension_numbers"))
    blocks = int(given.get("batch_group_count", 1))
    n, c, *space = (lhs.shape[at] for at in spec.lhs_spec)
    co, ci, *kernel = (rhs.shape[at] for at in spec.rhs_spec)
    if turn:
        ci, co = co, ci
    dtype = jnp.dtype("int32") if result.dtype == np.bool_ else result.dtype
    geometry = dataclasses.replace(
        _geometry(
            name,
            (n // blocks, blocks * c, *space),
            (ci, co, *kernel),
            blocks if blocks > 1 else int(given.get("feature_group_count", 1)),
            given,
        ),
        channels_last=lhs.ndim > 2 and spec.lhs_spec[1] == lhs.ndim - 1,
        outputs_first=(spec.rhs_spec[0] < spec.rhs_spec[1]) != turn,
        taps_first=0 not in spec.rhs_spec[:2],
    )
    if refusal(method, geometry, dtype):
        method = "auto"
    return Translation(
        spec=lax.ConvDimensionNumbers(*map(tuple, spec)),
        turn=turn,
        blocks=blocks,
        dtype=dtype,
        result=result.dtype,
        geometry=geometry,
        method=method,
        precision=as_precision(given.get("precision"), name),
    )


@one_program
def convolved(lhs: Array, rhs: Array, *, call: Translation) -> Array:
    """Convolve in the engine's layout: move the axes there, and back."""
    spec, blocks = call.spec, call.blocks
    if call.turn:
        rhs = jnp.swapaxes(jnp.flip(rhs, spec.rhs_spec[2:]), *spec.rhs_spec[:2])
    x = lhs.transpose(spec.lhs_spec)
    w = rhs.transpose(spec.rhs_spec[1], spec.rhs_spec[0], *spec.rhs_spec[2:])
    if blocks > 1:  # block i of the batch has its own filters, as a group has
        n, c, *space = x.shape
        x = jnp.moveaxis(x.reshape(blocks, n // blocks, c, *space), 0, 1)
        x = x.reshape(n // blocks, blocks * c, *space)
    y = primitives.output(
        x.astype(call.dtype),
        w.astype(call.dtype),
        geometry=call.geometry,
        method=call.method,
        precision=call.precision,
    )
    y = y != 0 if call.result == np.bool_ else y  # for booleans: is any product true?
    return y.transpose(np.argsort(spec.out_spec))


def _per_axis(
    name: str, dilation: Sequence[int] | None, axes: int, caller: str
) -> tuple[int, ...]:
    if dilation is None:
        return (1,) * axes
    if len(dilation) != axes:
        raise ValueError(
            f"{caller}: {name} must have a number for each of the {axes} "
            f"spatial axes, got {dilation!r}."
        )
    return tuple(map(int, dilation))


def _as_dilated(lhs: Any, rhs: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments for `conv_general_dilated` to do what `conv_transpose` does.

    With `transpose_kernel` the filters are turned beforehand.
    """
    strides, padding = given["strides"], given["padding"]
    spec = dimension_numbers_of("conv_transpose", lhs, rhs, given["dimension_numbers"])
    spread = _per_axis(
        "rhs_dilation", given["rhs_dilation"], rhs.ndim - 2, "conv_transpose"
    )
    kernel = dilate(tuple(rhs.shape[axis] for axis in spec.rhs_spec[2:]), spread)
    if isinstance(padding, str) and padding in ("SAME", "VALID"):
        # "SAME" gives n * s outputs, "VALID" max(n * s, (n - 1) * s + k).
        padding = [
            _split(k - s if padding == "SAME" else min(0, k - s), k)
            for k, s in zip(kernel, strides, strict=True)
        ]
    elif given["use_consistent_padding"]:  # of the convolution that is transposed
        padding = [
            (k - 1 - low, k - 1 - high)
            for k, (low, high) in zip(kernel, padding, strict=True)
        ]
    return {
        "window_strides": (1,) * len(kernel),
        "padding": padding,
        "lhs_dilation": tuple(strides),
        "rhs_dilation": spread,
        "dimension_numbers": spec,
        "precision": given["precision"],
    }


def _split(cut: int, k: int) -> tuple[int, int]:
    """Return padding that drops `cut` outputs, the smaller half before; < 0 adds."""
    low = k - 1 - max(cut, 0) // 2
    return low, 2 * (k - 1) - cut - low


def _geometry(
    caller: str,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    groups: int,
    given: dict,
) -> Geometry:
    axes = len(x_shape) - 2
    spread = _per_axis("rhs_dilation", given.get("rhs_dilation"), axes, caller)
    padding = given["padding"]
    if isinstance(padding, str):
        kernel = dilate(w_shape[2:], spread)
        padding = lax.padtype_to_pads(
            x_shape[2:], kernel, given["window_strides"], padding
        )
    return Geometry.of(
        x_shape,
        w_shape,
        strides=tuple(map(int, given["window_strides"])),
        padding=[(int(low), int(high)) for low, high in padding],
        input_dilation=_per_axis(
            "lhs_dilation", given.get("lhs_dilation"), axes, caller
        ),
        kernel_dilation=spread,
        groups=groups,
        empty_ok=True,
        runs_now=is_eager(),
        caller=caller,
    )
