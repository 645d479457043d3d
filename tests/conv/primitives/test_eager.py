"""Calls outside of jit: one program for a call, and no checking twice."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv
from jaxconv import conv, conv_transpose
from jaxconv.conv.primitives.eager import checked_once, is_eager, one_program
from jaxconv.dropin import compat

LAYOUT = ("NHWC", "HWIO", "NHWC")


@contextlib.contextmanager
def programs():
    """Count the programs that are compiled."""
    found = []

    def listen(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def images(height):
    """New shapes in each test: nothing is compiled for them yet."""
    shapes = (2, height, 7, 3), (3, 2, 3, 4)
    return [jnp.array(np.arange(np.prod(s)).reshape(s) % 5, "float32") for s in shapes]


def first(arrays):
    return arrays[0].transpose(0, 3, 1, 2), arrays[1].transpose(2, 3, 0, 1)


def under_patch(x, w):
    with jaxconv.patch():
        return lax.conv_general_dilated(x, w, (1, 2), "SAME", dimension_numbers=LAYOUT)


CALLS = {
    "drop-in": lambda x, w: compat.conv_general_dilated(
        x, w, (1, 2), "SAME", dimension_numbers=LAYOUT
    ),
    "under patch": under_patch,
    "drop-in transposed": lambda x, w: compat.conv_transpose(
        x, w.swapaxes(2, 3), (1, 2), "SAME", transpose_kernel=True
    ),
    "conv": lambda x, w: conv(*first((x, w)), padding_mode="reflect"),
    "conv_transpose": lambda x, w: conv_transpose(
        *first((x, w)), strides=2, convention="lax"
    ),
}


@pytest.mark.parametrize(("name", "height"), [(n, 20 + i) for i, n in enumerate(CALLS)])
def test_a_call_at_a_new_shape_compiles_one_program(name, height):
    x, w = images(height)
    first((x, w)), w.swapaxes(2, 3)  # the test's own
    jnp.ones(3) + 1
    with programs() as found:
        y = CALLS[name](x, w)
    assert len(found) == 1
    with programs() as found:
        again = CALLS[name](x, w)
    assert found == []
    np.testing.assert_array_equal(y, again)
    np.testing.assert_array_equal(y, jax.jit(CALLS[name])(x, w))


def test_gradients_outside_of_jit_compile_no_more_programs_than_lax_s():
    counts = []
    for call, height in (
        (compat.conv_general_dilated, 31),
        (lax.conv_general_dilated, 32),
    ):
        x, w = images(height)

        def gradients(call=call, x=x, w=w):
            y, vjp = jax.vjp(
                lambda x, w: call(x, w, (1, 2), "SAME", dimension_numbers=LAYOUT), x, w
            )
            return vjp(y)

        with programs() as found:
            gradients()
        counts.append(len(found))
    assert counts[0] <= counts[1]


@pytest.mark.parametrize("name", CALLS)
def test_without_jit_and_under_transformations_the_bits_are_the_same(name):
    x, w = images(9)
    call = CALLS[name]
    expected = call(x, w)
    with jax.disable_jit():
        np.testing.assert_array_equal(call(x, w), expected)
    many = jax.vmap(call, (0, None))(jnp.stack([x, 2 * x]), w)
    np.testing.assert_array_equal(many[1], 2 * expected)
    linear = jax.jvp(lambda x: call(x, w), (x,), (x,))[1]
    np.testing.assert_array_equal(linear, expected)


def test_under_jit_the_maps_are_traced_in_place():
    x, w = images(9)
    jaxpr = jax.make_jaxpr(CALLS["drop-in"])(x, w)
    assert "conv_output" in [equation.primitive.name for equation in jaxpr.eqns]


def test_what_is_eager():
    seen = []

    def look(x):
        seen.append(is_eager())
        return x

    look(1.0)
    jax.grad(look)(1.0)
    jax.vmap(look)(jnp.ones(2))
    jax.jit(look)(1.0)
    jax.jit(jax.grad(look))(1.0)
    jax.eval_shape(lambda x: look(x), 1.0)
    assert seen == [True, True, True, False, False, False]


def test_keyword_arguments_of_one_program_are_static():
    @one_program
    def scaled(x, *, by):
        return x * float(by)

    assert scaled(jnp.ones(()), by=3) == 3


def test_settings_are_checked_once():
    seen = []

    @checked_once
    def check(value, *, name):
        seen.append(value)
        if not isinstance(value, list):
            raise ValueError(name)
        return name

    for value in ([1, 2], [1, 2], [1, True], [1.0, 2]):
        check(value, name="a")
    assert seen == [[1, 2], [1, True], [1.0, 2]]
    for _ in range(2):
        with pytest.raises(ValueError, match="b"):
            check(3, name="b")
    assert seen[3:] == [3, 3]


def test_a_setting_checked_under_jit_is_checked_again_outside():
    seen = []

    @checked_once
    def check():
        seen.append(is_eager())

    jax.eval_shape(check)
    check()
    assert seen == [False, True]


@pytest.mark.usefixtures("our_errors")
def test_a_wrong_setting_that_equals_a_right_one_is_refused_after_it():
    x, w = first(images(9))
    conv(x, w, strides=1)
    with pytest.raises(ValueError, match="strides must be an int of at least 1"):
        conv(x, w, strides=True)


def test_the_default_precision_is_not_remembered():
    x, w = images(9)
    for precision in ("highest", "default"):
        with jax.default_matmul_precision(precision):
            text = str(jax.make_jaxpr(CALLS["drop-in"])(x, w))
        assert f"precision={precision.upper()}" in text


COUNTLESS = {
    "conv": lambda x, w: conv(x, w, padding=0, input_dilation=2**19),
    "drop-in": lambda x, w: compat.conv_general_dilated(x, w, (1,), [(0, 0)], (2**19,)),
}


@pytest.mark.parametrize("call", COUNTLESS.values(), ids=COUNTLESS)
@pytest.mark.parametrize("run", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_a_shape_beyond_what_xla_can_count_is_told_and_not_run(call, run):
    x, w = jnp.ones((1, 1, 2**19)), jnp.ones((1, 1, 3))
    found = jax.eval_shape(call, x, w)
    assert found.shape == (1, 1, (2**19 - 1) * 2**19 + 1 - 2)
    with pytest.raises(ValueError, match=r"conv.*: .* axis 2 below 2\*\*31 pixels"):
        run(call)(x, w)
