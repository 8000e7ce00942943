"""Long and foreign texts on the pages, in a real browser: they wrap, and what was not read is told apart."""

import json

import pytest
from test_v1_browser import browser, made_run, opened, serious  # noqa: F401 (fixtures)
from test_v1_serve import GENEROUS, serving
from v1_support import tiny_classifier

from final_project.artifacts import write_text
from final_project.model.decision import Decision
from final_project.settings import SimilarityV1
from similarity_v1.explain.from_settings import build_explainer
from similarity_v1.rationales.selection import Selection
from similarity_v1.report import write_explanation, write_report

pytestmark = pytest.mark.browser

LONG = "怎么开通花呗" * 120
ENGLISH = "How do I open it? " * 60
WIDTHS = (1200, 390)
INSIDE = """() => [...document.querySelectorAll(".column, .sentence, .card")].every(
    (node) => node.getBoundingClientRect().right <= document.documentElement.clientWidth + 0.5)"""


@pytest.fixture(scope="module")
def explainer(tmp_path_factory):
    folder = tiny_classifier(tmp_path_factory.mktemp("model"), max_positions=64)
    Decision(0.3).save(folder)
    return build_explainer(folder, SimilarityV1())


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Two long rows, of which the first has 220 unread words; the second is label 1 with P(1) .35."""
    folder = tmp_path_factory.mktemp("long") / "long"
    texts = [(list("怎么开通"), list(LONG[:240])), (list("如何开通"), list(LONG[:90])), (["怎"], ["么"])]
    made_run(folder, texts)
    path = folder / "similarity_v1" / "scores.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] |= {"unread_t": list(range(20, 240)), "scores_t": rows[0]["scores_t"][:20] + [0.0] * 220}
    rows[1] |= {"label": 1, "probability": 0.35}
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    scores = {"dev": {"accuracy": 0.8, "threshold": 0.3}}
    write_text(folder / "similarity_v0" / "result" / "scores.json", json.dumps(scores))
    write_report(folder)
    return folder


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_wraps_long_texts_and_mutes_what_was_not_read(opened, run_dir, width):  # noqa: F811
    page = opened((run_dir / "similarity_v1" / "report.html").as_uri(), viewport={"width": width, "height": 900})
    for button in page.locator(".open").all():
        button.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width and page.evaluate(INSIDE)
    assert page.locator("#pair-1 .word.unread").count() == 220
    assert page.locator("tr.pair").first.locator(".ink.unread").count() == 220
    assert "not read by the model: 220 of 244" in page.locator("#pair-1 .legend-unread").inner_text()
    assert page.locator("#pair-2 .legend-unread").count() == 0
    assert serious(page) == []


def test_the_report_says_why_an_improbable_label_was_decided_and_how_many_rows_a_bin_holds(opened, run_dir):  # noqa: F811
    page = opened((run_dir / "similarity_v1" / "report.html").as_uri())
    assert "P(1) 0.3500 ≥ threshold 0.3000" in page.locator("tr.pair").nth(1).inner_text()
    page.locator(".open").nth(1).click()
    assert "P(1) 0.3500 ≥ threshold 0.3000" in page.locator("#pair-2").inner_text()
    counts = page.locator("#decisions .counts tbody td").all_inner_texts()
    assert len(counts) == 15 and sum(map(int, counts)) == 50


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("text", [LONG, ENGLISH], ids=["chinese", "english"])
def test_an_explained_pair_and_its_notebook_form_wrap(opened, explainer, tmp_path, text, width):  # noqa: F811
    (explanation,) = explainer.explain([("怎么开通花呗", text)])
    write_explanation(tmp_path / "pair.html", explanation, Selection("ratio", 0.5))
    page = opened((tmp_path / "pair.html").as_uri(), viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width and page.evaluate(INSIDE)
    unread = len(explanation.unread[1])
    assert unread > 200 and page.locator(".word.unread").count() == unread and serious(page) == []
    ranks = [int(rank) for rank in page.locator(".chip").all_inner_texts() if rank.isdecimal()]
    assert max(ranks) <= len(explanation.words[1]) - unread
    page.set_content(f"<!doctype html><html lang=en><title>cell</title><body>{explanation._repr_html_()}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("span[title='not read']").count() == unread


def test_the_local_page_keeps_blanks_and_mutes_what_was_not_read(opened, explainer):  # noqa: F811
    with serving(explainer.explain, GENEROUS) as address:
        page = opened(f"{address}/", locale="en-US", viewport={"width": 390, "height": 900})
        page.fill("#text-a", "How do I open it? " * 20)
        page.fill("#text-b", "iPhone手机 5G怎么开通")
        page.click("#ask")
        page.locator(".card").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390 and page.evaluate(INSIDE)
        assert page.locator(".word bdi").all_text_contents()[:5] == ["How", "do", "I", "open", "it"]
        gaps = page.locator(".side").nth(1).locator(".column.before-blank bdi").all_text_contents()
        assert gaps == ["机"] and page.locator(".word.unread").count() > 20
        assert serious(page) == []
