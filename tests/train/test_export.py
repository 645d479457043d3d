"""Trained models as programs that run where there is no jaxconv."""

import json
import os
import subprocess
import sys
import zipfile

import jax
import jaxtyping
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.conv.methods import im2col, xla
from jaxconv.train import Run, Scaling, export, open_run
from jaxconv.train.classifier import classifier
from tests.tiers import fast
from tests.train.runs import make_run

# Annotations say that a batch's size is an int: the hook that checks them is off.
pytestmark = pytest.mark.usefixtures("our_errors")

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28), np.uint8)
DESCRIBED = {
    "settings": {"model": "mine"},
    "data": {"name": "some images"},
    "versions": {},
}


def run_of(model, shape=(1, 28, 28)):
    """Return an untrained model as a run."""
    outputs, params = model.init(jax.random.key(0), shape)
    names = tuple(f"class {i}" for i in range(outputs[0]))
    return Run(model, params, DESCRIBED, names, shape, Scaling(33.3, 78.6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a run of lenet5, which has statistics."""
    return make_run(tmp_path_factory.mktemp("run"), "lenet5")


@pytest.fixture(scope="module")
def exported(folder):
    """Return the program of that run, for two platforms, and what is said of it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    return export.export_model(open_run(folder), ("cpu", "cuda"))


@pytest.fixture
def quick(exported, monkeypatch):
    """Have the program export what is exported already."""
    monkeypatch.setattr(export, "export_model", lambda *_: exported)


def called(capsys, *arguments):
    """Return the exit code, what is printed, and the lines on standard error."""
    try:
        code = export.main([str(word) for word in arguments])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


USE = """
import json, sys, zipfile
sys.modules["jaxconv"] = None  # importing it fails
import jax, numpy as np
with zipfile.ZipFile(sys.argv[1]) as file:
    model = jax.export.deserialize(bytearray(file.read("model.jaxexport")))
    about = json.loads(file.read("model.json"))
np.save(sys.argv[3], model.call(np.load(sys.argv[2])))
print(*about["classes"])
try:
    import jaxconv
except ModuleNotFoundError:
    print("there is none")
"""


def test_a_process_without_jaxconv_runs_it(folder, exported, tmp_path):
    file = tmp_path / "mine.zip"
    export.write(file, *exported)
    np.save(tmp_path / "images.npy", IMAGES)
    result = tmp_path / "probabilities.npy"
    done = subprocess.run(
        [sys.executable, "-I", "-c", USE, file, tmp_path / "images.npy", result],
        cwd=tmp_path,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert done.stdout == "0 1 2 3 4 5 6 7 8 9\nthere is none\n"
    expected = jax.jit(classifier(open_run(folder)))(IMAGES)
    np.testing.assert_allclose(np.load(result), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "name", fast(("chapter5", "lenet5", "resnet8", "octave_resnet20"), "chapter5")
)
def test_a_model_gives_the_same_for_any_number_of_images(name, tmp_path):
    run = open_run(make_run(tmp_path, name))
    program, about = export.export_model(run)
    assert about["replaced"] is None
    loaded = jax.export.deserialize(program.serialize())
    expected = jax.jit(classifier(run))(IMAGES)
    for images in (1, 5):
        found = loaded.call(IMAGES[:images])
        np.testing.assert_allclose(found, expected[:images], rtol=1e-4, atol=1e-6)


def test_the_file_says_what_goes_in_and_comes_out(exported, tmp_path):
    export.write(tmp_path / "model.zip", *exported)
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        assert file.namelist() == ["model.jaxexport", "model.json"]
        found = json.loads(file.read("model.json"))
        loaded = jax.export.deserialize(bytearray(file.read("model.jaxexport")))
        dates = {info.date_time for info in file.infolist()}
    assert found == exported[1]
    assert dates == {(1980, 1, 1, 0, 0, 0)}  # the same model gives the same bytes
    assert found["classes"] == list("0123456789")
    assert found["input"] == {"shape": ["n", 1, 28, 28], "dtype": "uint8"}
    assert found["output"]["shape"] == ["n", 10]
    assert (found["model"], found["data"]) == ("lenet5", "nine images")
    assert loaded.platforms == ("cpu", "cuda")


def test_the_same_model_gives_the_same_bytes_without_paths(tmp_path):
    run = run_of(nn.serial(nn.Conv2D(2, 3), nn.GlobalAvgPool()))
    for name in ("one", "other"):
        export.write(tmp_path / name, *export.export_model(run))
    one, other = ((tmp_path / name).read_bytes() for name in ("one", "other"))
    assert one == other
    assert b".py" not in one


# What calls a library of this machine


def by_a_library(x):
    """Call what no other machine has."""
    call = jax.ffi.ffi_call("this_machine$only", jax.ShapeDtypeStruct(x.shape, x.dtype))
    return call(x)


def convolved_by_a_library(x, *others):
    return xla._output(by_a_library(x), *others)


def test_a_convolution_by_a_library_is_replaced_and_the_file_says_so(monkeypatch):
    monkeypatch.setattr(im2col, "_output", convolved_by_a_library)
    layer = nn.Conv2D(4, 3, method="im2col")
    run = run_of(nn.serial(layer, nn.GlobalAvgPool()))
    program, about = export.export_model(run)
    assert about["replaced"] == (
        'convolutions that called this_machine$only, by method "xla"'
    )
    monkeypatch.setattr(im2col, "_output", xla._output)
    expected = jax.jit(classifier(run))(IMAGES)
    np.testing.assert_allclose(program.call(IMAGES), expected, rtol=1e-5, atol=1e-6)


def test_what_was_traced_for_a_library_is_traced_anew(monkeypatch):
    """A layer's own `jit` keeps what it traced: not for another method."""
    monkeypatch.setattr(im2col, "_output", convolved_by_a_library)
    layer = nn.Conv2D(4, 3, method="im2col")
    compiled = jax.jit(layer.apply)
    held = nn.Layer(layer.init, lambda params, x, *, key=None: compiled(params, x))
    _, about = export.export_model(run_of(nn.serial(held, nn.GlobalAvgPool())))
    assert about["replaced"]


def test_another_layer_of_a_library_is_refused():
    library = nn.elementwise(by_a_library)
    run = run_of(nn.serial(library, nn.Flatten(), nn.Dense(2)))
    with pytest.raises(export.ExportError, match=r"calls this_machine\$only, which"):
        export.export_model(run)


def test_another_error_is_not_taken_for_that():
    called = []

    def fails(params, x, *, key=None):
        called.append(x)
        raise ValueError("a fault of mine")

    model = nn.serial(nn.Flatten(), nn.Dense(2))
    run = run_of(model)._replace(model=nn.Layer(model.init, fails))
    with pytest.raises(ValueError, match="a fault of mine"):
        export.export_model(run)
    assert len(called) == 1


# The program


def test_the_file_lies_in_the_runs_folder(tmp_path, capsys):
    folder = make_run(tmp_path / "run")
    code, out, errors = called(capsys, folder, "--platforms", "cpu,tpu")
    assert (code, errors) == (0, [])
    assert out == f"{folder / 'exported.zip'}: 1.0 MB, for cpu and tpu\n"


def test_a_replacement_is_told(folder, exported, capsys, monkeypatch):
    program, about = exported
    said = about | {"replaced": "all of it"}
    monkeypatch.setattr(export, "export_model", lambda *_: (program, said))
    assert called(capsys, folder)[2] == ["Replaced: all of it."]
    (folder / "exported.zip").unlink()


def test_a_model_that_cannot_be_exported_is_one_line(folder, capsys, monkeypatch):
    run = run_of(nn.serial(nn.elementwise(by_a_library), nn.Flatten()))
    monkeypatch.setattr(export, "open_run", lambda _: run)
    code, _, errors = called(capsys, folder)
    assert (code, len(errors)) == (2, 1)
    assert "error: the model calls this_machine$only" in errors[0]


MISTAKES = {
    "no run": (["{tmp}/nothing"], "nothing: no such folder"),
    "another folder": (["{tmp}"], "is not the folder of a run"),
    "no arguments": ([], "RUN is missing. --help says what it is."),
    "a platform": (["{run}", "--platforms", "cpu,gpu"], "--platforms must be of cpu"),
    "a folder": (["{run}", "--output", "{tmp}"], "cannot be written: Is a directory."),
    "nowhere": (["{run}", "--output", "{tmp}/a/b"], "a/b: cannot be written: No such"),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_code_2(case, folder, tmp_path, capsys):
    words, message = case
    given = [word.format(run=folder, tmp=tmp_path) for word in words]
    code, out, errors = called(capsys, *given)
    assert (code, out, len(errors)) == (2, "", 1)
    assert message in errors[0]
    assert list(tmp_path.iterdir()) == []  # nothing is left


def test_a_file_that_is_there_stays_where_writing_fails(
    exported, tmp_path, monkeypatch
):
    file = tmp_path / "model.zip"
    file.write_text("before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="No space left"):
        export.write(file, *exported)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
