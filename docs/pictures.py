"""Take the pictures of the README: the report of a finished run, and the local page.

    python docs/pictures.py --run runs/demo        writes docs/report.png and docs/serve.png

Needs Debian's chromium and fonts-noto-cjk.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).resolve().parent
SENTENCES = ("请问牛肉放冰箱里几天不会坏", "牛肉在冰箱里可以放多久")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a finished run (default: %(default)s)")
    run = parser.parse_args().run
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1500}, locale="en-US")
        page.goto((run / "similarity_v1" / "report.html").resolve().as_uri())
        page.locator(".open").nth(2).click()
        _save(page, DOCS / "report.png")
        page = browser.new_page(viewport={"width": 900, "height": 760}, locale="en-US")
        with _serving(run / "similarity_v0" / "result" / "model") as address:
            page.goto(address)
            page.fill("#text-a", SENTENCES[0])
            page.fill("#text-b", SENTENCES[1])
            page.keyboard.press("Control+Enter")
            page.locator(".card").wait_for()
            page.wait_for_timeout(400)  # the card has come to rest
            _save(page, DOCS / "serve.png")
        browser.close()


@contextlib.contextmanager
def _serving(model: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "similarity_v1", "serve", "--model", str(model), "--port", "0"]
    with subprocess.Popen(command, cwd=DOCS.parent, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield next(line for line in process.stderr if "http://" in line).split()[1]
        finally:
            process.terminate()


def _save(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
