"""Files of predictions, in both directions."""

from __future__ import annotations

import numpy as np
import pytest

from final_project.data.files.predictions import read_prediction_file, read_predictions, write_predictions
from final_project.errors import DataError


def test_what_is_written_is_read_again(tmp_path):
    probabilities, decisions = np.array([0.25, 1.0, 0.0]), np.array([0, 1, 0])
    write_predictions(tmp_path / "p.csv", probabilities, decisions)
    found = read_predictions(tmp_path / "p.csv")
    assert found[0].tolist() == probabilities.tolist() and found[1].tolist() == decisions.tolist()
    for name in ("p.csv", "p.parquet"):
        write_predictions(tmp_path / name, probabilities, decisions)
        file = read_prediction_file(tmp_path / name)
        assert file.ids == ["0", "1", "2"] and file.probabilities_B.tolist() == probabilities.tolist()


@pytest.mark.parametrize("row", ["1,two,0", "1,0.5", "1,0.5,yes", "1,,1"])
def test_a_faulty_row_of_predictions_is_named_by_its_line(tmp_path, row):
    (tmp_path / "p.csv").write_text(f"row,probability,label\n0,0.5,1\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"p\.csv:3: expected the columns row, probability, label"):
        read_predictions(tmp_path / "p.csv")
