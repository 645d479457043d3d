"""Functions under a time limit: what they return or raise, and that they are left."""

import threading

import jax
import numpy as np
import pytest

from jaxconv.check.limits import TimeLimitError, within


def test_results_and_exceptions_come_through():
    assert within(None, lambda: 3) == 3
    assert within(10, lambda: threading.current_thread().daemon) is True
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 / 0)
    with pytest.raises(SystemExit):
        within(10, lambda: exec("raise SystemExit(2)"))


def test_settings_of_the_thread_are_taken_over():
    with jax.enable_x64(True), np.errstate(divide="ignore"):
        assert within(10, lambda: jax.config.jax_enable_x64) is True
        assert np.isinf(within(10, lambda: np.float64(1) / 0))


def test_a_loop_in_python_ends():
    steps = []

    def endless():
        while True:
            try:
                steps.append(1)
            except Exception:
                steps.append(2)

    with pytest.raises(TimeLimitError, match=r"took longer than 0\.02 s"):
        within(0.02, endless)
    before = len(steps)
    threading.Event().wait(0.02)
    assert len(steps) == before
