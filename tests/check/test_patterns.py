"""Each mistake that a result may look like, by a bug that shows it."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check import check_bilinear
from jaxconv.check.layout import Layout
from jaxconv.check.patterns import Source, recognise, recognise_shape
from jaxconv.check.patterns.names import count_groups, find_axes, name_axes
from jaxconv.check.trial import Trial

X, W = (3, 2, 6, 5), (2, 4, 3, 2)  # (n, ci, h, w), (ci, co, kh, kw)
NAMES = ("output", "input_grad", "param_grad")


def windows(x, kernel):
    return np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))


def correlate(x, w):
    return np.einsum("nchwij,coij->nohw", windows(np.asarray(x), w.shape[2:]), w)


def spread(g, w):
    kh, kw = w.shape[2:]
    sides = (0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)
    backwards = np.asarray(w).transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    return correlate(np.pad(g, sides), backwards)


def gather(x, g):
    kernel = [a - b + 1 for a, b in zip(x.shape[2:], g.shape[2:], strict=True)]
    return np.einsum("nchwij,nohw->coij", windows(np.asarray(x), kernel), g)


def grouped(function, *axes):
    """The map of two groups; the axes of channels of both operands and the result."""

    def call(a, b):
        a, b = np.asarray(a), np.asarray(b)
        pairs = zip(np.split(a, 2, axes[0]), np.split(b, 2, axes[1]), strict=True)
        return np.concatenate([function(*pair) for pair in pairs], axes[2])

    return call


PLAIN = dict(zip(NAMES, (correlate, spread, gather), strict=True))
GROUPED = {
    "output": grouped(correlate, 1, 1, 1),
    "input_grad": grouped(spread, 1, 1, 1),
    "param_grad": grouped(gather, 1, 1, 1),
}


@pytest.fixture(scope="module")
def sources():
    """What each map should return, by its name; "groups: " before it for two groups."""
    found = {}
    for prefix, maps, x in (("", PLAIN, X), ("groups: ", GROUPED, (3, 4, 6, 5))):
        trial = Trial(maps, x, W, "float32", seed=0)
        for name in NAMES:
            trial.results[name] = trial.run(name)
            found[prefix + name] = Source(trial, name)
    return found


def test_sources_are_right(sources):
    for source in sources.values():
        assert np.array_equal(source.right, source.trial.results[source.name])


def operands(change):
    """A bug in the operands of a map."""
    return lambda source: source.trial.maps[source.name](*change(*arguments(source)))


def arguments(source):
    keys = {"output": "xw", "input_grad": "gw", "param_grad": "xg"}[source.name]
    return [source.trial.operands[key] for key in keys]


def result(change):
    """A bug in the result of a map."""
    return lambda source: change(source.right)


def at(index, part, like):
    wrong = np.zeros_like(like)
    wrong[index] = part
    return wrong


def inside(a, index):
    """Only what is inside is written."""
    return at(index, a[index], a)


def shifted(a, down, right, edge=7):
    wrong = np.roll(a, (down, right), (2, 3))
    wrong[:, :, :down], wrong[:, :, :, :right] = edge, edge
    return wrong


def overwritten(source):
    g, w = arguments(source)
    wrong = np.zeros(X)
    for i, j in np.ndindex(g.shape[2:]):
        part = np.einsum("no,coij->ncij", g[:, :, i, j], w)
        wrong[:, :, i : i + 3, j : j + 2] = part
    return wrong


def alone(axis, index):
    """Keep one index of the second operand."""

    def change(a, b):
        kept = (slice(None),) * axis + (index,)
        return a, inside(b, kept)

    return change


def scaled(a, index, factor):
    wrong = a.copy()
    wrong[index] *= factor
    return wrong


BUGS = {  # map -> words -> bug
    "output": {
        "it is reshaped where it should be transposed, which mixes the batch with the "
        "output channels": result(
            lambda y: y.transpose(1, 0, 2, 3).reshape(y.shape)
        ),
        "the input channels are not summed: it is that of input channel 1 alone, as "
        "with = in place of +=": operands(lambda x, w: (x, inside(w, 1))),
        "tap (1, 0) is left out": operands(
            lambda x, w: (x, w * at((..., 1, 0), 1, w) * -1 + w)
        ),
        "the filter is turned once too often": operands(
            lambda x, w: (x, np.flip(w, (2, 3)))
        ),
        "something is added that depends on the output channels alone": result(
            lambda y: y + np.arange(1, 5)[:, None, None]
        ),
        "only output channel 0 is written": result(lambda y: inside(y, np.s_[:, 0])),
    },
    "input_grad": {
        "the filter is reshaped where it should be transposed, which mixes the input "
        "channels with the output channels": operands(
            lambda g, w: (g, w.transpose(1, 0, 2, 3).reshape(w.shape))
        ),
        "the filter is reshaped where it should be transposed, which mixes the output "
        "channels with the taps": operands(
            lambda g, w: (g, w.transpose(0, 2, 3, 1).reshape(w.shape))
        ),
        "it is reshaped where it should be transposed, which mixes the pixels": result(
            lambda dx: dx.transpose(0, 1, 3, 2).reshape(dx.shape)
        ),
        "it is that of output channel 3 alone, as with =": operands(
            lambda g, w: (inside(g, np.s_[:, 3]), w)
        ),
        "only example 0 is written (": result(lambda dx: inside(dx, 0)),
        "example 2 is not written (": result(lambda dx: inside(dx, np.s_[:2])),
        "only indices 1 to 4 of axis 2 at indices 1 to 3 of axis 3 are written": result(
            lambda dx: inside(dx, np.s_[:, :, 1:-1, 1:-1])
        ),
        "only indices 0, 2, 4 of axis 2 are written": result(
            lambda dx: inside(dx, np.s_[:, :, ::2])
        ),
        "only 2 of 180 elements are written: (0, 1, 2, 3), (2, 0, 5, 4)": result(
            lambda dx: inside(dx, ([0, 2], [1, 0], [2, 5], [3, 4]))
        ),
        "it is summed over the batch and spread over it": result(
            lambda dx: np.broadcast_to(dx.sum(0), dx.shape)
        ),
        "it is averaged over the input channels and spread over it": result(
            lambda dx: np.broadcast_to(dx.mean(1, keepdims=True), dx.shape)
        ),
        "it is summed over the pixels and spread over it": result(
            lambda dx: np.broadcast_to(dx.sum((2, 3), keepdims=True), dx.shape)
        ),
        "all of the batch is added up and written to index 0": result(
            lambda dx: at(0, dx.sum(0), dx)
        ),
        "all of the input channels is added up and written to the last": result(
            lambda dx: at(np.s_[:, -1], dx.sum(1), dx)
        ),
        "what belongs to example 2 is written to example 0, and nothing else": result(
            lambda dx: at(0, dx[2], dx)
        ),
        "what belongs to example 0 is written to every index of the batch": result(
            lambda dx: np.broadcast_to(dx[0], dx.shape)
        ),
        "an accumulator is never cleared along the pixels: each": result(
            lambda dx: dx.reshape(3, 2, -1).cumsum(2).reshape(dx.shape)
        ),
        "windows that overlap overwrite each other": overwritten,
        "it is off by +1 along axes 2 and 3": result(lambda dx: shifted(dx, 1, 1, 0)),
        "off by +1 along axes 2 and 3, edges aside, as if the padding were cut": result(
            lambda dx: shifted(dx, 1, 1)
        ),
        "off by +2 along axis 2 and +1 along axis 3, edges aside": result(
            lambda dx: shifted(dx, 2, 1)
        ),
        "off by +1 along axis 3, edges aside, as by padding that is not meant for an "
        "even filter (2 taps)": result(lambda dx: shifted(dx, 0, 1)),
        "g is reshaped where it should be transposed, which mixes the batch with the "
        "pixels": operands(
            lambda g, w: (
                np.moveaxis(g.transpose(2, 3, 0, 1).reshape(3, 4, 4, 4), 3, 1), w
            )
        ),
        "it is rounded to bfloat16": result(
            lambda dx: dx.astype(jnp.bfloat16).astype(float)
        ),
        "-5 is added, at index 4 of axis 3 only": result(
            lambda dx: dx + at((..., 4), -5, dx)
        ),
        "it is 2 times what it should be, at index 0 of axis 2 only": result(
            lambda dx: scaled(dx, np.s_[:, :, 0], 2)
        ),
        "it is 0.0625 times what it should be: divided by 16, the number of output "
        "pixels": result(lambda dx: dx / 16),
    },
    "param_grad": {
        "it is that of example 0 alone, as by a return inside the loop": operands(
            alone(0, 0)
        ),
        "it is that of example 1 alone": operands(alone(0, 1)),
        "example 2 is left out of the sum": operands(lambda x, g: (x, inside(g, np.s_[:2]))),
        "index 3 of axis 2 of g is left out of the sum": operands(
            lambda x, g: (x, inside(g, np.s_[:, :, :3]))
        ),
        "example 1 is counted twice": operands(
            lambda x, g: (x, scaled(g, 1, 2))
        ),
        "an accumulator is never cleared along the batch": operands(
            lambda x, g: (x, g * np.array([3, 2, 1])[:, None, None, None])
        ),
        "it is that of example 2 and index 3 of axis 2 of g and index 3 of axis 3 "
        "of g alone": operands(lambda x, g: (x, inside(g, np.s_[2, :, 3, 3]))),
        "g is reshaped where it should be transposed, which mixes the batch with the "
        "output channels": operands(
            lambda x, g: (x, g.reshape(4, 3, 4, 4).swapaxes(0, 1))
        ),
        "x is off by +1 along axis 2": operands(
            lambda x, g: (shifted(x, 1, 0, 0), g)
        ),
        "it does not depend on x": operands(lambda x, g: (np.ones_like(x), g)),
        "divided by 3, the batch size": result(lambda dw: dw / 3),
        "multiplied by 3, the batch size": result(lambda dw: dw * 3),
        "3, the batch size, is added to every element": result(lambda dw: dw + 3),
        "0.5 is added to every element": result(lambda dw: dw + 0.5),
        "tap (2, 1) is left out": result(lambda dw: dw - at((..., 2, 1), 1, dw) * dw),
        "an accumulator is never cleared along the input channels and": result(
            lambda dw: dw.cumsum().reshape(dw.shape)
        ),
        "it is reshaped where it should be transposed, which mixes the input channels "
        "with the output channels and the taps": result(
            lambda dw: dw.transpose(1, 2, 3, 0).reshape(dw.shape)
        ),
        "it is reshaped where it should be transposed, which mixes the input channels "
        "with the output channels": result(
            lambda dw: dw.transpose(1, 0, 2, 3).reshape(dw.shape)
        ),
    },
    "groups: param_grad": {
        "only group 0 is written": result(lambda dw: inside(dw, np.s_[:, :2])),
        "what belongs to group 1 is written to group 0": result(
            lambda dw: at(np.s_[:, :2], dw[:, 2:], dw)
        ),
    },
    "groups: input_grad": {
        "groups are mixed along axis 1": result(
            lambda dx: dx.reshape(3, 2, 2, 6, 5).swapaxes(1, 2).reshape(dx.shape)
        ),
        "all of the groups is added up and written to index 0": result(
            lambda dx: at(np.s_[:, :2], dx[:, :2] + dx[:, 2:], dx)
        ),
    },
}  # fmt: skip
CASES = {
    f"{name}: {words}": (name, words, bug)
    for name, bugs in BUGS.items()
    for words, bug in bugs.items()
}


@pytest.mark.parametrize(("name", "words", "bug"), CASES.values(), ids=CASES)
def test_the_mistake_is_recognised(name, words, bug, sources, monkeypatch):
    source = sources[name]
    wrong = np.asarray(bug(source), float)
    if words == "it does not depend on x":
        monkeypatch.setitem(source.trial.maps, "param_grad", lambda x, g: wrong)
    assert wrong.shape == source.shape
    assert words in (recognise(source, wrong) or "nothing")


def test_no_mistake_is_invented(sources):
    rng = np.random.default_rng(0)
    for source in sources.values():
        assert recognise(source, rng.integers(1, 9, source.shape).astype(float)) is None


def checked(**maps):
    return check_bilinear(*(PLAIN | maps).values(), X, W, entries=2)


def test_the_output_is_blamed_for_its_own_mistake():
    report = checked(output=lambda x, w: correlate(x, w * at((..., 0, 1), -1, w) + w))
    assert "both gradients agree with each other and not with" in str(report)
    assert "the output is wrong: tap (0, 1) is left out" in str(report)


def test_both_gradients_are_blamed_for_their_own_mistake():
    report = checked(
        input_grad=lambda g, w: spread(inside(np.asarray(g), np.s_[:, 0]), w),
        param_grad=lambda x, g: gather(x, inside(np.asarray(g), np.s_[:, 0])),
    )
    assert "it is that of output channel 0 alone" in str(report)
    assert "only output channel 0 is written" in str(report)
    assert "the output is wrong" not in str(report)


def test_a_mistake_in_less_than_eight_elements_is_recognised():
    report = check_bilinear(
        lambda x, w: np.correlate(x, w, "valid"),
        lambda g, w: np.convolve(g, w),
        lambda x, g: np.correlate(x, g, "valid")[::-1],
        (8,),
        (3,),
    )
    assert "so are (2,); no other of 3 is wrong" in str(report)
    assert "it is turned by 180 degrees" in str(report)


def test_wrong_elements_are_located():
    def input_grad(g, w):
        dx = spread(g, w)
        dx[:, 1, :, 4] **= 2
        return dx

    report = checked(input_grad=input_grad)
    assert "all at input channel 1 at index 4 of axis 3" in str(report)


def test_infinities_look_like_no_mistake(sources):
    source = sources["param_grad"]
    assert recognise(source, source.right * np.inf) is None


SHAPES = {
    "cut from the wrong axes": (
        (2, 9, 6, 1), (2, 7, 6, 3), "axis 1 is 2 too long and axis 3 is 2 too short, as"
    ),
    "not cut": ((2, 3, 9, 8), (2, 3, 7, 6), "axes 2 and 3 are 2 too long, as if the"),
    "cut once too often": ((2, 3, 5, 4), (2, 3, 7, 6), "axes 2 and 3 are 2 too short"),
    "exchanged": ((4, 3, 5, 5), (3, 4, 5, 5), "axes 0 and 1 are exchanged"),
    "in another order": ((5, 6, 3, 4), (3, 4, 5, 6), "axes lie in the order (2, 3, 0"),
    "one for each example": ((2, 4, 3, 5), (4, 3, 5), "the batch is not summed"),
    "of one example": ((3, 7, 6), (2, 3, 7, 6), "axis 0, of size 2, is missing"),
    "without channels": ((2, 7, 6), (2, 3, 7, 6), "axis 1, of size 3, is missing"),
    "squeezed": ((2, 7, 6), (2, 1, 7, 6), "axes of size 1 are missing"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "right", "words"), SHAPES.values(), ids=SHAPES)
def test_wrong_shapes_are_recognised(found, right, words):
    assert words in recognise_shape(found, right, batch=2)


def test_a_shape_like_no_other_is_left_alone():
    assert recognise_shape((2, 3), (7, 8, 9, 10)) is None
    assert recognise_shape((3, 9, 5), (4, 5, 6)) is None


LAYOUTS = {  # w's shape beside images of (2, 3, 8, 7) or (2, 8, 7, 3), and its layout
    "in, out": ((2, 3, 8, 7), (3, 4, 3, 2), (2, 4, 6, 6), 0),
    "out, in": ((2, 3, 8, 7), (4, 3, 3, 2), (2, 4, 6, 6), 1),
    "channels last": ((2, 8, 7, 3), (3, 2, 3, 4), (2, 6, 6, 4), 2),
    "no batch": ((3, 8, 7), (4, 3, 3, 2), (4, 6, 6), 1),
}


@pytest.mark.parametrize(("x", "w", "g", "place"), LAYOUTS.values(), ids=LAYOUTS)
def test_shapes_tell_the_layout(x, w, g, place):
    trial = Trial(PLAIN, X, W, "float32", seed=0)
    trial.operands = {"x": np.ones(x), "w": np.ones(w), "g": np.ones(g)}
    assert find_axes(trial, "w").channels == place
    assert count_groups(trial) == 1
    kinds = [axis.kind for axis in name_axes(trial, "x")]
    assert kinds.count("input channel") == 1


def test_a_layout_given_goes_first():
    trial = Trial(PLAIN, X, W, "float32", seed=0)
    trial.layout = Layout.parse("CNHW/OIHW")
    assert find_axes(trial, "x").batch == 1
