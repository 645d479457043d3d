"""Layouts: which axis is which, and what is said of text that is none."""

import pytest

from jaxconv.check.layout import Axes, Layout, axes_of

pytestmark = pytest.mark.usefixtures("our_errors")

FLAT = Axes(None, None, (0, 1))
LAYOUTS = {
    "NHWC/HWIO": (Axes(0, 3, (1, 2)), Axes(None, 2, (0, 1), 3), Axes(0, 3, (1, 2))),
    "NCHW/OIHW": (Axes(0, 1, (2, 3)), Axes(None, 1, (2, 3), 0), Axes(0, 1, (2, 3))),
    "CHW/OIHW": (
        Axes(None, 0, (1, 2)), Axes(None, 1, (2, 3), 0), Axes(None, 0, (1, 2))
    ),
    "NWC/WIO": (Axes(0, 2, (1,)), Axes(None, 1, (0,), 2), Axes(0, 2, (1,))),
    "NCWH/OIHW": (Axes(0, 1, (3, 2)), Axes(None, 1, (2, 3), 0), Axes(0, 1, (3, 2))),
    "HW/HW": (FLAT, FLAT, FLAT),
    "HW/OHW/CHW": (FLAT, Axes(None, None, (1, 2), 0), Axes(None, 0, (1, 2))),
    "NC/IO": (Axes(0, 1, ()), Axes(None, 0, (), 1), Axes(0, 1, ())),
    "NDHWC/DHWIO": (
        Axes(0, 4, (1, 2, 3)), Axes(None, 3, (0, 1, 2), 4), Axes(0, 4, (1, 2, 3))
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "axes"), LAYOUTS.items(), ids=LAYOUTS)
def test_axes_are_found_by_their_letters(text, axes):
    layout = Layout.parse(text)
    assert tuple(layout.axes(operand) for operand in "xwg") == axes
    assert str(layout) == text


def test_small_letters_are_taken():
    assert Layout.parse(" nhwc/hwio ") == Layout.parse("NHWC/HWIO")


def test_without_a_layout_the_dimensions_tell():
    assert axes_of(None, "x", 4) == axes_of(None, "g", 4) == Axes(0, 1, (2, 3))
    assert axes_of(None, "w", 4) == Axes(None, 0, (2, 3), 1)
    assert axes_of(None, "x", 2) == axes_of(None, "w", 2) == Axes(None, None, (0, 1))


def test_a_layout_goes_before_the_dimensions():
    assert axes_of(Layout.parse("CHW/OIHW"), "g", 3) == Axes(None, 0, (1, 2))


MISTAKES = {
    "nothing": ("", r"as in \"NHWC/HWIO\", got ''\.$"),
    "no text": (3, r"be text, the axes of x .* got 3\.$"),
    "a tuple": (("NHWC", "HWIO", "NHWC"), r'Write "NHWC/HWIO"\.$'),
    "commas": ("NHWC, HWIO", r'Write "NHWC/HWIO"\.$'),
    "lax's arrow": ("NCHW/OIHW->NCHW", r'Write "NCHW/OIHW"\.$'),
    "x alone": ("NHWC", r'got \'NHWC\'\. Is it "NHWC/HWIO"\?$'),
    "x alone, channels first": ("NCHW", r'Is it "NCHW/OIHW"\?$'),
    "a part too many": ("NHWC/HWIO/NHWC/C", r"got 'NHWC/HWIO/NHWC/C'\.$"),
    "an empty part": ("NHWC/", r'Is it "NHWC/HWIO"\?$'),
    "exchanged": ("HWIO/NHWC", r'x before those of w, .* Write "NHWC/HWIO"\.$'),
    "PyTorch's length": ("NCL/OIL", r"got L in 'NCL/OIL'\. Write W \(width\) in"),
    "B for the batch": ("BHWC/HWIO", r"axes of x and g by N \(batch\), .* got B in "),
    "C in w": ("NHWC/HWCO", r"axes of w by I .* Write I \(channels in"),
    "a letter unknown": ("NHWQ/HWIO", r"got Q in 'NHWQ/HWIO'\. Leave it out\.$"),
    "g's letters": ("NHWC/HWIO/NHWO", r"got O in .* Write C \(channels\) in"),
    "twice": ("NHHC/HWIO", r"name each axis of x once, got H \(height\) 2 times in"),
    "other taps": ("NHWC/DHIO", r"taps of w .* got H and W for x, D and H for w"),
    "other pixels": ("NHWC/HWIO/NHC", r"pixels of g .* H and W for x, H for g"),
    "no taps": ("NHWC/IO", r"got H and W for x, none for w in 'NHWC/IO'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(text, message):
    with pytest.raises(ValueError, match=f"^f: layout must .*{message}"):
        Layout.parse(text, "f")


SHAPES = {
    "no batch": (
        ((8, 8, 3), (3, 3, 3, 4)),
        r"x must have the 4 axes NHWC of the layout NHWC/HWIO, got 3 \(its shape is "
        r'\(8, 8, 3\)\)\. For an image without a batch write layout="HWC/HWIO"\.',
    ),
    "two axes too few": (((8, 8), (3, 3, 3, 4)), r".*got 2 .* Name each axis of x"),
    "filters": (((2, 8, 8, 3), (3, 3)), r"w must have the 4 axes HWIO .* axis of w"),
}  # fmt: skip


@pytest.mark.parametrize(("shapes", "message"), SHAPES.values(), ids=SHAPES.keys())
def test_shapes_that_do_not_fit_are_named(shapes, message):
    with pytest.raises(ValueError, match=f"^f: {message}"):
        Layout.parse("NHWC/HWIO").check_shapes(*shapes, "f")


def test_shapes_that_fit_are_taken():
    Layout.parse("NHWC/HWIO").check_shapes((2, 8, 8, 3), (3, 3, 3, 4))
