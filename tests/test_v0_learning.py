"""A model that has learnt nothing is called so, in log and report; a run on own pairs speaks of no contest."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest
from test_v1_report import Page
from v1_support import make_run, pair, run_cli

from final_project.model.learning import Learning, wilson_interval
from final_project.recipe import load_recipe
from final_project.run.stage_folder import StageFolder
from similarity_v0.fit import warn_of_nothing_learnt
from similarity_v1.report import write_report

PAIRS = [pair(1, "怎么 退货", "如何 退货"), pair(2, "你 好", "再 见")]
BOTH = np.array([0, 1] * 500)


def test_the_interval_is_wilsons():
    for right, rows in ((0, 5), (5, 5), (521, 1000), (1, 3), (19_999, 20_000)):
        expected = binomtest(right, rows).proportion_ci(method="wilson")
        assert wilson_interval(right, rows) == pytest.approx((expected.low, expected.high), abs=1e-12)


def decided(n_right: int) -> np.ndarray:
    return np.where(np.arange(len(BOTH)) < n_right, BOTH, 1 - BOTH)


@pytest.mark.parametrize(
    ("n_right", "overlap", "is_nothing"),
    [
        (520, None, True),
        (560, None, False),
        (700, 0.68, True),
        (715, 0.68, False),
        (900, 0.95, True),
        (100, None, True),
    ],
)
def test_a_model_has_learnt_something_where_its_interval_is_above_both_baselines(n_right, overlap, is_nothing):
    learning = Learning.of(decided(n_right), BOTH, overlap)
    assert (learning.accuracy, learning.majority) == (n_right / 1000, 0.5)
    assert learning.is_nothing == is_nothing


def write_run(run_dir, n_right: int, overlap: float | None):
    """A run with 1,000 dev pairs, of which so many are decided rightly."""
    make_run(run_dir, PAIRS, PAIRS[:1])
    (run_dir / "prepare" / "statistics.json").write_text(json.dumps({"overlap_baseline": {"dev_accuracy": overlap}}))
    with (run_dir / "prepare" / "dev.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("sentence1", "sentence2", "label"), *(("甲", "乙", label) for label in BOTH)])
    with (run_dir / "similarity_v0" / "result" / "dev_predictions.csv").open("w", newline="") as file:
        rows = ((row, float(label), label) for row, label in enumerate(decided(n_right)))
        csv.writer(file).writerows([("row", "probability", "label"), *rows])
    return StageFolder(run_dir, "similarity_v0")


@pytest.mark.parametrize(("n_right", "overlap", "is_said"), [(520, 0.6, True), (690, 0.68, True), (800, 0.68, False)])
def test_a_model_that_has_learnt_nothing_causes_a_warning_with_the_figures(n_right, overlap, is_said, tmp_path, caplog):
    folder = write_run(tmp_path / "run", n_right, overlap)
    warn_of_nothing_learnt(folder, BOTH)
    page = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    for text in (caplog.text, page):
        assert ("has learnt nothing beyond a simple rule" in text) == is_said
        if is_said:
            assert f"{n_right / 1000:.4f}" in text and "more frequent label: 0.5000" in text
            assert f"character overlap: {overlap:.4f}" in text and "1,000 pairs" in text
    assert len(caplog.records) == is_said


def test_training_pairs_of_one_label_cause_a_warning(tmp_path, caplog):
    folder = write_run(tmp_path / "run", 520, None)
    warn_of_nothing_learnt(folder, np.ones(7, dtype=np.int8))
    assert "all 7 pairs that were trained on have label 1: there was nothing to learn" in caplog.text


# --- own pairs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "chain"),
    [
        ((), "published"),
        (("prepare.contest_set=B", "prepare.corpus=LCQMC"), "published"),
        (("prepare.train_file=mine.csv", "prepare.explain_file=rows.jsonl"), "published"),
        (("prepare.train_file=mine.csv", "prepare.dev_file=d.csv", "prepare.test_file=t.csv"), "clean"),
        (("prepare.train_file=mine.csv", "prepare.dev_share=0.1", "prepare.test_share=0.1"), "clean"),
        (("prepare.corpus=LCQMC",), "clean"),
        (("prepare.train_file=mine.csv", "similarity_v1.chain=original"), "published"),
        (("similarity_v1.chain=clean",), "clean"),
    ],
)
def test_the_chain_that_comes_first_follows_from_the_rows_to_explain(overrides, chain):
    assert load_recipe("demo", overrides).chain == chain


@pytest.mark.parametrize("name", ["demo", "lcqmc_quick", "lcqmc_small", "competition"])
def test_our_recipes_hand_in_the_published_chain(name):
    assert load_recipe(name).chain == "published"


def run_on_own_pairs(tmp_path, capsys, *overrides) -> SimpleNamespace:
    (tmp_path / "mine.yaml").write_text(f"runs_dir: {tmp_path}\nprepare: {{train_file: mine.csv, test_file: t.csv}}\n")
    make_run(tmp_path / "mine", PAIRS, PAIRS)
    status, _, err = run_cli(capsys, "--recipe", tmp_path / "mine.yaml", "--", *overrides)
    assert status == 0, err
    folder = tmp_path / "mine" / "similarity_v1"
    page = Page((folder / "report.html").read_text(encoding="utf-8")).text
    manifest = StageFolder(tmp_path / "mine", "similarity_v1").manifest()
    return SimpleNamespace(err=err, page=page, folder=folder, manifest=manifest)


def test_a_run_on_own_pairs_speaks_of_no_contest(tmp_path, capsys):
    made = run_on_own_pairs(tmp_path, capsys)
    submit = {path.name for path in (made.folder / "submit").iterdir()}
    assert submit == {"sim_rationale.txt", "sim_rationale_clean.txt", "sim_rationale_clean.zip"}
    assert made.manifest["handed_in"] == "submit/sim_rationale_clean.zip"
    evaluation = json.loads((made.folder / "evaluation.json").read_text())
    assert set(evaluation["systems"]) == {"raw", "clean"} and evaluation["settings"]["chain"] == "clean"
    for text in (made.err, made.page):
        lowered = text.lower()
        assert not [word for word in ("handed in", "original", "submission", "f1_f2_f3") if word in lowered]
    assert "Shown first: the chain ‘clean’" in made.page and "rationales (chain clean)" in made.err


def test_the_original_chain_is_written_for_own_pairs_where_it_is_asked_for(tmp_path, capsys):
    made = run_on_own_pairs(tmp_path, capsys, "similarity_v1.chain=original")
    assert (made.folder / "submit" / "sim_rationale_f1_f2_f3.zip").is_file()
    assert made.manifest["handed_in"] == "submit/sim_rationale_f1_f2_f3.zip"
