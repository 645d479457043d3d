"""Games of chess as images: the 119 planes of AlphaZero, from PGN records.

The planes of a position, seen from the side to move (row 0 is the far rank, column 0
the a-file; for black the ranks are turned over, the files stay):

    14 i + 0..5    i = 0..7 half-moves ago: own pawns, knights, bishops, rooks, queens,
                   king, each 0 or 1; "own" is the side to move now, in all eight steps
    14 i + 6..11   the opponent's, in the same order
    14 i + 12, 13  1 everywhere if that position had occurred once (12), twice (13)
                   before it
    112            colour: 1 if black is to move
    113            half-moves played since the beginning, divided by 512
    114..117       the right to castle: own queen's side, own king's side, opponent's
                   queen's side, opponent's king's side
    118            half-moves without a capture or a pawn's move, divided by 100

Steps before the first position are 0. A move is an index into the flattened (73, 8, 8):
the kind of move, then the square that it leaves, seen as above. Kinds 0 to 55: as a
queen, 7 * direction + distance - 1, with directions clockwise from straight ahead; 56
to 63: as a knight, clockwise from ahead and right; 64 to 72: a pawn becomes a knight,
bishop or rook (64 + 3 * piece) by a step to the left, ahead, right. A pawn becomes a
queen by a queen's move; castling is the king's move by two.

README.md in this folder compares these choices with other encoders.

Source: D. Silver et al. (2018), "A general reinforcement learning algorithm that
masters chess, shogi, and Go through self-play", Science 362, tables S1 and S2.
"""

import io
from typing import TYPE_CHECKING, Any, NamedTuple

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

if TYPE_CHECKING:
    import chess

HISTORY = 8
PLANES = 14 * HISTORY + 7
KINDS = 73
MOVES = KINDS * 64
WHITE, BLACK = 1, -1
_LONGEST = 512  # half-moves: where AlphaZero ends a game
_NO_PROGRESS = 100  # half-moves: where a draw may be claimed
# (ranks ahead, files to the right)
_QUEEN = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
_KNIGHT = ((2, 1), (1, 2), (-1, 2), (-2, 1), (-2, -1), (-1, -2), (1, -2), (2, -1))
_STEPS = [(r * n, f * n) for r, f in _QUEEN for n in range(1, 8)] + list(_KNIGHT)
_KIND_OF_STEP = {step: kind for kind, step in enumerate(_STEPS)}
_UNDER = len(_STEPS)  # the first kind of underpromotion
_KNIGHT_PIECE, _QUEEN_PIECE = 2, 5  # as python-chess counts, pawns being 1


class Game(NamedTuple):
    """A game's main line; arrays have an entry for each position, the last included."""

    name: str  # of its file, for messages
    boards: np.ndarray  # (moves + 1, 8, 8) int8: 1 to 6 white pawn to king, black < 0;
    # row 0 is rank 8
    players: np.ndarray  # (moves + 1,) int8: who is to move, 1 white, -1 black
    repeated: np.ndarray  # (moves + 1,) int32: how often the position occurred before
    counts: np.ndarray  # (moves + 1, 2) int32: half-moves played; without progress
    castling: np.ndarray  # (moves + 1, 4) bool: white's queen's side, white's king's
    # side, black's queen's side, black's king's side
    moves: np.ndarray  # (moves,) int32: see the module
    winner: int  # 1 white, -1 black, 0 a draw or not known


def read_game(source: Source) -> Game:
    """Read the one game of a PGN record; `read_games` says more.

    Raises:
      DatasetError: as `read_games`, and if there are several games.
    """
    return only(read_games(source))


