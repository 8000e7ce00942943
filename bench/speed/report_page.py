"""How long does a report take to open, and to filter and sort? In a real browser, the best of several rounds.

    python bench/speed/report_page.py runs/lcqmc_small/similarity_v1/report.html [--rounds 3] [--output FILE.json]

Milliseconds until the document is complete, and of the slowest of two filters, the ways back and an order, layout
included. One JSON object on standard output; exit status 1 where one of them takes a second or more. It needs chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import show

LIMIT_MS = 1000
OPEN_MS = "performance.getEntriesByType('navigation')[0].domComplete"
N_ROWS = "JSON.parse(document.getElementById('pairs-data').textContent).length"
FILTER_MS = """() => {
  const search = document.getElementById("search"), label = document.getElementById("label"), times = [];
  const timed = (change) => {
    const began = performance.now();
    change();
    document.body.offsetHeight;  // the layout belongs to it
    times.push(performance.now() - began);
  };
  timed(() => { search.value = "怎么"; search.dispatchEvent(new Event("input")); });
  timed(() => { search.value = ""; search.dispatchEvent(new Event("input")); });
  timed(() => { label.value = "1"; label.dispatchEvent(new Event("change")); });
  timed(() => { label.value = "any"; label.dispatchEvent(new Event("change")); });
  timed(() => document.querySelector('[data-order="confidence"] button').click());
  return Math.max(...times);
}"""


def times_of(page: Page, report: Path) -> tuple[float, float]:
    """(opening, slowest of filters and order) in ms."""
    page.goto(report.resolve().as_uri())
    return page.evaluate(OPEN_MS), page.evaluate(FILTER_MS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        pages = (browser.new_context().new_page() for _ in range(arguments.rounds))
        taken = [times_of(page, arguments.report) for page in pages]
        rows = browser.contexts[0].pages[0].evaluate(N_ROWS)
        browser.close()
    open_ms, filter_ms = (round(min(times)) for times in zip(*taken, strict=True))
    show({"rows": rows, "rounds": arguments.rounds, "open_ms": open_ms, "filter_ms": filter_ms}, arguments.output)
    return int(max(open_ms, filter_ms) >= LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
