import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.stats import spearmanr
from v1_support import gold_row, make_run, pair, run_cli

from final_project.data.records import SegmentedPair
from final_project.model.reliability import reliability
from similarity_v1.pages.safe_json import safe_json
from similarity_v1.pages.wording import Text
from similarity_v1.report import decision_pictures
from similarity_v1.report.content import spread
from similarity_v1.report.curves import chart
from similarity_v1.report.reliability_chart import reliability_chart

HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"'&amp;{{7*7}}",
    "\u202e\u200f開\u2028\u2029",
    "<!--<script>",
    "长" * 3000,
]
VOID = {"meta", "br", "link", "input", "hr", "col"}


class Page(HTMLParser):
    """Element names, attributes, English texts and JSON; complains about tags that do not nest."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts, self.data = [], [], [], [], {}
        self.feed(html)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "script":
            self.data[attributes.get("id")] = data
        elif tag != "style" and attributes.get("class") != "zh":
            self.texts.append(data)

    @property
    def rows(self):
        return json.loads(self.data["pairs-data"])

    @property
    def text(self):
        """What an English reader sees, in one line."""
        return " ".join(" ".join(self.texts).split())


def run_with(tmp_path, capsys, pairs, gold=None, *settings):
    """Run the stage on made-up rows; returns the run's folder and the report's text."""
    (tmp_path / "tiny.yaml").write_text(f"runs_dir: {tmp_path}\n")
    make_run(tmp_path / "tiny", pairs, pairs[:1], gold)
    status, _, err = run_cli(capsys, "--recipe", tmp_path / "tiny.yaml", "--", *settings)
    assert status == 0, err
    return tmp_path / "tiny", (tmp_path / "tiny" / "similarity_v1" / "report.html").read_text(encoding="utf-8")


def report_of(run_dir, capsys):
    status, _, err = run_cli(capsys, "report", "--run", run_dir)
    assert status == 0, err
    return Page((run_dir / "similarity_v1" / "report.html").read_text(encoding="utf-8"))


PAIRS = [
    pair(1, "怎么开通花呗", "如何开通花呗"),
    pair(2, "手机号码多少", "手机多少钱"),
    pair(3, "花呗怎么", "花呗如何"),
]
GOLD = [gold_row(PAIRS[0], rel_ids=[3]), gold_row(PAIRS[1], label=0), gold_row(PAIRS[2], sample_type="disturb")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of the stage with gold rows, and its report. Copy it, do not write to it."""
    folder = tmp_path_factory.mktemp("finished")
    make_run(folder / "tiny", PAIRS, PAIRS[:1], GOLD)
    (folder / "tiny.yaml").write_text(f"runs_dir: {folder}\n")
    from final_project.recipe import load_recipe
    from similarity_v1.stage import run_stage

    run_stage(load_recipe(str(folder / "tiny.yaml"), []))
    return folder / "tiny"


def html_of(run_dir):
    return (run_dir / "similarity_v1" / "report.html").read_text(encoding="utf-8")


def test_the_report_holds_scores_baselines_chains_and_pairs(finished):
    page = Page(html_of(finished))
    for expected in ("0.790", "0.810", "character overlap 0.600", "random, same size", "handed in", "clean"):
        assert expected in page.text
    assert "sim_rationale_f1_f2_f3.zip" in page.text
    assert "posttrain: not run" in page.text and "similarity_v0: not run" in page.text
    assert [(row["id"], row.get("gold"), row.get("of")) for row in page.rows] == [(1, 1, None), (2, 0, None), (3, 1, 1)]
    first = page.rows[0]
    assert first["words"] == [list(PAIRS[0].words_q), list(PAIRS[0].words_t)]
    assert set(first["chosen"]) == {"raw", "published", "clean", "gold"}
    (scores,) = first["scores"].values()
    assert [len(side) for side in scores] == [6, 6] and first["chosen"]["gold"] == [[0], [0]]


def test_every_text_of_the_report_is_there_in_both_languages(finished):
    html = html_of(finished)
    english, chinese = html.count('class="en"'), html.count('class="zh"')
    assert english == chinese > 60
    assert not re.search(
        r'title="[^"]*[a-z]{3} [a-z]{2}[^"]*"(?! data-zh-title)', html.split("<body>")[1].split("<script")[0]
    )


def test_the_report_refers_to_nothing_outside_itself_and_runs_our_script_alone(finished):
    html = html_of(finished)
    assert not re.search(r"https?://|//\w+\.\w|url\(|@import", html)
    page = Page(html)
    assert not {"iframe", "img", "object", "base"} & set(page.tags)
    assert {value for name, value in page.attributes if name == "href"} >= {"data:,"}
    assert all(value.startswith(("#", "data:,")) for name, value in page.attributes if name == "href")
    assert not {name for name, _ in page.attributes} & {"src", "xlink:href", "onclick", "onerror"}
    assert "default-src 'none'" in html and "script-src 'sha256-" in html