def read_games(source: Source) -> list[Game]:
    """Read a PGN record of one or more games; variations and comments are skipped.

    Every move is checked by the rules of chess; a game may begin from a position (FEN).

    Args:
      source: a path, or PGN as a string (that begins with a tag, "[", or has several
        lines) or bytes.

    Raises:
      DatasetError: the record cannot be read, holds no game, one of another variant, an
        illegal position or an illegal move; the text names the file and the move.
      ModuleNotFoundError: python-chess, in the package chess, is not installed.
    """
    pgn = library("chess.pgn", "jaxconv.data.chess")
    name, raw = read_bytes(source, "[", "PGN")
    stream = io.StringIO(raw.decode("utf-8-sig", errors="replace"))
    records = []
    while (record := pgn.read_game(stream, Visitor=_visitor(pgn))) is not None:
        records.append(record)
    if not records or (len(records) == 1 and _is_empty(records[0], raw)):
        raise DatasetError(
            f"{name}: holds no game of PGN. A game has tags, [Event ...], and moves, "
            "1. e4 e5."
        )
    names = numbered(name, len(records))
    return [_play(record, name) for record, name in zip(records, names, strict=True)]


def planes(game: Game, number: int) -> np.ndarray:
    """Return the planes of one position: (119, 8, 8) float32.

    `number` counts the moves played before it; the number of all moves is the game's
    last position.

    Raises:
      ValueError: there is no such position.
    """
    check_number("planes", number, len(game.moves))
    stack = np.zeros((PLANES, 8, 8), np.float32)
    player = int(game.players[number])
    pieces = np.arange(1, 7, dtype=np.int8)[:, None, None]
    for step in range(min(HISTORY, number + 1)):
        then, at = number - step, 14 * step
        board = _seen_by(game.boards[then], player)
        stack[at : at + 6] = board[None] == pieces
        stack[at + 6 : at + 12] = board[None] == -pieces
        stack[at + 12] = game.repeated[then] >= 1
        stack[at + 13] = game.repeated[then] >= 2
    played, idle = game.counts[number]
    rights = np.roll(game.castling[number], 0 if player == WHITE else 2)
    stack[112] = player == BLACK
    stack[113] = played / _LONGEST
    stack[114:118] = rights[:, None, None]
    stack[118] = idle / _NO_PROGRESS
    return stack


