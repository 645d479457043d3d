"""Go records as planes: positions set up by hand, bad records, and pgx as an oracle."""

from pathlib import Path

import numpy as np
import pytest

from jaxconv.data import DatasetError, go

pytest.importorskip("sgfmill")
pytestmark = pytest.mark.extras

GAMES = Path(__file__).parent / "games"
# Black takes the stone at row 0, column 1 with its third move.
CAPTURE = "(;SZ[5]RE[W+R];B[aa];W[ba];B[bb];W[ee];B[ca])"


def points(plane):
    return {(int(row), int(column)) for row, column in np.argwhere(plane)}


def test_planes_row_0_is_the_top_and_a_move_is_row_times_size_plus_column():
    game = go.read_game("(;SZ[5];B[da];W[be])")
    assert game.moves.tolist() == [3, 21]
    assert points(go.planes(game, 2)[0]) == {(0, 3)}
    assert points(go.planes(game, 2)[1]) == {(4, 1)}


def test_planes_take_captures_off_and_keep_them_in_the_history():
    game = go.read_game(CAPTURE)
    stack = go.planes(game, 5)  # white is to move
    assert points(stack[0]) == {(4, 4)}
    assert points(stack[1]) == {(0, 0), (1, 1), (0, 2)}
    assert points(stack[2]) == {(0, 1), (4, 4)}
    assert points(stack[3]) == {(0, 0), (1, 1)}


def test_planes_colour_is_one_where_black_is_to_move():
    game = go.read_game(CAPTURE)
    colours = [go.planes(game, number)[16] for number in range(6)]
    assert [c.min() for c in colours] == [c.max() for c in colours] == [1, 0] * 3


def test_planes_before_the_first_move_are_zero():
    stack = go.planes(go.read_game(CAPTURE), 2)
    assert stack.shape == (17, 5, 5)
    assert stack.dtype == np.uint8
    assert stack[:4].any(axis=(1, 2)).tolist() == [True, True, True, False]
    assert not stack[4:16].any()


def test_planes_of_eight_steps_and_no_more():
    moves = "".join(f";{'BW'[i % 2]}[{'abcdefghi'[i]}{'ac'[i % 2]}]" for i in range(9))
    stack = go.planes(go.read_game(f"(;SZ[9]{moves})"), 9)
    counts = stack[:16].sum((1, 2)).reshape(8, 2)
    assert counts.sum(1).tolist() == [9, 8, 7, 6, 5, 4, 3, 2]
    assert counts[0].tolist() == [4, 5]  # white is to move


def test_a_ko_is_taken_back_as_the_record_says():
    stones = "AB[ba][ab][bc]AW[ca][db][cc][bb]"
    game = go.read_game(f"(;SZ[5]{stones};B[cb];W[ee];B[ed];W[bb])")
    assert points(go.planes(game, 1)[1]) == {(0, 1), (1, 0), (2, 1), (1, 2)}
    assert game.boards[4][1, 1:3].tolist() == [-1, 0]  # white took the ko back


def test_a_snapback_takes_more_than_was_given():
    # White's one stone is taken by black, whose three stones white takes at once.
    black, white = "AB[ba][ca][da]", "AW[ab][bb][cb][db][ea]"
    game = go.read_game(f"(;SZ[6]{black}{white};W[aa])")
    assert not game.boards[1][0, 1:4].any()


def test_setup_handicap_passes_and_two_moves_in_a_row():
    game = go.read_game(
        "(;SZ[5]HA[2]AB[aa][ee]RE[B+2];W[cc];W[];B[tt];AE[aa]AW[bb];B[dd])"
    )
    assert game.players.tolist() == [-1, -1, 1, 1, -1]
    assert game.moves.tolist() == [12, 25, 25, 18]
    assert points(go.planes(game, 3)[0]) == {(4, 4)}
    assert points(go.planes(game, 3)[1]) == {(2, 2), (1, 1)}
    assert go.positions(game)[2].tolist() == [-1, -1, 1, 1]


def test_only_the_main_line_is_read():
    game = go.read_game("(;SZ[5];B[aa](;W[bb];B[cc])(;W[dd]))")
    assert game.moves.tolist() == [0, 6, 12]


@pytest.mark.parametrize(("result", "winner"), [("B+R", 1), ("W+0.5", -1), ("0", 0)])
def test_results_are_of_who_moves(result, winner):
    game = go.read_game(f"(;SZ[5]RE[{result}];B[aa];W[bb];B[cc])")
    results = go.positions(game)[2]
    assert results.tolist() == [winner, -winner, winner]
    assert results.dtype == np.float32


