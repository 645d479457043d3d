"""`patch`: who is served, what is reported, and that lax gets its functions back."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv
from jaxconv.dropin.redirect import LAX

X, W = jnp.arange(30.0).reshape(1, 2, 15), jnp.arange(18.0).reshape(3, 2, 3)
PIXELS_LAST, TAPS_FIRST = X.mT, W.T  # as conv_transpose has them: (n, w, c), (k, i, o)


def call(function="conv"):
    return {
        "conv": lambda: lax.conv(X, W, (2,), "SAME"),
        "conv_general_dilated": lambda: lax.conv_general_dilated(
            X, W, window_strides=(2,), padding=[(1, 2)]
        ),
        "conv_transpose": lambda: lax.conv_transpose(
            PIXELS_LAST, TAPS_FIRST, (2,), "SAME"
        ),
        "conv_with_general_padding": lambda: lax.conv_with_general_padding(
            X, W, (1,), [(1, 0)], (2,), None
        ),
        "reduce_window": lambda: lax.reduce_window(
            X, -jnp.inf, lax.max, (1, 1, 3), (1, 1, 2), "SAME"
        ),
    }[function]()


def runs_on_jaxconv():
    return "conv_output" in str(jax.make_jaxpr(lambda: call())())


def lax_has_its_functions():
    return all(getattr(lax, name) is function for name, function in LAX.items())


@pytest.mark.parametrize("function", LAX)
def test_each_function_gives_the_same_bits(function):
    expected = call(function)
    with jaxconv.patch() as report:
        y = call(function)
    np.testing.assert_array_equal(y, expected)
    (served,) = report.served
    assert served.function.removesuffix("_max") == function
    assert report.passed_on == []


def test_the_report_names_operands_and_method():
    with jaxconv.patch(method="taps") as report:
        call()
    (served,) = report.served
    assert served.lhs == "float32[1,2,15]"
    assert served.rhs == "float32[3,2,3]"
    assert served.method == "taps"
    assert str(report).endswith("jaxconv, taps\n1 served, 0 passed on to lax")


def test_a_call_passed_on_is_reported_with_its_reason():
    with jaxconv.patch() as report:
        y = lax.conv(X, W, (2,), "SAME", precision="F32_F32_F32")
    np.testing.assert_array_equal(y, call())
    (passed,) = report.passed_on
    assert passed.method is None
    assert "products of matrices" in passed.reason
    assert "0 served, 1 passed on" in str(report)


def test_what_is_passed_on_goes_to_what_stood_there_before(monkeypatch):
    called = []
    real = lax.conv
    monkeypatch.setattr(lax, "conv", lambda *a, **k: called.append(1) or real(*a, **k))
    with jaxconv.patch():
        lax.conv(X, W, (2,), "SAME", precision="F32_F32_F32")
    assert called == [1]


def test_a_mistake_raises_and_is_not_reported():
    with jaxconv.patch() as report:
        with pytest.raises(ValueError, match=r"conv: lhs is"):
            lax.conv(X, W[:, :1], (2,), "SAME")
        with pytest.raises(TypeError, match="argument"):
            lax.conv(X, W)
    assert report.calls == []


def test_lax_has_its_functions_back_after_an_exception():
    with pytest.raises(KeyError), jaxconv.patch():
        raise KeyError
    assert lax_has_its_functions()
    assert not runs_on_jaxconv()


def test_blocks_are_nested_and_the_inner_report_gets_the_call():
    with jaxconv.patch() as outer:
        with jaxconv.patch("loops") as inner:
            call()
        assert not lax_has_its_functions()
        call()
    assert [served.method for served in inner.served] == ["loops"]
    assert len(outer.served) == 1
    assert lax_has_its_functions()


def test_blocks_may_end_in_any_order():
    """Blocks in generators and in asyncio's tasks do."""
    first, second = jaxconv.patch("loops"), jaxconv.patch("taps")
    first.__enter__()
    report = second.__enter__()
    first.__exit__(None, None, None)
    call()
    second.__exit__(None, None, None)
    assert [served.method for served in report.served] == ["taps"]
    assert lax_has_its_functions()
    with jaxconv.patch():
        pass
    assert not runs_on_jaxconv()


def test_a_reference_kept_from_a_block_is_lax_outside():
    with jaxconv.patch():
        kept = lax.conv
    with jaxconv.patch() as report:
        assert "conv_output" in str(jax.make_jaxpr(lambda: kept(X, W, (1,), "SAME"))())
    assert "conv_output" not in str(jax.make_jaxpr(lambda: kept(X, W, (1,), "SAME"))())
    assert len(report.served) == 1


def test_a_block_may_be_entered_again():
    block = jaxconv.patch()
    with block as outer, block as inner:
        call()
    with block as later:
        call()
        call()
    assert [len(report.calls) for report in (outer, inner, later)] == [0, 1, 2]


def test_what_runs_after_the_decorator_has_left_is_refused():
    async def coroutine():
        pass

    def generator():
        yield

    for function in (coroutine, generator):
        with pytest.raises(TypeError, match="Use a with block inside"):
            jaxconv.patch()(function)


def test_lists_are_served_and_reported():
    with jaxconv.patch() as report:
        lax.conv(X.tolist(), W.tolist(), (2,), "SAME")
    assert report.served[0].lhs == "float32[1,2,15]"


def test_as_a_decorator():
    @jaxconv.patch()
    def inside():
        return runs_on_jaxconv()

    assert inside()
    assert inside()
    assert lax_has_its_functions()


def test_jit_compiles_inside_and_outside_apart():
    """In either order: each call finds the program compiled for where it stands."""
    for first_inside in (True, False):
        jitted = jax.jit(lambda x, w: lax.conv(x, w, (1,), "SAME"))
        for inside in (first_inside, not first_inside, first_inside):
            if inside:
                with jaxconv.patch():
                    text = jitted.trace(X, W).jaxpr
            else:
                text = jitted.trace(X, W).jaxpr
            assert ("conv_output" in str(text)) == inside


def test_gradients_run_on_jaxconv_even_when_taken_outside():
    with jaxconv.patch():
        _, vjp = jax.vjp(lambda x, w: lax.conv(x, w, (1,), "SAME"), X, W)
    dx, dw = vjp(jnp.ones((1, 3, 15)))
    expected = jax.vjp(lambda x, w: lax.conv(x, w, (1,), "SAME"), X, W)[1](
        jnp.ones((1, 3, 15))
    )
    np.testing.assert_array_equal(dx, expected[0])
    np.testing.assert_array_equal(dw, expected[1])


def test_other_threads_keep_lax():
    found = []

    def elsewhere():
        found.append(runs_on_jaxconv())
        found.append(call().tolist() == expected.tolist())

    expected = call()
    with jaxconv.patch() as report:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert found == [False, True]
    assert report.calls == []


def test_two_threads_may_leave_in_any_order():
    entered, leave = threading.Event(), threading.Event()

    def stays_longer():
        with jaxconv.patch():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=stays_longer)
    with jaxconv.patch():
        thread.start()
        assert entered.wait(10)
    assert not runs_on_jaxconv()
    leave.set()
    thread.join()
    assert lax_has_its_functions()


def test_what_stood_in_lax_before_is_given_back(monkeypatch):
    def stand_in(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(lax, "conv", stand_in)
    with jaxconv.patch():
        call()
    assert lax.conv is stand_in


@pytest.mark.usefixtures("our_errors")
def test_an_unknown_method_is_refused():
    with (
        pytest.raises(ValueError, match="patch: method must be one of"),
        jaxconv.patch("cudnn"),
    ):
        pass
    assert lax_has_its_functions()
