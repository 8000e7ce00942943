import json

import numpy as np
import pytest
import torch
from v1_support import gold_row, golden, pair, run_cli, tiny_classifier, write_jsonl, write_pairs

from final_project.data.records import Rationale
from final_project.model.folder import load_classifier
from similarity_v1.evaluate.faithfulness import Judge, chosen_texts, join_words, rest_texts
from similarity_v1.evaluate.figures import References, measure
from similarity_v1.evaluate.metrics import compare, macro_f1_of, mean_of, resampling
from similarity_v1.rationales.submission import write_submission
from similarity_v1.rationales.word_scores import WordScores, scores_line

PAIRS = [pair(k, "怎么开通花呗"[k % 3 :], "如何关闭手机号码"[k % 4 :]) for k in range(12)]
ROWS = [Rationale(p.id, p.id % 2, (0, 1), (len(p.words_t) - 1, 0)) for p in PAIRS]
OTHER = [Rationale(p.id, (p.id // 2) % 2, (1,), (0,)) for p in PAIRS]
GOLD = [gold_row(p, label=int(p.id > 3)) for p in PAIRS]


def values(numbers):
    return mean_of({k: float(x) for k, x in enumerate(numbers)})


def test_an_interval_is_the_percentile_bootstrap():
    numbers = np.random.default_rng(0).random(40)
    low, high = resampling.intervals({"x": values(numbers)})["x"]
    drawn = np.random.default_rng(resampling.SEED).integers(40, size=(resampling.N_DRAWS, 40))
    assert (low, high) == pytest.approx(np.percentile(numbers[drawn].mean(axis=1), [2.5, 97.5]), abs=1e-12)
    assert low < numbers.mean() < high


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    chance = np.random.default_rng(3)
    covered = []
    for _ in range(60):
        low, high = resampling.intervals({"x": values(chance.random(50) < 0.3)})["x"]
        covered.append(low <= 0.3 <= high)
    assert 0.85 <= np.mean(covered) <= 1


def test_blocks_do_not_change_draws_and_edges_are_points(monkeypatch):
    figures = {"x": values(np.arange(30) % 7), "y": macro_f1_of(range(30), [0, 1] * 15, [1, 1, 0] * 10)}
    whole = resampling.intervals(figures)
    monkeypatch.setattr(resampling, "BLOCK_CELLS", 100)
    assert resampling.intervals(figures) == whole
    assert resampling.intervals({"none": values([]), "one": values([0.7])}) == {"none": (0, 0), "one": (0.7, 0.7)}


def test_the_paired_test_separates_a_real_difference_from_none():
    chance = np.random.default_rng(1)
    base = chance.random(200)
    better = compare(values(base + 0.1 + 0.05 * chance.random(200)), values(base))
    assert better.p_value == pytest.approx(1 / 1001) and better.interval[0] > 0.1 and better.rows == 200
    same = compare(values(base), values(base))
    assert same.p_value == 1 and same.difference == 0 and same.interval == (0, 0)
    back = compare(values(base), values(base + 0.1 + 0.05 * np.arange(200) / 200))
    assert back.difference < 0 and back.interval[1] < 0


def test_randomisation_agrees_with_all_swaps_of_a_few_rows():
    a, b = np.array([3.0, 1, 4, 1, 5, 9]), np.array([2.0, 0, 4, 3, 1, 2])
    signs = np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1)
    exact = np.mean(np.abs((a - b) @ signs) >= abs((a - b).sum()) - 1e-12)
    assert compare(values(a), values(b)).p_value == pytest.approx(exact, abs=0.05)


def test_systems_are_compared_on_the_rows_that_both_have():
    first, second = mean_of({1: 1.0, 2: 0.0, 3: 1.0}), mean_of({3: 0.5, 1: 0.5, 9: 0.0})
    found = compare(first, second)
    assert found.rows == 2 and found.difference == pytest.approx(0.5)
    assert compare(first, mean_of({7: 1.0})).p_value == 1


def test_every_figure_has_an_interval_around_it():
    known = References.of(PAIRS, labels={p.id: 1 for p in PAIRS}, pair_map=[(0, 3), (1, 2)])
    figures = measure(ROWS, known)
    bounds = resampling.intervals(figures)
    assert set(bounds) == set(figures) >= {"accuracy", "macro_f1", "map", "share_chosen"}
    for name, (low, high) in bounds.items():
        assert low - 1e-12 <= figures[name].figure <= high + 1e-12


@pytest.fixture
def files(tmp_path):
    write_submission(tmp_path / "mine.txt", ROWS)
    write_submission(tmp_path / "theirs.txt", OTHER)
    return {
        "pairs": write_pairs(tmp_path / "pairs.jsonl", PAIRS),
        "predictions": tmp_path / "mine.txt",
        "gold": write_jsonl(tmp_path / "gold.jsonl", GOLD),
    }


def evaluate(capsys, files, *more):
    return run_cli(capsys, "evaluate", *(x for name, path in files.items() for x in (f"--{name}", path)), *more)


def test_evaluate_compares_two_systems(files, tmp_path, capsys):
    status, out, _ = evaluate(capsys, files, "--against", tmp_path / "theirs.txt")
    answer = json.loads(out)
    assert status == 0 and set(answer["against"]["comparison"]) == set(answer["against"]["scores"])
    found = answer["against"]["comparison"]["token_f1"]
    assert found["difference"] == pytest.approx(answer["scores"]["token_f1"] - answer["against"]["scores"]["token_f1"])
    assert found["rows"] == 12 and found["interval"][0] <= found["difference"] <= found["interval"][1]
    low, high = answer["intervals"]["token_f1"]
    assert low <= answer["scores"]["token_f1"] <= high
    assert set(answer["baseline_intervals"]["random"]) == set(answer["baselines"]["random"])


def test_the_other_system_is_checked_like_the_first(files, tmp_path, capsys):
    (tmp_path / "theirs.txt").write_text("99\t1\t0\t0\n")
    status, out, err = evaluate(capsys, files, "--against", tmp_path / "theirs.txt")
    assert status == 2 and out == "" and "theirs.txt:1: unknown id 99" in err
    status, _, err = evaluate(capsys, files, "--against", tmp_path / "none.txt")
    assert status == 2 and "none.txt: cannot read" in err
    status, _, err = evaluate(capsys, files, "--model", tmp_path / "none")
    assert status == 2 and "no such model folder" in err


def test_chosen_and_remaining_words_become_texts_as_the_public_evaluator_makes_them():
    kinds = ("rationale_text", "non_rationale_text")
    for case in json.loads(golden("postprocess.json").read_text())["paddlenlp_rationale_text"]:
        for side, ranked in enumerate((case["query_ranked"], case["title_ranked"])):
            words = [word for _, word in sorted(ranked)]
            chosen = case["rationale_idx"][side]
            rest = set(range(len(words))) - set(chosen)
            # the peer writes a list's form, ['UNK'], where nothing is left; [UNK] is what it means
            theirs = [case[kind][side].replace("['UNK']", "[UNK]") for kind in kinds]
            assert [join_words(words, chosen), join_words(words, rest)] == theirs


def test_faithfulness_is_what_the_model_says_of_the_three_texts(tmp_path):
    folder = tiny_classifier(tmp_path / "model")
    judge = Judge.from_folder(folder)
    model, tokenizer = load_classifier(folder)

    def alone(texts):
        with torch.inference_mode():
            return model(**tokenizer(*texts, return_tensors="pt")).logits.double().softmax(-1)[0].numpy()

    found = judge.removals(PAIRS, ROWS)
    for row, p in zip(ROWS, PAIRS, strict=True):
        full, chosen, rest = alone((p.query, p.title)), alone(chosen_texts(p, row)), alone(rest_texts(p, row))
        label = int(full.argmax())
        assert found[row.id].label == label
        expected = [full[label], chosen[label], rest[label]]
        assert [found[row.id].full, found[row.id].chosen, found[row.id].rest] == pytest.approx(expected, abs=1e-5)
        assert found[row.id].flips == (rest.argmax() != label)
    everything = [Rationale(p.id, 1, *(tuple(range(len(words))) for words in (p.words_q, p.words_t))) for p in PAIRS]
    figures = judge.figures(PAIRS, everything)
    assert figures["sufficiency"].figure == pytest.approx(0, abs=1e-6)


def test_new_p_is_divided_by_all_gold_rows(tmp_path):
    judge = Judge.from_folder(tiny_classifier(tmp_path / "model"))
    alone = judge.figures(PAIRS, ROWS)
    among = judge.figures(PAIRS, ROWS, [*(row.id for row in ROWS), 98, 99])
    for name in ("new_p", "decision_flip"):
        assert among[name].figure == pytest.approx(alone[name].figure * len(ROWS) / (len(ROWS) + 2))
    assert among["sufficiency"].figure == alone["sufficiency"].figure


def test_evaluate_asks_a_model_where_it_is_given(files, tmp_path, capsys):
    model = tiny_classifier(tmp_path / "model")
    status, out, _ = evaluate(capsys, files, "--model", model, "--against", tmp_path / "theirs.txt", "--aopc")
    answer = json.loads(out)
    names = {"sufficiency", "comprehensiveness", "new_p", "decision_flip", "aopc_sufficiency", "aopc_comprehensiveness"}
    assert status == 0 and names <= set(answer["scores"]) and names <= set(answer["against"]["comparison"])
    assert all(names <= set(figures) for figures in answer["baselines"].values())
    assert answer["baselines"]["all_words"]["sufficiency"] == pytest.approx(0, abs=1e-6)


@pytest.fixture
def scores_file(tmp_path):
    rows = [WordScores(p.id, 1, 0.9, tuple(range(len(p.words_q), 0, -1)), (1.0,) * len(p.words_t)) for p in PAIRS]
    path = tmp_path / "scores.jsonl"
    path.write_text("".join(map(scores_line, rows)))
    return path


def test_scores_and_random_ones_are_measured_against_gold(files, scores_file, capsys):
    status, out, _ = evaluate(capsys, files, "--scores", scores_file)
    answer = json.loads(out)
    # the marked word is the first: it scores highest on one side, like all others on the other
    expected = np.mean([(1 + (1 / len(p.words_t) + 1) / 2) / 2 for p in PAIRS])
    assert status == 0 and answer["scores"]["auprc"] == pytest.approx(expected)
    assert 0 < answer["baselines"]["random"]["auprc"] < answer["scores"]["auprc"]


@pytest.mark.parametrize("rule", ["ratio", "top_k", "threshold", "mass"])
def test_a_length_is_learned_by_gold(files, scores_file, capsys, rule):
    arguments = ("--pairs", files["pairs"], "--scores", scores_file, "--select", rule)
    status, out, _ = run_cli(capsys, "length", *arguments, "--gold", files["gold"])
    answer = json.loads(out)
    assert status == 0 and answer["measured"][f"{answer['number']:g}"] == max(answer["measured"].values())


def test_a_length_is_learned_by_faithfulness(files, scores_file, tmp_path, capsys):
    model = tiny_classifier(tmp_path / "model")
    arguments = ("--pairs", files["pairs"], "--scores", scores_file, "--model", model)
    status, out, _ = run_cli(capsys, "length", *arguments)
    answer = json.loads(out)
    assert status == 0 and answer["measured"]["1"] == 1 and answer["measured"][f"{answer['number']:g}"] >= 0.95
    assert all(share < 0.95 for number, share in answer["measured"].items() if float(number) < answer["number"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 77}, "unknown id 77"),
        ({"scores_q": [1.0]}, "scores_q: expected 6 scores, one a word, found 1"),
        ({"scores_t": "x"}, "scores_t must be a list of numbers"),
        ({"label": None}, "missing key 'label'"),
    ],
)
def test_scores_that_do_not_fit_are_named_with_their_line(files, tmp_path, capsys, change, message):
    record = {"id": 0, "label": 1, "probability": 0.5, "scores_q": [1.0] * 6, "scores_t": [1.0] * 8} | change
    path = write_jsonl(tmp_path / "s.jsonl", [{key: value for key, value in record.items() if value is not None}])
    status, out, err = run_cli(capsys, "length", "--pairs", files["pairs"], "--scores", path, "--gold", files["gold"])
    assert status == 2 and out == "" and f"{path}:1: {message}" in err and err.count("\n") == 1
