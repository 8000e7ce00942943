"""Gold, labels and pair maps are read with their faults named; `evaluate` answers on files as public evaluators do."""

import json

import pytest
from v1_support import METRIC_SUITES, metric_suite, pair, run_cli, write_jsonl, write_pairs

from final_project.data.records import GoldRow, Rationale, SegmentedPair
from final_project.errors import DataError
from similarity_v1.evaluate.gold import read_gold, read_labels, read_pair_map
from similarity_v1.rationales.submission import write_submission


@pytest.fixture(params=METRIC_SUITES)
def suite(request):
    return metric_suite(request.param)


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


@pytest.mark.stage
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
