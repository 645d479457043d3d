"""`explain`: what it says is what runs."""

import jax
import jax.numpy as jnp
import pytest

import jaxconv
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import onednn_region
from tests.methods import auto

STRIDED = jax.ShapeDtypeStruct((4, 6, 8, 8), "float32")
FILTERS = jax.ShapeDtypeStruct((6, 5, 4, 4), "float32")


def test_the_table_names_methods_costs_and_reasons():
    found = jaxconv.explain(STRIDED, FILTERS, strides=2, method="portable")
    text = str(found)
    lines = text.splitlines()
    assert (
        lines[0] == "x [4, 6, 8, 8], w [6, 5, 4, 4], output [4, 5, 4, 4], float32, cpu"
    )
    assert [line.split()[0] for line in lines[1:5]] == [
        "map", "output", "input_grad", "param_grad"
    ]  # fmt: skip
    assert "xla, by phases" in lines[3]
    assert "input_grad: no products with zeros; " in text


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
    assert {one.method for one in plans} == {"taps"}
    assert {one.plan.reason for one in plans} == {"it was asked for"}


def test_it_says_why_onednn_does_not_compute(monkeypatch):
    monkeypatch.setenv("JAXCONV_ONEDNN", "0")
    found = jaxconv.explain((2, 8, 9, 9), (8, 8, 3, 3))
    assert "onednn" not in {one.method for one in found.plans}
    assert str(found).endswith("without oneDNN: JAXCONV_ONEDNN is 0")


@pytest.mark.usefixtures("our_errors")
def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="explain: "):
        jaxconv.explain(STRIDED, jax.ShapeDtypeStruct((5, 6, 4, 4), "float32"))


def test_phases_of_a_filter_shorter_than_the_stride_are_products():
    """Cutting an image into patches and back: one tap for each place."""
    geometry = Geometry.of((2, 3, 32, 32), (3, 8, 16, 16), strides=16)
    assert str(auto("input_grad", geometry)) == "taps, by phases"


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


@pytest.mark.parametrize(("avx512", "last"), [(True, "xla"), (False, "im2col")])
def test_auto_takes_what_fits_into_the_limit(avx512, last, monkeypatch):
    monkeypatch.setattr(onednn_region, "has_avx512", lambda: avx512)
    wide, small = jnp.ones((2, 3, 36, 36)), jnp.ones((3, 4, 3, 3))

    def methods(x, w, limit):
        found = jaxconv.explain(x, w, memory_limit=limit, method="portable")
        return [one.method for one in found.plans]

    assert methods(wide, small, limit=None) == ["im2col", "xla", last]
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
