"""Image files of every mode, as a viewer shows them; and files that are none."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from jaxconv.data import DatasetError, load
from jaxconv.data.pixels import read_image
from tests.data.folders import class_folders, put

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def read(folder, image, name="x.png", **options):
    image.save(folder / name, **options)
    return read_image(folder / name)


@pytest.mark.parametrize(
    "name", ["x.png", "x.PNG", "x.bmp", "x.tif", "x.webp", "x.pgm"]
)
def test_grey_images_are_read_exactly(tmp_path, name):
    options = {"lossless": True} if name == "x.webp" else {}
    np.testing.assert_array_equal(
        read(tmp_path, Image.fromarray(GREY), name, **options), GREY
    )


def test_colours_are_read_exactly(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(COLOUR)), COLOUR)


def test_jpeg_is_read_nearly(tmp_path):
    smooth = np.broadcast_to(np.arange(0, 240, 15, np.uint8), (16, 16))
    pixels = read(tmp_path, Image.fromarray(smooth), "x.jpg", quality=95)
    assert np.abs(pixels.astype(int) - smooth).max() < 8


def test_grey_in_three_channels_is_grey(tmp_path):
    three = Image.fromarray(np.dstack([GREY] * 3))
    np.testing.assert_array_equal(read(tmp_path, three), GREY)


def test_a_palette_is_looked_up(tmp_path):
    np.testing.assert_array_equal(
        read(tmp_path, Image.fromarray(GREY).convert("P")), GREY
    )
    few = (COLOUR // 128) * np.uint8(255)
    image = Image.fromarray(few).quantize(8)
    assert image.mode == "P"
    np.testing.assert_array_equal(read(tmp_path, image), few)


def test_black_and_white_is_0_and_255(tmp_path):
    pixels = read(tmp_path, Image.fromarray(GREY > 99))
    np.testing.assert_array_equal(pixels, (GREY > 99) * np.uint8(255))


def test_sixteen_bits_are_rounded_to_eight(tmp_path):
    levels = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    pixels = read(tmp_path, Image.fromarray(levels))
    assert np.abs(pixels - levels / 257).max() <= 0.5


def test_transparent_ink_lies_on_white(tmp_path):
    """Black ink whose shape is in its opacity alone."""
    black = Image.fromarray(np.zeros_like(GREY))
    ink = Image.merge("LA", (black, Image.fromarray(GREY)))
    np.testing.assert_array_equal(read(tmp_path, ink), 255 - GREY)


def test_opaque_colours_stay(tmp_path):
    opaque = np.dstack([COLOUR, np.full_like(GREY, 255)])
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(opaque)), COLOUR)


def test_a_transparent_colour_of_the_palette_is_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.putpixel((1, 0), 1)
    pixels = read(tmp_path, image, transparency=0)
    assert pixels.tolist() == [[[255, 255, 255], [200, 0, 0]]]


TURNED = {  # EXIF's orientation -> the pixels as they should be seen
    1: GREY,
    2: GREY[:, ::-1],
    3: GREY[::-1, ::-1],
    4: GREY[::-1],
    5: GREY.T,
    6: np.rot90(GREY, -1),
    7: GREY[::-1, ::-1].T,
    8: np.rot90(GREY),
}


@pytest.mark.parametrize(("orientation", "upright"), TURNED.items())
@pytest.mark.parametrize("name", ["x.png", "x.webp"])
def test_a_turned_photo_is_upright(tmp_path, name, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name == "x.webp" else {}
    pixels = read(tmp_path, Image.fromarray(GREY), name, exif=exif, **options)
    np.testing.assert_array_equal(pixels, upright)


def test_a_damaged_orientation_is_passed_over(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "x.webp", exif=exif, lossless=True)
    data = (tmp_path / "x.webp").read_bytes()
    assert read_image(tmp_path / "x.webp").shape == (7, 5)
    (tmp_path / "x.webp").write_bytes(data.replace(b"MM\0*", b"MX\0*"))
    np.testing.assert_array_equal(read_image(tmp_path / "x.webp"), GREY)


def test_inks_become_colours(tmp_path):
    inks = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    pixels = read(tmp_path, inks, "x.jpg", quality=95)
    assert pixels.shape == (8, 8, 3)
    assert pixels[..., 0].max() < 40
    assert pixels[..., 1:].min() > 215


def test_of_several_frames_the_first_is_read(tmp_path):
    frames = [Image.new("L", (3, 2), level) for level in (10, 20)]
    pixels = read(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])
    assert pixels.tolist() == [[10] * 3] * 2


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_of_32_bits_are_refused(tmp_path, dtype):
    with pytest.raises(
        DatasetError, match=r"x\.tif: has \S+ pixels, expected 8 or 16 bi"
    ):
        read(tmp_path, Image.fromarray(GREY.astype(dtype)), "x.tif")


NO_IMAGES = {
    "a page": (
        b"<!DOCTYPE html>",
        r"is not an image that Pillow reads, but a web page",
    ),
    "nothing": (b"", r"is not an image that Pillow reads, but an empty file\."),
    "text": (
        b"cat",
        r"is not an image that Pillow reads, but text\. Replace it, or take",
    ),
    "the head of one": (b"\x89PNG\r\n\x1a\n\0\0", r"is a damaged image\. Replace it"),
}


@pytest.mark.parametrize(("data", "message"), NO_IMAGES.values(), ids=NO_IMAGES.keys())
def test_a_file_that_is_no_image_is_named(tmp_path, data, message):
    file = tmp_path / "x.png"
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=message) as caught:
        read_image(file)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_a_truncated_image_is_refused(tmp_path, name):
    whole = put(tmp_path / name, RNG.integers(0, 256, (40, 40), dtype=np.uint8))
    data = whole.read_bytes()
    for size in (len(data) // 2, len(data) * 9 // 10):
        whole.write_bytes(data[:size])
        with pytest.raises(DatasetError, match=rf"{name}: is a damaged image: .*trunc"):
            read_image(whole)


def test_damaged_images_are_refused_by_name(tmp_path):
    """Whatever Pillow makes of them: a hundred files with flipped bytes."""
    rng = np.random.default_rng(0)
    read = refused = 0
    for kind in ("png", "jpg", "gif", "bmp"):
        file = put(tmp_path / f"x.{kind}", COLOUR)
        whole = file.read_bytes()
        for _ in range(25):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), 3):
                data[at] ^= 1 << int(rng.integers(0, 8))
            file.write_bytes(data)
            try:
                read += read_image(file).dtype == np.uint8
            except DatasetError as error:
                refused += str(error).startswith(f"{file}: ") and "\n" not in str(error)
    assert read + refused == 100
    assert refused > 25


def test_missing_files_and_links_to_nowhere_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"x\.png: is not there"):
        read_image(tmp_path / "x.png")
    (tmp_path / "x.png").symlink_to("/nowhere")
    with pytest.raises(DatasetError, match=r"x\.png: is a broken link"):
        read_image(tmp_path / "x.png")
    with pytest.raises(DatasetError, match=r"is a folder\."):
        read_image(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(DatasetError, match=r"x\.png: is not a regular file"):
        read_image(tmp_path / "x.png")


def test_a_huge_image_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(
        DatasetError, match=r"is too large an image: .*decompression bomb"
    ):
        read(tmp_path, Image.fromarray(GREY))


def test_without_pillow_its_installation_is_said(tmp_path, monkeypatch):
    folder = class_folders(tmp_path, "cat", "dog")
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"python -m pip install pillow"):
        load(folder)
