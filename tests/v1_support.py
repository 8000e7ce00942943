"""What the tests of similarity_v1 share: tiny models, pairs by character, golden data where a machine has it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from final_project.cli import run_main
from final_project.data.files.contest import write_segmented
from final_project.data.records import GoldRow, Rationale, SegmentedPair
from final_project.run.stage_folder import StageFolder
from similarity_v1.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = "怎么如何开通关闭花呗借手机号码多少钱好看吗的了是在有，？！"

METRIC_SUITES = (
    "zh_single_gold_topk",
    "zh_multi_gold_random_len",
    "zh_repeated_tokens_full_rank",
    "en_single_gold_ratio_0.505",
    "empty_predictions_allowed",
    "several_perturbations_per_original",
    "length_one_sentences",
    "duplicate_predicted_indices_edge",
)


def golden(name: str) -> Path:
    path = SHARED / "golden" / name
    if not path.exists():
        pytest.skip(f"golden data is not on this machine: {path}")
    return path


def metric_suite(name: str) -> tuple[list[GoldRow], dict[int, Rationale], dict]:
    """(gold rows, predictions by id, what the public evaluators say of them) of a golden suite."""
    found = {s["name"]: s for s in json.loads(golden("metrics.json").read_text())["suites"]}[name]
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


def corpus_file(name: str, folder: Path) -> Path:
    """One file of the public corpora, unpacked into the folder."""
    archive = SHARED / "data" / "corpora.tar.xz"
    if not archive.exists():
        pytest.skip(f"the corpora are not on this machine: {archive}")
    target = folder / Path(name).name
    with tarfile.open(archive) as tar:
        target.write_bytes(tar.extractfile(f"corpora/{name}").read())
    return target


def pair(id_: int, query: str, title: str) -> SegmentedPair:
    """A pair whose words are its characters, white space aside."""
    words = (tuple(char for char in text if not char.isspace()) for text in (query, title))
    return SegmentedPair(id_, query, title, *words)


def write_pairs(path: Path, pairs: list[SegmentedPair]) -> Path:
    write_segmented(path, pairs)
    return path


def tiny_classifier(folder: Path, max_positions: int = 48, seed: int = 0, vocabulary: str = CHARACTERS) -> Path:
    """A random BERT pair classifier with a character vocabulary, as a standard folder."""
    torch.manual_seed(seed)
    tokens = [*SPECIAL, *dict.fromkeys(vocabulary), *"abcdefghijk", *(f"##{c}" for c in "abcdefghijk"), "12", "##3"]
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}, model_max_length=max_positions)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=max_positions,
        initializer_range=0.3,
        num_labels=2,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def run_cli(capsys, *arguments: object) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of the command line, run in this process."""
    capsys.readouterr()
    try:
        status = run_main(main, [str(argument) for argument in arguments])
    except SystemExit as exit_:  # argparse
        status = exit_.code
    out, err = capsys.readouterr()
    return status, out, err


def write_jsonl(path: Path, records: list) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def make_run(run_dir: Path, pairs: list[SegmentedPair], originals: list[SegmentedPair], gold: list | None = None):
    """A run whose prepare and similarity_v0 have finished: what the stage needs, and no more."""
    prepared = StageFolder(run_dir, "prepare")
    prepared.begin("key")
    write_pairs(prepared.path / "explain.jsonl", pairs)
    rows = "".join(f"{p.query}\t{p.title}\n" for p in originals)
    (prepared.path / "originals.tsv").write_text(rows, encoding="utf-8")
    (prepared.path / "statistics.json").write_text('{"overlap_baseline": {"dev_accuracy": 0.5, "test_accuracy": 0.6}}')
    outputs = ["explain.jsonl", "originals.tsv", "statistics.json"]
    if gold is not None:
        write_jsonl(prepared.path / "gold.jsonl", gold)
        outputs.append("gold.jsonl")
    prepared.finish("key", {}, {}, outputs)
    trained = StageFolder(run_dir, "similarity_v0")
    trained.begin("key")
    model = tiny_classifier(trained.path / "result" / "model")
    scores = {"dev": {"accuracy": 0.81, "f1": 0.8, "threshold": 0.5}, "test": {"accuracy": 0.79, "f1": 0.78}}
    (trained.path / "result" / "scores.json").write_text(json.dumps(scores))
    files = [path.relative_to(trained.path).as_posix() for path in (model, model.parent) for path in path.glob("*.*")]
    trained.finish("key", {}, {}, files)


def gold_row(given: SegmentedPair, label: int = 1, **more) -> dict:
    """A gold record for a pair: the first word of each side."""
    return {
        "sent_id": given.id,
        "sent_label": label,
        "text_q_seg": given.words_q,
        "text_t_seg": given.words_t,
        "rationale_q_idx": [0],
        "rationale_t_idx": [0],
        **more,
    }