def positions(game: Game) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each position in which a move was made, the move, and the result.

    Returns:
      planes (moves, 119, 8, 8) float32; moves (moves,) int32, from 0 to 4,671; results
      (moves,) float32 for who makes the move: 1 won, -1 lost, 0 a draw or not known.
    """
    count = len(game.moves)
    stack = np.zeros((count, PLANES, 8, 8), np.float32)
    for number in range(count):
        stack[number] = planes(game, number)
    return stack, game.moves, (game.players[:count] * game.winner).astype(np.float32)


def encode_move(move: "chess.Move", board: "chess.Board") -> int:
    """Return a move's index, from 0 to 4,671, for the side to move on `board`.

    Raises:
      ValueError: no chess piece can move so; the null move, for instance.
    """
    start, end = _seen(move.from_square, board.turn), _seen(move.to_square, board.turn)
    step = start[0] - end[0], end[1] - start[1]
    kind = _KIND_OF_STEP.get(step)
    if move.promotion not in (None, _QUEEN_PIECE):
        if step[0] != 1 or abs(step[1]) > 1 or move.promotion > _QUEEN_PIECE:
            kind = None
        else:
            kind = _UNDER + 3 * (move.promotion - _KNIGHT_PIECE) + step[1] + 1
    if kind is None:
        raise ValueError(
            f"encode_move: {move.uci()} is not a move of chess. Was it made for this "
            "board?"
        )
    return (kind * 8 + start[0]) * 8 + start[1]


def decode_move(index: int, board: "chess.Board") -> "chess.Move":
    """Return the move of an index for the side to move on `board`; it may be illegal.

    Raises:
      ValueError: the index is not from 0 to 4,671, or its move leaves the board.
    """
    library("chess", "jaxconv.data.chess")
    import chess

    if not 0 <= index < MOVES:
        raise ValueError(
            f"decode_move: index must be from 0 to {MOVES - 1}, got {index}."
        )
    kind, row, column = int(index) // 64, int(index) // 8 % 8, int(index) % 8
    promotion = None
    if kind < _UNDER:
        ahead, right = _STEPS[kind]
    else:
        piece, side = divmod(kind - _UNDER, 3)
        promotion, ahead, right = piece + _KNIGHT_PIECE, 1, side - 1
    to_row, to_column = row - ahead, column + right
    if not (0 <= to_row < 8 and 0 <= to_column < 8):
        raise ValueError(
            f"decode_move: index {index} leaves the board, from row {row}, column "
            f"{column} to row {to_row}, column {to_column}. Mask illegal moves first."
        )
    start, end = (
        _square(row, column, board.turn),
        _square(to_row, to_column, board.turn),
    )
    if promotion is None and to_row == 0 and board.piece_type_at(start) == chess.PAWN:
        promotion = chess.QUEEN
    return chess.Move(start, end, promotion)


def _visitor(pgn: Any) -> Any:
    """Return a reader that keeps the main line, and its errors without logging them."""

    class MainLine(pgn.GameBuilder):
        def begin_variation(self) -> Any:
            return pgn.SKIP

        def end_variation(self) -> None:
            pass  # it was never begun

        def handle_error(self, error: Exception) -> None:
            self.game.errors.append(error)

    return MainLine


def _is_empty(record: Any, raw: bytes) -> bool:
    """Whether the text of a record is not PGN at all."""
    return not record.errors and not record.variations and b"[" not in raw


def _play(record: Any, name: str) -> Game:
    """Play the main line, and record each position."""
    line = list(record.mainline_moves())
    if record.errors:
        raise DatasetError(_described(record.errors[0], len(line), record, name))
    board = record.board()
    if board.uci_variant != "chess" or board.chess960:
        raise DatasetError(
            f"{name}: is a game of {record.headers.get('Variant', 'Chess960')}, "
            "expected chess as it is usually played."
        )
    if not board.is_valid():
        raise DatasetError(
            f"{name}: begins from an illegal position: {board.status()!r}. Is its FEN "
            "right?"
        )
    seen: dict[str, int] = {}
    taken, moves = [_taken(board, seen)], []
    for number, move in enumerate(line):
        if not move:
            where = _number(number, record)
            raise DatasetError(f"{name}: {where} is a null move, '--'.")
        moves.append(encode_move(move, board))
        board.push(move)
        taken.append(_taken(board, seen))
    boards, players, repeated, counts, castling = zip(*taken, strict=True)
    return Game(
        name,
        np.array(boards, np.int8),
        np.array(players, np.int8),
        np.array(repeated, np.int32),
        np.array(counts, np.int32),
        np.array(castling, bool),
        np.array(moves, np.int32),
        {"1-0": WHITE, "0-1": BLACK}.get(record.headers.get("Result", "*"), 0),
    )


def _taken(board: Any, seen: dict[str, int]) -> tuple[Any, ...]:
    """Record a position; `seen` counts how often each has occurred."""
    pieces = np.zeros((8, 8), np.int8)
    for square, piece in board.piece_map().items():
        row, column = _seen(square, True)
        pieces[row, column] = piece.piece_type if piece.color else -piece.piece_type
    key = board.epd(en_passant="legal")  # placement, side, castling, en passant
    before = seen.get(key, 0)
    seen[key] = before + 1
    rights = [
        side(white)
        for white in (True, False)
        for side in (
            board.has_queenside_castling_rights,
            board.has_kingside_castling_rights,
        )
    ]
    counts = board.ply(), board.halfmove_clock
    return pieces, WHITE if board.turn else BLACK, before, counts, rights


def _described(error: Exception, played: int, record: Any, name: str) -> str:
    """Say what python-chess found wrong, and at which move."""
    where = _number(played, record)
    return f"{name}: {where} cannot be read: {error}. Is the record damaged?"


def _number(played: int, record: Any) -> str:
    """Name the move that follows `played` moves of the main line, as players do."""
    try:
        ply = record.board().ply() + played
    except ValueError:  # the FEN itself is wrong
        ply = played
    return f"move {ply // 2 + 1} of {('white', 'black')[ply % 2]}"


def _seen_by(board: np.ndarray, player: int) -> np.ndarray:
    """Show a board to a player: own pieces positive and at the bottom."""
    return board if player == WHITE else -board[::-1]


def _seen(square: int, white: bool) -> tuple[int, int]:
    """Return a square's row and column as the side sees them."""
    rank, file = divmod(square, 8)
    return (7 - rank if white else rank), file


def _square(row: int, column: int, white: bool) -> int:
    return 8 * (7 - row if white else row) + column
