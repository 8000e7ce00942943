import json
import random
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score
from v1_support import METRIC_SUITES, golden, metric_suite, pair

from final_project.data.records import GoldRow, Rationale
from similarity_v1.evaluate import baselines
from similarity_v1.evaluate.figures import References, measure, n_repeating, precision_of_sides, to_numbers
from similarity_v1.evaluate.metrics import (
    Removal,
    aopc,
    average_precision,
    best_gold_set,
    iou,
    macro_f1_of,
    ranking,
    removal_values,
    token_f1,
)


@pytest.fixture(params=METRIC_SUITES)
def suite(request):
    return metric_suite(request.param)


def measured(gold, predicted, convention):
    return measure(list(predicted.values()), References.of(gold, gold), convention)


@pytest.mark.stage
def test_label_scores_agree_with_the_public_evaluators(suite):
    gold, predicted, expected = suite
    for convention in ("trustai", "paddlenlp"):
        ours = measured(gold, predicted, convention)
        assert ours["accuracy"].figure == pytest.approx(expected["paddlenlp"]["accuracy"], abs=1e-9)
        assert ours["macro_f1"].figure == pytest.approx(expected["sklearn"]["macro_f1"], abs=1e-9)


@pytest.mark.stage
def test_plausibility_agrees_with_the_public_evaluators(suite):
    gold, predicted, expected = suite
    trustai, paddlenlp = (measured(gold, predicted, convention) for convention in ("trustai", "paddlenlp"))
    assert trustai["token_f1"].figure == pytest.approx(expected["trustai"]["token_f1"], abs=1e-9)
    assert trustai["iou_f1"].figure == pytest.approx(expected["trustai"]["iou_f1"], abs=1e-9)
    per_side = expected["paddlenlp"]["multi_gold_macro_f1_per_side"]
    assert paddlenlp["token_f1"].figure == pytest.approx(sum(per_side) / 2, abs=1e-9)
    first_only = [replace(row, sets_q=row.sets_q[:1], sets_t=row.sets_t[:1]) for row in gold]
    first = measured(first_only, predicted, "paddlenlp")["token_f1"].figure
    assert first == pytest.approx(expected["paddlenlp"]["similarity_macro_f1_first_gold_set"], abs=1e-9)


def test_the_gold_set_chosen_for_each_side_is_theirs(suite):
    gold, predicted, expected = suite
    for row in gold:
        if row.id not in predicted:
            continue
        sides = zip((predicted[row.id].words_q, predicted[row.id].words_t), (row.sets_q, row.sets_t), strict=True)
        for side, (chosen, sets) in enumerate(sides):
            theirs = expected["trustai"]["per_example"][str(row.id)]
            assert best_gold_set(chosen, sets, "trustai") == set(theirs["best_gold"][side])
            assert token_f1(chosen, theirs["best_gold"][side]) == pytest.approx(theirs["f1"][side], abs=1e-9)
            assert iou(chosen, theirs["best_gold"][side]) == pytest.approx(theirs["iou"][side], abs=1e-9)
            paddle = expected["paddlenlp"]["multi_gold_per_example"][side][str(row.id)]
            assert best_gold_set(chosen, sets, "paddlenlp") == set(paddle["best_gold"])
            assert token_f1(chosen, paddle["best_gold"]) == pytest.approx(paddle["f1"], abs=1e-9)


def test_consistency_agrees_with_the_public_evaluators_pair_by_pair(suite):
    gold, predicted, expected = suite
    known = References.of(gold, gold)
    found = measured(gold, predicted, "paddlenlp")["map"]
    assert len(found.ids_U) == expected["trustai"]["num_of_pair"]
    assert found.figure == pytest.approx(expected["trustai"]["map"], abs=1e-9)
    assert found.figure == pytest.approx(expected["paddlenlp"]["map"], abs=1e-9)
    per_side = [0.0, 0.0]
    for theirs, paddle in zip(expected["trustai"]["map_pairs"], expected["paddlenlp"]["map_pairs"], strict=True):
        assert (theirs["ori"], theirs["disturb"]) == (paddle["ori"], paddle["disturb"])
        sides = precision_of_sides(known, predicted[theirs["ori"]], predicted[theirs["disturb"]])
        assert sides == pytest.approx(theirs["map"], abs=1e-9) and sides == pytest.approx(paddle["paper"], abs=1e-9)
        per_side = [total + side for total, side in zip(per_side, sides, strict=True)]
    assert [total / len(found.ids_U) for total in per_side] == pytest.approx(expected["trustai"]["map_per_side"])


@pytest.mark.stage
def test_faithfulness_agrees_with_the_public_evaluators(request, suite):
    gold, _, expected = suite
    found = {s["name"]: s for s in json.loads(golden("metrics.json").read_text())["suites"]}[
        request.node.callspec.params["suite"]
    ]["pred"]
    rows = {}
    for p in found.values():
        label = int(np.argmax(p["pred_proba"]))
        full, chosen, rest = (
            p[key][label] for key in ("pred_proba", "rationale_pred_proba", "non_rationale_pred_proba")
        )
        labels = expected["paddlenlp"]["new_p_inputs"][str(p["id"])]
        rows[p["id"]] = Removal(label, full, chosen, rest, *labels)
    ours = removal_values(rows, [row.id for row in gold])
    assert ours["sufficiency"].figure == pytest.approx(expected["trustai"]["sufficiency"], abs=1e-9)
    assert ours["comprehensiveness"].figure == pytest.approx(expected["trustai"]["comprehensiveness"], abs=1e-9)
    assert ours["new_p"].figure == pytest.approx(expected["paddlenlp"]["new_p"], abs=1e-9)
    theirs = expected["paddlenlp"]["new_p_per_example"]
    assert dict(zip(ours["new_p"].ids_U, ours["new_p"].values_UK[:, 0], strict=True)) == {
        int(id_): value for id_, value in theirs.items()
    }


