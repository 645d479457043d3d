"""`explain`: what it says is what runs."""

import jax
import jax.numpy as jnp
import pytest

import jaxconv
from tests.methods import auto
from jaxconv.conv.geometry import Geometry
from tests.methods import UNIVERSAL

STRIDED = jax.ShapeDtypeStruct((4, 6, 8, 8), "float32")
FILTERS = jax.ShapeDtypeStruct((6, 5, 4, 4), "float32")


def test_the_table_names_methods_costs_and_reasons():
    found = jaxconv.explain(STRIDED, FILTERS, strides=2)
    text = str(found)
    lines = text.splitlines()
    assert (
        lines[0] == "x [4, 6, 8, 8], w [6, 5, 4, 4], output [4, 5, 4, 4], float32, cpu"
    )
    assert [line.split()[0] for line in lines[1:5]] == [
        "map", "output", "input_grad", "param_grad"
    ]  # fmt: skip
    assert "xla, by phases" in lines[3]
    assert "input_grad: no zeros in between; dense: " in text


def test_operations_and_bytes_are_counted():
    output, input_grad, param_grad = jaxconv.explain(STRIDED, FILTERS, strides=2).plans
    products = 4 * 5 * 6 * 16 * 16  # each output, channel and tap
    assert output.flops == input_grad.flops == param_grad.flops == 2 * products
    elements = 4 * 6 * 64 + 6 * 5 * 16 + 4 * 5 * 16
    assert output.bytes == input_grad.bytes == param_grad.bytes == 4 * elements
    assert output.temporary_bytes >= 0


def test_the_error_bound_is_the_methods_own():
    plans = jaxconv.explain(STRIDED, FILTERS, strides=2).plans
    bounds = [(6 * 16 + 2) * 2**-24, (5 * 16 + 2) * 2**-24, (4 * 16 + 2) * 2**-24]
    assert [plan.relative_error for plan in plans] == bounds
    whole = jaxconv.explain(jnp.ones((1, 1, 3), int), jnp.ones((1, 1, 2), int))
    assert [plan.relative_error for plan in whole.plans] == [None] * 3
    assert "exact" in str(whole)


def test_a_method_asked_for_is_reported():
    plans = jaxconv.explain(STRIDED, FILTERS, strides=2, method="taps").plans
    assert {plan.choice.method for plan in plans} == {"taps"}
    assert {plan.choice.reason for plan in plans} == {"it was asked for"}


def test_what_is_explained_is_what_runs(monkeypatch):
    ran = []
    for name, method in UNIVERSAL.items():
        for which in ("_output", "_input_grad", "_param_grad"):
            real = getattr(method, which)

            def spy(*given, real=real, name=name):
                ran.append(name)
                return real(*given)

            monkeypatch.setattr(method, which, spy)
    x, w = jnp.ones((5, 6, 9, 7)), jnp.ones((2, 9, 3, 3))  # seen by no other test
    plan, *_ = jaxconv.explain(x, w, groups=3).plans
    assert ran[0] == plan.choice.method == "taps"
    jaxconv.conv(x, w, groups=3)
    assert set(ran) == {ran[0], jaxconv.explain(x, w, groups=3).plans[2].choice.method}


@pytest.mark.usefixtures("our_errors")
def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="explain: "):
        jaxconv.explain(STRIDED, jax.ShapeDtypeStruct((5, 6, 4, 4), "float32"))


def test_phases_of_a_filter_shorter_than_the_stride_are_products():
    """Cutting an image into patches and back: one tap for each place."""
    geometry = Geometry.of((2, 3, 32, 32), (3, 8, 16, 16), strides=16)
    choice = auto("input_grad", geometry, "float32")
    assert (choice.method, "phases" in choice.by) == ("taps", True)


def test_a_transforms_error_is_of_the_norms():
    x, w = jnp.ones((2, 4, 32, 32)), jnp.ones((4, 4, 31, 31))
    shown = jaxconv.explain(x, w, method="fft")
    assert all(plan.relative_to == "norms" for plan in shown.plans)
    assert str(shown).count(" of the norms\n") == 3


def test_memory_limit_bounds_the_patches():
    x, w = jnp.ones((64, 4, 16, 16)), jnp.ones((4, 4, 3, 3))
    image = 4 * 9 * 16 * 16 * 4  # bytes of its patches

    def temporary(limit):
        found = jaxconv.explain(x, w, method="im2col", memory_limit=limit)
        return [plan.temporary_bytes for plan in found.plans]

    padded = 64 * 4 * 18 * 18 * 4  # and g dilated, or copied, beside it
    for free, limited in zip(temporary(None), temporary(2 * image), strict=True):
        assert limited <= 2 * padded + 3 * 2 * image < free


def test_auto_takes_what_fits_into_the_limit():
    wide, small = jnp.ones((2, 5, 128, 128)), jnp.ones((5, 16, 3, 3))

    def methods(x, w, limit):
        plans = jaxconv.explain(x, w, memory_limit=limit).plans
        return [plan.choice.method for plan in plans]

    assert methods(wide, small, limit=None) == ["xla", "xla", "im2col"]
    assert methods(wide, small, limit=10**4) == ["xla", "xla", "xla"]


def test_a_limit_changes_no_result():
    x, w = jnp.arange(4.0 * 2 * 9).reshape(4, 2, 9), jnp.ones((2, 3, 2))

    def gradients(limit):
        def loss(x, w):
            return jaxconv.conv(x, w, method="im2col", memory_limit=limit).sum()

        return jax.jit(jax.grad(loss, (0, 1)))(x, w)

    for free, limited in zip(gradients(None), gradients(1), strict=True):
        assert (free == limited).all()


@pytest.mark.parametrize("limit", [0, 2.5, "1 MB", True])
def test_a_limit_is_a_number_of_bytes(limit, our_errors):
    with pytest.raises(ValueError, match=r"conv: memory_limit must be None or a whole"):
        jaxconv.conv(jnp.ones((1, 1, 3)), jnp.ones((1, 1, 2)), memory_limit=limit)
