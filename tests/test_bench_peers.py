"""The peers of bench/peers: each one trains on a few pairs, says what it did, and is compared pair by pair."""

from __future__ import annotations

import csv
import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from final_project.data.demo.pairs import build_demo
from final_project.data.files.tables import write_pairs_csv
from final_project.data.records import Pair

PEERS = ROOT / "bench" / "peers"
N_TRAIN, N_DEV = 200, 60
FIGURES = {
    "peer", "settings", "seed", "threads", "train_pairs", "dev_pairs", "budget_s", "train_s", "pairs_per_s", "epochs",
    "parameters", "dev_accuracy_at_half", "dev_accuracy", "threshold", "versions", "digests",
}  # fmt: skip

pytestmark = [pytest.mark.stage, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(autouse=True, scope="module")
def peers_are_importable():
    sys.path.insert(0, str(PEERS))
    yield
    sys.path.remove(str(PEERS))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    """A run of built-in pairs, as far as the peers read one."""
    folder = tmp_path_factory.mktemp("peers") / "run"
    made = build_demo(N_TRAIN, 1)
    write_pairs_csv(folder / "prepare" / "train.csv", made.train[:N_TRAIN])
    write_pairs_csv(folder / "prepare" / "dev.csv", made.dev[:N_DEV])
    return folder


@pytest.fixture(scope="module")
def model_folder(run_folder) -> Path:
    """A random BERT as posttrain starts one, with match types."""
    from final_project.data.files.tables import read_pairs
    from final_project.model.encoder import masked_lm_from_scratch
    from final_project.recipe import load_recipe
    from final_project.tokens.tokenizer import build_tokenizer

    pairs = read_pairs(run_folder / "prepare" / "train.csv")
    tokenizer = build_tokenizer((text for pair in pairs for text in (pair.sentence1, pair.sentence2)), 2000)
    sizes = ("n_layers=1", "hidden_size=32", "n_heads=2", "intermediate_size=64", "max_positions=64")
    settings = [f"encoder.{size}" for size in (*sizes, "match_types=true")]
    model = masked_lm_from_scratch(load_recipe("demo", settings).encoder, tokenizer, 1)
    for part in (model, tokenizer):
        part.save_pretrained(run_folder / "model")
    return run_folder / "model"


def call(name: str, run_folder: Path, folder: Path, *arguments: str) -> tuple[int, dict, list[dict]]:
    """(exit status, figures, rows of predictions) of a peer."""
    files = {"--output": folder / "figures.json", "--predictions": folder / "dev.csv"}
    given = ["--run", str(run_folder), "--threads", "1", *arguments]
    status = importlib.import_module(name).main([*given, *(str(part) for item in files.items() for part in item)])
    if status:
        assert not any(path.exists() for path in files.values()), "nothing is left half written"
        return status, {}, []
    with files["--predictions"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return status, json.loads(files["--output"].read_text(encoding="utf-8")), rows


def require_packages_of(name: str) -> None:
    if name in ("trainer", "cross_encoder"):
        pytest.importorskip("accelerate", reason="the Trainer's peers need accelerate: bench/requirements.txt")
    if name == "cross_encoder":
        pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ngram_logistic_regression", ()),
        ("gradient_boosting", ()),
        ("sentence_memory", ()),
        ("esim", ("--updates", "3")),
        ("decomposable_attention", ("--updates", "3")),
        ("trainer", ("--updates", "12")),
        ("cross_encoder", ("--updates", "3")),
    ],
)
def test_a_peer_trains_and_says_what_it_did(name, arguments, run_folder, request, tmp_path, capsys):
    require_packages_of(name)
    if name in ("trainer", "cross_encoder"):
        arguments += ("--model", str(request.getfixturevalue("model_folder")))
    status, figures, rows = call(name, run_folder, tmp_path, *arguments, "--minutes", "0.2", "--max-pairs", "150")
    assert status == 0
    assert figures.keys() >= FIGURES
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == figures
    assert (figures["peer"], figures["train_pairs"], figures["dev_pairs"]) == (name, 150, N_DEV)
    assert figures["train_s"] > 0 and figures["parameters"] > 0
    if "--updates" in arguments:
        assert figures["updates"] == int(arguments[1])
    probabilities, decided = (np.array([float(row[key]) for row in rows]) for key in ("probability", "label"))
    labels = np.array([pair.label for pair in build_demo(N_TRAIN, 1).dev[:N_DEV]])
    assert [int(row["row"]) for row in rows] == list(range(N_DEV))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert figures["dev_accuracy"] == round(float((decided == labels).mean()), 4)
    assert figures["dev_accuracy_at_half"] == round(float(((probabilities >= 0.5) == labels).mean()), 4)
    assert figures["dev_accuracy"] >= figures["dev_accuracy_at_half"]
    if looked := figures.get("dev_accuracy_by_update"):
        assert figures["dev_accuracy"] == max(looked.values()), "the best weights are predicted with, in dev's order"


