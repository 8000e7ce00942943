"""One update is one update: on any engine, over any number of ranks, with accumulation, FGM and EMA."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import stage
from safetensors.torch import load_file
from training_support import ENGINES, largest_difference, settings_of

pytestmark = pytest.mark.engines

EVIDENCE = {
    "ddp": {"wrapper": "DistributedDataParallel", "optimizer": "AdamW", "weights": "Tensor"},
    "fsdp2": {"name": "fsdp2", "weights": "DTensor", "weights_held": 0.5},
    "fairscale": {"wrapper": "ShardedDataParallel", "optimizer": "OSS"},
    "zero0": {"wrapper": "DeepSpeedEngine", "optimizer": "AdamW"},
    "zero1": {"wrapper": "DeepSpeedEngine", "optimizer": "DeepSpeedZeroOptimizer", "zero_stage": 1},
    "zero2": {"wrapper": "DeepSpeedEngine", "optimizer": "DeepSpeedZeroOptimizer", "zero_stage": 2},
    "zero3": {"wrapper": "DeepSpeedEngine", "optimizer": "DeepSpeedZeroOptimizer_Stage3", "weights": "partitioned"},
}
ATTACKED = ("similarity_v0.fgm_eps=1", "similarity_v0.ema_decay=0.9", "similarity_v0.lr_groups=thirds")


def manifest_of(runs: Path, name: str) -> dict:
    return json.loads((runs / "demo" / name / "manifest.json").read_text())


def weights_of(runs: Path, name: str) -> dict:
    (path,) = [path for path in manifest_of(runs, name)["outputs"] if path.endswith("model.safetensors")]
    return load_file(runs / "demo" / name / path)


@pytest.fixture(scope="module")
def single_v0(posttrained, tmp_path_factory) -> Path:
    import shutil

    runs = Path(shutil.copytree(posttrained, tmp_path_factory.mktemp("single") / "runs"))
    stage("similarity_v0", runs, *ATTACKED)
    return runs


def cases(*quick: str) -> list:
    """The named engines in every run, all others with --thorough."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.thorough) for name in ENGINES]


@pytest.mark.parametrize("engine", cases("fsdp2", "zero3"))
def test_posttraining_on_two_ranks_exports_what_one_process_exports(engine, prepared, posttrained, copy_of):
    runs = copy_of(prepared)
    stage("posttrain", runs, *settings_of("posttrain", engine), nproc=2)
    manifest = manifest_of(runs, "posttrain")
    assert manifest["processes"] == 2
    assert EVIDENCE[engine].items() <= manifest["engine"].items()
    assert manifest_of(posttrained, "posttrain")["processes"] == 1
    assert largest_difference(weights_of(runs, "posttrain"), weights_of(posttrained, "posttrain")) < 1e-6
    assert_fills_masks(runs / "demo" / "posttrain" / manifest["model"])


def assert_fills_masks(folder: Path) -> None:
    """That others can load the export: tied weights stand in the file once, and a pipeline answers."""
    from transformers import AutoModelForMaskedLM, pipeline

    model = AutoModelForMaskedLM.from_pretrained(folder)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert "cls.predictions.decoder.weight" not in load_file(folder / "model.safetensors")
    answers = pipeline("fill-mask", model=str(folder), top_k=3)("今天天气[MASK]不好")
    assert len(answers) == 3 and all(len(answer["token_str"]) for answer in answers)


@pytest.mark.parametrize("engine", cases("ddp", "fairscale", "zero3"))
def test_fine_tuning_on_two_ranks_equals_one_process(engine, posttrained, single_v0, copy_of):
    runs = copy_of(posttrained)
    stage("similarity_v0", runs, *ATTACKED, *settings_of("similarity_v0", engine), nproc=2)
    manifest = manifest_of(runs, "similarity_v0")
    assert EVIDENCE[engine].items() <= manifest["engine"].items()
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
