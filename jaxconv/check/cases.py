"""All that must hold of one method on one convolution.

Its three maps pass the checks of `check_bilinear`, up to the third derivative; its
gradients agree with JAX's derivatives of its own forward code; and all maps agree with
lax in float64, bit for bit on whole numbers and on real ones within the bound that the
method states.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.check.bilinear import check_trial
from jaxconv.check.calling import GRADIENTS, Map
from jaxconv.check.problems import parse_problem, problem
from jaxconv.check.report import Report
from jaxconv.check.trial import Trial, widen
from jaxconv.conv import primitives
from jaxconv.conv.auto.plan import plan_for
from jaxconv.conv.auto.target import target_of
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS, check_served, refusal
from jaxconv.conv.methods.rounding import Rounding, of_sum
from jaxconv.conv.operands import OPERANDS
from jaxconv.conv.padding import pad_input

DTYPES = ("float32", "bfloat16", "float16", "float64", "complex64", "complex128")
EVERY_METHOD = ("auto", "portable", *ALGORITHMS)
_WIDE = ("float64", "complex128")


@dataclasses.dataclass(frozen=True)
class Case:
    """A method, type, seed and problem; as text, `taps/bfloat16/7/mb2ic3oc4iw9kw3`."""

    method: str
    dtype: str
    seed: int
    geometry: Geometry

    def __str__(self) -> str:
        """Return the line that `parse_case` reads."""
        return f"{self.method}/{self.dtype}/{self.seed}/{problem(self.geometry)}"


def parse_case(text: str) -> list[Case]:
    """Read a case. Without a method it means all methods, without a type float32.

    Raises:
      ValueError: the text cannot be read.

    >>> [str(case) for case in parse_case("taps/7/mb2ic3oc4iw9kw3")]
    ['taps/float32/7/mb2ic3oc4iw9kw3']
    """
    *words, line = text.split("/")
    methods, dtype, seed = EVERY_METHOD, "float32", 0
    for word in words:
        if word in EVERY_METHOD:
            methods = (word,)
        elif word in DTYPES:
            dtype = word
        elif word.isdecimal():
            seed = int(word)
        else:
            raise ValueError(
                f"case: {word!r} in {text!r} is not a method "
                f"({', '.join(EVERY_METHOD)}), type ({', '.join(DTYPES)}) or seed."
            )
    geometry = parse_problem(line)
    if len(methods) == 1:
        check_served(methods[0], geometry, dtype, "case")
    return cases_of(dtype, seed, geometry, methods)


def cases_of(
    dtype: str,
    seed: int,
    geometry: Geometry,
    methods: Sequence[str] = EVERY_METHOD,
) -> list[Case]:
    """Return a case for each of the methods that serve a convolution."""
    return [
        Case(method, dtype, seed, geometry)
        for method in methods
        if refusal(method, geometry, dtype) is None
    ]


def check_case(case: Case, entries: int = 8) -> Report:
    """Check a method's three maps on one convolution."""
    g = case.geometry
    with jax.enable_x64(case.dtype in _WIDE):
        facts = {
            "geometry": g,
            "method": case.method,
            "precision": lax.Precision.HIGHEST,
        }
        maps: dict[str, Map] = {
            name: functools.partial(getattr(primitives, name), **facts)
            for name in OPERANDS
        }
        rounding = functools.partial(stated_rounding, case)
        trial = Trial(maps, g.x_shape, g.w_shape, case.dtype, case.seed, rounding)
        check_trial(trial, entries, order=3, under_jit=False)
        if not trial.failures:
            _check_own_derivative(trial, case)
            _check_lax(trial, case)
        return trial.report


def stated_rounding(case: Case, name: str) -> Rounding:
    """Return the bound that the method states for a map."""
    plan = plan_for(name, case.geometry, case.dtype, case.method, target_of())
    return ALGORITHMS[plan.method]._rounding(name, case.geometry, case.dtype)


