"""JSON without NaN and infinity: no writer makes them, every reader refuses them with file and line."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from v1_support import pair, write_pairs

from final_project import strict_json
from final_project.artifacts import read_json, write_json
from final_project.cli import print_json
from final_project.data.files.contest import read_json_lines
from final_project.data.files.predictions import read_predictions
from final_project.errors import ArtifactError, DataError, RecipeError
from final_project.model.calibration import Calibration
from final_project.model.decision import load_decision
from final_project.recipe import load_recipe
from similarity_v0.sweep.spec import read_sweep
from similarity_v1.rationales.word_scores import WordScores, read_scores, scores_line
from similarity_v1.report.artefacts import read_object

SPELT = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999")
PACKAGES = ("final_project", "posttrain", "similarity_v0", "similarity_v1")


@pytest.mark.stage
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)
       | st.dictionaries(st.text(), inner), max_leaves=20))  # fmt: skip
def test_a_value_is_written_as_json_writes_it_or_refused(value):
    def numbers(part):
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return [part] * isinstance(part, float) + [number for one in inner for number in numbers(one)]

    if all(map(math.isfinite, numbers(value))):
        assert strict_json.dumps(value) == json.dumps(value)
        assert strict_json.loads(json.dumps(value)) == value
    else:
        with pytest.raises(ArtifactError):
            strict_json.dumps(value)
        with pytest.raises(json.JSONDecodeError):
            strict_json.loads(json.dumps(value))


@pytest.mark.parametrize("spelt", SPELT)
def test_the_line_of_what_is_refused_is_its_own(spelt):
    with pytest.raises(json.JSONDecodeError, match=f"expected a finite number, found {spelt}") as caught:
        strict_json.loads(f'{{"text": "{spelt} \\" {spelt}",\n "a": [1.5,\n {spelt}]}}')
    assert caught.value.lineno == 3


@pytest.mark.stage
def test_every_writer_of_json_goes_through_the_strict_one():
    loose = []
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        in_messages = {part for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node)}
        for node in ast.walk(tree):
            if node in in_messages or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            is_json = isinstance(node.func.value, ast.Name) and node.func.value.id == "json"
            strict = any(key.arg == "allow_nan" and getattr(key.value, "value", True) is False for key in node.keywords)
            if is_json and node.func.attr in ("dump", "dumps") and not strict:
                loose.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not loose


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan")])
def test_what_is_not_finite_is_named_and_nothing_is_written(value, tmp_path, capsys):
    path = tmp_path / "facts.json"
    write_json(path, {"kept": 1.0})
    before = path.read_bytes()
    with pytest.raises(
        ArtifactError, match=rf"facts\.json: scores\.dev\.1 is {value}, which is no number that JSON has"
    ):
        write_json(path, {"scores": {"dev": [0.5, value]}})
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ArtifactError, match="the answer: accuracy is"):
        print_json({"accuracy": value})
    assert capsys.readouterr().out == ""
    with pytest.raises(ArtifactError, match=r"the scores of id 7: scores_t\.0 is"):
        scores_line(WordScores(7, 1, 0.5, (0.1,), (float(value),)))


@pytest.mark.parametrize("spelt", SPELT)
def test_readers_of_json_refuse_it_with_file_and_line(spelt, tmp_path):
    path = tmp_path / "some.json"
    path.write_text(f'{{"threshold": 0.5,\n "dev": {spelt}}}\n')
    for read in (read_json, read_object):
        with pytest.raises(ArtifactError, match=r"some\.json:2: .*expected a finite number"):
            read(path)
    (tmp_path / "decision.json").write_text(f'{{\n"threshold":\n{spelt}}}')
    with pytest.raises(ArtifactError, match=r"decision\.json:3: expected .*finite number"):
        load_decision(tmp_path)
    lines = tmp_path / "lines.jsonl"
    lines.write_text(f'{{"id": 1}}\n{{"id": 2, "x": {spelt}}}\n')
    with pytest.raises(DataError, match=r"lines\.jsonl:2: broken JSON: expected a finite number"):
        read_json_lines(lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores_q": [0.1, math.nan]}, "expected a finite number, found NaN"),
        ({"scores_t": [math.inf]}, "expected a finite number, found Infinity"),
        ({"scores_t": [10**400]}, "expected numbers that a float holds"),
        ({"probability": math.nan}, "expected a finite number, found NaN"),
        ({"probability": 1.5}, "probability must be a number from 0 to 1, found 1.5"),
        ({"probability": "0.5"}, "probability must be a number from 0 to 1"),
        ({"label": 0.5}, "label must be 0 or 1, found 0.5"),
    ],
)
def test_scores_that_are_no_numbers_are_refused_with_their_line(change, said, tmp_path):
    pairs = [pair(1, "花呗", "借"), pair(2, "花呗", "借")]
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    row = {"id": 1, "label": 1, "probability": 0.5, "scores_q": [0.1, 0.2], "scores_t": [0.3]}
    path = tmp_path / "scores.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (row, {**row, "id": 2, **change})))
    with pytest.raises(DataError, match=rf"scores\.jsonl:2: .*{said}"):
        read_scores(path, pairs)


def test_predictions_that_are_no_probabilities_are_refused_with_their_line(tmp_path):
    path = tmp_path / "dev_predictions.csv"
    for wrong in ("nan", "inf", "1.5"):
        path.write_text(f"row,probability,label\n0,0.5,1\n1,{wrong},0\n")
        with pytest.raises(
            DataError, match=rf"dev_predictions\.csv:3: expected a probability from 0 to 1, found {wrong}"
        ):
            read_predictions(path)


@pytest.mark.parametrize(
    "facts",
    [
        {"method": "platt", "slope": math.inf, "intercept": 0.0},
        {"method": "platt", "slope": 1.0, "intercept": math.nan},
        {"method": "temperature", "slope": math.nan, "intercept": 0.0},
        {"method": "isotonic", "knots": [[0.2, math.nan]]},
        {"method": "isotonic", "knots": [[0.2, 0.3], [0.4, math.inf]]},
        {"method": "isotonic", "knots": [[-1.0, 0.3]]},
    ],
)
def test_a_calibration_that_makes_no_probabilities_is_refused(facts):
    with pytest.raises(ValueError, match=r"isotonic knots must|expected a slope above 0"):
        Calibration.from_facts(facts)


FLOATS = ("similarity_v0.lr", "similarity_v0.fgm_eps", "posttrain.lr", "similarity_v1.ratio", "encoder.dropout")


@pytest.mark.parametrize("key", FLOATS)
@pytest.mark.parametrize("value", ["nan", ".nan", ".inf", "-.inf", "1e999", "inf"])
def test_a_setting_is_a_finite_number(key, value, tmp_path):
    with pytest.raises(RecipeError, match=rf"override '{key}={value}': {key}: Input should be"):
        load_recipe("demo", [f"{key}={value}"])
    section, name = key.split(".")
    recipe = Path(tmp_path / "mine.yaml")
    recipe.write_text(f"base: demo\n{section}:\n  {name}: {value}\n")
    with pytest.raises(RecipeError, match=rf"mine\.yaml:3: {key}: Input should be"):
        load_recipe(str(recipe))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "grid:\n  similarity_v0.fgm_eps: [1, .inf]\n",
            r"sweep\.yaml:3: grid.similarity_v0.fgm_eps: expected a finite",
        ),
        (
            "variants:\n  a:\n    similarity_v0.lr: .nan\n",
            r"sweep\.yaml:4: variants.a.similarity_v0.lr: expected a finite",
        ),
        ("settings: {similarity_v0.lr: .nan}\n", r"sweep\.yaml:2: settings.similarity_v0.lr: expected a finite"),
        ("optuna: {trials: 2, space: {similarity_v0.lr: {low: 1e-5, high: .inf}}}\n", r"sweep\.yaml:2: optuna.*finite"),
    ],
)
def test_so_is_a_value_of_a_sweep(text, said, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"recipe: demo\n{text}")
    with pytest.raises(RecipeError, match=said):
        read_sweep(path)
