"""Modes of differentiation that JAX does not have for a function."""

_REASONS = {  # words of JAX's errors where a mode is missing, no rule wrong -> reason
    "forward-mode autodiff (jvp) to a custom_vjp": "a custom_vjp has no forward mode",
    "Reverse-mode differentiation does not work": (
        "a loop whose length is traced has no reverse mode"
    ),
    "callbacks do not support JVP": "a callback has no derivative",
    "cannot be differentiated": "a foreign call has no derivative",
    "ifferentiation rule for": "a primitive has no derivative",
    "Transpose rule (for reverse-mode": "a primitive has no reverse mode",
}


def why_missing(error: Exception) -> str | None:
    """Return why JAX lacks a mode; None if `error` tells of something else."""
    text = str(error)
    return next((why for words, why in _REASONS.items() if words in text), None)


def first_line(error: BaseException) -> str:
    """Return an exception's type and the first line of what it says.

    That of a callback tells of another exception in its last line.
    """
    lines = str(error).strip().splitlines() or [""]
    line = (lines[-1] if "Traceback (most" in lines[0] else lines[0]).removesuffix(".")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
