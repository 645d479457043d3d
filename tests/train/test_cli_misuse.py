"""What new users type: one line that says what to type instead, and exit code 2."""

import dataclasses
import functools

import jax
import pytest

from jaxconv._command_line import as_options
from jaxconv.train import (
    Config,
    DivergedError,
    Result,
    Scaling,
    TrainState,
    cli,
)
from tests.data.files import contents, write
from tests.one_line import error_of

called = functools.partial(error_of, cli.main)


UNKNOWN = {
    "--learnin-rate 0.1": "--learning-rate",
    "--lr 0.1": "--learning-rate",
    "--lr=0.1": "--learning-rate",
    "--batchsize 3": "--batch-size",
    "--batch 3": "--batch-size",
    "--bs 3": "--batch-size",
    "--epoch 3": "--epochs",
    "--rate 0.1": "--learning-rate",
    "-epochs 3": "--epochs",
    "epochs=3": "--epochs",
    "--optimiser adam": "--optimizer",
    "--data .": "--data-dir",
    "--classes 10": "--num-classes",
}


@pytest.mark.parametrize(("given", "meant"), UNKNOWN.items(), ids=UNKNOWN.keys())
def test_an_unknown_option_proposes_the_nearest(given, meant, capsys):
    code, line = called(given.split(), capsys)
    assert code == 2
    assert f"Unrecognized options: {given.replace(' ', ', ')}. " in line
    assert line.endswith(f"Did you mean {meant}?\n")


@pytest.mark.parametrize("given", ["--zzz 1", "foo", "=", "-"])
def test_an_option_like_none_points_to_help(given, capsys):
    code, line = called(given.split(), capsys)
    assert code == 2
    assert line.endswith("--help lists the options.\n")


def test_a_batch_larger_than_the_data_set_is_refused(tmp_path, rng, capsys):
    write(tmp_path, contents(rng))  # 7 images
    code, line = called(["--data-dir", str(tmp_path), "--batch-size", "8"], capsys)
    assert code == 2
    assert f"error: {tmp_path}: holds 7 training images, fewer than the" in line
    assert line.endswith("--batch-size of 8. Make --batch-size 7 or less.\n")


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path, rng, capsys):
    file = write(tmp_path, contents(rng)) / "train-images-idx3-ubyte"
    code, line = called(["--data-dir", str(file)], capsys)
    assert code == 2
    assert f"{file}: is not a folder but a file. Set --data-dir to" in line


# What a run says, without running


def result(batches, interrupted):
    key, step = jax.random.key(0), jax.numpy.int32(batches)
    state = TrainState({}, (), key, step)
    return Result(state, {}, 0.5, batches, 2.0, interrupted, Scaling(0.0, 1.0))


@pytest.fixture
def ended(monkeypatch):
    """Have `train` end at once, after one batch or by an error."""

    def end(batches=1, interrupted=False, error=None):
        def train(config, observer):
            if error:
                raise error
            return result(batches, interrupted)

        monkeypatch.setattr(cli, "train", train)

    return end


NOTES = {
    ("--optimizer", "adam", "--momentum", "0.5"): True,
    ("--optimizer=adam", "--momentum=0.9"): True,
    ("--optimizer", "adam"): False,
    ("--momentum", "0.5"): False,
}


@pytest.mark.parametrize(("given", "noted"), NOTES.items(), ids=map(" ".join, NOTES))
def test_momentum_under_adam_is_remarked_on(given, noted, ended, capsys):
    ended()
    assert cli.main(given) == 0
    line = "--momentum has no effect with --optimizer adam.\n"
    assert capsys.readouterr().err == (line if noted else "")


def test_one_batch_is_singular(ended, capsys):
    ended()
    cli.main([])
    assert "Time for 1 batch, validation included: 2.0 s" in capsys.readouterr().out


def test_an_interrupted_run_is_code_130(ended, capsys):
    ended(2000, interrupted=True)
    assert cli.main([]) == 130
    assert "Interrupted after 2,000 batches, " in capsys.readouterr().out


ENDS = {
    "python's memory": (MemoryError(), 1, "out of memory with --batch-size 60. Try a"),
    "XLA's memory": (
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 15 GB"),
        1,
        "out of memory with --batch-size 60",
    ),
    "divergence": (DivergedError("the loss is"), 1, "error: the loss is"),
}


@pytest.mark.parametrize("case", ENDS.values(), ids=ENDS.keys())
def test_a_run_that_fails_is_one_line(case, ended, capsys):
    error, code, message = case
    ended(error=error)
    found, line = called([], capsys)
    assert found == code
    assert message in line


def test_another_error_of_xla_is_not_hidden(ended):
    ended(error=jax.errors.JaxRuntimeError("INTERNAL: a fault"))
    with pytest.raises(jax.errors.JaxRuntimeError, match="a fault"):
        cli.main([])


# Config, called from Python

NO_NUMBERS = ["a", "0.1", None, True, 1j, float("nan"), [0.1]]


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_a_learning_rate_or_momentum_that_is_no_number_is_refused(value):
    with pytest.raises(
        ValueError, match=r"learning_rate must be a number above 0, got"
    ):
        Config(learning_rate=value)
    with pytest.raises(
        ValueError, match=r"momentum must be at least 0 and below 1, got"
    ):
        Config(momentum=value)


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    "field", [f.name for f in dataclasses.fields(Config) if f.type is int]
)
@pytest.mark.parametrize("value", ["1", True, None, 1.5, -1])
def test_a_count_that_is_no_whole_number_is_refused(field, value):
    with pytest.raises(ValueError, match=rf"^{field} must be a whole number of at lea"):
        Config(**{field: value})


@pytest.mark.usefixtures("our_errors")
def test_a_data_dir_that_is_no_path_is_refused():
    with pytest.raises(
        ValueError, match=r"data_dir must be the path of a folder or a file, got 3"
    ):
        Config(data_dir=3)


def test_messages_name_options_as_the_command_line_does():
    text = "/x/data_dir/y: fewer than batch_size. Set batch_size to 3; a.data_dir is"
    expected = text.replace(" batch_size", " --batch-size")
    assert as_options(text, Config) == expected
