"""The competition recipe, end to end on two gloo ranks: DeepSpeed, fairscale, FGM along the accumulated gradient, the
published margin and all three refinements, with a tiny random encoder in the place of the large one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from conftest import run_sh
from transformers import BertConfig, BertForMaskedLM

from final_project.data.demo.pairs import build_demo
from final_project.data.files.contest import write_segmented
from final_project.tokens.tokenizer import build_tokenizer

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("environment_of_run_sh")]


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    """Pair files as a user would bring them, and a tiny encoder of the same kind as the published one."""
    folder = tmp_path_factory.mktemp("material")
    demo = build_demo(600, 7)
    for name, pairs in (("train", demo.train), ("dev", demo.dev[:120]), ("test", demo.source_pairs[:60])):
        lines = ["\t".join([p.sentence1, p.sentence2] + ([] if name == "test" else [str(p.label)])) for p in pairs]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    chosen = {row.id for row in demo.segmented[:60]} | {twin for ori, twin in demo.pair_map if ori <= 60}
    write_segmented(folder / "explain.jsonl", [row for row in demo.segmented if row.id in chosen])
    tokenizer = build_tokenizer((p.sentence1 + p.sentence2 for p in demo.train), 2000)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertForMaskedLM(config).save_pretrained(folder / "tiny-roberta-wwm-ext")
    tokenizer.save_pretrained(folder / "tiny-roberta-wwm-ext")
    return folder


def test_the_competition_recipe_runs_on_two_ranks_with_deepspeed_and_fairscale(material, tmp_path):
    done = run_sh(
        "--recipe", "competition", "--nproc", "2", "--",
        *(f"prepare.{role}_file={material / name}" for role, name in (
            ("train", "train.tsv"), ("dev", "dev.tsv"), ("test", "test.tsv"), ("explain", "explain.jsonl"))),
        f"encoder.init={material / 'tiny-roberta-wwm-ext'}", f"runs_dir={tmp_path}",
        f"prepare.data_dir={material}",  # no other corpora: the checkout's data folder may hold real ones
        "posttrain.epochs=1", "similarity_v0.epochs=1", "similarity_v0.eval_every=1", "posttrain.held_out_rows=32",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    run = tmp_path / "competition"
    posttrain, v0, v1 = (
        json.loads((run / stage / "manifest.json").read_text())
        for stage in ("posttrain", "similarity_v0", "similarity_v1")
    )
    assert posttrain["processes"] == v0["processes"] == 2
    assert posttrain["engine"]["optimizer"] == "DeepSpeedZeroOptimizer"
    fairscale = {"name": "fairscale", "wrapper": "ShardedDataParallel", "optimizer": "OSS"}
    assert fairscale.items() <= v0["engine"].items()
    assert posttrain["model"] == "posttrain_models/tiny-roberta-wwm-ext_1ep"
    decision = json.loads((run / "similarity_v0" / "result" / "model" / "decision.json").read_text())
    assert decision["threshold"] == pytest.approx(0.719, abs=1e-3)
    names = {path.name for path in (run / "similarity_v1" / "submit").iterdir()}
    chain = ("sim_rationale", "sim_rationale_f1", "sim_rationale_f1_f2", "sim_rationale_f1_f2_f3")
    assert {f"{name}.txt" for name in chain} | {"sim_rationale_f1_f2_f3.zip"} <= names
    assert v1["handed_in"] == "submit/sim_rationale_f1_f2_f3.zip"
    with (run / "prepare" / "train.csv").open(encoding="utf-8") as file:
        assert sum(1 for _ in csv.reader(file)) >= 601, "augmentation only adds"
    with (run / "similarity_v0" / "result_record.csv").open(encoding="utf-8") as file:
        (record,) = csv.DictReader(file)
    assert record["similarity_v0.fgm_direction"] == "accumulated" and record["processes"] == "2"
