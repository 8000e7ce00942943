"""Every variant of recipes/sweeps/ablation.yaml differs from its base in one trick alone; three of them are trained."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from tiny_models import tiny_config
from transformers import BertModel

from final_project.data.demo.pairs import build_demo
from final_project.data.files.tables import write_pairs_csv
from final_project.parallel.world import World
from final_project.run.progress import read_metrics
from final_project.run.stage_folder import StageFolder
from final_project.tokens.tokenizer import build_tokenizer
from similarity_v0.fit import fit
from similarity_v0.sweep.spec import Trial, difference, read_sweep

pytestmark = pytest.mark.stage

SWEEP = ROOT / "recipes" / "sweeps" / "ablation.yaml"
VARIANTS = read_sweep(SWEEP).variants
TEST_SIZE = (
    "max_train_pairs=60", "epochs=1", "step_rows=16", "micro_rows=8", "max_length=32", "pack_length=64",
    "precision=fp32", "log_every=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A folder with `prepare`, as fine-tuning reads it, and `encoder`: four layers with random weights, so large that
    the classifier's first answers differ from pair to pair."""
    folder = tmp_path_factory.mktemp("ablation")
    demo = build_demo(100, 1)
    for split, pairs in (("train", demo.train), ("dev", demo.dev[:40]), ("test", demo.test[:40])):
        write_pairs_csv(folder / "prepare" / f"{split}.csv", pairs)
    tokenizer = build_tokenizer((pair.sentence1 + pair.sentence2 for pair in demo.train), 300)
    sizes = {"num_hidden_layers": 4, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    torch.manual_seed(1)
    config = tiny_config(**sizes, hidden_dropout_prob=0.1, initializer_range=0.2)
    BertModel(config).save_pretrained(folder / "encoder")
    tokenizer.save_pretrained(folder / "encoder")
    return folder


def trained(name: str, start: Path, runs: Path) -> list[dict]:
    """Train one variant; the figures of its updates and evaluations."""
    wanted = [f"similarity_v0.{setting}" for setting in (*TEST_SIZE, f"init={start / 'encoder'}")]
    sweep = read_sweep(SWEEP, overrides=tuple(wanted))
    recipe = sweep.build_recipe(Trial(name, 1, sweep.variants[name]))
    (runs / name).mkdir(parents=True)
    (runs / name / "prepare").symlink_to(start / "prepare")
    folder = StageFolder(runs / name, "similarity_v0")
    folder.path.mkdir()
    outputs, facts = fit(recipe, folder, World())
    assert facts["updates"] == 4 and "result/model/config.json" in outputs
    scores = json.loads((folder.path / "result" / "scores.json").read_text())
    assert 0 <= scores["dev"]["accuracy"] <= 1 and math.isfinite(scores["test"]["loss"])
    return read_metrics(folder.path / "metrics.jsonl")


@pytest.fixture(scope="module")
def plain(start, tmp_path_factory) -> list[dict]:
    return trained("base", start, tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize(("name", "first_step_is_plain"), [("fgm", True), ("one_target", False), ("ema", True)])
def test_variants_train_and_change_what_they_name(name, first_step_is_plain, start, plain, tmp_path):
    figures = trained(name, start, tmp_path)
    losses, plain_losses = ([row["loss"] for row in rows if "loss" in row] for rows in (figures, plain))
    assert len(losses) == 4 and all(map(math.isfinite, losses))
    assert (losses[0] == pytest.approx(plain_losses[0], abs=1e-6)) == first_step_is_plain
    assert (losses == plain_losses) == (name == "ema"), "an average changes what is evaluated, not what is trained"


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "base"])
def test_every_variant_is_a_recipe_that_differs_from_the_base_in_its_trick_alone(name):
    sweep = read_sweep(SWEEP)
    changed = difference(sweep.build_recipe(Trial(name, 111, VARIANTS[name])), sweep.recipe)
    changed.pop("runs_dir")
    assert changed == VARIANTS[name] and 1 <= len(changed) <= 2
    assert all(key.startswith("similarity_v0.") for key in changed)


def test_the_published_table_measured_the_variants_of_the_sweep():
    measured = json.loads((ROOT / "docs" / "results" / "ablation.json").read_text())
    assert {row["variant"]: row["settings"] for row in measured["rows"]} == VARIANTS
    assert measured["seeds"] == list(read_sweep(SWEEP).seeds) and len(VARIANTS) == 31
