"""Image files of all kinds to what a model takes: digits as MNIST has them."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from jaxconv.data import DatasetError, load_mnist
from jaxconv.train.pictures import PictureError, files_of, preparation, prepare, read
from tests.tiers import fast

MNIST = preparation((1, 28, 28), 33.3)


@pytest.fixture(scope="module")
def digits():
    """Return test images 0 to 3 of MNIST."""
    (_, _), (images, _) = load_mnist()
    return images[:4, 0]


def enlarged(digit, side=140):
    return Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)


def on_black(digit, size, at, side=140):
    """Return a digit at a place of a larger black picture."""
    picture = Image.new("L", size)
    picture.paste(enlarged(digit, side), at)
    return picture


def inverted(picture):
    return picture.point(lambda level: 255 - level)


def as_jpeg(digit, file):
    inverted(on_black(digit, (300, 200), (150, 10))).save(file, "JPEG")


def as_transparent_png(digit, file):
    ink = on_black(digit, (200, 200), (10, 50))
    picture = Image.new("RGBA", ink.size, (90, 20, 20, 0))
    picture.putalpha(ink)
    picture.save(file, "PNG")


def as_palette_gif(digit, file):
    on_black(digit, (160, 220), (0, 70)).convert("P").save(file, "GIF")


def as_sixteen_bit_png(digit, file):
    levels = np.asarray(on_black(digit, (200, 200), (30, 30)), np.uint16) * 257
    Image.fromarray(levels).save(file, "PNG")


def as_lying_photo(digit, file):
    """Save it lying, with the note of a camera that it is to be turned."""
    picture = inverted(on_black(digit, (250, 200), (100, 20)))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", exif=exif)


def as_shaded_photo(digit, file):
    """Save ink on paper at its edge, with more light at one corner, dust and noise."""
    ink = np.asarray(on_black(digit, (480, 360), (-25, 140), 200), np.float64) / 255
    light = np.add.outer(np.linspace(0, 70, 360), np.linspace(90, 180, 480))
    random = np.random.default_rng(0)
    levels = light * (1 - 0.7 * ink) + random.normal(0, 6, light.shape)
    levels[random.random(light.shape) < 2e-4] = 0
    Image.fromarray(np.uint8(np.clip(levels, 0, 255))).save(file, "PNG")


def as_fine_pen(digit, file):
    """Save the middle of the lines alone, on a large sheet."""
    bold = enlarged(digit).point(lambda level: 255 * (level > 127))
    picture = Image.new("L", (450, 350))
    picture.paste(bold.filter(ImageFilter.MinFilter(5)), (250, 150))
    inverted(picture).save(file, "PNG")


KINDS = {  # and how like the original: correlation, the mean of the digits
    as_jpeg: 0.95,
    as_transparent_png: 0.95,
    as_palette_gif: 0.95,
    as_sixteen_bit_png: 0.95,
    as_lying_photo: 0.95,
    as_shaded_photo: 0.9,
    as_fine_pen: 0.85,
}


@pytest.mark.parametrize("save", fast(KINDS, *KINDS.keys() - {as_palette_gif}))
def test_a_digit_on_any_picture_becomes_one_of_mnist(save, digits, tmp_path):
    file, least, alike = tmp_path / "picture", KINDS[save], []
    for digit in digits:
        save(digit, file)
        (found,) = read(file, MNIST).image
        alike.append(np.corrcoef(digit.ravel(), found.ravel())[0, 1])
    assert np.mean(alike) > least
    assert np.min(alike) > least - 0.2


def test_an_image_of_mnist_is_taken_as_it_is(digits, tmp_path):
    for digit in digits:
        Image.fromarray(digit).save(tmp_path / "digit.png")
        picture = read(tmp_path / "digit.png", MNIST)
        np.testing.assert_array_equal(picture.image[0], digit)
    assert picture.prepared == "a digit of the right size and place"


def test_a_digit_out_of_its_place_is_put_there(digits):
    moved = np.roll(digits[0], (-3, 4), (0, 1))
    (found,), done = prepare(Image.fromarray(moved), MNIST)
    assert np.corrcoef(digits[0].ravel(), found.ravel())[0, 1] > 0.95
    assert done == "a digit fitted to 20 x 20 pixels"


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_refused(level, tmp_path):
    sheet = np.full((90, 120), level, np.uint8)
    sheet[10:20, 10:20] += 5 if level < 255 else 0  # no ink
    Image.fromarray(sheet).save(tmp_path / "blank.png")
    with pytest.raises(PictureError, match=r"blank\.png: is blank: there is no digit"):
        read(tmp_path / "blank.png", MNIST)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "page.png").write_text("<html>")
    with pytest.raises(DatasetError, match=r"page\.png: is not an image"):
        read(tmp_path / "page.png", MNIST)
    with pytest.raises(DatasetError, match=r"there\.png: is not there"):
        read(tmp_path / "there.png", MNIST)


# Dark on light, and light on dark

SHOP = np.full((40, 30), 250, np.uint8)  # a thing on a white ground
SHOP[10:35, 8:20] = 60
PHOTO = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8) * 4
GROUNDS = {
    "a thing on white, for a set on black": (SHOP, 73.0, True),
    "a thing on black, for a set on black": (255 - SHOP, 73.0, False),
    "a thing on black, for a set on white": (255 - SHOP, 200.0, True),
    "a thing on white, for photographs": (SHOP, 120.0, False),
    "a photograph, for a set on black": (PHOTO, 73.0, False),
}


@pytest.mark.parametrize("case", GROUNDS.values(), ids=GROUNDS.keys())
def test_a_picture_on_the_other_ground_is_inverted(case):
    picture, mean, expected = case
    how = preparation((1, *picture.shape), mean, fit="plain")
    (image,), done = prepare(Image.fromarray(picture), how)
    np.testing.assert_array_equal(image, 255 - picture if expected else picture)
    assert done == ("inverted, as it is" if expected else "as it is")


@pytest.mark.parametrize("invert", ["yes", "no"])
def test_inverting_can_be_forced(invert):
    how = preparation((1, 40, 30), 73.0, invert, "plain")
    (image,), _ = prepare(Image.fromarray(SHOP), how)
    np.testing.assert_array_equal(image, 255 - SHOP if invert == "yes" else SHOP)


def test_colours_are_not_inverted():
    colours = np.stack([SHOP, SHOP, SHOP // 2], -1)
    image, _ = prepare(Image.fromarray(colours), preparation((3, 40, 30), 60.0))
    np.testing.assert_array_equal(np.moveaxis(image, 0, -1), colours)


def test_digits_of_a_set_on_white_are_fitted_on_white(digits):
    how = preparation((1, 28, 28), 221.7, fit="digit")
    (found,), _ = prepare(on_black(digits[0], (300, 200), (150, 10)), how)
    assert found[0, 0] == 255
    assert np.corrcoef(255.0 - digits[0].ravel(), found.ravel())[0, 1] > 0.95


# Sizes


def test_a_thing_keeps_its_shape_and_gets_more_ground():
    how = preparation((1, 20, 20), 73.0)
    (image,), done = prepare(Image.fromarray(255 - SHOP), how)  # 30 wide, 40 high
    assert image.shape == (20, 20)
    np.testing.assert_array_equal(image[:, [0, 1, -2, -1]], 5)
    assert done == "resized from 30 x 40"


def test_of_a_photograph_the_middle_is_taken():
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    image, _ = prepare(Image.fromarray(wide), preparation((3, 10, 10), 120.0))
    assert image.shape == (3, 10, 10)
    assert image[:, :, 1:-1].min() > 180


def test_shrinking_leaves_no_aliases():
    stripes = np.zeros((280, 280), np.uint8)
    stripes[:, ::2] = 255
    (image,), _ = prepare(Image.fromarray(stripes), preparation((1, 28, 28), 120.0))
    assert abs(image.astype(int) - 127).max() < 6


FITS = {
    "MNIST": ((1, 28, 28), 33.3, "digit"),
    "EMNIST": ((1, 28, 28), 44.0, "digit"),
    "Fashion-MNIST": ((1, 28, 28), 72.9, "plain"),
    "larger": ((1, 32, 32), 33.3, "plain"),
    "colours": ((3, 28, 28), 33.3, "plain"),
}


@pytest.mark.parametrize("case", FITS.values(), ids=FITS.keys())
def test_pictures_are_fitted_as_the_training_set_was(case):
    shape, mean, fit = case
    assert preparation(shape, mean).fit == fit


def test_a_model_of_other_than_images_is_refused():
    with pytest.raises(PictureError, match=r"no grey or colour images: its input is"):
        preparation((17, 19, 19), 30.0)
    with pytest.raises(PictureError, match="fit digit is for models of grey images"):
        preparation((3, 28, 28), 30.0, fit="digit")


# Files


def test_a_folder_gives_all_its_pictures_in_order(tmp_path):
    for name in ("b.png", "a.JPG", "below/c.gif", ".hidden.png", ".git/d.png", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    named = tmp_path / "e.txt"
    found = [str(f.relative_to(tmp_path)) for f in files_of([named, tmp_path])]
    assert found == ["e.txt", "a.JPG", "b.png", "below/c.gif"]


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(PictureError, match=r"no file below it ends in \.png"):
        list(files_of([tmp_path]))
