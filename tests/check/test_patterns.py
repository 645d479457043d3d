"""Each mistake that a result may look like, by a bug that shows it."""

import numpy as np
import pytest

from jaxconv.check import check_bilinear
from jaxconv.check.patterns import Source, recognise
from jaxconv.check.trial import Trial
from tests.check.pattern_bugs import BUGS, at, inside
from tests.check.small_maps import (
    GROUPED,
    NAMES,
    PLAIN,
    W,
    X,
    correlate,
    gather,
    spread,
)
from tests.tiers import fast

CASES = {
    f"{name}: {words}": (name, words, bug)
    for name, bugs in BUGS.items()
    for words, bug in bugs.items()
}


ALWAYS = [  # one of each kind
    case
    for case in CASES
    if any(
        words in case
        for words in (
            "tap (1, 0)",
            "channel 3 alone",
            "example 2 is not",
            "over the batch",
            "written to index 0",
            "never cleared along axis",
            "overwrite",
            "+1 along axes 2 and 3, edges",
            "even filter",
            "-5 is added",
            "3, the batch size, is",
            "does not depend",
            "groups are mixed",
            "only group 0",
        )
    )
]


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


@pytest.mark.parametrize("case", fast(CASES, *ALWAYS), ids=lambda case: case[:90])
def test_the_mistake_is_recognised(case, sources, monkeypatch):
    name, words, bug = CASES[case]
    source = sources[name]
    wrong = np.asarray(bug(source), float)
    if words == "it does not depend on x":
        monkeypatch.setitem(source.trial.maps, "param_grad", lambda x, g: wrong)
    assert wrong.shape == source.shape
    assert words in (recognise(source, wrong) or "nothing")


@pytest.mark.parametrize(
    "name",
    fast([*NAMES, *(f"groups: {name}" for name in NAMES)], "param_grad"),
)
def test_no_mistake_is_invented(name, sources):
    source = sources[name]
    random = np.random.default_rng(0).integers(1, 9, source.shape)
    assert recognise(source, random.astype(float)) is None


def checked(**maps):
    return check_bilinear(*(PLAIN | maps).values(), X, W, entries=2)


@pytest.mark.exhaustive
def test_the_output_is_blamed_for_its_own_mistake():
    report = checked(output=lambda x, w: correlate(x, w * at((..., 0, 1), -1, w) + w))
    assert "both gradients agree with each other and not with" in str(report)
    assert "output: tap (0, 1) is left out" in str(report)


@pytest.mark.exhaustive
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


def test_a_mistake_in_many_elements_is_named_on_smaller_shapes():
    report = check_bilinear(
        lambda x, w: x * w, lambda g, w: g * w, lambda x, g: x * x, (2049,), (2049,)
    )
    words = "others of 2,049 are wrong. On shapes of at most 2,048 elements the mistake"
    assert words in str(report)


@pytest.mark.exhaustive
def test_a_result_that_depends_on_the_sign_alone_is_no_forgotten_argument():
    report = checked(input_grad=lambda g, w: np.abs(spread(g, w)) * np.sign(w).min())
    assert "does not depend" not in str(report)


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