BAD = {
    "no SGF": ("(hello", "the SGF text: is not SGF: "),
    "occupied": ("(;SZ[5];B[aa];W[aa])", r"move 2 \(white 'aa'\) is on an occupied"),
    "off the board": (
        "(;SZ[5];B[ff])",
        r"move 1 \(black 'ff'\) is not a point of a bo",
    ),
    "oblong": ("(;SZ[19:13];B[aa])", "SZ, is not a square of 2 to 26 .*19:13"),
    "one point": ("(;SZ[1])", "SZ, is not a square of 2 to 26"),
    "another game": ("(;GM[2])", "is game type 2 of SGF, expected 1, Go"),
    "both move": ("(;SZ[5];B[aa]W[bb])", "move 1: black and white move in one node"),
    "setup off": ("(;SZ[5]AB[zz])", "move 1: the setup before it names a point"),
    "setup dead": ("(;SZ[2]AB[aa][ab][ba][bb])", "leaves stones without a liberty"),
    "two games": ("(;SZ[5])(;SZ[5])", "text: holds 2 games, expected one. Use read_g"),
    "no file": ("no.sgf", r"no.sgf: cannot be read: No such file .* begins with '\('"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_bad_records_are_named(case):
    record, message = case
    with pytest.raises(DatasetError, match=message):
        go.read_game(record)


def test_a_wrong_size_is_named():
    with pytest.raises(DatasetError, match=r"is played on 5 x 5 .* expected 9 x 9"):
        go.read_game("(;SZ[5])", size=9)


def test_a_file_and_the_number_of_the_game_are_named(tmp_path):
    file = tmp_path / "two.sgf"
    file.write_text("(;SZ[5];B[aa])(;SZ[5];B[bb];W[bb])")
    with pytest.raises(DatasetError, match=r"two.sgf, game 2: move 2 \(white"):
        go.read_games(file)


def test_a_position_that_is_not_there_is_an_error(our_errors):
    with pytest.raises(ValueError, match=r"number must be from 0 .* to 5 .* got 6"):
        go.planes(go.read_game(CAPTURE), 6)


@pytest.mark.parametrize(
    ("name", "size", "games"), [("nine", 9, 60), ("nineteen", 19, 6)]
)
def test_the_collection_has_one_stone_a_point_and_legal_moves(name, size, games):
    read = go.read_games(GAMES / f"{name}.sgf", size=size)
    assert len(read) == games
    for game in read:
        stack, moves, _ = go.positions(game)
        assert (stack[:, :16:2] + stack[:, 1:16:2]).max() == 1
        empty = (stack[:, 0] + stack[:, 1] == 0).reshape(len(moves), -1)
        assert empty[np.arange(len(moves)), moves].all()


def sgf_of(moves, size):
    def node(number, move):
        row, column = divmod(move, size)
        at = "" if row == size else chr(97 + column) + chr(97 + row)
        return f";{'BW'[number % 2]}[{at}]"

    return f"(;SZ[{size}]" + "".join(node(*pair) for pair in enumerate(moves)) + ")"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("size", "length", "seed"),
    [
        (9, 100, 0),
        pytest.param(19, 120, 1, marks=pytest.mark.exhaustive),
    ],
)
def test_planes_are_those_of_pgx_but_for_its_colour(size, length, seed):
    """Its planes are channels-last, and its colour is 1 where white is to move."""
    pgx = pytest.importorskip("pgx")
    import jax

    rng = np.random.default_rng(seed)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        env = pgx.make(f"go_{size}x{size}")
        state, step = env.init(jax.random.key(0)), jax.jit(env.step)
        moves, seen = [], []
        while len(moves) < length and not state.terminated:
            legal = np.flatnonzero(np.asarray(state.legal_action_mask)[:-1])
            passes = not len(legal) or rng.random() < 0.02
            moves.append(size**2 if passes else int(rng.choice(legal)))
            seen.append(np.asarray(state.observation).transpose(2, 0, 1))
            state = step(state, moves[-1])
    stack, read, _ = go.positions(go.read_game(sgf_of(moves, size)))
    assert len(moves) > 30
    assert read.tolist() == moves
    np.testing.assert_array_equal(stack[:, :16], np.stack(seen)[:, :16])
    np.testing.assert_array_equal(stack[:, 16], 1 - np.stack(seen)[:, 16])


@pytest.mark.parametrize(
    ("setup", "player"),
    [
        ("HA[2]AB[aa][ee]", -1),
        ("HA[2]AB[aa][ee]PL[B]", 1),
        ("AB[aa]", 1),
        ("PL[W]", -1),
    ],
)
def test_who_begins_a_game_without_moves(setup, player):
    game = go.read_game(f"(;SZ[5]{setup})")
    assert game.players.tolist() == [player]
    assert go.positions(game)[0].shape == (0, 17, 5, 5)
