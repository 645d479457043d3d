"""Teach a policy network the moves of a folder of Go games. See --help.

The games that it takes by default were made by a program: a player captures or rescues
stones next to the last move, or else takes the first free point around it; about one
move in 17 is random. One game in six is held out.

On Linux, memory is requested in huge pages, as by scripts/train.py; --no-huge-pages
turns that off.

Exit code 0: the training loss fell below that of guessing among the empty points. 1: it
did not. 2: a bad argument or bad games. 130: Ctrl-C.
"""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

from _entry import run

GAMES = Path(__file__).resolve().parents[1] / "tests" / "data" / "games"
HELD_OUT = 6  # every sixth game
BATCH = 64


@dataclasses.dataclass(frozen=True)
class Boards:
    """What to learn, and for how long."""

    games: Path = GAMES
    """A folder with SGF files of Go; those of the commonest size are learned."""
    epochs: int = 6
    """How often to go through the training games."""
    filters: int = 48
    """Feature maps of each hidden layer."""
    learning_rate: float = 0.002
    """Of Adam."""
    seed: int = 0
    """Seeds the weights and the order of the positions."""


def main() -> int:
    """Train, print the losses, and return the exit code."""
    from jaxconv._command_line import fail, parse
    from jaxconv.data import DatasetError

    settings = parse(Boards, None)
    if min(settings.epochs, settings.filters) < 1 or settings.learning_rate <= 0:
        return fail("--epochs, --filters, --learning-rate must be positive", 2)
    try:
        games = _read(settings.games)
    except DatasetError as error:
        return fail(str(error), 2)
    return _learn(settings, games)


def _read(folder: Path) -> list[Any]:
    """Read the games of the commonest size."""
    from jaxconv.data import DatasetError, go

    games = [
        game for file in sorted(folder.glob("*.sgf")) for game in go.read_games(file)
    ]
    sizes = Counter(game.size for game in games)
    size = max(sizes, key=lambda size: sizes[size], default=0)
    found = [game for game in games if game.size == size]
    if len(found) < HELD_OUT:
        raise DatasetError(
            f"{folder}: holds {len(found)} games of one size in files *.sgf, expected "
            f"{HELD_OUT} or more."
        )
    left_out = len(games) - len(found)
    more = f"; {left_out} of other sizes are left out" if left_out else ""
    print(f"{len(found)} games on {size} x {size} points{more}")
    return found


def _learn(settings: Boards, games: list[Any]) -> int:
    """Train on most games, and print a line an epoch."""
    import numpy as np
    import optax

    from jaxconv.train import init_state, make_step
    from jaxconv.train.step import order_of

    held_out = _positions(games[::HELD_OUT])
    rest = [game for i, game in enumerate(games) if i % HELD_OUT]
    x, moves = _positions(rest)
    model, optimizer = _policy(settings.filters), optax.adam(settings.learning_rate)
    state = init_state(model, optimizer, x.shape[1:], settings.seed)
    step, judge = make_step(model, optimizer), _make_judge(model)
    guess, guess_held_out = _guessing(x), _guessing(held_out[0])
    print(f"{len(x)} positions to learn, {len(held_out[0])} held out")
    print("           loss  held out  right  held out")
    print(f"guessing  {guess:5.3f}     {guess_held_out:5.3f}  {np.exp(-guess):5.1%}")
    for epoch in range(settings.epochs):
        order = order_of(len(x), settings.seed, epoch)
        for i in range(0, len(x) - BATCH + 1, BATCH):
            chosen = order[i : i + BATCH]
            state, _ = step(state, x[chosen], moves[chosen])
        loss, right = judge(state.params, x, moves)
        other_loss, other_right = judge(state.params, *held_out)
        print(
            f"epoch {epoch + 1:<3} {loss:5.3f}     {other_loss:5.3f}  {right:5.1%}  "
            f"   {other_right:5.1%}",
            flush=True,
        )
    return 0 if loss < guess else 1


def _policy(filters: int) -> Any:
    """Return a network with a logit for each point; it cannot pass."""
    from jaxconv import nn

    hidden = [nn.Conv2D(filters, 3, activation=nn.ReLU(), bias=True) for _ in range(4)]
    return nn.serial(*hidden, nn.Conv2D(1, 1, flatten=True))


def _positions(games: list[Any]) -> tuple[Any, Any]:
    """Return planes as float32, and moves, of all positions but passes."""
    import numpy as np

    from jaxconv.data import go

    stacks, moves, _ = zip(*map(go.positions, games), strict=True)
    planes, moves = np.concatenate(stacks), np.concatenate(moves)
    placed = moves < planes.shape[-1] ** 2
    return planes[placed].astype(np.float32), moves[placed]


def _guessing(planes: Any) -> float:
    """Return the mean loss of guessing among the empty points: log of their number."""
    import numpy as np

    empty = (planes[:, 0] + planes[:, 1] == 0).sum((1, 2))
    return float(np.log(empty).mean())


def _make_judge(model: Any) -> Any:
    """Return `(params, x, moves) -> (mean loss, share of moves that come first)`."""
    import jax
    import jax.numpy as jnp

    from jaxconv import nn

    @jax.jit
    def judge(params: Any, x: Any, moves: Any) -> Any:
        logits = model.apply(params, x)
        right = jnp.mean(jnp.argmax(logits, axis=1) == moves)
        return nn.softmax_cross_entropy(logits, moves), right

    return lambda *given: tuple(map(float, judge(*given)))


if __name__ == "__main__":
    run(main, "boards,train", huge_pages=True)
