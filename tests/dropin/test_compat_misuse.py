"""The drop-ins raise what lax raises for the same mistakes, and say what to write."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxconv.dropin import compat

IMAGE, FILTER = (2, 3, 6, 5), (4, 3, 3, 2)
MISTAKES = {
    "channels-last": (
        ((2, 6, 5, 3), (3, 2, 3, 4)),
        {},
        r"lhs is \(N 2, C 6, H 5, W 3\) float32 and rhs \(O 3, I 2, H 3, W 4\) float32"
        r".*Are both channels-last\? Say so: dimension_numbers=",
    ),
    "filters input-first": (
        (IMAGE, (3, 4, 3, 2)),
        {},
        "Are I and O of rhs exchanged",
    ),
    "groups that do not divide": (
        (IMAGE, FILTER),
        {"feature_group_count": 2},
        "lhs is",
    ),
    "groups forgotten in the filters": (
        ((2, 6, 6, 5), (4, 6, 3, 2)),
        {"feature_group_count": 2},
        "With groups, rhs has I = 3",
    ),
    "groups forgotten that do not divide": (
        ((2, 6, 6, 5), (4, 6, 3, 2)),
        {"feature_group_count": 4},
        "feature_group_count must divide the 6 channels of lhs",
    ),
    "both groups": (
        ((4, 6, 6, 5), (4, 3, 3, 2)),
        {"feature_group_count": 2, "batch_group_count": 2},
        "At most one of batch_group_count",
    ),
    "ranks": ((IMAGE, FILTER[1:]), {}, "lhs is .* Is the batch or a channel axis miss"),
    "strides": ((IMAGE, FILTER), {"window_strides": (1,)}, "conv_general_dilated: "),
    "padding": ((IMAGE, FILTER), {"padding": [(1, 1)]}, "conv_general_dilated: "),
    "padding by one number": (
        (IMAGE, FILTER),
        {"padding": 1},
        "conv_general_dilated: ",
    ),
    "padding by name": ((IMAGE, FILTER), {"padding": "FULL"}, "conv_general_dilated: "),
    "cropped away": ((IMAGE, FILTER), {"padding": [(-4, -4), (0, 0)]}, "Negative padd"),
    "dilated and padded by name": (
        (IMAGE, FILTER),
        {"lhs_dilation": (2, 1)},
        "String padding is not implemented",
    ),
    "layout": ((IMAGE, FILTER), {"dimension_numbers": ("NCHW", "OIHW")}, "length 3"),
    "narrow type": (
        (IMAGE, FILTER),
        {"preferred_element_type": "bfloat16"},
        "must not be narrower",
    ),
    "precision": ((IMAGE, FILTER), {"precision": "exact"}, "Precision argument must"),
}


@pytest.mark.parametrize(
    ("shapes", "facts", "message"), MISTAKES.values(), ids=MISTAKES.keys()
)
@pytest.mark.usefixtures("our_errors")
def test_mistake(shapes, facts, message):
    arrays = [jnp.ones(shape) for shape in shapes]
    given = {"window_strides": (1, 1), "padding": "SAME"} | facts
    with pytest.raises(Exception) as theirs:  # noqa: PT011 (of any type)
        lax.conv_general_dilated(*arrays, **given)
    with pytest.raises(theirs.type, match=message):
        compat.conv_general_dilated(*arrays, **given)


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize("name", ["window_strides", "feature_group_count"])
def test_a_traced_setting_raises_what_lax_raises(name):
    def call(function):
        def run(setting):
            given = {"window_strides": (1, 1), "padding": "SAME"}
            given[name] = (setting, 1) if name == "window_strides" else setting
            return function(jnp.ones(IMAGE), jnp.ones(FILTER), **given)

        with pytest.raises(Exception) as error:  # noqa: PT011 (of any type)
            jax.jit(run)(1)
        return error.type

    ours, theirs = call(compat.conv_general_dilated), call(lax.conv_general_dilated)
    assert issubclass(ours, theirs)


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.usefixtures("our_errors")
def test_the_layout_in_the_hint_has_the_operands_axes(axes):
    lhs, rhs = jnp.ones((2, *(6,) * axes, 3)), jnp.ones((*(3,) * axes, 3, 4))
    given = {"window_strides": (1,) * axes, "padding": "SAME"}
    with pytest.raises(ValueError, match="Are both channels-last") as error:
        compat.conv_general_dilated(lhs, rhs, **given)
    layout = eval(str(error.value).rsplit("dimension_numbers=")[1].rstrip("."))
    y = compat.conv_general_dilated(lhs, rhs, **given, dimension_numbers=layout)
    assert y.shape == (2, *(6,) * axes, 4)


@pytest.mark.usefixtures("our_errors")
def test_mixed_types_are_refused_as_in_lax():
    with pytest.raises(TypeError, match=r"Convert one of them: rhs.astype"):
        compat.conv_general_dilated(
            jnp.ones(IMAGE), jnp.ones(FILTER, "bfloat16"), (1, 1), "SAME"
        )


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize("kind", [ValueError, AssertionError])
def test_ranks_of_conv_transpose_are_refused_in_words(kind):
    """lax raises an AssertionError without words; code that catches it still works."""
    with pytest.raises(kind, match=r"conv_transpose: .*Is the batch or a channel axis"):
        compat.conv_transpose(
            jnp.ones((5, 4, 3)), jnp.ones((2, 2, 3, 4)), (1, 1), "SAME"
        )