def eraser_cases():
    return json.loads(golden("eraser.json").read_text())["cases"]


RANKINGS = {"auprc": "auprc", "average_precision": "average_precision", "roc_auc": "roc_auc_score"}


def test_rankings_and_thresholded_removal_are_erasers():
    for case in eraser_cases():
        soft = case["expected"]["soft"]
        ours = [ranking(r["scores"], r["gold"]) for r in case["instances"]]
        for name, theirs in RANKINGS.items():
            assert np.mean([each[name] for each in ours]) == pytest.approx(soft[theirs], abs=1e-9)
        rows = case["aopc_input"]
        full = [r["classification_scores"][r["classification"]] for r in rows]
        for name in ("comprehensiveness", "sufficiency"):
            removed = [
                [at[f"{name}_classification_scores"][r["classification"]] for at in r["thresholded_scores"]]
                for r in rows
            ]
            ids = range(len(rows))
            assert aopc(ids, full, removed).figure == pytest.approx(case["expected"]["aopc"][name], abs=1e-9)
            points = [aopc(ids, full, [[at] for at in column]).figure for column in zip(*removed, strict=True)]
            assert points == pytest.approx(case["expected"]["aopc"][f"{name}_points"], abs=1e-9)


def slow_average_precision(perturbed, original):
    hits = [sum(perturbed[j] in original[: i + 1] for j in range(i + 1)) / (i + 1) for i in range(len(perturbed))]
    return sum(hits) / len(perturbed) if perturbed else 0.0


def test_average_precision_is_the_formula_read_literally():
    chance = random.Random(0)
    for _ in range(300):
        perturbed, original = (chance.choices("abcd", k=chance.randint(0, 8)) for _ in range(2))
        assert average_precision(perturbed, original) == pytest.approx(slow_average_precision(perturbed, original))


def test_macro_f1_is_scikit_learns():
    chance = random.Random(1)
    for _ in range(20):
        truth, answers = ([chance.randint(0, 1) for _ in range(5)] for _ in range(2))
        ours = macro_f1_of(range(5), truth, answers).figure
        assert ours == pytest.approx(f1_score(truth, answers, average="macro"))


def score(rows, known, convention="paddlenlp"):
    return to_numbers(measure(rows, known, convention)) | {"rows_with_repeated_index": n_repeating(rows)}


GOLD = [
    GoldRow(1, 1, ((0, 1),), ((0,),), ("怎", "么"), ("如", "何"), "ori", (2,)),
    GoldRow(2, 0, ((0,),), ((1,),), ("怎", "么"), ("如", "何"), "disturb"),
]


def test_a_missing_row_is_wrong_and_counts_as_zero_for_words_in_one_convention_only():
    known, rows = References.of(GOLD, GOLD), [Rationale(1, 1, (0, 1), (0,))]
    names = ("accuracy", "macro_f1", "token_f1", "iou_f1", "map", "label_agreement")
    for convention, expected in (("paddlenlp", (0.5, 1, 0.5, 0.5, 0, 0)), ("trustai", (0.5, 1, 1, 1, 0, 0))):
        found = score(rows, known, convention)
        assert tuple(found[name] for name in names) == expected


def test_a_perturbed_gold_row_that_no_original_names_counts_in_the_denominator_of_map():
    gold = [*GOLD, replace(GOLD[1], id=3)]
    rows = [Rationale(1, 1, (0,), (0,)), Rationale(2, 1, (0,), (0,)), Rationale(3, 1, (0,), (0,))]
    assert score(rows, References.of(gold, gold))["map"] == 0.5
    assert score(rows, References.of(gold, gold, pair_map=[(1, 2)]))["map"] == 1


def test_a_figure_without_its_reference_is_left_out_and_repeats_are_counted_apart():
    pairs = [pair(1, "怎么", "如何"), pair(2, "怎么", "如何")]
    rows = [Rationale(1, 1, (0, 1), (0,)), Rationale(2, 1, (1, 0, 0), (0,))]
    assert set(score(rows, References.of(pairs))) == {"share_chosen", "rows_with_repeated_index"}
    figures = score(rows, References.of(pairs, GOLD))
    assert figures["rows_with_repeated_index"] == 1
    assert figures["map"] == pytest.approx((0 + 1 + 1) / 3 / 2 + 1 / 2)
    assert figures["map_without_repeats"] == pytest.approx((0 + 1) / 2 / 2 + 1 / 2)


def test_baselines_do_not_depend_on_other_rows():
    pairs = [pair(i, "怎么开通花呗", "如何关闭花呗啊") for i in range(6)]
    words = References.of(pairs).words
    rows = [Rationale(i, 1, (0, 1, 2), (3, 4)) for i in range(6)]
    drawn = baselines.random_words(rows, words, draw=0)
    assert baselines.random_words(rows[::-1], words, draw=0) == drawn[::-1]
    assert {(len(set(r.words_q)), len(set(r.words_t))) for r in drawn} == {(3, 2)}
    assert len({r.words_q for r in drawn}) > 1
    assert baselines.overlap(rows[:1], words)[0].words_q == (4, 5)
    assert baselines.first_share(rows[:1], words, 0.5)[0].words_t == (0, 1, 2, 3)
    assert baselines.all_words(rows[:1], words)[0].words_q == tuple(range(6))
