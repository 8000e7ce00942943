"""Figures of scores: golden values, never NaN, rounding with ties up; the folder's scale and its files."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, root_mean_squared_error
from targets_support import SIX, golden_essays

from final_project.data.files.score_files import plain, read_scores_csv, write_scores_csv
from final_project.errors import ArtifactError, DataError
from final_project.model.folder import load_classifier
from final_project.model.scale import Scale, load_scale
from similarity_v0.decision.score_metrics import flat_figures, quadratic_kappa, score_figures

FB3 = Scale(SIX, 1.0, 5.0, 0.5)


def assert_figures(found: dict, expected: dict) -> None:
    assert found["mcrmse"] == pytest.approx(expected["mcrmse"], abs=1e-10)
    columns = expected["columns"]
    for number, name in enumerate(SIX):
        wanted = columns[number] if isinstance(columns, list) else columns[str(number)]
        for key, value in wanted.items():
            ours = found["targets"][name]["within_step" if key == "within_half" else key]
            assert ours is None if value is None else ours == pytest.approx(value, abs=1e-10), (name, key)


def test_the_golden_figures_with_masks_constants_and_one_row():
    golden = golden_essays("metrics.json")
    given, predicted = np.array(golden["given"]), np.array(golden["predicted"])
    masked = np.where(np.array(golden["known"]) > 0, given, np.nan)
    assert_figures(score_figures(predicted, given, FB3), golden["expected"])
    assert_figures(score_figures(predicted, masked, FB3), golden["expected_with_unknown"])
    assert_figures(score_figures(np.full_like(predicted, 3.0), given, FB3), golden["expected_of_constant_3"])
    assert_figures(score_figures(predicted[:1], given[:1], FB3), golden["first_row_alone"])
    fold_N = np.array(golden["per_fold"]["fold"])
    by_fold = [score_figures(predicted[fold_N == k], given[fold_N == k], FB3)["mcrmse"] for k in range(4)]
    assert by_fold == pytest.approx(golden["per_fold"]["mcrmse"], abs=1e-10)
    whole = score_figures(predicted, given, FB3)["mcrmse"]
    assert whole != pytest.approx(golden["expected"]["rmse_of_all_elements"], abs=1e-6)


def test_complete_rows_agree_with_scikit_learn():
    generator = np.random.default_rng(1)
    given = generator.integers(2, 11, (50, 6)) / 2
    predicted = given + generator.normal(0, 0.6, given.shape)
    found = score_figures(predicted, given, FB3)
    wanted = root_mean_squared_error(given, predicted, multioutput="raw_values")
    assert [found["targets"][name]["rmse"] for name in SIX] == pytest.approx(wanted.tolist(), abs=1e-12)
    for column, name in enumerate(SIX):
        steps = FB3.steps_of(predicted[:, column]), FB3.steps_of(given[:, column])
        kappa = cohen_kappa_score(*steps, weights="quadratic", labels=list(range(9)))
        assert found["targets"][name]["qwk"] == pytest.approx(kappa, abs=1e-12)


def test_a_target_that_nobody_knows_has_no_figures_and_no_share():
    given = np.array([[1.0, np.nan], [2.0, np.nan]])
    found = score_figures(given + 0.5, given, Scale(("a", "b"), 1, 5, 0.5))
    assert found["targets"]["b"] == {"n": 0} | dict.fromkeys(list(found["targets"]["b"])[1:])
    assert found["mcrmse"] == pytest.approx(0.5)
    nothing = score_figures(given, np.full((2, 2), np.nan), Scale(("a", "b"), 1, 5, 0.5))
    assert nothing["mcrmse"] is None and flat_figures(nothing) == {}


def test_no_figure_is_ever_nan():
    generator = np.random.default_rng(2)
    for _ in range(200):
        n, step = int(generator.integers(1, 5)), float(generator.choice([0, 0.5]))
        given = generator.choice([1.0, 3.0, 5.0, np.nan], (n, 2))
        predicted = generator.choice([1.0, 2.99, 3.0, 3.1], (n, 2))
        found = score_figures(predicted, given, Scale(("a", "b"), 1, 5, step))
        values = [value for target in found["targets"].values() for value in target.values()]
        assert all(value is None or math.isfinite(value) for value in values)
        json.dumps(found, allow_nan=False)


def test_ties_are_rounded_up_as_in_the_golden_values():
    golden = golden_essays("rounding_qwk.json")
    one = Scale(("x",), 1.0, 5.0, 0.5)
    assert one.rounded(np.array(golden["values"])).tolist() == golden["nearest_half_up"]
    given, predicted = np.array(golden["given"]), np.array(golden["predicted"])
    found = score_figures(predicted[:, None], given[:, None], one)["targets"]["x"]
    nearest = golden["expected"]["nearest"]
    assert found["qwk"] == pytest.approx(nearest["qwk"], abs=1e-10)
    assert found["rmse_rounded"] == pytest.approx(nearest["rmse"], abs=1e-10)
    assert found["exact"] == pytest.approx(nearest["exact"], abs=1e-10)
    assert found["rmse"] == pytest.approx(golden["expected"]["unrounded_rmse"], abs=1e-10)
    steps = one.steps_of(given)
    assert quadratic_kappa(steps, steps, 9) == pytest.approx(golden["expected"]["qwk_of_itself"], abs=1e-10)
    assert quadratic_kappa(8 - steps, steps, 9) == pytest.approx(golden["expected"]["qwk_of_reversed"], abs=1e-10)
    counts = np.zeros((9, 9), dtype=int)
    np.add.at(counts, (steps, one.steps_of(predicted)), 1)
    assert counts.T.tolist() == golden["confusion_9x9"]


def test_a_scale_is_saved_and_loaded_and_a_damaged_one_is_told(tmp_path):
    FB3.save(tmp_path)
    assert load_scale(tmp_path) == FB3
    with pytest.raises(ArtifactError, match="expected targets a; the folder has cohesion, syntax"):
        FB3.require_names(["a"], tmp_path)
    for text in (
        "{}",
        '{"targets": []}',
        '{"targets": [{"name": "a", "low": 5, "high": 1, "step": 0}]}',
        "[",
        '{"targets": [{"name": "a", "low": NaN, "high": 1, "step": 0}]}',
    ):
        (tmp_path / "scale.json").write_text(text, encoding="utf-8")
        with pytest.raises(ArtifactError, match=r"scale\.json: expected"):
            load_scale(tmp_path)


def test_scores_are_written_as_plain_numbers_and_never_when_not_finite(tmp_path):
    assert [plain(value) for value in (3.0, 2.1234567, 1e-9, 4.5, -0.25)] == ["3.0", "2.123457", "0.0", "4.5", "-0.25"]
    path = tmp_path / "scores.csv"
    write_scores_csv(path, ["x,1", "y"], ("a", "b"), np.array([[1.5, 2.0], [3.25, 5.0]]))
    assert path.read_bytes() == b'id,a,b\n"x,1",1.5,2.0\ny,3.25,5.0\n'
    assert read_scores_csv(path, ("a", "b")).tolist() == [[1.5, 2.0], [3.25, 5.0]]
    with pytest.raises(ArtifactError, match="row 'y' has a score that is not finite"):
        write_scores_csv(path, ["x", "y"], ("a",), np.array([[1.0], [np.nan]]))
    assert path.read_text().startswith("id,a,b")
    with pytest.raises(DataError, match="expected the columns id,a"):
        read_scores_csv(path, ("a",))


def test_a_folder_of_single_texts_is_refused_wherever_a_pair_classifier_is_loaded(tmp_path):
    """Also one with a single score, whose one output would pass for that of a pair classifier."""
    for name in ("scale.json", "labels.json"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("{}", encoding="utf-8")
        with pytest.raises(ArtifactError, match="a model of single texts, not of pairs"):
            load_classifier(folder, pairs=True)