def test_the_number_of_updates_repeats_a_run_bit_for_bit(run_folder, tmp_path):
    runs = [call("esim", run_folder, tmp_path / str(k), "--updates", "2", "--max-pairs", "100")[2] for k in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("name", "shared", "batch"), [("esim", "torch_peer", 128), ("trainer", "transformers_peer", 64)]
)
def test_epochs_end_a_run_before_the_budget(name, shared, batch, run_folder, request, tmp_path, monkeypatch):
    require_packages_of(name)
    monkeypatch.setattr(importlib.import_module(shared), "PROBE_UPDATES", 2)
    model = ("--model", str(request.getfixturevalue("model_folder"))) if name == "trainer" else ()
    _, figures, _ = call(name, run_folder, tmp_path, *model, "--minutes", "10", "--epochs", "2")
    assert figures["updates"] == 2 * N_TRAIN // batch


def test_own_parts_are_asked_of_a_folder_that_has_none(run_folder, model_folder, tmp_path, capsys):
    require_packages_of("trainer")
    plain = tmp_path / "plain"
    plain.mkdir()
    for file in model_folder.iterdir():
        (plain / file.name).write_bytes(file.read_bytes())
    config = json.loads((plain / "config.json").read_text())
    del config["match_types"]
    (plain / "config.json").write_text(json.dumps(config))
    status, _, _ = call("trainer", run_folder, tmp_path, "--model", str(plain), "--own-parts")
    assert status == 2
    assert "expected match_types or ngrams in" in capsys.readouterr().err


def test_a_run_without_prepared_pairs_is_named(tmp_path, capsys):
    status, _, _ = call("ngram_logistic_regression", tmp_path / "none", tmp_path)
    assert status == 2
    assert "train.csv: cannot read" in capsys.readouterr().err


def lay_out(n_train: int, n_dev: int, budget_s: float, update_s: float, **limits):
    peer = importlib.import_module("peer")
    pair = Pair("一", "二", 1)
    return peer.lay_out(peer.Job([pair] * n_train, [pair] * n_dev, 1, 1, budget_s, **limits), 100, lambda: update_s)


def test_updates_and_evaluations_fill_the_budget():
    course = lay_out(10_000, 1000, 1000.0, 0.5)
    assert course.evaluations == 10 and course.updates == 10 * course.every
    spent_s = (course.updates + 10 * (1000 / 100) / 3) * 0.5  # a forward pass is a third of an update
    assert 1000 - 10 * 0.5 - 1 < spent_s < 1000


def test_a_number_of_updates_always_has_the_same_evaluations():
    for budget_s in (3.0, 30.0, 60.0, 300.0):
        course = lay_out(10_000, 3000, budget_s, 0.05)
        assert lay_out(10_000, 3000, 1.0, 9.0, updates=course.updates) == course


def test_a_short_budget_has_no_time_to_look_at_dev():
    course = lay_out(10_000, 100_000, 10.0, 0.49)
    assert course.every is None and course.updates == 20


def test_epochs_are_the_most_that_is_trained():
    assert lay_out(10_000, 1000, 1000.0, 0.01, epochs=3).updates == 300


def test_a_budget_that_getting_ready_has_spent_is_refused():
    from final_project.errors import RecipeError

    with pytest.raises(RecipeError, match="--minutes: expected more than"):
        lay_out(100, 10, 0.001, 0.5)


def test_padding_changes_no_answer_of_a_network():
    import torch

    first, second = torch.tensor([[5, 6, 7]]), torch.tensor([[6, 8]])
    wider = torch.nn.functional.pad(first, (0, 4)), torch.nn.functional.pad(second, (0, 3))
    for name, network in (("esim", "Esim"), ("decomposable_attention", "DecomposableAttention")):
        module = importlib.import_module(name)
        torch.manual_seed(0)
        model = getattr(module, network)(20, **module.SIZES).double().eval()
        torch.testing.assert_close(model(first, second), model(*wider))