def test_hostile_text_stays_inside_its_json(tmp_path, capsys):
    pairs = [SegmentedPair(i, text, "怎么开通", (text,), tuple("怎么开通")) for i, text in enumerate(HOSTILE, 1)]
    _, html = run_with(tmp_path, capsys, pairs)
    page = Page(html)
    assert page.tags.count("style") == 1 and page.tags.count("script") == 2 and "img" not in page.tags
    assert [row["words"][0][0] for row in page.rows] == HOSTILE


def test_json_in_a_page_is_the_same_json_without_anything_that_ends_a_script():
    value = {text: [text, "\ud800", 0.25, None] for text in HOSTILE}
    written = safe_json(value)
    assert json.loads(written) == value
    assert not set(written) & set("<>&\u2028\u2029\ud800")
    with pytest.raises(ValueError):
        safe_json(math.nan)


def test_the_same_run_gives_the_same_report(finished, copy_of, capsys):
    run_dir = copy_of(finished, "tiny")
    status, out, _ = run_cli(capsys, "report", "--run", run_dir)
    assert status == 0 and json.loads(out)["report"].endswith("report.html")
    assert html_of(run_dir) == html_of(finished)


def test_curves_are_drawn_from_the_metrics_of_the_training_stages(finished, copy_of, capsys):
    run_dir = copy_of(finished)
    lines = [{"step": s, "loss": 1 / s, "lr": 0.1} for s in range(1, 50)] + [{"step": 25, "dev_accuracy": 0.75}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run_dir / "similarity_v0" / "metrics.jsonl").write_text(text + '{"step": 50, "lo')
    page = report_of(run_dir, capsys)
    assert page.tags.count("polyline") == 2 and "accuracy 25: 0.75" in page.text


def test_other_methods_are_next_to_the_first_and_their_agreement_is_shown(finished, copy_of, capsys):
    run_dir = copy_of(finished)
    (run_dir / "similarity_v1" / "methods").mkdir()
    scores = [json.loads(line) for line in (run_dir / "similarity_v1" / "scores.jsonl").read_text().splitlines()]
    for row in scores:
        row |= {key: [-score for score in row[key]] for key in ("scores_q", "scores_t")}
    (run_dir / "similarity_v1" / "methods" / "leave_one_out.scores.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in scores)
    )
    page = report_of(run_dir, capsys)
    assert list(page.rows[0]["scores"]) == ["gradient_x_input", "leave_one_out"]
    assert "Agreement of methods" in page.text and "-1.00" in page.text


def test_a_pair_map_names_the_perturbed_rows(finished, copy_of, tmp_path, capsys):
    run_dir, pair_map = copy_of(finished), tmp_path / "map.jsonl"
    pair_map.write_text('{"ori": 2, "disturb": 3}')
    status, _, err = run_cli(capsys, "report", "--run", run_dir, "--pair-map", pair_map)
    assert status == 0, err
    assert [row.get("of") for row in Page(html_of(run_dir)).rows] == [None, None, 2]
    pair_map.write_text('{"ori": 2, "disturb": 9}')
    status, _, err = run_cli(capsys, "report", "--run", run_dir, "--pair-map", pair_map)
    assert status == 2 and "1 of 2 ids are not in the pairs; the first is 9" in err
    status, _, err = run_cli(capsys, "report", "--run", run_dir, "--pair-map", tmp_path / "none.jsonl")
    assert status == 2 and "none.jsonl" in err


def test_intervals_are_next_to_the_figures(finished):
    evaluation = json.loads((finished / "similarity_v1" / "evaluation.json").read_text())
    for name, figures in {**evaluation["systems"], **evaluation["baselines"]}.items():
        low, high = evaluation["intervals"][name]["token_f1"]
        assert low <= figures["token_f1"] <= high
    low, high = evaluation["intervals"]["raw"]["token_f1"]
    assert f"{low:.3f} – {high:.3f}" in Page(html_of(finished)).text


def test_a_report_without_gold_says_what_is_not_measured(tmp_path, capsys):
    _, html = run_with(tmp_path, capsys, PAIRS)
    page = Page(html)
    assert "agreement with people is not measured" in page.text and "token-F1" not in page.text
    assert "Right or wrong" not in page.text and "gold" not in page.rows[0]


