"""Make the pictures of the page: an animated one for the README, a still of each part.

    python scripts/explore_pictures.py

It serves the page as `scripts/explore.py` does, opens it in a headless Chromium, and
writes explore.webp and explore_*.webp beside this file.

It needs Chromium, and: pip install -e '.[dev]'
"""

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from _entry import run

HERE = Path(__file__).parent
BROWSERS = "chromium", "chromium-browser", "google-chrome"
STILL, FILM = {"width": 1280, "height": 1000}, {"width": 1280, "height": 1190}
SHOWN = 0.7  # of the film's size on the screen
ACCENTS = "#2f5fa7", "#b1520f", "#1d7645"  # of rows, columns and diagonals
MOST_BYTES = 1_500_000
PARTS = "toy", "images", "ideas", "check"
# A seven, as strokes from point to point, in shares of the pad's width and height.
SEVEN = (
    ((0.28, 0.27), (0.42, 0.25), (0.56, 0.25), (0.70, 0.26)),
    ((0.70, 0.26), (0.62, 0.43), (0.53, 0.60), (0.45, 0.78)),
)
WRONG = "2"  # the class that descent is asked to see in it


def main() -> int:
    """Make all pictures, print their sizes, and return the exit code."""
    from playwright.sync_api import sync_playwright

    from jaxconv.explore.model import open_model
    from jaxconv.explore.server import running
    from jaxconv.explore.state import make_state
    from jaxconv.explore.warm import warm_up

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no browser: none of {', '.join(BROWSERS)} is there", file=sys.stderr)
        return 2
    model = open_model(say=print)
    warm_up(model)
    with (
        make_state(model) as state,
        running(state) as server,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox"]
        )
        for part in PARTS:
            _still(chromium, server.url, part)
        film = Film(_open(chromium, server.url, "images", FILM))
        _story(film)
        chromium.close()
    return film.write(HERE / "explore.webp")


def _open(chromium: Any, url: str, part: str, size: dict[str, int]) -> Any:
    context = chromium.new_context(
        viewport=size, reduced_motion="reduce", color_scheme="light"
    )
    tab = context.new_page()
    tab.goto(f"{url}#{part}")
    tab.wait_for_selector(f"#{part} [data-test]", state="visible")
    _settle(tab, part)
    return tab


def _settle(tab: Any, part: str = "images") -> None:
    """Wait until a part has all the answers that it asked for."""
    if part != "toy":  # which computes by itself
        tab.wait_for_selector(f'#{part}[data-busy="0"]', state="attached")


def _still(chromium: Any, url: str, part: str) -> None:
    tab = _open(chromium, url, part, STILL)
    if part == "images":
        _press(tab, "mode-backward")
        tab.locator("#images [data-test=class]").select_option(WRONG)
        _settle(tab)
    tab.wait_for_timeout(500)
    file = HERE / f"explore_{part}.webp"
    _picture(tab.screenshot(), 1.0).save(file, quality=80, method=6)
    print(f"{file.name}: {file.stat().st_size:,} bytes")
    tab.context.close()


class Film:
    """Pictures of a tab, each with the time that it is shown."""

    def __init__(self, tab: Any) -> None:
        """Begin without pictures."""
        self.tab = tab
        self.frames: list[Any] = []
        self.times: list[int] = []

    def take(self, milliseconds: int) -> None:
        """Add what the tab shows now."""
        _settle(self.tab)
        self.frames.append(_picture(self.tab.screenshot(), SHOWN))
        self.times.append(milliseconds)

    def write(self, file: Path) -> int:
        """Write the film and return the exit code: 1 if it is too large."""
        first, *others = _few_colours(self.frames)
        first.save(
            file,
            save_all=True,
            append_images=others,
            duration=self.times,
            loop=0,
            lossless=True,  # otherwise traces of earlier pictures stay
            quality=70,
            method=4,
        )
        size = file.stat().st_size
        print(f"{file.name}: {size:,} bytes, {len(self.frames)} pictures")
        return int(size > MOST_BYTES)


def _few_colours(frames: list[Any]) -> list[Any]:
    """Return pictures in the same 256 colours, the accents among them."""
    from PIL import Image

    width, height = frames[0].size
    some = frames[:: len(frames) // 4]
    sample = Image.new("RGB", (width, height * (len(some) + len(ACCENTS))))
    for at, frame in enumerate(some):
        sample.paste(frame, (0, at * height))
    for at, accent in enumerate(ACCENTS, len(some)):
        sample.paste(accent, (0, at * height, width, (at + 1) * height))
    palette = sample.quantize(256)
    return [
        frame.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")
        for frame in frames
    ]


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


def _story(film: Film) -> None:
    """Draw a digit; point forward; go backward; point there; descend."""
    tab = film.tab
    tab.evaluate(
        "document.querySelectorAll('.top, h1, .lede, footer').forEach("
        "node => { node.hidden = true })"
    )
    _press(tab, "clear")
    film.take(700)
    _draw(film)
    _press(tab, "map-19")
    for pixel in ((8, 9), (8, 13), (8, 17), (12, 17), (16, 15), (20, 13)):
        _point(tab, "map-large", pixel)
        film.take(400)
    film.take(900)
    _press(tab, "mode-backward")
    film.take(1200)
    tab.locator("#images [data-test=class]").select_option(WRONG)
    film.take(1500)
    for pixel in ((8, 10), (8, 14), (8, 18), (13, 17), (18, 14)):
        _point(tab, "image-grad", pixel)
        film.take(450)
    film.take(700)
    for tap in ("0-0", "1-1", "2-2", "3-3", "4-4"):
        _press(tab, f"tap-{tap}")
        film.take(450)
    film.take(700)
    for _ in range(5):
        _press(tab, "step-1")
        film.take(350)
    _press(tab, "step-10")
    film.take(3000)


def _draw(film: Film) -> None:
    tab = film.tab
    size = tab.locator("#images [data-test=pad] canvas").bounding_box()
    for line in SEVEN:
        for number, (x, y) in enumerate(line):
            at = size["x"] + x * size["width"], size["y"] + y * size["height"]
            tab.mouse.move(*at, steps=5)
            if number:
                film.take(200)
            else:
                tab.mouse.down()
        tab.mouse.up()
    film.take(900)


def _press(tab: Any, test: str) -> None:
    tab.locator(f"#images [data-test={test}]").click()
    _settle(tab)


def _point(tab: Any, test: str, pixel: tuple[int, int]) -> None:
    size = tab.locator(f"#images [data-test={test}] canvas").bounding_box()
    row, column = pixel
    tab.mouse.move(
        size["x"] + (column + 0.5) / 28 * size["width"],
        size["y"] + (row + 0.5) / 28 * size["height"],
    )
    _settle(tab)


if __name__ == "__main__":
    run(main, "dev")
