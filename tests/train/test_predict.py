"""The program that says what pictures show."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxconv import nn
from jaxconv.data import load_mnist
from jaxconv.train import (
    Config,
    PlainLines,
    Run,
    Scaling,
    open_run,
    predict,
    train,
)
from jaxconv.train.classifier import classifier
from jaxconv.train.pictures import Picture, preparation, prepare
from tests.train.runs import make_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of three digits, one of them on white, and what is none."""
    folder = tmp_path_factory.mktemp("pictures")
    (_, _), (images, _) = load_mnist()
    for name, image in zip("abc", images[:3, 0], strict=True):
        Image.fromarray(image).save(folder / f"{name}.png")
    Image.fromarray(255 - images[2, 0]).resize((84, 84)).save(folder / "c.png")
    (folder / "d.png").write_text("no picture")
    return folder


def called(capsys, *arguments):
    """Return the exit code, the lines printed, and those on standard error."""
    try:
        code = predict.main([str(word) for word in arguments])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_each_picture_is_a_line_and_a_bad_one_an_error(run_folder, folder, capsys):
    code, lines, errors = called(capsys, run_folder, folder)
    assert code == 1
    assert [line.partition(": ")[0] for line in lines] == [
        str(folder / name) for name in ("a.png", "b.png", "c.png")
    ]
    assert lines[0].endswith("%)  [a digit of the right size and place]")
    assert lines[2].endswith("%)  [inverted, a digit fitted to 20 x 20 pixels]")
    assert [line.count("%") for line in lines] == [3, 3, 3]
    assert len(errors) == 1
    assert f"error: {folder / 'd.png'}: is not an image" in errors[0]


def test_the_probabilities_are_the_models(run_folder, folder, capsys):
    code, lines, _ = called(capsys, run_folder, folder / "a.png", "--json")
    assert code == 0
    (found,) = map(json.loads, lines)
    run = open_run(run_folder)
    image = np.asarray(Image.open(folder / "a.png"))[None, None]
    logits = run.model.apply(run.params, jnp.asarray(run.scaling(image)))
    expected = np.asarray(jax.nn.softmax(logits))[0]
    assert list(found["probabilities"]) == list(run.classes)
    np.testing.assert_allclose(list(found["probabilities"].values()), expected, 1e-4)
    assert found["class"] == run.classes[expected.argmax()]
    assert found["probability"] == max(found["probabilities"].values())
    assert found["prepared"] == "a digit of the right size and place"


def test_the_most_probable_come_first(run_folder, folder, capsys):
    file = folder / "a.png"
    _, (line,), _ = called(capsys, run_folder, file, "--json")
    probabilities = json.loads(line)["probabilities"]
    order = sorted(probabilities, key=lambda name: -probabilities[name])
    _, (line,), _ = called(capsys, run_folder, file, "--top", 2)
    first, second = order[:2]
    assert line.startswith(
        f"{file}: {first} ({probabilities[first]:.2%}), "
        f"{second} ({probabilities[second]:.2%})  ["
    )


def test_bad_pictures_are_lines_of_json_too(run_folder, folder, capsys):
    code, lines, errors = called(capsys, run_folder, folder / "d.png", "--json")
    assert code == 2  # there is no other
    assert json.loads(lines[0])["file"] == str(folder / "d.png")
    assert json.loads(lines[0])["error"].startswith(
        f"{folder / 'd.png'}: is not an image"
    )
    assert len(errors) == 1


def test_many_pictures_are_predicted_in_batches(run_folder, monkeypatch):
    monkeypatch.setattr(predict, "_AT_ONCE", 4)
    run = open_run(run_folder)
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 28, 28), np.uint8)
    taken = [Picture(Path(str(i)), image, "") for i, image in enumerate(images)]
    found = list(predict.predict(run, taken))
    assert [picture.file.name for picture, _ in found] == list("0123456")
    alone = classifier(run)(jnp.asarray(images))
    np.testing.assert_allclose([p for _, p in found], alone, rtol=1e-4, atol=1e-6)


def test_colours_and_other_classes_are_served():
    model = nn.serial(nn.Flatten(), nn.Dense(2))
    _, params = model.init(jax.random.key(0), (3, 4, 4))
    scaling = Scaling(120.0, 60.0)
    run = Run(model, params, {}, ("cat", "dog"), (3, 4, 4), scaling)
    image, _ = prepare(Image.new("RGB", (9, 12), "red"), preparation((3, 4, 4), 120.0))
    ((_, probabilities),) = predict.predict(run, [Picture(Path("a"), image, "")])
    assert probabilities.shape == (2,)
    np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-5)


MISTAKES = {
    "no run": (["{tmp}/nothing", "a.png"], "nothing: no such folder"),
    "another folder": (["{tmp}", "a.png"], "is not the folder of a run"),
    "no arguments": ([], "RUN is missing. --help says what it is."),
    "no picture": (["{run}"], "IMAGE is missing: name a picture, or a folder of them."),
    "a missing picture": (["{run}", "{tmp}/a.png"], "a.png: is not there."),
    "an empty folder": (["{run}", "{tmp}"], "no file below it ends in .png"),
    "no class": (
        ["{run}", "a.png", "--top", "0"],
        "--top must be a whole number",
    ),
    "a flag": (["{run}", "a.png", "--invert"], "Missing value for argument '--invert'"),
    "a name": (["{run}", "--image", "a.png"], "--image, a.png. --help lists"),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_code_2(case, run_folder, tmp_path, capsys):
    words, message = case
    given = [word.format(run=run_folder, tmp=tmp_path) for word in words]
    code, lines, errors = called(capsys, *given)
    assert (code, lines, len(errors)) == (2, [], 1)
    assert message in errors[0]


def test_a_damaged_model_is_one_line(run_folder, tmp_path, capsys):
    model = (run_folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(model[:-7])
    code, _, errors = called(capsys, tmp_path, "a.png")
    assert (code, len(errors)) == (2, 1)


def test_a_model_that_is_not_finite_is_one_line(tmp_path, folder, capsys):
    folder_of_run = make_run(tmp_path, scale=np.inf)
    code, lines, errors = called(capsys, folder_of_run, folder / "a.png")
    assert (code, lines) == (1, [])
    assert errors[0].endswith(f"{folder_of_run}: the model gives no finite numbers.")


@pytest.mark.exhaustive
def test_a_trained_model_reads_digits_of_any_kind(tmp_path, capsys):
    """From training to predictions: 200 digits dark on white, off the centre, JPEG."""
    config = Config(max_batches=300, validate_every=0, run=tmp_path / "run")
    accuracy = train(config, PlainLines(lambda _: None)).accuracy
    (tmp_path / "sheets").mkdir()
    (_, _), (images, labels) = load_mnist()
    places = np.random.default_rng(0).integers(0, 61, (200, 2)).tolist()
    for i, at in enumerate(places):
        sheet = Image.new("L", (200, 200))
        sheet.paste(Image.fromarray(images[i, 0]).resize((140, 140)), at)
        sheet.point(lambda level: 255 - level).save(tmp_path / f"sheets/{i:03}.jpg")
    code, lines, _ = called(capsys, tmp_path / "run", tmp_path / "sheets", "--json")
    assert code == 0
    found = [json.loads(line)["class"] for line in lines]
    right = np.mean(np.array(found, int) == labels[:200])
    assert right > accuracy - 0.03 > 0.85
