import json
import random
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score
from v1_support import golden, pair, run_cli, write_jsonl, write_pairs

from final_project.data.pairs import GoldRow, Rationale, SegmentedPair
from final_project.errors import DataError
from similarity_v1 import baselines
from similarity_v1.figures import References, figures_of, measure, n_repeating, precision_of_sides
from similarity_v1.gold import read_gold, read_labels, read_pair_map
from similarity_v1.metrics import (
    Removal,
    aopc,
    average_precision,
    best_gold_set,
    iou,
    macro_f1_of,
    partial_match,
    places_prf,
    ranking,
    removal_values,
    spans_of,
    token_f1,
)
from similarity_v1.submission import write_submission

SUITES = (
    "zh_single_gold_topk",
    "zh_multi_gold_random_len",
    "zh_repeated_tokens_full_rank",
    "en_single_gold_ratio_0.505",
    "empty_predictions_allowed",
    "several_perturbations_per_original",
    "length_one_sentences",
    "duplicate_predicted_indices_edge",
)


@pytest.fixture(params=SUITES)
def suite(request):
    found = {s["name"]: s for s in json.loads(golden("metrics.json").read_text())["suites"]}[request.param]
    gold = [
        GoldRow(
            g["sent_id"],
            g["sent_label"],
            *(tuple(tuple(one) for one in sets) for sets in g["rationale_ids"]),
            tuple(g["query_tokens"]),
            tuple(g["title_tokens"]),
            g["sample_type"],
            tuple(g.get("rel_ids") or ()),
        )
        for g in found["golden"].values()
    ]
    predicted = {
        p["id"]: Rationale(p["id"], p["pred_label"], *(tuple(side) for side in p["rationale"]))
        for p in found["pred"].values()
    }
    return gold, predicted, found["expected"]


def measured(gold, predicted, convention):
    return measure(list(predicted.values()), References.of(gold, gold), convention)


def test_label_scores_agree_with_the_public_evaluators(suite):
    gold, predicted, expected = suite
    for convention in ("trustai", "paddlenlp"):
        ours = measured(gold, predicted, convention)
        assert ours["accuracy"].figure == pytest.approx(expected["paddlenlp"]["accuracy"], abs=1e-9)
        assert ours["macro_f1"].figure == pytest.approx(expected["sklearn"]["macro_f1"], abs=1e-9)


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


def test_agreement_with_marked_words_is_erasers():
    for case in eraser_cases():
        rows, expected = case["instances"], case["expected"]
        token = places_prf({r["id"]: r["gold"] for r in rows}, {r["id"]: r["pred"] for r in rows})
        spans = [{r["id"]: spans_of(r[key]) for r in rows} for key in ("gold", "pred")]
        assert spans[0] == {r["id"]: [tuple(span) for span in r["gold_spans"]] for r in rows}
        exact = places_prf(*spans)
        for ours, theirs in ((token, expected["token_prf"]), (exact, expected["span_prf"])):
            for kind in ("micro", "macro"):
                assert ours[kind] == pytest.approx(theirs[f"instance_{kind}"], abs=1e-9)
        for theirs in expected["iou"]:
            ours = partial_match(*spans, theirs["threshold"])
            assert ours["micro"] == pytest.approx(theirs["micro"], abs=1e-9)
            assert ours["macro"] == pytest.approx(theirs["macro"], abs=1e-9)


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
    return figures_of(measure(rows, known, convention)) | {"rows_with_repeated_index": n_repeating(rows)}


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


def test_a_figure_without_its_reference_is_left_out_and_repeats_are_told_apart():
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


def gold_record(**changes):
    record = {
        "sent_id": 1,
        "sent_label": 1,
        "text_q_seg": ["怎", "么"],
        "text_t_seg": ["如", "何"],
        "rationale_q_idx": [0, 1],
        "rationale_t_idx": [[0], [1]],
        "sample_type": "ori",
        "rel_ids": [2],
    }
    return {key: value for key, value in (record | changes).items() if value != "absent"}


