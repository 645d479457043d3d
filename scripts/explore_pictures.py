"""Make the pictures of the page: an animated one for the README, a still of each part.

    python scripts/explore_pictures.py

It starts the page as `scripts/explore.py` does, opens it in a headless Chromium, and
writes explore.webp and explore_*.webp beside this file.

It needs Chromium, and: pip install -e '.[dev]'
"""

import io
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _entry import run

HERE = Path(__file__).parent
PORT = 8799
BROWSERS = "chromium", "chromium-browser", "google-chrome"
VIEW = {"width": 1180, "height": 860}
SHOWN = 0.75  # of the size on the screen
MOST_BYTES = 1_500_000
SETTLED = "document.querySelector('#images').dataset.busy === '0'"
# A seven, as strokes from point to point, in shares of the pad's size.
SEVEN = ((0.28, 0.27), (0.50, 0.25), (0.70, 0.26)), ((0.70, 0.26), (0.56, 0.52), (0.45, 0.78))
WRONG = "2"  # the class whose loss is taken back


def main() -> int:
    """Make all pictures, print their sizes, and return the exit code."""
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no browser: none of {', '.join(BROWSERS)} is there", file=sys.stderr)
        return 2
    with _served() as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox"]
        )
        tab = chromium.new_context(viewport=VIEW, reduced_motion="reduce").new_page()
        _stills(tab, address)
        frames = Film(tab)
        _story(tab, address, frames)
        chromium.close()
    return frames.write(HERE / "explore.webp")


@contextmanager
def _served() -> Iterator[str]:
    command = [sys.executable, "-m", "jaxconv.explore", "--no-browser"]
    process = subprocess.Popen([*command, "--port", str(PORT)])
    address = f"http://127.0.0.1:{PORT}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/api/info", timeout=10).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


class Film:
    """Pictures of a tab, each with the time that it is shown."""

    def __init__(self, tab: Any) -> None:
        """Begin without pictures."""
        self.tab, self.frames, self.times = tab, [], []

    def take(self, milliseconds: int) -> None:
        """Add what the tab shows now."""
        self.tab.wait_for_function(SETTLED)
        self.frames.append(_picture(self.tab.screenshot(), SHOWN))
        self.times.append(milliseconds)

    def write(self, file: Path) -> int:
        """Write the film and return the exit code: 1 if it is too large."""
        first, *others = self.frames
        first.save(
            file, save_all=True, append_images=others, duration=self.times, loop=0,
            quality=60, method=6, minimize_size=True,
        )  # fmt: skip
        size = file.stat().st_size
        print(f"{file.name}: {size:,} bytes, {len(self.frames)} pictures")
        return int(size > MOST_BYTES)


def _picture(data: bytes, scale: float) -> Any:
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    size = round(picture.width * scale), round(picture.height * scale)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _stills(tab: Any, address: str) -> None:
    for part in ("toy", "images", "ideas", "check"):
        tab.goto(f"{address}/#{part}")
        tab.reload()
        tab.wait_for_selector(f"#{part} [data-test]", state="visible")
        tab.wait_for_timeout(1500)
        file = HERE / f"explore_{part}.webp"
        _picture(tab.screenshot(), 1.0).save(file, quality=80, method=6)
        print(f"{file.name}: {file.stat().st_size:,} bytes")


def _story(tab: Any, address: str, film: Film) -> None:
    tab.goto(f"{address}/#images")
    tab.reload()
    tab.wait_for_function(SETTLED)
    _press(tab, "clear")
    film.take(600)
    _draw(tab, film)
    for pixel in ((8, 9), (9, 13), (10, 17), (13, 17), (17, 15)):
        _point(tab, "map-large", pixel)
        film.take(350)
    film.take(900)
    _press(tab, "mode-backward")
    tab.locator("#images [data-test=class]").select_option(WRONG)
    film.take(1500)
    for pixel in ((7, 12), (10, 17), (15, 15)):
        _point(tab, "image-grad", pixel)
        film.take(500)
    for tap in ("0-0", "1-1", "2-2", "3-3", "4-4"):
        _press(tab, f"tap-{tap}")
        film.take(450)
    film.take(600)
    for _ in range(5):
        _press(tab, "step-1")
        film.take(350)
    _press(tab, "step-10")
    film.take(2500)


def _draw(tab: Any, film: Film) -> None:
    size = tab.locator("#images [data-test=pad] canvas").bounding_box()
    for line in SEVEN:
        for number, (x, y) in enumerate(line):
            at = size["x"] + x * size["width"], size["y"] + y * size["height"]
            tab.mouse.move(*at, steps=6)
            if not number:
                tab.mouse.down()
                continue
            film.take(180)
        tab.mouse.up()
    film.take(900)


def _press(tab: Any, test: str) -> None:
    tab.locator(f"#images [data-test={test}]").click()
    tab.wait_for_function(SETTLED)


def _point(tab: Any, test: str, pixel: tuple[int, int]) -> None:
    box = tab.locator(f"#images [data-test={test}] canvas")
    box.scroll_into_view_if_needed()
    size = box.bounding_box()
    row, column = pixel
    tab.mouse.move(
        size["x"] + (column + 0.5) / 28 * size["width"],
        size["y"] + (row + 0.5) / 28 * size["height"],
    )
    tab.wait_for_function(SETTLED)


if __name__ == "__main__":
    run(main, "dev")
