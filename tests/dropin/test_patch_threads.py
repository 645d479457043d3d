"""`patch` across threads: lax always gets its functions back."""

import threading

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxconv
from jaxconv.dropin.redirect import LAX, ORIGINAL

X, W = jnp.arange(30.0).reshape(1, 2, 15), jnp.arange(18.0).reshape(3, 2, 3)


def run_in_thread(function):
    failed = []

    def run():
        try:
            function()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def lax_is_as_it_was():
    return all(
        getattr(lax, name) is function
        and function.__code__ is ORIGINAL[name].__code__
        and "__signature__" not in vars(function)
        for name, function in LAX.items()
    )


def runs_on_jaxconv():
    call = jax.make_jaxpr(lambda: lax.conv(X, W, (1,), "SAME"))
    return "conv_output" in str(call())


def test_a_block_may_be_left_in_another_thread():
    block = jaxconv.patch()
    run_in_thread(block.__enter__)
    assert not runs_on_jaxconv()
    block.__exit__(None, None, None)
    assert lax_is_as_it_was()


def test_a_block_of_this_thread_may_be_left_in_another():
    block = jaxconv.patch()
    block.__enter__()
    assert runs_on_jaxconv()
    run_in_thread(lambda: block.__exit__(None, None, None))
    assert lax_is_as_it_was()
    assert not runs_on_jaxconv()


def test_what_is_compiled_after_that_is_not_taken_for_code_of_a_block():
    """This thread still has the block's key for jit's cache: see `_tell_jit`."""
    jitted = jax.jit(lambda x, w: lax.conv(x, w, (1,), "SAME"))
    block = jaxconv.patch()
    block.__enter__()
    run_in_thread(lambda: block.__exit__(None, None, None))
    assert "conv_output" not in str(jitted.trace(X, W).jaxpr)
    with jaxconv.patch():
        assert "conv_output" in str(jitted.trace(X, W).jaxpr)
    assert "conv_output" not in str(jitted.trace(X, W).jaxpr)


def test_a_thread_that_ends_inside_gives_lax_back():
    kept = [jaxconv.patch(), jaxconv.patch("taps")]
    run_in_thread(lambda: [block.__enter__() for block in kept])
    assert lax_is_as_it_was()
    kept[0].__exit__(None, None, None)  # late, and of no effect
    assert lax_is_as_it_was()


def test_a_thread_that_fails_inside_gives_lax_back():
    def fails():
        jaxconv.patch().__enter__()
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        run_in_thread(fails)
    assert lax_is_as_it_was()


def test_a_block_that_others_still_need_stays():
    with jaxconv.patch():
        run_in_thread(jaxconv.patch().__enter__)
        assert runs_on_jaxconv()
    assert lax_is_as_it_was()


def test_a_block_left_twice_says_so():
    block = jaxconv.patch()
    with block:
        pass
    with pytest.raises(RuntimeError, match=r"patch: .* left more often than entered"):
        block.__exit__(None, None, None)
    assert lax_is_as_it_was()


def test_one_block_in_two_threads_is_left_by_each():
    block = jaxconv.patch()
    with block as mine:
        run_in_thread(lambda: block.__exit__(None, None, block.__enter__() and None))
        lax.conv(X, W, (1,), "SAME")
    assert len(mine.calls) == 1
    assert lax_is_as_it_was()
