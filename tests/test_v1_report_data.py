import json
import re

import pytest
from test_v1_report import HOSTILE, Page
from v1_support import run_cli

from final_project.__main__ import main as core
from final_project.cli import run_main
from final_project.data.quality.fingerprints import fingerprints
from final_project.data.quality.statistics import LENGTH_EDGES, describe, overlaps, shared_sentences
from final_project.data.records import Pair
from similarity_v1.report.data_pictures import bar, data_pictures, heat_map
from similarity_v1.report.lengths import BOTTOM, TOP, WIDTH, histograms

TRAIN = [
    Pair("怎么开通花呗", "如何开通花呗", 1),
    Pair("怎么关闭花呗", "如何开通借呗", 0),
    Pair("号码多少", "多少钱", 0),
]
DEV = [Pair("怎么开通花呗", "花呗怎么用", 1)]
OTHER = [Pair("今天天气很好", "今天天气不好", 0), Pair("多少钱", "号码多少", None)]


def statistics(names=("train", "dev", "first", "other"), **more):
    """statistics.json as prepare writes it, with two corpora in the text, from prepare's own figures."""
    train, dev, first, other = names
    sets = {train: fingerprints(TRAIN), dev: fingerprints(DEV)}
    corpora = {first: fingerprints(TRAIN), other: fingerprints(OTHER)}
    left_out = {first: {dev: 1, "repeated": 0}, other: {dev: 0, "repeated": 1}}
    facts = {
        "sets": {name: describe(prints) for name, prints in sets.items()},
        "corpora": {name: describe(prints) | {"left_out": left_out[name]} for name, prints in corpora.items()},
        "overlaps": overlaps(sets),
        "length_edges": LENGTH_EDGES,
        "shared_sentences": shared_sentences({**corpora, dev: sets[dev]}),
        "train": {"rows": 3, "left_out": {}, "found": {dev: 0, "contradicting": 0}},
        "text": {"rows": 3, "left_out": {dev: 1, "repeated": 1}, "found": {dev: 1, "repeated": 1}},
        "augmented_rows": 2,
        "cleaned_rows": {},
        "refused": {},
        "not_kept_out": [],
        **more,
    }
    return json.loads(json.dumps(facts, sort_keys=True))


def report_of(tmp_path, capsys, facts):
    """The report of a run whose prepare stage left these statistics."""
    (tmp_path / "prepare").mkdir(exist_ok=True)
    (tmp_path / "prepare" / "statistics.json").write_text(json.dumps(facts), encoding="utf-8")
    status, _, err = run_cli(capsys, "report", "--run", tmp_path)
    assert status == 0, err
    html = (tmp_path / "similarity_v1" / "report.html").read_text(encoding="utf-8")
    return html, Page(html).text


@pytest.mark.stage
def test_the_report_shows_what_prepare_has_counted(tmp_path, capsys):
    (tmp_path / "tiny.yaml").write_text(f"runs_dir: {tmp_path}\nprepare:\n  corpus: demo\n  demo_pairs: 200\n")
    assert run_main(core, ["prepare", "--recipe", str(tmp_path / "tiny.yaml")]) == 0
    run_cli(capsys, "report", "--run", tmp_path / "tiny")
    html = (tmp_path / "tiny" / "similarity_v1" / "report.html").read_text(encoding="utf-8")
    text = Page(html).text
    figures = json.loads((tmp_path / "tiny" / "prepare" / "statistics.json").read_text(encoding="utf-8"))
    for expected in ("Training pairs", "Lengths of sentences", "Sentences that occur in two sets"):
        assert expected in text
    for of_set in figures["sets"].values():
        assert f"{of_set['sentences']:,}" in text
    assert "100.00% of explain is in test" in html, "the built-in rows to explain are the test pairs"


def test_sets_corpora_labels_and_what_was_left_out_are_all_there(tmp_path, capsys):
    html, text = report_of(tmp_path, capsys, statistics())
    assert "Training pairs : 3; added by augmentation : 2; pairs of text for post-training : 3" in text
    assert "from corpora : 2" in text
    assert "label 1: 1 (33.3%)" in text and "no label: 1 (50.0%)" in text
    assert "repeated: 1 (50.0%)" in text and "dev: 1 (33.3%)" in text, "the bars of what was left out"
    assert re.search(r"together .* 5 3 1 1 ", text)
    assert len(html.encode()) < 90_000


