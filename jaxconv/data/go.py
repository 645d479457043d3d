"""Games of Go as images: the 17 planes of AlphaGo Zero, from SGF records.

The planes of a position, all 0 or 1, in the order of the paper:

    0, 2, ..., 14   X_t, X_{t-1}, ..., X_{t-7}: stones of the player to move at t
    1, 3, ..., 15   Y_t, Y_{t-1}, ..., Y_{t-7}: stones of the opponent
    16              colour: 1 everywhere if black is to move, otherwise 0

"The player to move" is the one at t, in all eight steps. A step is a position in which
somebody moves or passes; steps before the first move are 0. Row 0 is the board's top
and column 0 its left side, as in SGF, where "aa" is the top left point. A move is
`row * size + column`, a pass `size * size`.

Source: D. Silver et al. (2017), "Mastering the game of Go without human knowledge",
Nature 550, section "Neural network architecture" of the methods.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxconv.data._records import (
    Source,
    check_number,
    library,
    numbered,
    only,
    read_bytes,
)
from jaxconv.data.idx import DatasetError

HISTORY = 8
PLANES = 2 * HISTORY + 1
BLACK, WHITE = 1, -1
_COLOURS = {"b": BLACK, "w": WHITE}
_WORDS = {"b": "black", "w": "white"}


class Game(NamedTuple):
    """A game's main line, played out."""

    name: str  # of its file, for messages
    boards: np.ndarray  # (moves + 1, size, size) int8: 1 black, -1 white, 0 empty
    players: np.ndarray  # (moves + 1,) int8: who is to move, 1 black, -1 white
    moves: np.ndarray  # (moves,) int32: row * size + column, or size * size: a pass
    winner: int  # 1 black, -1 white, 0 a draw or not known

    @property
    def size(self) -> int:
        """The number of points along a side."""
        return self.boards.shape[1]


def read_game(source: Source, *, size: int | None = None) -> Game:
    """Read the one game of an SGF record; `read_games` says more.

    Raises:
      DatasetError: as `read_games`, and if there are several games.
    """
    return only(read_games(source, size=size))


def read_games(source: Source, *, size: int | None = None) -> list[Game]:
    """Read an SGF record of one or more games, and play their main lines out.

    Stones of the setup (AB, AW, AE, in any node) are placed; captures are removed; a
    player may move twice in a row, since the record says whose move it is. A stone on
    an occupied point is an error. Suicide is played out and ko is not checked: what is
    legal there depends on the rules, which a record rarely names.

    Args:
      source: a path, or SGF as a string or bytes.
      size: the number of points along a side that each game must have; None: any.

    Raises:
      DatasetError: the record cannot be read, is not SGF, not of Go, of another size,
        or holds a move that cannot be played; the text names the file and the move.
      ModuleNotFoundError: sgfmill is not installed.
    """
    grammar = library("sgfmill.sgf_grammar", "jaxconv.data.go")
    name, text = read_bytes(source, "(", "SGF")
    try:
        trees = grammar.parse_sgf_collection(text)
    except ValueError as error:
        raise DatasetError(
            f"{name}: is not SGF: {error}. A game begins with '(;'."
        ) from error
    names = numbered(name, len(trees))
    return [_game(tree, name, size) for tree, name in zip(trees, names, strict=True)]


def planes(game: Game, number: int) -> np.ndarray:
    """Return the planes of one position: (17, size, size) uint8.

    `number` counts the moves played before it; the number of all moves is the game's
    last position.

    Raises:
      ValueError: there is no such position.
    """
    check_number("planes", number, len(game.moves))
    stack = np.zeros((PLANES, game.size, game.size), np.uint8)
    player = int(game.players[number])
    for step in range(min(HISTORY, number + 1)):
        board = game.boards[number - step]
        stack[2 * step] = board == player
        stack[2 * step + 1] = board == -player
    stack[-1] = player == BLACK
    return stack


