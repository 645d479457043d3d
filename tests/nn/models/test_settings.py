"""Settings that make no network are errors that say what to write."""

import pytest

from jaxconv.nn import models
from jaxconv.nn.layer import eval_shape

WRONG = {
    "pooling": (
        lambda: models.lenet5(pooling="mean"),
        'lenet5: pooling must be "average" or "max", got \'mean\'',
    ),
    "depth between": (
        lambda: models.resnet(18),
        r"resnet: depth must be 6n \+ 2, n at least 1, got 18. Write 14 or 20.",
    ),
    "depth below": (
        lambda: models.octave_resnet(2),
        r"octave_resnet: depth must be 6n \+ 2, n at least 1, got 2. Write 8.",
    ),
    "depth of densenet": (
        lambda: models.densenet(121),
        r"densenet: depth must be 6n \+ 4, n at least 1, got 121. Write 118 or 124.",
    ),
    "depth a text": (lambda: models.resnet("20"), "resnet: depth must be .* '20'"),
    "width": (lambda: models.resnet(8, width=0), "resnet: width must be an int"),
    "width of 50": (lambda: models.resnet50(width=0), "resnet50: width must be"),
    "growth": (lambda: models.densenet(10, growth=0), "densenet: growth must be"),
    "compression": (
        lambda: models.densenet(10, compression=0),
        "densenet: compression must be .* got 0",
    ),
    "mobilenet": (
        lambda: models.mobilenet(width=25),
        "mobilenet: width must be .* Write 0.25 for a quarter",
    ),
    "mobilenet a text": (lambda: models.mobilenet("1"), "mobilenet: width must be"),
    "alpha": (
        lambda: models.octave_resnet(8, alpha=1),
        "octave_resnet: alpha must be .* below 1, got 1",
    ),
    "alpha of 50": (
        lambda: models.octave_resnet50(alpha=-1),
        "octave_resnet50: alpha must be",
    ),
    "blocks": (lambda: models.board_tower(0), "board_tower: blocks must be an int"),
    "moves": (
        lambda: models.board_tower(moves="all"),
        "board_tower: moves must be an int .* got 'all'",
    ),
    "planes": (
        lambda: eval_shape(models.board_tower(1, 2), (119, 8, 8)),
        r"board_tower: input_shape must be \(17 planes, rows, columns\), got "
        r"\(119, 8, 8\). Set planes to",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
