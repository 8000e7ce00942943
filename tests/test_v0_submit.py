"""submission.csv: the golden cases, the writer, the commands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from targets_support import SIX, golden_essays

from final_project.data.files.score_files import write_scores_csv
from final_project.data.files.score_submission import validate_scores, write_submission
from final_project.errors import DataError
from similarity_v0.__main__ import main as v0
from similarity_v1.__main__ import main as v1


def golden_files(tmp_path, case: dict):
    sample, submission = tmp_path / "sample.csv", tmp_path / "submission.csv"
    sample.write_bytes(golden_essays("submission.json")["sample_submission"].encode())
    submission.write_bytes(case["text"].encode())
    return sample, submission


def test_the_twenty_golden_cases(tmp_path):
    cases = golden_essays("submission.json")["cases"]
    assert len(cases) == 20
    for case in cases:
        sample, submission = golden_files(tmp_path, case)
        if case["valid"]:
            assert validate_scores(submission, sample, 1, 5) == 3, case["name"]
            continue
        with pytest.raises(DataError) as error:
            validate_scores(submission, sample, 1, 5)
        named = case["message_names"]
        wanted = f"submission.csv:{named.removeprefix('line ')}:" if named.startswith("line ") else named
        assert wanted in str(error.value), case["name"]


def test_a_fault_names_the_column_and_what_was_found(tmp_path):
    case = next(case for case in golden_essays("submission.json")["cases"] if case["name"] == "above the scale")
    sample, submission = golden_files(tmp_path, case)
    with pytest.raises(DataError, match=r"grammar: expected a plain number from 1 to 5, found '5\.01'"):
        validate_scores(submission, sample, 1, 5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-10, 10), min_size=6, max_size=6), min_size=1, max_size=6), st.randoms())
def test_what_is_written_is_right_and_in_the_samples_order(tmp_path_factory, values, random):
    folder = tmp_path_factory.mktemp("submit")
    ids = [f"id,{number}" for number in range(len(values))]
    sample, predictions, output = folder / "sample.csv", folder / "predictions.csv", folder / "submission.csv"
    write_scores_csv(sample, ids, SIX, np.full((len(ids), 6), 3.0), "text_id")
    order = random.sample(range(len(ids)), len(ids))
    write_scores_csv(predictions, [ids[i] for i in order], SIX[::-1], np.array([values[i][::-1] for i in order]))
    assert write_submission(predictions, sample, output, 1, 5) == len(ids)
    assert validate_scores(output, sample, 1, 5) == len(ids)
    lines = output.read_text(encoding="utf-8").splitlines()
    assert lines[0] == sample.read_text(encoding="utf-8").splitlines()[0]
    assert [line.split('"')[1] for line in lines[1:]] == ids


def test_a_missing_or_foreign_id_is_an_error_and_no_empty_cell(tmp_path):
    sample, predictions = tmp_path / "sample.csv", tmp_path / "predictions.csv"
    write_scores_csv(sample, ["x", "y"], ("a",), np.ones((2, 1)), "text_id")
    for ids, message in (
        (["x", "z"], "the id 'z' is not in sample"),
        (["x"], "1 ids of sample"),
    ):
        write_scores_csv(predictions, ids, ("a",), np.ones((len(ids), 1)))
        with pytest.raises(DataError, match=message):
            write_submission(predictions, sample, tmp_path / "out.csv", 1, 5)
        assert not (tmp_path / "out.csv").exists()
    write_scores_csv(predictions, ["x", "y"], ("b",), np.ones((2, 1)))
    with pytest.raises(DataError, match="expected the columns a, found b"):
        write_submission(predictions, sample, tmp_path / "out.csv", 1, 5)


def test_the_commands_write_and_validate(tmp_path, capsys):
    sample, predictions, output = tmp_path / "sample.csv", tmp_path / "predictions.csv", tmp_path / "out.csv"
    write_scores_csv(sample, ["x", "y"], ("a", "b"), np.ones((2, 2)), "text_id")
    write_scores_csv(predictions, ["y", "x"], ("a", "b"), np.array([[2.0, 3.0], [7.0, 0.0]]))
    v0(["submit", "--predictions", str(predictions), "--sample", str(sample), "--output", str(output)])
    assert output.read_text() == "text_id,a,b\nx,5.0,1.0\ny,2.0,3.0\n"
    v1(["validate", "--sample", str(sample), "--submission", str(output)])
    assert capsys.readouterr().out.count('"rows": 2') == 2