def positions(game: Game) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each position in which a move was made, the move, and the result.

    Returns:
      planes (moves, 17, size, size) uint8; moves (moves,) int32; results (moves,)
      float32 for who makes the move: 1 won, -1 lost, 0 a draw or not known.
    """
    count = len(game.moves)
    stack = np.zeros((count, PLANES, game.size, game.size), np.uint8)
    for number in range(count):
        stack[number] = planes(game, number)
    results = (game.players[:count] * game.winner).astype(np.float32)
    return stack, game.moves, results


def _game(tree: Any, name: str, wanted: int | None) -> Game:
    """Play the main line of one parsed game."""
    sgf = library("sgfmill.sgf", "jaxconv.data.go")
    boards = library("sgfmill.boards", "jaxconv.data.go")
    try:  # an encoding in which every byte is a letter: only ASCII is read
        record = sgf.Sgf_game.from_coarse_game_tree(tree, "ISO-8859-1")
        board = boards.Board(record.get_size())
    except ValueError as error:
        raise DatasetError(
            f"{name}: the board, SZ, is not a square of 2 to 26 points a side. "
            f"{str(error).capitalize()}"
        ) from error
    root = record.get_root()
    kind = root.get_raw("GM").strip() if root.has_property("GM") else b"1"
    if kind != b"1":
        raise DatasetError(
            f"{name}: is game type {kind.decode('latin-1')} of SGF, expected 1, Go."
        )
    if wanted is not None and board.side != wanted:
        raise DatasetError(
            f"{name}: is played on {board.side} x {board.side} points, expected "
            f"{wanted} x {wanted}. Leave size out to read games of any size."
        )
    return _play(record, board, name)


def _play(record: Any, board: Any, name: str) -> Game:
    """Play the nodes of the main line on an empty board."""
    positions: list[np.ndarray] = []
    players: list[int] = []
    moves: list[int] = []
    named = BLACK  # who moves next, unless the move itself says so
    for node in record.main_sequence_iter():
        where = f"{name}: move {len(moves) + 1}"
        _set_up(node, board, where)
        if node.has_property("PL"):
            player = node.get_raw("PL").decode("latin-1").strip().lower()[:1]
            named = _COLOURS.get(player, named)
        elif not moves and _is_handicap(record, node):
            named = WHITE
        if node.has_property("B") and node.has_property("W"):
            raise DatasetError(f"{where}: black and white move in one node of SGF.")
        colour, raw = node.get_raw_move()
        if colour is None:
            continue
        positions.append(_array(board))
        players.append(_COLOURS[colour])
        moves.append(_move(board, colour, raw, where))
        named = -_COLOURS[colour]
    winner = record.get_root().get_raw("RE") if _has_result(record) else b""
    return Game(
        name,
        np.stack([*positions, _array(board)]),
        np.array([*players, named], np.int8),
        np.array(moves, np.int32),
        {b"B+": BLACK, b"W+": WHITE}.get(winner.strip()[:2].upper(), 0),
    )


def _move(board: Any, colour: str, raw: bytes, where: str) -> int:
    """Put a stone, remove what it captures, and return the move."""
    properties = library("sgfmill.sgf_properties", "jaxconv.data.go")
    shown = f"{_WORDS[colour]} {raw.decode('latin-1')!r}"
    try:
        point = properties.interpret_go_point(raw, board.side)
    except ValueError as error:
        raise DatasetError(
            f"{where} ({shown}) is not a point of a board of {board.side} x "
            f"{board.side}. Is its size, SZ, right?"
        ) from error
    if point is None:
        return board.side**2
    row, column = board.side - 1 - point[0], point[1]  # sgfmill counts from below
    try:
        board.play(*point, colour)
    except ValueError as error:
        raise DatasetError(
            f"{where} ({shown}) is on an occupied point. Is the record damaged, or "
            "is a setup stone missing?"
        ) from error
    return row * board.side + column


def _set_up(node: Any, board: Any, where: str) -> None:
    """Place and remove the stones that a node sets."""
    try:
        if not node.has_setup_stones():
            return
        stones = node.get_setup_stones()
    except ValueError as error:
        raise DatasetError(
            f"{where}: the setup before it names a point that is not on the board of "
            f"{board.side} x {board.side}. Is its size, SZ, right?"
        ) from error
    if not board.apply_setup(*stones):
        raise DatasetError(
            f"{where}: the setup before it leaves stones without a liberty."
        )


def _is_handicap(record: Any, node: Any) -> bool:
    """Whether white begins: black has handicap stones, and no player is named."""
    root = record.get_root()
    return node.has_property("AB") and root.has_property("HA")


def _has_result(record: Any) -> bool:
    return record.get_root().has_property("RE")


def _array(board: Any) -> np.ndarray:
    """Return sgfmill's board with row 0 at the top, as int8."""
    rows = [[_COLOURS.get(point, 0) for point in row] for row in board.board]
    return np.array(rows[::-1], np.int8)
