"""What each rule of "auto" gains: the layers and training steps with it and without."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _nets import INPUTS
from _suite import Layer, layers
from _timing import alternate

from jaxconv.conv import primitives
from jaxconv.conv.auto import plan
from jaxconv.conv.auto.rules import OUTPUTS, PARAM_GRADS, Rule
from jaxconv.conv.auto.target import target_of
from jaxconv.conv.operands import OPERANDS

TABLES = {"OUTPUTS": OUTPUTS, "PARAM_GRADS": PARAM_GRADS}
METHODS = {"with oneDNN": "auto", "without": "portable"}


def tried() -> Iterator[tuple[str, Rule]]:
    """Yield each rule that can be missed on a CPU: not the first or last, by table."""
    for table, rules in TABLES.items():
        for rule in rules[1:-1]:
            yield table, rule


@contextlib.contextmanager
def without(table: str, rule: Rule | None) -> Iterator[None]:
    """Plan without a rule for a while."""
    kept = tuple(one for one in TABLES[table] if one is not rule)
    setattr(plan, table, kept)
    plan._planned.cache_clear()
    try:
        yield
    finally:
        setattr(plan, table, TABLES[table])
        plan._planned.cache_clear()


def gains(table: str, rule: Rule, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield what the rule gains on each layer whose plans it changes.

    The three maps of a layer run together, in one program. A gain of 2: twice as fast.
    """
    for words, method in METHODS.items():
        for layer in layers(quick=False):
            plans = _plans(layer, method)
            with without(table, rule):
                others = _plans(layer, method)
            if plans != others:
                name = f"{layer.key}, {words}"
                yield _timed(name, layer, method, table, rule, seconds)


def gains_of_steps(table: str, rule: Rule, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield what the rule gains in the training steps of the models."""
    import _training

    for model in INPUTS:
        calls = {"with": _training.contestants(model, 60, torch=False)["jaxconv"]}
        given = _training.batches(model, 60)
        calls["with"](*given[0])  # compiles
        with without(table, rule):
            calls["without"] = _training.contestants(model, 60, torch=False)["jaxconv"]
            calls["without"](*given[0])
        timings = alternate(calls, dict.fromkeys(calls, given), seconds, float)
        yield _row(f"step of {model}", timings)


def _plans(layer: Layer, method: str) -> list[Any]:
    geometry = _geometry(layer)
    return [
        plan.plan_for(name, geometry, "float32", method, target_of())
        for name in OPERANDS
    ]


def _geometry(layer: Layer) -> Any:
    last = layer.layout == "NHWC"
    return dataclasses.replace(layer.geometry, channels_last=last, taps_first=last)


def _timed(
    name: str, layer: Layer, method: str, table: str, rule: Rule, seconds: float
) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drawn = [layer.operands(rng) for _ in range(3)]
    given = [tuple(jnp.asarray(arrays[key]) for key in "xwg") for arrays in drawn]
    calls = {"with": _three_maps(layer, method)}
    calls["with"](*given[0])  # compiles
    with without(table, rule):
        calls["without"] = _three_maps(layer, method)
        calls["without"](*given[0])
    inputs: dict[str, Any] = dict.fromkeys(calls, given)
    return _row(name, alternate(calls, inputs, seconds, jax.block_until_ready))


def _row(name: str, timings: dict[str, Any]) -> dict[str, Any]:
    gain = timings["with"].times_faster_than(timings["without"])
    return {"what": name, "ms": timings["with"].median, "gain": gain}


def _three_maps(layer: Layer, method: str) -> Any:
    """Return a program of the three maps, on arrays that lie as the layer's."""
    geometry, last = _geometry(layer), layer.layout == "NHWC"

    def channels_first(array: Any) -> Any:
        return jnp.moveaxis(array, -1, 1) if last else array

    def back(array: Any) -> Any:
        return jnp.moveaxis(array, 1, -1) if last else array

    @jax.jit
    def run(x: Any, w: Any, g: Any) -> Any:
        x, g = channels_first(x), channels_first(g)
        w = jnp.moveaxis(w, (-2, -1), (0, 1)) if last else w
        y = primitives.output(x, w, geometry=geometry, method=method)
        dx = primitives.input_grad(g, w, geometry=geometry, method=method)
        dw = primitives.param_grad(x, g, geometry=geometry, method=method)
        return back(y), back(dx), dw

    return run