def test_a_run_where_nothing_ran_still_has_a_report(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    page = report_of(tmp_path / "empty", capsys)
    assert page.text.count("ot run") >= 5 and page.tags.count("script") == 1


@pytest.mark.parametrize("n_rows", [0, 1, 5])
def test_the_recipe_says_how_many_pairs_are_listed(tmp_path, capsys, n_rows):
    _, html = run_with(tmp_path, capsys, PAIRS, None, f"similarity_v1.report_pairs={n_rows}")
    page = Page(html)
    assert len(page.rows if "pairs-data" in page.data else []) == min(n_rows, 3)


DAMAGE = {
    "prepare/statistics.json": ("{", "statistics.json: cannot be read"),
    "similarity_v1/evaluation.json": ("[1]", "evaluation.json: expected a JSON object, found a list"),
    "similarity_v1/scores.jsonl": (
        '{"id": 1, "label": 1}',
        "scores.jsonl:1: missing key 'probability'",
    ),
    "similarity_v1/methods/lime.scores.jsonl": (
        '{"id": 1, "label": 1, "probability": 0.5, "scores_q": [1, NaN], "scores_t": []}',
        "lime.scores.jsonl:1: broken JSON: expected a finite number, found NaN",
    ),
    "similarity_v1/submit/sim_rationale.txt": ("9\t1\t0\t0\n", "sim_rationale.txt:1: unknown id 9"),
    "prepare/gold.jsonl": ('{"sent_id": 1}', "gold.jsonl:1: missing key"),
    "prepare/pair_map.jsonl": ('{"ori": 1}', "pair_map.jsonl:1: missing key"),
    "similarity_v0/result/scores.json": ("\x00", "scores.json: cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_one_message_and_the_old_report_stays(finished, copy_of, capsys, name):
    run_dir, (text, expected) = copy_of(finished), DAMAGE[name]
    (run_dir / name).parent.mkdir(exist_ok=True)
    (run_dir / name).write_text(text)
    status, out, err = run_cli(capsys, "report", "--run", run_dir)
    assert status == 2 and out == "" and expected in err and "Traceback" not in err
    assert html_of(run_dir) == html_of(finished)


def test_a_run_that_is_not_there_is_one_message(tmp_path, capsys):
    status, out, err = run_cli(capsys, "report", "--run", tmp_path / "none")
    assert status == 2 and out == "" and "no such run" in err


def test_predictions_that_do_not_fit_their_set_are_one_message(finished, copy_of, capsys):
    run_dir = copy_of(finished)
    (run_dir / "prepare" / "dev.csv").write_text("sentence1,sentence2,label\n手机,手机,1\n花呗,手机,0\n")
    predictions = run_dir / "similarity_v0" / "result" / "dev_predictions.csv"
    predictions.write_text("row,probability,label\n0,0.9,1\n1,0.2,0\n")
    assert "Reliability" in report_of(run_dir, capsys).text
    for text, expected in (
        ("row,probability,label\n0,0.9,1\n", "1 rows, but"),
        ("row,probability,label\n0,0.9,1\n1,two,0\n", "dev_predictions.csv:3: expected the columns"),
        ("row,probability,label\n0,0.9,1\n1,1.5,0\n", "dev_predictions.csv:3: expected a probability"),
    ):
        predictions.write_text(text)
        status, _, err = run_cli(capsys, "report", "--run", run_dir)
        assert status == 2 and expected in err


def test_listed_pairs_are_spread_and_perturbed_rows_are_next_to_their_source_rows():
    def ids(rows, most):
        return [row["id"] for row in spread(rows, most)]

    plain = [{"id": i} for i in range(10)]
    assert ids(plain, 5) == [0, 2, 4, 6, 8] and ids(plain, 10) == list(range(10)) and ids([], 3) == []
    twins = [*plain, {"id": 10, "of": 0}, {"id": 11, "of": 1}, {"id": 12, "of": 1}]
    assert ids(twins, 4) == [0, 10, 1, 11]


def test_agreement_of_methods_is_the_mean_of_spearmans_correlations():
    rng = np.random.default_rng(0)
    rows = []
    for n_words in (5, 8, 15):
        scores = {name: [rng.integers(0, 9, n_words).tolist() for _ in range(2)] for name in ("one", "two")}
        rows.append({"scores": scores})
    expected = np.mean(
        [spearmanr(row["scores"]["one"][side], row["scores"]["two"][side]).statistic for row in rows for side in (0, 1)]
    )
    heat = decision_pictures.agreement_of_methods(rows)
    assert heat.rows[0][1][1].title.endswith(f"{expected:.3f}") and heat.rows[0][1][0].kind == "own"
    assert decision_pictures.agreement_of_methods([{"scores": {"one": [[1.0], [2.0]]}}]) is None
    flat = [{"scores": {"one": [[1, 1], [2]], "two": [[1, 2], [3]]}}]
    assert decision_pictures.agreement_of_methods(flat).rows[0][1][1].text == "–", (
        "one score for all words has no order"
    )


def test_agreement_of_chains_is_what_both_chose_of_what_either_chose():
    heat = decision_pictures.agreement_of_chains([{"chosen": {"raw": [[0, 1], [2]], "clean": [[1, 1, 2], [2]]}}])
    assert heat.rows[0][1][1].text == f"{(1 / 3 + 1) / 2:.2f}"


def test_reliability_and_its_error_are_those_of_the_bins():
    figures = reliability(np.array([0.05, 0.15, 0.15, 1.0]), np.array([0, 1, 0, 1]))
    picture = reliability_chart(Text("Reliability", "可靠性"), [(Text("dev", "开发集"), figures)])
    assert [title for _, _, title in picture.lines[0].dots] == ["0.05: 0", "0.15: 0.5", "1: 1"]
    assert picture.counts.rows[0][1] == (1, 2, 1)
    assert figures["ece_equal_mass"] == pytest.approx((0.05 + 2 * 0.35 + 0) / 4)


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