@pytest.mark.stage
def test_refused_corpora_absent_sets_and_cleaning_are_shown(tmp_path, capsys):
    cleaned = {"train": {"half_width": 7, "nfkc": 0}, "text": {"half_width": 1234, "nfkc": 5}}
    facts = statistics(refused={"GAIIC": "a.tsv: integers"}, not_kept_out=["B"], cleaned_rows=cleaned)
    _, text = report_of(tmp_path, capsys, facts)
    assert "refused : a.tsv: integers" in text and "B was not found" in text
    assert "half width nfkc train 7 0 text 1,234 5" in text
    assert "names no cleaning step" in report_of(tmp_path, capsys, statistics())[1]


@pytest.mark.stage
def test_names_of_sets_are_shown_as_text_and_nothing_outside_is_referred_to(tmp_path, capsys):
    html, _ = report_of(tmp_path, capsys, statistics(names=("train", *HOSTILE[:3])))
    page = Page(html)
    assert page.tags.count("style") == 1 and page.tags.count("script") == 1 and "img" not in page.tags
    assert all(name in page.texts for name in HOSTILE[:3])
    assert not re.search(r"https?://|url\(|@import", html)
    report_of(tmp_path, capsys, statistics(names=("train", "长" * 3000, "\u202e开", "a/b\n")))


@pytest.mark.parametrize("facts", [{}, {"sets": {}, "overlap_baseline": {"dev_accuracy": 0.5}}])
def test_statistics_of_an_earlier_version_are_not_run(tmp_path, capsys, facts):
    _, text = report_of(tmp_path, capsys, facts)
    assert "Data Not run, or run by an older version that measured less" in text


def test_what_people_read_first_comes_first():
    shown = data_pictures(statistics(names=("train", "zebra", "mouse", "ant")))
    assert [row.name for row in shown.sets] == ["train", "zebra"]
    assert [row.name for row in shown.corpora] == ["mouse", "ant"], "the order in which prepare met them"
    assert [fault for fault, _ in shown.faults] == ["zebra", "contradicting", "repeated"]
    assert shown.faults[1][1] == (0, None, None, None), "the text was not searched for contradictions"


def test_one_corpus_is_not_shown_next_to_the_training_pairs_that_it_is():
    facts = statistics()
    facts["corpora"].pop("other")
    shown = data_pictures(facts)
    assert shown.corpora == () and [picture.name for picture in shown.lengths.pictures] == ["train", "dev"]
    assert len(shown.text) == 1 and shown.text[0].kept == 2


def test_bars_fill_their_width_and_skip_what_is_not_there():
    parts = bar([("a", "kept", 1), ("b", "none", 0), ("c", "left out", 2)])
    assert [part.kind for part in parts] == ["a", "c"]
    assert parts[0].left == 0 and parts[1].left + parts[1].width == pytest.approx(100, abs=0.02)
    assert bar([("a", "kept", 0)]) == ()


def test_the_heat_map_prints_what_a_reader_can_use():
    _, cells = heat_map(["own", "few", "some", "many", "all", "none"], [[1, 0.0002, 0.0788, 0.4999, 1.0, 0]] * 6).rows[
        0
    ]
    assert [cell.text for cell in cells] == ["", "·", "7.9", "50", "100", ""]
    assert [cell.kind for cell in cells] == ["own", "", "", "", "", ""]
    assert cells[2].title == "7.88% of own is in some"
    shades = [cell.shade for cell in cells[1:5]]
    assert shades == sorted(shades) and shades[-1] == 1
    assert heat_map([], []).rows == ()


def test_histograms_share_one_scale_and_stay_in_their_frame():
    sets = {"short": [Pair("短", "短短", 1)] * 3, "long": [Pair("长" * 130, "中" * 52, 0)], "empty": []}
    drawn = histograms({name: describe(fingerprints(pairs)) for name, pairs in sets.items()}, LENGTH_EDGES)
    short, long, empty = drawn.pictures
    assert [column.title for column in short.columns] == ["0 to 4: 100.0%"] and short.columns[0].is_median
    assert [column.title for column in long.columns] == ["50 to 54: 50.0%", "100 and more: 50.0%"]
    assert float(long.columns[0].y) == pytest.approx((TOP + BOTTOM) / 2), "half as high as all of another set"
    assert empty.columns == () and drawn.y_ticks[-1].text == "100%"
    half = float(drawn.column_width) / 2
    for column in (*short.columns, *long.columns):
        assert half <= float(column.x) <= WIDTH - half and TOP <= float(column.y) <= BOTTOM


def test_sets_without_a_row_can_be_drawn(tmp_path, capsys):
    facts = statistics()
    facts["sets"]["dev"] = describe(fingerprints([]))
    assert "dev 0 – 0 – – – 0 0 0" in report_of(tmp_path, capsys, facts)[1]
