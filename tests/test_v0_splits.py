"""Dev that is test under another look: one notion of the same pair for the whole house."""

from __future__ import annotations

import pytest

from final_project.data.files.tables import write_pairs_csv
from final_project.data.quality.fingerprints import fingerprints
from final_project.data.quality.statistics import describe
from final_project.data.records import Pair
from final_project.errors import DataError
from final_project.settings import SimilarityV0
from similarity_v0.splits import require_fit_for_decision

TEST = [Pair(f"第{k}台 QQ 怎么退货？", f"如何退掉第{k}个商品", k % 2) for k in range(8)]
LOOKS = {
    "as it is": lambda pair: pair,
    "the sides changed": lambda pair: Pair(pair.sentence2, pair.sentence1, pair.label),
    "other blanks": lambda pair: Pair(pair.sentence1.replace(" ", "\u3000 "), f" {pair.sentence2}", pair.label),
    "other case": lambda pair: Pair(pair.sentence1.lower(), pair.sentence2, pair.label),
    "other width": lambda pair: Pair(pair.sentence1.replace("Q", "Ｑ").replace("？", "?"), pair.sentence2, pair.label),
    "other labels": lambda pair: Pair(pair.sentence1, pair.sentence2, 1 - pair.label),
    "all at once": lambda pair: Pair(pair.sentence2 + " ", pair.sentence1.lower(), pair.label),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_threshold_from_test_data_is_refused_however_it_looks(tmp_path, look):
    write_pairs_csv(tmp_path / "test.csv", TEST)
    write_pairs_csv(tmp_path / "dev.csv", map(LOOKS[look], TEST))
    with pytest.raises(DataError, match=r"dev\.csv: 8 of its 8 pairs are pairs of test\.csv"):
        require_fit_for_decision(tmp_path, SimilarityV0(threshold="sweep"))
    require_fit_for_decision(tmp_path, SimilarityV0(threshold="half", calibration="none"))


def test_some_pairs_of_test_in_dev_cause_a_warning_and_other_pairs_do_not(tmp_path, caplog):
    others = [Pair(f"{pair.sentence1}呢", pair.sentence2, pair.label) for pair in TEST]
    write_pairs_csv(tmp_path / "test.csv", TEST)
    write_pairs_csv(tmp_path / "dev.csv", [*map(LOOKS["all at once"], TEST[:2]), *others[2:]])
    require_fit_for_decision(tmp_path, SimilarityV0(threshold="sweep"))
    assert "2 of its 8 pairs are pairs of test.csv" in caplog.text
    caplog.clear()
    write_pairs_csv(tmp_path / "dev.csv", others)
    require_fit_for_decision(tmp_path, SimilarityV0(threshold="sweep"))
    assert not caplog.text


@pytest.mark.parametrize("look", [look for look in LOOKS if look != "other labels"])
def test_figures_of_a_set_count_the_same_pairs_as_prepare(look):
    figures = describe(fingerprints([*TEST, *map(LOOKS[look], TEST[:3])]))
    assert (figures["duplicates"], figures["contradicting"]) == (3, 0)
    figures = describe(fingerprints([*TEST, *(LOOKS["other labels"](LOOKS[look](pair)) for pair in TEST[:3])]))
    assert (figures["duplicates"], figures["contradicting"]) == (0, 3)
