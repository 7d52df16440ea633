"""Draws the pictures of docs/images from the plant on paper: python tests/support/pictures.py [FOLDER].

Not a test: run it after the page's look has changed, look at every picture, then commit them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.loop.page_on_paper import PaperPage
from tests.loop.plant_on_paper import compressor_alert

ALERT = f"/alerts/{compressor_alert().id}"
PICTURES = {
    "overview-desktop-vi": ("/?lang=vi", 1440, 860, "light"),
    "overview-desktop-en": ("/?lang=en", 1440, 860, "light"),
    "overview-dark-vi": ("/?lang=vi", 1440, 860, "dark"),
    "overview-phone-vi": ("/?lang=vi", 360, 780, "light"),
    "meter-desktop-en": ("/meters/compressor-3?lang=en&range=week", 1440, 900, "light"),
    "meter-phone-vi": ("/meters/compressor-3?lang=vi", 360, 780, "light"),
    "alerts-desktop-vi": ("/alerts?lang=vi", 1440, 700, "light"),
    "alert-desktop-en": (f"{ALERT}?lang=en", 1440, 980, "light"),
    "alert-phone-dark-vi": (f"{ALERT}?lang=vi", 360, 780, "dark"),
}


def draw(browser: Any, address: str, file: Path, path: str, *, size: tuple[int, int], theme: str) -> None:
    """Save one picture; phones at twice the density."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, device_scale_factor=2 if width < 640 else 1
    )
    page = context.new_page()
    page.goto(address + path)
    page.wait_for_timeout(800)
    page.screenshot(path=str(file), full_page=width >= 640)
    context.close()


def main() -> None:
    """Draw all of them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    with PaperPage() as plant, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for name, (path, width, height, theme) in PICTURES.items():
            draw(browser, plant.address, folder / f"{name}.png", path, size=(width, height), theme=theme)
        browser.close()


if __name__ == "__main__":
    main()