def _check_own_derivative(trial: Trial, case: Case) -> None:
    """Compare with JAX's derivative of the method's forward code, without our rules.

    The input is padded first: otherwise lax's own derivative, for the method `xla`,
    would use negative padding, which lax computes wrongly.
    """
    geometry = case.geometry
    asked = "portable" if case.method == "auto" else case.method
    plan = plan_for("output", geometry, case.dtype, asked, target_of())
    if plan.method == "onednn":
        return  # JAX cannot differentiate a call of another library
    method = ALGORITHMS[plan.method]

    @jax.jit
    def by_jax(x: Any, w: Any, g: Any) -> Any:
        def forward(x: Any, w: Any) -> Any:
            wide = pad_input(x, geometry)
            return method._output(wide, w, geometry.once_padded, lax.Precision.HIGHEST)

        return jax.vjp(forward, x, w)[1](g)

    found = by_jax(*(jnp.asarray(trial.operands[key], case.dtype) for key in "xwg"))
    for name, value in zip(GRADIENTS, found, strict=True):
        ours, bound = trial.results[name], 2.0 * trial.bound(name)
        trial.compare("autodiff of its code", name, ours, widen(value), bound)


def _check_lax(trial: Trial, case: Case) -> None:
    """Compare with lax in float64, on whole numbers and on real ones."""
    whole = trial.operands
    real = {
        key: widen(jnp.asarray(trial.rng.normal(size=a.shape) * np.sign(a), case.dtype))
        for key, a in whole.items()
    }
    for check, operands in (("lax, whole numbers", whole), ("lax, real numbers", real)):
        expected = _by_lax(case.geometry, operands)
        for name, right in zip(OPERANDS, expected, strict=True):
            found = trial.run(name, **operands)
            bound = trial.bound(name, **operands)
            if np.any(bound):
                wide = of_sum(name, case.geometry, right.dtype).relative
                stated = stated_rounding(case, name).relative
                bound = bound * (1 + wide / stated)
            trial.compare(check, name, found, right, bound)


def _by_lax(geometry: Geometry, operands: dict[str, np.ndarray]) -> tuple:
    """Return lax's output and gradients in float64 or complex128.

    NumPy dilates, pads and crops the input first: lax computes negative padding
    wrongly.
    """
    x, w, g = (operands[key] for key in "xwg")
    axes = zip(
        geometry.space,
        geometry.padded,
        geometry.padding,
        geometry.input_dilation,
        strict=True,
    )
    kept, places = [], []  # on each axis: the pixels not cropped, and their places
    for size, padded, (low, _), gap in axes:
        place = np.arange(size) * gap + low
        inside = (place >= 0) & (place < padded)
        kept.append(np.arange(size)[inside])
        places.append(place[inside])
    pixels: Any = (..., *np.ix_(*kept))
    there: Any = (..., *np.ix_(*places))
    wide = np.zeros((*x.shape[:2], *geometry.padded), x.dtype)
    wide[there] = x[pixels]
    with jax.enable_x64(True):
        y, dwide, dw = map(np.asarray, _lax_maps(wide, w, g, geometry=geometry))
    dx = np.zeros_like(x)
    dx[pixels] = dwide[there]
    return y, dx, dw


@functools.partial(jax.jit, static_argnames="geometry")
def _lax_maps(x: Any, w: Any, g: Any, geometry: Geometry) -> tuple:
    axes = tuple(range(2, x.ndim))

    def forward(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(
            x,
            w,
            geometry.strides,
            "VALID",
            rhs_dilation=geometry.kernel_dilation,
            dimension_numbers=lax.ConvDimensionNumbers(
                (0, 1, *axes), (1, 0, *axes), (0, 1, *axes)
            ),
            feature_group_count=geometry.groups,
            precision=lax.Precision.HIGHEST,
        )

    y, pull = jax.vjp(forward, x, w)
    return y, *pull(g)
