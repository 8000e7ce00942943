import json

import pytest
from v1_support import golden

from similarity_v1.rationales.selection import Selection, n_chosen, select


def test_the_share_is_rounded_up():
    assert [n_chosen(n, 0.705) for n in (1, 2, 3, 7, 10)] == [1, 2, 3, 5, 8]


def test_highest_scores_come_first_and_ties_go_to_the_lower_position():
    assert select([0.1, 0.5, 0.5, 0.9, 0.1], 1.0) == (3, 1, 2, 0, 4)
    assert select([0.0, 0.0, 0.0], 0.6) == (0, 1)


@pytest.mark.parametrize("ratio", [0.01, 0.5, 0.705, 1.0])
def test_every_sentence_with_words_gets_at_least_one(ratio):
    assert len(select([0.3], ratio)) == 1


def test_selection_agrees_with_the_published_one():
    for case in json.loads(golden("postprocess.json").read_text())["topk_selection"]:
        for side in "qt":
            scores, expected = case[f"scores_{side}"], case[f"rationale_{side}"]
            chosen = select(scores, case["ratio"])
            assert [scores[i] for i in chosen] == [scores[i] for i in expected]
            assert case["tied"] or list(chosen) == expected


SCORES = [0.1, 0.5, 0.0, 0.9, 0.5]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("ratio", 0.4), (3, 1)),
        (Selection("top_k", 3), (3, 1, 4)),
        (Selection("top_k", 30), (3, 1, 4, 0, 2)),
        (Selection("threshold", 0.5), (3, 1, 4)),
        (Selection("threshold", 1.0), (3,)),
        (Selection("mass", 0.45), (3,)),
        (Selection("mass", 0.7), (3, 1)),
        (Selection("mass", 1.0), (3, 1, 4, 0)),
    ],
)
def test_every_rule_takes_the_highest_scores_first(selection, expected):
    assert select(SCORES, selection) == expected


@pytest.mark.parametrize("rule", ["ratio", "top_k", "threshold", "mass"])
@pytest.mark.parametrize("scores", [[0.0, 0.0], [-2.0, -1.0], [3.0]])
def test_every_rule_takes_a_word_also_where_no_score_is_positive(rule, scores):
    chosen = select(scores, Selection(rule, 1 if rule == "top_k" else 0.3))
    assert chosen == (max(range(len(scores)), key=scores.__getitem__),)


def test_a_scale_changes_no_choice():
    for rule in ("ratio", "threshold", "mass"):
        for number in (0.1, 0.3, 0.55, 0.9):
            assert select(SCORES, Selection(rule, number)) == select([7 * x for x in SCORES], Selection(rule, number))
