"""Settings that go together: what `--preset` takes as the defaults."""

import dataclasses
import difflib
from collections.abc import Sequence

from jaxconv.train.config import Config

_ONE_CYCLE = Config(
    batch_size=100,
    optimizer="adam",
    schedule="one-cycle",
    weight_decay=0.01,
    validate_every=0,
)
PRESETS = {
    "chapter5": Config(),
    "lenet5": dataclasses.replace(
        _ONE_CYCLE, model="lenet5", epochs=4, learning_rate=0.01
    ),
    "best": dataclasses.replace(
        _ONE_CYCLE,
        model="vgg_small",
        epochs=14,
        learning_rate=0.008,
        label_smoothing=0.05,
        max_shift=2.0,
        max_rotation=10.0,
    ),
}


def take_preset(arguments: Sequence[str]) -> tuple[Config, list[str]]:
    """Take `--preset NAME` out of a command line: its settings, and the other words.

    Raises:
      ValueError: there is no preset of that name.
    """
    words, name = list(arguments), "chapter5"
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == "--preset":
            taken = 1 if equals else 2
            name = value if equals else "".join(words[at + 1 : at + 2])
            del words[at : at + taken]
            break
    if name not in PRESETS:
        close = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Leave it out for chapter5."
        raise ValueError(
            f"--preset must be one of {', '.join(PRESETS)}, got {name!r}. {hint}"
        )
    return PRESETS[name], words
