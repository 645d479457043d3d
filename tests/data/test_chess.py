"""Chess records as planes: positions by hand, bad records, and pgx as an oracle."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from jaxconv.data import DatasetError
from jaxconv.data import chess as boards

chess = pytest.importorskip("chess")
pytest.importorskip("chess.pgn")
pytestmark = pytest.mark.extras

GAMES = Path(__file__).parent / "games"
SHUFFLE = "1. Nf3 Nf6\n2. Ng1 Ng8 3. Nf3 Nf6 4. Ng1 Ng8"
PAWN, KNIGHT, BISHOP, ROOK, QUEEN, KING = range(6)
COLOUR, COUNT, CASTLING, IDLE = 112, 113, slice(114, 118), 118


def points(plane):
    return {(int(row), int(column)) for row, column in np.argwhere(plane)}


def constants(stack, planes):
    """The values of planes that are the same on every square."""
    assert (stack[planes].min((1, 2)) == stack[planes].max((1, 2))).all()
    return stack[planes, 0, 0].tolist()


def from_fen(fen, moves):
    return boards.read_game(f'[FEN "{fen}"]\n\n{moves}')


def test_planes_of_the_beginning():
    stack = boards.planes(boards.read_game("1. e4 e5\n2. d4"), 0)
    assert stack.shape == (119, 8, 8)
    assert stack.dtype == np.float32
    assert points(stack[PAWN]) == {(6, column) for column in range(8)}
    assert points(stack[6 + QUEEN]) == {(0, 3)}
    assert points(stack[KING]) == {(7, 4)}
    assert not stack[14:COLOUR].any()
    assert constants(stack, slice(COLOUR, 119)) == [0, 0, 1, 1, 1, 1, 0]


def test_planes_turn_the_ranks_for_black_and_keep_the_files():
    stack = boards.planes(boards.read_game("1. e4 e5\n2. d4"), 1)
    assert points(stack[6 + PAWN]) == {(1, c) for c in range(8) if c != 4} | {(3, 4)}
    assert points(stack[QUEEN]) == {(7, 3)}
    assert points(stack[14 + 6 + PAWN]) == {(1, column) for column in range(8)}
    assert constants(stack, slice(COLOUR, CASTLING.start)) == [1, 1 / 512]


LOST = {  # the moves, and what is left: own queen's, own king's, the other's
    "white's king moves": ("1. e4 e5\n2. Ke2", [1, 1, 0, 0]),
    "white's king's rook moves": ("1. h4 e5\n2. Rh3", [1, 1, 1, 0]),
    "black's queen's rook moves": ("1. e4 a5\n2. e5 Ra6", [1, 1, 0, 1]),
    "white castles": ("1. e4 e5\n2. Nf3 Nc6 3. Bc4 Bc5 4. O-O", [1, 1, 0, 0]),
}


@pytest.mark.parametrize(("moves", "left"), LOST.values(), ids=LOST.keys())
def test_rights_to_castle_are_lost(moves, left):
    game = boards.read_game(moves)
    assert constants(boards.planes(game, len(game.moves)), CASTLING) == left


def test_en_passant_takes_the_pawn_beside():
    game = boards.read_game("1. e4 a6\n2. e5 d5 3. exd6")
    stack = boards.planes(game, 5)
    assert points(stack[6 + PAWN]) >= {(5, 3)}  # white's, as black sees it
    assert stack[PAWN].sum() == 7
    assert (4, 3) not in points(stack[PAWN])


def test_a_pawn_becomes_a_knight():
    game = from_fen("7k/P7/8/8/8/8/8/K7 w - - 0 1", "1. a8=N Kg7 2. Nb6")
    stack = boards.planes(game, 1)
    assert points(stack[6 + KNIGHT]) == {(7, 0)}
    assert not stack[6 + PAWN].any()


def test_repetitions_count_what_occurred_before():
    game = boards.read_game(SHUFFLE)
    once, twice = (
        [boards.planes(game, number)[plane, 0, 0] for number in range(9)]
        for plane in (12, 13)
    )
    assert once == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert twice == [0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_repetitions_of_the_history_are_those_of_their_time():
    stack = boards.planes(boards.read_game(SHUFFLE), 8)
    assert stack[12:COLOUR:14, 0, 0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert stack[13:COLOUR:14, 0, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_no_progress_counts_half_moves_until_a_pawn_moves():
    game = boards.read_game("1. Nf3 Nf6\n2. Nc3 e5 3. Nxe5")
    idle = [boards.planes(game, number)[IDLE, 0, 0] for number in range(6)]
    np.testing.assert_allclose(idle, [0, 0.01, 0.02, 0.03, 0, 0], rtol=1e-6)


def test_moves_are_kind_times_64_and_the_square():
    board = chess.Board()
    assert boards.encode_move(chess.Move.from_uci("e2e4"), board) == 1 * 64 + 6 * 8 + 4
    assert boards.encode_move(chess.Move.from_uci("g1f3"), board) == 63 * 64 + 7 * 8 + 6
    board.push_uci("e2e4")
    assert boards.encode_move(chess.Move.from_uci("e7e5"), board) == 1 * 64 + 6 * 8 + 4


FENS = {
    "promotions": "1n1n3k/P1P1P3/8/8/8/8/1p1p1p2/K1N1N3 {} - - 0 1",
    "castling": "r3k2r/pppq1ppp/8/8/8/8/PPPQ1PPP/R3K2R {} KQkq - 0 1",
}


@pytest.mark.parametrize("side", ["w", "b"])
@pytest.mark.parametrize("fen", FENS.values(), ids=FENS.keys())
def test_moves_go_there_and_back(fen, side):
    check_moves(chess.Board(fen.format(side)))


def check_moves(board):
    legal = list(board.legal_moves)
    indices = [boards.encode_move(move, board) for move in legal]
    assert len(set(indices)) == len(legal)
    assert [boards.decode_move(index, board) for index in indices] == legal
    assert all(0 <= index < 4672 for index in indices)


@pytest.mark.parametrize("seed", range(3))
def test_moves_of_random_games_go_there_and_back(seed):
    rng, board = np.random.default_rng(seed), chess.Board()
    for _ in range(80):
        check_moves(board)
        if not (legal := list(board.legal_moves)):
            break
        board.push(legal[rng.integers(len(legal))])


def test_there_are_1858_moves_from_squares_to_squares():
    """Of 4,672, those that stay on the board: 1,792 and 66 underpromotions."""
    stay = 0
    for index in range(boards.MOVES):
        try:
            move = boards.decode_move(index, chess.Board(None))
        except ValueError:
            continue
        under = move.promotion is not None
        stay += not under or chess.square_rank(move.from_square) == 6
    assert stay == 1858


def test_moves_off_the_board_are_errors(our_errors):
    board = chess.Board()
    with pytest.raises(ValueError, match="from 0 to 4671, got 4672"):
        boards.decode_move(4672, board)
    with pytest.raises(ValueError, match="leaves the board, from row 0, column 0 to"):
        boards.decode_move(0, board)
    with pytest.raises(ValueError, match="a1b4 is not a move of chess"):
        boards.encode_move(chess.Move.from_uci("a1b4"), board)


BAD = {
    "no PGN": ("hello\nworld", "the PGN text: holds no game of PGN"),
    "empty": (b"", "the PGN bytes: holds no game of PGN"),
    "illegal": (
        "1. e4 e5\n2. Kd5",
        "text: move 2 of white cannot be read: illegal san",
    ),
    "black's": ('[A "b"]\n\n1. e4 Ke3', "move 1 of black cannot be read: illegal san"),
    "a variant": ('[Variant "Atomic"]\n\n1. e4', "is a game of Atomic, expected chess"),
    "bad FEN": ('[FEN "8/8/8"]\n\n1. e4', "cannot be read: expected 8 rows"),
    "no kings": ('[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*', "from an illegal position"),
    "null": ("1. e4 --\n2. d4", "move 1 of black is a null move"),
    "two games": ('[A "b"]\n\n1. e4 *\n\n[A "b"]\n\n1. d4 *', "text: holds 2 games"),
    "no file": ("no.pgn", r"no.pgn: cannot be read: No such .* begins with '\['"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_bad_records_are_named(case):
    record, message = case
    with pytest.raises(DatasetError, match=message):
        boards.read_game(record)


def test_variations_are_passed_over_with_their_errors():
    game = boards.read_game("1. e4 (1. Kd7) e5 {so}\n2. d4 *")
    assert len(game.moves) == 3


def test_the_collection_is_won_by_who_won():
    games = boards.read_games(GAMES / "short.pgn")
    assert [len(game.moves) for game in games] == [7, 4, 13, 33]
    assert [game.winner for game in games] == [1, -1, 1, 1]
    stack, moves, results = boards.positions(games[3])
    assert results.tolist() == [(-1) ** i for i in range(33)]
    assert stack[:, :12].sum(1).max() == 1
    assert moves.dtype == np.int32


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_planes_are_those_of_pgx_but_for_repetitions(seed):
    """Its two planes of repetitions are "never" and "before", the second our first.

    It does not see that the beginning came back: the hash that it starts with is not
    that of the position.
    """
    pgx = pytest.importorskip("pgx")
    import jax

    rng, board = np.random.default_rng(seed), chess.Board()
    opening = itertools.chain(
        ["g1f3", "g8f6", "f3g1", "f6g8", "g1f3"], itertools.repeat(None)
    )
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        env = pgx.make("chess")
        state, step = env.init(jax.random.key(0)), jax.jit(env.step)
        seen = []
        for uci in itertools.islice(opening, 70):
            seen.append(np.asarray(state.observation).transpose(2, 0, 1))
            if state.terminated:
                break
            legal = {label_of_pgx(move, board): move for move in board.legal_moves}
            assert set(np.flatnonzero(state.legal_action_mask)) == set(legal)
            by_uci = {move.uci(): label for label, move in legal.items()}
            label = by_uci[uci] if uci else int(rng.choice(sorted(legal)))
            state = step(state, label)
            board.push(legal[label])
    text = str(chess.pgn.Game.from_board(board))
    game = boards.read_game(text)
    theirs = np.stack(seen)
    ours = np.stack([boards.planes(game, number) for number in range(len(seen))])
    differ = [14 * i + j for i in range(8) for j in (12, 13)]
    np.testing.assert_allclose(
        np.delete(ours, differ, 1), np.delete(theirs, differ, 1), rtol=1e-6
    )
    assert ours[:6, 12, 0, 0].tolist() == [0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(
        *(np.delete(x, 4, 0) for x in (ours[:, 12], theirs[:, 13]))
    )


def label_of_pgx(move, board):
    """The index of a move in pgx: its own order of squares and kinds."""
    from pgx._src.games.chess import TO_PLANE

    def square(of):
        rank, file = divmod(of, 8)
        return 8 * file + (rank if board.turn else 7 - rank)

    start, end = square(move.from_square), square(move.to_square)
    if move.promotion in (None, chess.QUEEN):
        return start * 73 + int(TO_PLANE[start, end])
    piece = [chess.ROOK, chess.BISHOP, chess.KNIGHT].index(move.promotion)
    return start * 73 + 3 * piece + {1: 0, 9: 1, -7: 2}[end - start]
