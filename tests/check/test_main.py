"""`python -m jaxconv.check FILE.py`: what it finds in a file, and its exit codes."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from jaxconv.check.__main__ import main
from tests.tiers import fast

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("our_errors")

OUTPUT = """
    import numpy as np
    x_shape, w_shape = (2, 3), [3, 4]

    def output(x, w):
        return np.dot(x, w)
"""
INPUT_GRAD = """
    def input_grad(g, w):
        return np.dot(g, w.T)
"""
PARAM_GRAD = """
    def param_grad(x, g):
        return np.dot(x.T, g)
"""
BACKWARD = """
    def backward(x, w, g):
        return np.dot(g, w.T), np.dot(x.T, g)
"""
LAYER = """
    class Dense:
        def forward(self, x):
            self.x = x
            return np.dot(x, self.w)

        def backward(self, g):
            self.dw = np.dot(self.x.T, g)
            return np.dot(g, self.w.T)
"""
MAKE_LAYER = """
    def make_layer(w):
        layer = Dense()
        layer.w = w
        return layer
"""
FACTS = """
    import numpy as np
    X_SHAPE, W_SHAPE = (2, 3), (3, 4)
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Write a file, check it, and return the exit code and what was printed."""
    monkeypatch.setattr(sys, "argv", ["python -m jaxconv.check", "--of-the-caller"])
    few = ("--entries", "4")

    def check(code, *options, name="kernel.py"):
        file = tmp_path / name
        file.write_text(textwrap.dedent(code))
        try:
            result = main([str(file), *few, *options])
        except SystemExit as stop:
            result = stop.code
        return result, capsys.readouterr()

    return check


RIGHT = {
    "three functions": (OUTPUT + INPUT_GRAD + PARAM_GRAD, ()),
    "backward": (OUTPUT + BACKWARD, ()),
    "a layer": (FACTS + LAYER + MAKE_LAYER, ()),
    "one gradient": (OUTPUT + INPUT_GRAD, ()),
    "a layer beside a function": (
        OUTPUT.replace("output", "forward") + LAYER + MAKE_LAYER, ()
    ),
    "other names": (
        OUTPUT.replace("output", "product") + BACKWARD.replace("backward", "back"),
        ("--output", "product", "--backward", "back"),
    ),
    "shapes by options": (
        OUTPUT.replace("x_shape", "other") + BACKWARD, ("--x-shape", "(2x3)")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", fast(RIGHT, "backward", "a layer", "other names"))
def test_a_right_kernel_passes(name, check):
    code, options = RIGHT[name]
    result, said = check(code, *options)
    assert (result, said.err) == (0, ""), said.out
    assert "adjoint identity" in said.out


def test_a_wrong_kernel_is_printed_with_code_1(check):
    result, said = check(OUTPUT + BACKWARD.replace("np.dot(x.T", "2 * np.dot(x.T"))
    assert (result, said.err) == (1, "")
    assert "it is 2 times what it should be" in said.out


@pytest.mark.exhaustive
def test_of_a_jax_function_alone_its_own_rule_is_checked(check):
    code = """
        import jax
        import jax.numpy as jnp

        @jax.custom_vjp
        def output(x, w):
            return jnp.dot(x, w)

        output.defvjp(
            lambda x, w: (x @ w, (x, w)),
            lambda kept, g: (g @ kept[1].T, -kept[0].T @ g),
        )
    """
    result, said = check(code, "--x-shape", "2,3", "--w-shape", "3,4")
    assert result == 1
    assert said.out.startswith("kernel.py has no gradient: the one that JAX takes is")
    assert "the sign is wrong" in said.out


def test_a_layer_that_adds_up_its_gradients_may_be_made_anew(check):
    code = FACTS + LAYER.replace("self.dw = ", "self.dw = getattr(self, 'dw', 0) + ")
    result, said = check(code + MAKE_LAYER)
    assert result == 1
    assert said.out.startswith("param_grad, once more: it returns another result for ")
    assert check(code + MAKE_LAYER, "--fresh")[0] == 0


def test_skipped_checks_are_shown_if_asked(check):
    _, said = check(OUTPUT + INPUT_GRAD)
    assert re.search(r"\d checks were skipped: --skipped shows them", said.out)
    assert "  skipped: " not in said.out
    _, said = check(OUTPUT + INPUT_GRAD, "--skipped")
    assert "  skipped: " in said.out


def test_functions_by_name_go_before_backward(check):
    wrong = BACKWARD.replace("np.dot(x.T", "2 * np.dot(x.T")
    code = OUTPUT + INPUT_GRAD + PARAM_GRAD + wrong
    assert check(code)[0] == 0
    assert check(code, "--backward", "backward")[0] == 1


def test_a_file_may_import_its_neighbours_and_read_its_arguments(check, tmp_path):
    (tmp_path / "neighbour_of_kernel.py").write_text("from numpy import dot\n")
    code = """
    import argparse
    import numpy as np
    from neighbour_of_kernel import dot as output

    argparse.ArgumentParser().parse_args()
    x_shape, w_shape = (2, 3), (3, 4)
