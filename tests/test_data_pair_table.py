"""Pairs in an Arrow file: what is written comes back, whole or in part, without being held in memory."""

import datasets
import numpy as np
import pytest

from final_project.data.files import pair_table
from final_project.data.files.pair_table import write_pair_table
from final_project.data.quality.fingerprints import fingerprints
from final_project.data.records import Pair

ROWS = [("LCQMC" if k % 3 else "AFQMC", Pair(f"句{k}", f'"引号"\t{k}\n', (0, 1, None)[k % 3])) for k in range(50)]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(pair_table, "CHUNK", 7)
    return write_pair_table(tmp_path / "pairs.arrow", iter(ROWS))


def test_rows_come_back_in_order(table):
    assert list(table.pairs()) == [pair for _, pair in ROWS]
    assert table.corpora == ("AFQMC", "LCQMC")
    assert list(table[table.of_corpus("AFQMC")].pairs()) == [pair for name, pair in ROWS if name == "AFQMC"]
    assert np.array_equal(table.prints.exact_N2, fingerprints(pair for _, pair in ROWS).exact_N2)


@pytest.mark.parametrize("wanted", [range(0, 50, 5), range(7, 14), [49], []])
def test_some_rows_are_read_and_copied_alone(table, tmp_path, wanted):
    mask = np.isin(np.arange(50), list(wanted))
    chosen = table[mask]
    assert list(chosen.pairs()) == [ROWS[k][1] for k in wanted]
    assert chosen.copy_to(tmp_path / "some.arrow") == len(list(wanted))
    if len(list(wanted)):
        opened = datasets.Dataset.from_file(str(tmp_path / "some.arrow"))
        assert opened["sentence1"] == [ROWS[k][1].sentence1 for k in wanted]
        assert opened["corpus"] == [ROWS[k][0] for k in wanted]


def test_some_of_some_rows_are_the_right_ones(table):
    some = table[np.arange(50) >= 20]
    assert list(some[:3].pairs()) == [pair for _, pair in ROWS[20:23]]


def test_the_file_is_opened_by_memory_map(table):
    opened = datasets.Dataset.from_file(str(table.path))
    assert len(opened) == 50 and opened.cache_files[0]["filename"] == str(table.path)


def test_a_failing_source_leaves_no_file(tmp_path):
    def rows():
        yield ROWS[0]
        raise ValueError("the source ends here")

    with pytest.raises(ValueError, match="the source ends here"):
        write_pair_table(tmp_path / "pairs.arrow", rows())
    assert list(tmp_path.iterdir()) == []
