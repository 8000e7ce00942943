import json
import math
import re
from html.parser import HTMLParser

import pytest
from v1_support import gold_row, make_run, pair, run_cli

from final_project.data.pairs import SegmentedPair
from similarity_v1.report.content import shown_ids
from similarity_v1.report.curves import chart

HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"'&amp;{{7*7}}",
    "\u202e\u200f開",
    "长" * 3000,
]
VOID = {"meta", "img", "br", "line", "polyline", "link", "input", "hr"}


class Page(HTMLParser):
    """Element names, attributes and visible text; complains about tags that do not nest."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(html)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def run_with(tmp_path, capsys, pairs, gold=None, *settings):
    """Run the stage on made-up rows; returns the run's folder and the report's text."""
    (tmp_path / "tiny.yaml").write_text(f"runs_dir: {tmp_path}\n")
    make_run(tmp_path / "tiny", pairs, pairs[:1], gold)
    status, _, err = run_cli(capsys, "--recipe", tmp_path / "tiny.yaml", "--", *settings)
    assert status == 0, err
    return tmp_path / "tiny", (tmp_path / "tiny" / "similarity_v1" / "report.html").read_text(encoding="utf-8")


PAIRS = [
    pair(1, "怎么开通花呗", "如何开通花呗"),
    pair(2, "手机号码多少", "手机多少钱"),
    pair(3, "花呗怎么", "花呗如何"),
]
GOLD = [gold_row(PAIRS[0], rel_ids=[3]), gold_row(PAIRS[1], label=0), gold_row(PAIRS[2], sample_type="disturb")]


def test_the_report_holds_scores_baselines_chains_and_pairs(tmp_path, capsys):
    _, html = run_with(tmp_path, capsys, PAIRS, GOLD)
    page = Page(html)
    text = " ".join(" ".join(page.texts).split())
    for expected in ("0.790", "0.810", "character overlap 0.600", "random, same size", "original handed in", "clean"):
        assert expected in text
    assert "perturbed twin of #1" in text and "sim_rationale_f1_f2_f3.zip" in text
    assert text.count("sentence 1") == 2, "an original and its twin; the third row has none"
    assert "posttrain: not run" in text and "similarity_v0: not run" in text


def test_the_report_refers_to_nothing_outside_itself(tmp_path, capsys):
    _, html = run_with(tmp_path, capsys, PAIRS, GOLD)
    assert not re.search(r"https?://|//\w+\.\w|url\(|@import", html)
    page = Page(html)
    assert not {"script", "link", "iframe", "img", "object", "base"} & set(page.tags)
    assert not {name for name, _ in page.attributes} & {"src", "href", "xlink:href", "onclick", "onerror"}


def test_hostile_text_is_shown_as_text(tmp_path, capsys):
    pairs = [SegmentedPair(i, text, "怎么开通", (text,), tuple("怎么开通")) for i, text in enumerate(HOSTILE, 1)]
    _, html = run_with(tmp_path, capsys, pairs)
    page = Page(html)
    assert page.tags.count("style") == 1 and not {"script", "img"} & set(page.tags)
    assert "onerror" not in {name for name, _ in page.attributes}
    for text in HOSTILE:
        assert text in page.texts


def test_the_same_run_gives_the_same_report(tmp_path, capsys):
    run_dir, html = run_with(tmp_path, capsys, PAIRS, GOLD)
    status, out, _ = run_cli(capsys, "report", "--run", run_dir)
    assert status == 0 and json.loads(out)["report"].endswith("report.html")
    assert (run_dir / "similarity_v1" / "report.html").read_text(encoding="utf-8") == html


def test_curves_are_drawn_from_the_metrics_of_the_training_stages(tmp_path, capsys):
    run_dir, _ = run_with(tmp_path, capsys, PAIRS)
    lines = [{"step": s, "loss": 1 / s, "lr": 0.1} for s in range(1, 50)] + [{"step": 25, "dev_accuracy": 0.75}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run_dir / "similarity_v0" / "metrics.jsonl").write_text(text + '{"step": 50, "lo')
    run_cli(capsys, "report", "--run", run_dir)
    html = (run_dir / "similarity_v1" / "report.html").read_text(encoding="utf-8")
    assert Page(html).tags.count("polyline") == 2 and "accuracy, step 25: 0.75" in html


def test_a_report_without_gold_says_what_is_not_measured(tmp_path, capsys):
    _, html = run_with(tmp_path, capsys, PAIRS)
    assert "agreement with people is not measured" in html and "token-F1" not in html


def test_a_run_where_nothing_ran_still_has_a_report(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run_cli(capsys, "report", "--run", tmp_path / "empty")[0] == 0
    html = (tmp_path / "empty" / "similarity_v1" / "report.html").read_text(encoding="utf-8")
    assert Page(html) and html.count("ot run") >= 5


@pytest.mark.parametrize("n_cards", [0, 1, 5])
def test_the_recipe_says_how_many_pairs_are_shown(tmp_path, capsys, n_cards):
    _, html = run_with(tmp_path, capsys, PAIRS, None, f"similarity_v1.report_pairs={n_cards}")
    assert Page(html).tags.count("article") == min(n_cards, 3)


def test_a_run_that_is_not_there_and_broken_parts_are_one_message(tmp_path, capsys):
    status, out, err = run_cli(capsys, "report", "--run", tmp_path / "none")
    assert status == 2 and out == "" and "no such run" in err
    (tmp_path / "prepare").mkdir()
    (tmp_path / "prepare" / "statistics.json").write_text("{")
    status, _, err = run_cli(capsys, "report", "--run", tmp_path)
    assert status == 2 and "statistics.json: cannot be read" in err and "Traceback" not in err


def test_shown_pairs_are_spread_and_twins_stand_beside_their_originals():
    assert shown_ids(range(10), [], 5) == [0, 2, 4, 6, 8]
    assert shown_ids(range(10), [(0, 5), (1, 6), (1, 7)], 4) == [0, 5, 1, 6]
    assert shown_ids(range(3), [], 10) == [0, 1, 2] and shown_ids([], [], 3) == []


def test_charts_pass_over_what_is_no_number_and_stay_inside_their_frame():
    rows = [{"step": s, "loss": value} for s, value in enumerate([1.0, math.nan, math.inf, None, "x", 0.25, 1e6])]
    picture = chart("Loss", rows, {"loss": "training", "dev_loss": "dev"})
    (line,) = picture.lines
    places = [tuple(map(float, point.split(","))) for point in line.path.split()]
    assert len(places) == 3
    assert all(picture.left <= x <= picture.right and picture.top <= y <= picture.bottom for x, y in places)
    assert chart("Loss", [{"step": 1}], {"loss": "training"}) is None
    flat = chart("Loss", [{"step": 5, "loss": 0.0}], {"loss": "training"})
    assert len(flat.lines[0].path.split()) == 1 and len(flat.y_ticks) >= 2
    long = chart("Loss", [{"step": s, "loss": s / 7} for s in range(10_000)], {"loss": "training"})
    assert len(long.lines[0].path.split()) == 400
