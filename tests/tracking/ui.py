"""MLflow's UI in headless Chromium, as a person uses it: `python ui.py URI FOLDER` leaves screenshots.

CHROMIUM names the browser where it is not on PATH; playwright is `pip install playwright`, without its own
browsers.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

FLAGS = ["--no-sandbox", "--headless=shell", "--single-process", "--no-zygote", "--disable-gpu"]
PATIENCE = 60_000  # milliseconds


def chromium() -> str | None:
    """The browser's path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def drive(
    uri: str, browser: str, folder: Path, experiment: str = "1", stage: str = "pretrain"
) -> dict[str, str]:
    """Page → its text; a screenshot of each lies in `folder`.

    Open the experiment, search the runs of a stage, select all, compare them, open the registered model and
    its champion.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        try:
            page = opened.new_page(viewport={"width": 1280, "height": 760})
            page.set_default_timeout(PATIENCE)
            return _pages(page, uri, folder, experiment, stage)
        finally:
            opened.close()


def _pages(page: Any, uri: str, folder: Path, experiment: str, stage: str) -> dict[str, str]:
    found: dict[str, str] = {}

    def seen(name: str, text: str) -> None:
        page.get_by_text(text).first.wait_for()
        page.wait_for_timeout(1500)  # what is drawn after that
        page.screenshot(path=str(folder / f"{name}.png"))
        found[name] = " ".join(page.inner_text("body").split())  # an alias stands apart from its @

    page.goto(f"{uri}/#/experiments/{experiment}/runs")
    page.get_by_text("Model training").first.click()  # the UI begins with what is for chats
    page.goto(f"{uri}/#/experiments/{experiment}/runs")
    search = page.get_by_test_id("search-box")
    search.wait_for()
    search.fill(f"tags.`gptmill.stage` = '{stage}'")
    search.press("Enter")
    rows = page.locator('input[aria-label^="Press Space to toggle row selection"]')
    rows.first.wait_for()
    page.wait_for_timeout(1500)
    for i in range(rows.count()):
        rows.nth(i).check(force=True)
    seen("runs", f"{stage} ")
    page.get_by_role("button", name="Compare").first.click()
    seen("compare", "Parallel Coordinates Plot")
    page.goto(f"{uri}/#/models/gptmill")
    seen("model", "Version 1")
    page.goto(f"{uri}/#/models/gptmill/versions/1")
    seen("version", "A GPT made by gptmill")
    return found


if __name__ == "__main__":
    binary = chromium()
    if binary is None or len(sys.argv) != 3:
        sys.exit(__doc__)
    drive(sys.argv[1], binary, Path(sys.argv[2]))
