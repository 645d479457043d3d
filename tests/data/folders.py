"""Small data sets in files of images."""

from pathlib import Path

import numpy as np
from PIL import Image


def put(file: Path, pixels: np.ndarray) -> Path:
    """Write an image, in the format that its name says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
    return file


def class_folders(folder: Path, *names: str, count: int = 3, size=(5, 4)) -> Path:
    """Write `count` grey images of each class, all different."""
    rng = np.random.default_rng(len(folder.parts))
    for name in names:
        for number in range(count):
            pixels = rng.integers(0, 256, size, dtype=np.uint8)
            put(folder / name / f"{number}.png", pixels)
    return folder