"""
    before = list(sys.path), list(sys.argv)
    assert check(code + BACKWARD)[0] == 0
    assert (sys.path, sys.argv) == before
    del sys.modules["neighbour_of_kernel"]


ONE = OUTPUT + BACKWARD
BAD = {
    "no output": (BACKWARD, (), "has no output(x, w). Its functions are backward: "),
    "nothing": ("", (), "kernel.py has no output(x, w). It defines no function"),
    "a class": (FACTS + LAYER, (), "Of its class Dense write make_layer(w), which "),
    "no gradient": (
        OUTPUT, (), "has output but no gradient, and JAX cannot differentiate it. "
    ),
    "no shape": (ONE.replace("w_shape", "a"), (), "the shape of w is missing. Set w_"),
    "it ends": ("raise SystemExit", (), "kernel.py ended itself while it was loaded"),
    "it raises": ("\n1 / 0", (), "raised ZeroDivisionError: division by zero while it "
                  "was loaded, line 2"),
    "no syntax": ("1 +", (), "kernel.py raised SyntaxError: invalid syntax (k"),
    "a package": ("import no_such_package", (), "imports no_such_package, which is "),
    "a wrong name": (ONE, ("--output", "conv"), "--output: conv does not exist in "),
    "no function": (ONE, ("--output", "x_shape"), "--output: x_shape is no function "),
    "a shape": (ONE, ("--x-shape", "2,a"), "--x-shape: must be sizes with commas"),
    "an option": (ONE, ("--xshape", "2"), "--xshape 2. Did you mean --x-shape?"),
    "entries": (ONE, ("--entries", "0"), "entries must be an int of at least 1, got 0"),
    "a dtype": (ONE, ("--dtype", "int8"), "dtype must be floating-point or complex"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "options", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_or_option_is_one_line_and_code_2(code, options, words, check):
    result, said = check(code, *options)
    assert (result, said.out) == (2, "")
    assert said.err.startswith("python -m jaxconv.check: error: ")
    assert words in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("name", ["kernel.txt", "."], ids=["no Python", "a folder"])
def test_what_is_no_python_file_is_refused(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["python -m jaxconv.check"])
    assert main([str(tmp_path / name)]) == 2
    assert "FILE must be a Python file, NAME.py, got " in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["python -m jaxconv.check"])
    assert main([str(tmp_path / "missing.py")]) == 2
    assert "error: there is no file " in capsys.readouterr().err


@pytest.mark.exhaustive
def test_types_of_64_bits_are_switched_on(check):
    code = ONE.replace("numpy", "jax.numpy")
    assert check(code, "--dtype", "float64")[0] == 0


@pytest.mark.exhaustive
def test_the_module_runs_as_a_program(tmp_path):
    file = tmp_path / "kernel.py"
    file.write_text(textwrap.dedent(ONE.replace("np.dot(g,", "-np.dot(g,")))
    command = [sys.executable, "-m", "jaxconv.check", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    assert "the sign is wrong" in done.stdout
    assert done.stderr == ""