def test_two_directions_are_torchs_bilstm():
    import torch

    esim = importlib.import_module("esim")
    torch.manual_seed(0)
    ours, theirs = esim.TwoDirections(3, 4).double(), torch.nn.LSTM(3, 4, batch_first=True, bidirectional=True).double()
    for name, weight in theirs.named_parameters():
        part = ours.backwards if name.endswith("_reverse") else ours.forwards
        getattr(part, name.removesuffix("_reverse")).data.copy_(weight.data)
    inputs, lengths = torch.randn(3, 5, 3, dtype=torch.float64), torch.tensor([5, 2, 4])
    mask = torch.arange(5) < lengths[:, None]
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(inputs, mask)[mask], expected[mask])


def test_ngrams_of_a_pair_do_not_depend_on_its_order():
    told = importlib.import_module("ngram_logistic_regression").told
    assert sorted(told(Pair("怎么开通", "如何开通", 1))) == sorted(told(Pair("如何开通", "怎么开通", 1)))
    assert {"both 开通", "one 怎", "如|怎", "如何|怎么"} <= set(told(Pair("怎么开通", "如何开通", 1)))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("", "", (0, 0, 0)),
        ("开通花呗", "", (4, 0, 0)),
        ("开通花呗", "关闭花呗吧", (3, 2, 2)),
        ("一二三", "一三二", (2, 2, 1)),
    ],
)
def test_alignment_figures_of_known_strings(first, second, expected):
    assert importlib.import_module("gradient_boosting").alignment_figures(first, second) == expected


def exact_p(only_first: int, only_second: int) -> float:
    """McNemar's exact p, added up: the chance of every split that is no likelier than the one at hand."""
    n = only_first + only_second
    chances = [math.comb(n, k) / 2**n for k in range(n + 1)]
    return sum(chance for chance in chances if chance <= chances[only_first] * (1 + 1e-9))


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (5, 5), (12, 3), (30, 51)])
def test_mcnemar_is_the_sum_over_all_splits(only_first, only_second):
    mcnemar_p = importlib.import_module("compare").mcnemar_p
    assert mcnemar_p(only_first, only_second) == pytest.approx(exact_p(only_first, only_second), rel=1e-9)
    assert mcnemar_p(only_first, only_second) == pytest.approx(mcnemar_p(only_second, only_first), rel=1e-9)


def write_decisions(path: Path, decisions: list[int]) -> Path:
    rows = "".join(f"{row},0.5,{label}\n" for row, label in enumerate(decisions))
    path.write_text("row,probability,label\n" + rows, encoding="utf-8")
    return path


def labels_file(path: Path, labels: list[int]) -> Path:
    write_pairs_csv(path, [Pair(f"句子{k}", "另一句", label) for k, label in enumerate(labels)])
    return path


def test_compare_counts_what_one_alone_gets_right(tmp_path, capsys):
    labels = labels_file(tmp_path / "dev.csv", [1, 0] * 50)
    first = write_decisions(tmp_path / "a.csv", [1, 0] * 45 + [0, 1] * 5)
    second = write_decisions(tmp_path / "b.csv", [0, 1] * 15 + [1, 0] * 35)
    third = write_decisions(tmp_path / "c.csv", [1, 0] * 45 + [0, 1] * 5)
    compare = importlib.import_module("compare")
    assert compare.main([str(first), str(second), str(third), "--labels", str(labels)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["b", "c"] and found["c"]["difference"] == 0 and found["c"]["mcnemar_p"] == 1
    found = found["b"]
    low, high = found.pop("difference_95")
    assert low < found["difference"] < high
    assert found == {
        "pairs": 100, "accuracy_a": 0.9, "accuracy_b": 0.7, "difference": pytest.approx(0.2),
        "only_a_right": 30, "only_b_right": 10, "mcnemar_p": pytest.approx(exact_p(30, 10)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "labels", "said"),
    [
        ([1, 0, 1], [1, 0], [1, 0, 1], "b.csv: expected the 3 rows of"),
        ([1, 0], [1, 0], [1, 0, 1], "dev.csv:"),
        ([1, 2], [1, 0], [1, 0], "a.csv:3: label must be 0 or 1"),
    ],
)
def test_compare_refuses_files_that_do_not_fit(first, second, labels, said, tmp_path, capsys):
    files = write_decisions(tmp_path / "a.csv", first), write_decisions(tmp_path / "b.csv", second)
    labels_of = labels_file(tmp_path / "dev.csv", labels)
    status = importlib.import_module("compare").main([*map(str, files), "--labels", str(labels_of)])
    assert status == 2
    captured = capsys.readouterr()
    assert said in captured.err and "Traceback" not in captured.err and not captured.out
