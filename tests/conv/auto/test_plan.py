"""The plan: what is explained is what runs."""

import functools
import runpy

import jax
import numpy as np
import pytest

import jaxconv
from jaxconv.check.problems import parse_problem, random_geometry
from jaxconv.conv import primitives
from jaxconv.conv.auto.arrangements import ARRANGEMENTS
from jaxconv.conv.auto.plan import plan_for
from jaxconv.conv.auto.target import target_of
from jaxconv.conv.methods.registry import ALGORITHMS
from jaxconv.conv.operands import OPERANDS, shape_of
from tests.tiers import fast

SUITE = [line for line, _ in runpy.run_path("scripts/_suite.py")["LAYERS"].values()]


@pytest.fixture
def ran(monkeypatch):
    """Record which methods and arrangements a lowering calls."""
    seen = set()

    def spied(name, function):
        def spy(*given):
            seen.add(name)
            return function(*given)

        return spy

    for name, method in ALGORITHMS.items():
        own = vars(method)
        for which in ("_output", "_input_grad", "_param_grad"):
            if which in own:  # a method may call another's function, not its own
                monkeypatch.setattr(method, which, spied(name, own[which]))
    for name, one in ARRANGEMENTS.items():
        functions = {
            which: spied(name, getattr(one, which))
            for which in ("output", "param_grad")
            if getattr(one, which)
        }
        monkeypatch.setitem(ARRANGEMENTS, name, one._replace(**functions))
    return seen


def assert_runs_as_planned(geometry, dtype, method, ran):
    for name, (first, second, _) in OPERANDS.items():
        plan = plan_for(name, geometry, dtype, method, target_of())
        shapes = [
            jax.ShapeDtypeStruct(shape_of(operand, geometry), dtype)
            for operand in (first, second)
        ]
        ran.clear()
        run = functools.partial(
            getattr(primitives, name), geometry=geometry, method=method
        )
        jax.clear_caches()
        jax.jit(run).lower(*shapes)
        expected = set() if geometry.is_empty else {*plan.methods, *within(plan)}
        assert ran == expected, f"{name} of {geometry} in {dtype}, {method}"


def within(plan):
    own = {plan.arrangement} - {None}
    return own.union(*map(within, plan.parts))


@pytest.mark.parametrize("line", fast(SUITE, SUITE[0], SUITE[7]))
def test_layers_of_the_benchmark_run_as_planned(line, ran):
    for method in ("auto", "portable"):
        assert_runs_as_planned(parse_problem(line), "float32", method, ran)


@pytest.mark.parametrize("seed", fast(range(20), 0))
def test_random_layers_run_as_planned(seed, ran):
    rng = np.random.default_rng(seed)
    for _ in range(15 if seed else 4):
        dtype = str(rng.choice(("float32", "float32", "bfloat16", "int32")))
        method = str(rng.choice(("auto", "portable")))
        assert_runs_as_planned(random_geometry(rng), dtype, method, ran)


def test_what_explain_and_the_report_print_is_the_plan():
    """Phases are widened and looked up once more: the parts' plans say so."""
    x, w = (32, 64, 32, 32), (64, 64, 4, 4)
    found = jaxconv.explain(x, w, strides=2, padding="VALID")
    for one in found.plans:
        own = plan_for(one.map, found.geometry, "float32", "auto", target_of())
        assert one.plan is own
        assert str(own) in str(found)
    lhs, rhs = jax.ShapeDtypeStruct(x, "float32"), jax.ShapeDtypeStruct(w, "float32")
    with jaxconv.patch() as report:
        jax.eval_shape(lambda x, w: jax.lax.conv(x, w, (2, 2), "VALID"), lhs, rhs)
    assert report.calls[0].method == str(found.plans[0].plan)
