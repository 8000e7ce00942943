"""The report's section on fine-tuning: what a run has left is shown, escaped; what it lacks is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_v1_report import HOSTILE, Page

from final_project.errors import ProjectError
from similarity_v1.report.fine_tuning import MOST_EVALUATIONS, content, evaluations, sweep_picture
from similarity_v1.report.write import write_report


def figures(**changes) -> dict:
    bins = [{"mean_probability": 0.1, "share_positive": 0.2}, {"mean_probability": 0.8, "share_positive": 0.7}]
    return {"bins_equal_mass": bins, "ece_equal_mass": 0.1, "nll": 0.5, **changes}


def row(variant: str, difference: float | None, low: float | None = None, high: float | None = None) -> dict:
    facts = {"variant": variant, "difference": difference, "pairs_low": low, "pairs_high": high, "mean": 0.8}
    return facts | dict.fromkeys(("deviation", "t_p", "holm_p", "time"))


SWEEP = {
    "sweep": "ablation", "metric": "accuracy", "seeds": [1, 2],
    "rows": [row("base", None), row("fgm", 0.01, -0.005, 0.02), row("broken", None), row("swa", 0.015, 0.01, 0.018)],
}  # fmt: skip


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def run_dir(tmp_path) -> Path:
    """A run in which only fine-tuning and a sweep have finished."""
    stage = tmp_path / "run" / "similarity_v0"
    curves = "step,epoch,train_loss,dev_loss,dev_accuracy,kept\n10,.5,.6,.5,.7,0\n20,1,,.4,.8,1\n"
    write(stage / "result" / "curves.csv", curves)
    write(
        stage / "result" / "confusion.json", {"dev": {"counts": [[9, 1], [2, 8]], "shares": [[0.9, 0.1], [0.2, 0.8]]}}
    )
    write(stage / "result" / "calibration.json", {
        "fitted_on": "dev", "cross_fitted": {"before": figures(), "after": figures(nll=0.4321)}, "test": None,
    })  # fmt: skip
    mistakes = [
        {"split": "dev", "row": at, "label": 0, "decided": 1, "probability": 0.9, "sentence1": text, "sentence2": "好"}
        for at, text in enumerate(HOSTILE)
    ]
    write(stage / "result" / "mistakes.jsonl", "\n".join(map(json.dumps, mistakes)))
    write(tmp_path / "run" / "sweeps" / "ablation" / "results.json", SWEEP)
    return tmp_path / "run"


def test_the_section_shows_what_fine_tuning_has_left_and_escapes_every_sentence(run_dir):
    html = write_report(run_dir).read_text(encoding="utf-8")
    page = Page(html)
    shown = " ".join(page.texts)
    assert "0.4321" in shown and "90.0%" in shown and "kept" in shown and "ablation" in shown
    assert "<script>alert(1)</script>" in shown, "as text"
    assert html.count("<img") == 0 and "onerror" not in dict(page.attributes)
    assert "长" * 241 not in html, "a sentence without end is cut"


def test_evaluations_of_folds_say_which_fold_and_which_weights_each_kept(run_dir):
    curves = run_dir / "similarity_v0" / "result" / "curves.csv"
    write(curves, "fold,step,epoch,dev_loss,kept\n0,10,1,.5,0\n1,10,1,.4,1\n")
    shown = " ".join(Page(write_report(run_dir).read_text(encoding="utf-8")).texts)
    assert "fold 0," in shown and "fold 1," in shown
    assert [one.is_chosen for one in evaluations(curves)] == [False, True]


def test_a_run_without_fine_tuning_has_no_such_section(tmp_path, run_dir):
    (run_dir / "similarity_v0" / "result" / "confusion.json").unlink()
    assert content(run_dir) is None
    assert 'id="fine-tuning"' not in write_report(run_dir).read_text(encoding="utf-8")


def test_parts_that_a_run_lacks_are_left_out(run_dir):
    result = run_dir / "similarity_v0" / "result"
    write(result / "mistakes.jsonl", "")
    write(result / "calibration.json", {"fitted_on": "dev", "cross_fitted": {"before": figures(), "after": None}})
    (result / "curves.csv").unlink()
    found = content(run_dir)
    assert found.mistakes == found.calibration == found.evaluations == [] and found.threshold is None
    assert "Mistakes" not in write_report(run_dir).read_text(encoding="utf-8")


def test_a_long_training_is_thinned_and_keeps_the_chosen_evaluation(tmp_path):
    rows = "".join(f"{step},{step / 100},0.5,{int(step == 137)}\n" for step in range(1, 301))
    write(tmp_path / "curves.csv", "step,epoch,dev_loss,kept\n" + rows)
    found = evaluations(tmp_path / "curves.csv")
    assert len(found) <= MOST_EVALUATIONS + 2 and [one.step for one in found if one.is_chosen] == [137]
    assert found[0].step == 1 and found[-1].step == 300


def test_variants_are_drawn_with_the_largest_gain_first_on_one_scale():
    picture = sweep_picture(SWEEP)
    assert [one.name for one in picture.rows] == ["base", "swa", "fgm", "broken"]
    low, high = picture.ends
    for one in picture.rows[1:3]:
        at = (one.figures["difference"] - low) / (high - low) * 100
        assert one.at == pytest.approx(at, abs=0.01) and one.low < one.at < one.high
    assert low <= -0.005 and high >= 0.02 and picture.zero == pytest.approx(-low / (high - low) * 100, abs=0.01)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("confusion.json", "[]", "expected a JSON object"),
        ("confusion.json", '{"dev": {}}', "not as similarity_v0 writes it"),
        ("mistakes.jsonl", '{"split": "dev"}', "mistakes.jsonl:1"),
        ("curves.csv", "step,epoch\nten,1\n", "not as similarity_v0 writes it"),
    ],
)
def test_a_broken_file_is_one_message(run_dir, name, text, message):
    write(run_dir / "similarity_v0" / "result" / name, text)
    with pytest.raises(ProjectError, match=message):
        content(run_dir)
