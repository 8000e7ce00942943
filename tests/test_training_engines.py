"""One update is one update: on any engine, over any number of ranks, with accumulation, FGM and EMA."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import stage
from safetensors.torch import load_file

ATTACKED = ("similarity_v0.fgm_eps=1", "similarity_v0.ema_decay=0.9")


def manifest_of(runs: Path, name: str) -> dict:
    return json.loads((runs / "demo" / name / "manifest.json").read_text())


def weights_of(runs: Path, name: str) -> dict:
    (path,) = [path for path in manifest_of(runs, name)["outputs"] if path.endswith("model.safetensors")]
    return load_file(runs / "demo" / name / path)


def largest_difference(a: dict, b: dict) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.fixture(scope="module")
def single_v0(posttrained, tmp_path_factory) -> Path:
    import shutil

    runs = Path(shutil.copytree(posttrained, tmp_path_factory.mktemp("single") / "runs"))
    stage("similarity_v0", runs, *ATTACKED)
    return runs


@pytest.mark.parametrize(
    ("overrides", "evidence"),
    [
        ((), {"wrapper": "DistributedDataParallel", "optimizer": "AdamW"}),
        (
            ("posttrain.engine=deepspeed", "posttrain.zero_stage=0"),
            {"wrapper": "DeepSpeedEngine", "optimizer": "AdamW"},
        ),
        (
            ("posttrain.engine=deepspeed", "posttrain.zero_stage=1"),
            {"wrapper": "DeepSpeedEngine", "optimizer": "DeepSpeedZeroOptimizer"},
        ),
        (
            ("posttrain.engine=deepspeed", "posttrain.zero_stage=2"),
            {"wrapper": "DeepSpeedEngine", "optimizer": "DeepSpeedZeroOptimizer"},
        ),
    ],
    ids=["ddp", "zero0", "zero1", "zero2"],
)
def test_posttraining_on_two_ranks_equals_one_process(overrides, evidence, prepared, posttrained, copy_of):
    runs = copy_of(prepared)
    stage("posttrain", runs, *overrides, nproc=2)
    manifest = manifest_of(runs, "posttrain")
    assert manifest["processes"] == 2
    assert evidence.items() <= manifest["engine"].items()
    assert manifest_of(posttrained, "posttrain")["processes"] == 1
    assert largest_difference(weights_of(runs, "posttrain"), weights_of(posttrained, "posttrain")) < 1e-6


@pytest.mark.parametrize(
    ("engine", "evidence"),
    [
        ("torch", {"wrapper": "DistributedDataParallel", "optimizer": "AdamW"}),
        ("fairscale", {"wrapper": "ShardedDataParallel", "optimizer": "OSS"}),
    ],
)
def test_fine_tuning_on_two_ranks_equals_one_process(engine, evidence, posttrained, single_v0, copy_of):
    runs = copy_of(posttrained)
    stage("similarity_v0", runs, *ATTACKED, f"similarity_v0.engine={engine}", nproc=2)
    manifest = manifest_of(runs, "similarity_v0")
    assert evidence.items() <= manifest["engine"].items()
    assert manifest["processes"] == 2
    assert largest_difference(weights_of(runs, "similarity_v0"), weights_of(single_v0, "similarity_v0")) < 1e-6


def test_the_saved_folder_answers_a_pipeline_with_the_same_probabilities(single_v0):
    import csv

    from transformers import pipeline

    result = single_v0 / "demo" / "similarity_v0" / "result"
    with (single_v0 / "demo" / "prepare" / "test.csv").open(encoding="utf-8") as file:
        pairs = [row for _, row in zip(range(20), csv.DictReader(file), strict=False)]
    with (result / "test_predictions.csv").open(encoding="utf-8") as file:
        expected = [float(row["probability"]) for _, row in zip(range(20), csv.DictReader(file), strict=False)]
    classify = pipeline("text-classification", model=str(result / "model"), top_k=None)
    for pair, probability in zip(pairs, expected, strict=True):
        answer = classify({"text": pair["sentence1"], "text_pair": pair["sentence2"]})
        scores = {item["label"]: item["score"] for item in answer}
        assert scores["same"] == pytest.approx(probability, abs=1e-6)


def test_predict_gives_the_labels_that_the_stage_wrote(single_v0, tmp_path):
    from conftest import call

    result = single_v0 / "demo" / "similarity_v0" / "result"
    test_csv = single_v0 / "demo" / "prepare" / "test.csv"
    out = tmp_path / "predictions.csv"
    done = call(
        "similarity_v0", "predict", "--model", str(result / "model"), "--input", str(test_csv), "--output", str(out)
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == len(out.read_text().splitlines()) - 1
    labels = [line.split(",")[2] for line in out.read_text().splitlines()]
    assert labels == [line.split(",")[2] for line in (result / "test_predictions.csv").read_text().splitlines()]