def test_gold_is_read_with_one_set_or_several(tmp_path):
    (row,) = read_gold(write_jsonl(tmp_path / "gold.jsonl", [gold_record()]))
    assert row == GoldRow(1, 1, ((0, 1),), ((0,), (1,)), ("怎", "么"), ("如", "何"), "ori", (2,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rationale_q_idx": "absent"}, "missing key 'rationale_q_idx'"),
        ({"sent_label": 2}, "sent_label must be 0 or 1, found 2"),
        ({"sent_label": True}, "sent_label must be 0 or 1"),
        ({"sent_id": "x"}, "id must be an integer"),
        ({"rationale_q_idx": [2]}, "rationale_q_idx: index 2 is out of range: there are 2 words"),
        ({"rationale_t_idx": [[0], [-1]]}, "rationale_t_idx: index -1 is out of range"),
        ({"rationale_q_idx": ["0"]}, "rationale_q_idx must hold integers"),
        ({"rationale_q_idx": [[0], 1]}, "rationale_q_idx mixes positions and lists"),
        ({"rationale_q_idx": {"0": 1}}, "rationale_q_idx must be a list"),
        ({"text_q_seg": "怎么"}, "text_q_seg must be a list of strings"),
        ({"sample_type": "other"}, "sample_type must be ori or disturb"),
        ({"rel_ids": 3}, "rel_ids must be a list"),
    ],
)
def test_broken_gold_is_named_with_its_line(tmp_path, changes, message):
    path = write_jsonl(tmp_path / "gold.jsonl", [gold_record(), gold_record(**{"sent_id": 2, **changes})])
    with pytest.raises(DataError) as error:
        read_gold(path)
    assert f"{path}:2: " in str(error.value) and message in str(error.value)


def test_labels_are_read_as_tsv_or_csv_with_or_without_header(tmp_path):
    for name, text in (("a", "id\tlabel\n1\t0\n2\t1\n"), ("b", "1,0\n2,1\n"), ("c", "\ufeff1\t0\r\n2\t1\r\n")):
        (tmp_path / name).write_bytes(text.encode())
        assert read_labels(tmp_path / name) == {1: 0, 2: 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t0\n1\t1\n", ":2: duplicate id 1; the first is at line 1"),
        ("1\t2\n", ":1: label must be 0 or 1, found '2'"),
        ("1\t0\nx\t1\n", ":2: id must be an integer, found 'x'"),
        ("1\t0\t0\n", ":1: expected 2 columns, id and label, found 3"),
        ("id\tlabel\n", ": the file holds no labels"),
    ],
)
def test_broken_labels_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "labels.tsv").write_text(text)
    with pytest.raises(DataError) as error:
        read_labels(tmp_path / "labels.tsv")
    assert message in str(error.value)


def test_a_broken_pair_map_is_named_with_its_line(tmp_path):
    path = write_jsonl(tmp_path / "map.jsonl", [{"ori": 1, "disturb": 2}, {"ori": 1}])
    with pytest.raises(DataError, match=r"map\.jsonl:2: missing key 'disturb'"):
        read_pair_map(path)
    path = write_jsonl(tmp_path / "map.jsonl", [{"ori": 1, "disturb": 2}, {"ori": 3, "disturb": 2}])
    with pytest.raises(DataError, match=r"map\.jsonl:2: duplicate id 2"):
        read_pair_map(path)


@pytest.fixture
def evaluation_files(tmp_path):
    files = {
        "pairs": write_pairs(tmp_path / "pairs.jsonl", [pair(1, "怎么", "如何"), pair(2, "怎么", "如何")]),
        "predictions": tmp_path / "s.txt",
        "gold": write_jsonl(
            tmp_path / "gold.jsonl", [gold_record(), gold_record(sent_id=2, sample_type="disturb", rel_ids=[])]
        ),
    }
    write_submission(files["predictions"], [Rationale(1, 1, (0, 1), (0,)), Rationale(2, 1, (0, 1), (1,))])
    return files


def as_options(files):
    return [part for name, path in files.items() for part in (f"--{name}", path)]


def test_evaluate_answers_with_figures_and_baselines(evaluation_files, capsys):
    status, out, _ = run_cli(capsys, "evaluate", *as_options(evaluation_files))
    answer = json.loads(out)
    assert status == 0 and answer["gold_rows"] == 2 and answer["perturbed_pairs"] == 1
    assert answer["scores"]["token_f1"] == 1.0 and answer["scores"]["accuracy"] == 1.0
    assert answer["scores"]["map"] == pytest.approx(0.5), "the words agree on one side and differ on the other"
    assert set(answer["baselines"]) == {"all_words", "first_share", "random", "overlap"}


def test_gold_and_predictions_that_do_not_fit_name_the_first_id_and_the_count(evaluation_files, tmp_path, capsys):
    write_jsonl(evaluation_files["gold"], [gold_record(sent_id=i, rel_ids=[]) for i in (1, 8, 9)])
    status, _, err = run_cli(capsys, "evaluate", *as_options(evaluation_files))
    assert status == 2 and "2 of 3 ids are not in" in err and "the first is 8" in err

    write_jsonl(evaluation_files["gold"], [gold_record(text_q_seg=["怎么", "怎"], rel_ids=[])])
    status, _, err = run_cli(capsys, "evaluate", *as_options(evaluation_files))
    assert status == 2 and "1 of 1 rows are segmented differently" in err and "the first id is 1" in err

    write_jsonl(evaluation_files["gold"], [gold_record(sent_id=2, rel_ids=[])])
    write_submission(evaluation_files["predictions"], [Rationale(1, 1, (0,), (0,))])
    status, _, err = run_cli(capsys, "evaluate", *as_options(evaluation_files))
    assert status == 2 and "none of the 1 reference ids is predicted; first: 2" in err


def test_rows_without_a_prediction_are_counted_and_named(evaluation_files, capsys):
    write_submission(evaluation_files["predictions"], [Rationale(1, 1, (0, 1), (0,))])
    status, out, err = run_cli(capsys, "evaluate", *as_options(evaluation_files), "--convention", "paddlenlp")
    assert status == 0 and json.loads(out)["missing_rows"] == 1 and json.loads(out)["scores"]["accuracy"] == 0.5
    assert "1 of 2 reference ids are not predicted; the first is 2" in err
    status, out, _ = run_cli(capsys, "evaluate", *as_options(evaluation_files), "--convention", "trustai")
    assert json.loads(out)["scores"]["accuracy"] == 0.5


def test_related_rows_that_are_not_there_are_left_out_and_named(evaluation_files, capsys):
    write_jsonl(
        evaluation_files["gold"],
        [gold_record(rel_ids=[2, 9]), gold_record(sent_id=2, sample_type="disturb", rel_ids=[])],
    )
    status, out, err = run_cli(capsys, "evaluate", *as_options(evaluation_files))
    assert status == 0 and json.loads(out)["perturbed_pairs"] == 1 and json.loads(out)["scores"]["map"] == 0.5
    assert "1 related rows are not in" in err and "the first is 9" in err


def test_evaluate_answers_like_the_public_evaluators_on_every_suite_of_files(suite, tmp_path, capsys):
    """Sides without a word among them, which validate and refine refuse."""
    gold, predicted, expected = suite
    segmented = [
        SegmentedPair(row.id, *map("".join, sides), *sides) for row in gold for sides in [(row.words_q, row.words_t)]
    ]
    records = [
        {"sent_id": row.id, "sent_label": row.label, "rationale_q_idx": row.sets_q, "rationale_t_idx": row.sets_t,
         "text_q_seg": row.words_q, "text_t_seg": row.words_t, "sample_type": row.sample_type, "rel_ids": row.rel_ids}
        for row in gold
    ]  # fmt: skip
    files = {"pairs": write_pairs(tmp_path / "p.jsonl", segmented), "gold": write_jsonl(tmp_path / "g.jsonl", records)}
    write_submission(tmp_path / "s.txt", predicted.values())
    for convention in ("trustai", "paddlenlp"):
        options = (*as_options(files), "--predictions", tmp_path / "s.txt", "--convention", convention)
        status, out, _ = run_cli(capsys, "evaluate", *options)
        scores = json.loads(out)["scores"]
        assert status == 0 and scores["map"] == pytest.approx(expected["trustai"]["map"], abs=1e-9)
        assert scores["accuracy"] == pytest.approx(expected["paddlenlp"]["accuracy"], abs=1e-9)
        assert scores["macro_f1"] == pytest.approx(expected["sklearn"]["macro_f1"], abs=1e-9)
        if convention == "trustai":
            assert scores["token_f1"] == pytest.approx(expected["trustai"]["token_f1"], abs=1e-9)
            assert scores["iou_f1"] == pytest.approx(expected["trustai"]["iou_f1"], abs=1e-9)
