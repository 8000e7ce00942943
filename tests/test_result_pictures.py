"""The pictures of RESULTS are drawn from result files, the ablation's from what a real sweep writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from similarity_v0.sweep.runner import TrialResult
from similarity_v0.sweep.spec import Trial, read_sweep
from similarity_v0.sweep.table import write_tables

pytestmark = pytest.mark.stage

CURVE = [
    {"name": "quick", "minutes": 8, "dev_accuracy": 0.74},
    {"name": "quick", "minutes": 28.5, "dev_accuracy": 0.8},
    {"name": "a peer", "minutes": 3, "dev_accuracy": 0.7},
]

HELPS = {
    "runs": {
        "post-trained": {
            "1": {"held_out_perplexity": {"0": 900.0, "50": 90.5}, "dev_accuracy": {"10": 0.6, "20": 0.7}},
            "2": {"held_out_perplexity": {"0": 910.0, "50": 95.5}, "dev_accuracy": {"10": 0.61, "20": 0.72}},
        },
        "random": {"1": {"held_out_perplexity": {"0": 900.0}, "dev_accuracy": {"10": 0.55, "20": 0.62}}},
    }
}
PICTURES = ("results_curve.png", "results_ablation.png", "results_posttraining.png")


@pytest.fixture
def results(tmp_path) -> Path:
    """A folder with all result files: a curve, post-training, and the table of a sweep with one failed trial."""
    (tmp_path / "ablation.yaml").write_text("recipe: demo\nseeds: [1, 2]\n", encoding="utf-8")
    sweep = read_sweep(tmp_path / "ablation.yaml", overrides=(f"runs_dir={tmp_path}",))
    right = np.arange(40) % 4 > 0
    outcomes = [
        TrialResult(Trial(variant, seed, {}), {"dev": {"accuracy": 0.7 + gain + seed / 100}}, right, train_s=10)
        for seed in (1, 2)
        for variant, gain in (("base", 0), ("fgm", 0.02 + seed / 1000), ("focal", -0.01))
    ]
    write_tables(sweep, [*outcomes, TrialResult(Trial("gone", 1, {}), problem="ended by SIGKILL")])
    folder = tmp_path / "results"
    folder.mkdir()
    (sweep.folder / "results.json").rename(folder / "ablation.json")
    (folder / "lcqmc_curve.json").write_text(json.dumps(CURVE), encoding="utf-8")
    (folder / "posttraining_helps.json").write_text(json.dumps(HELPS), encoding="utf-8")
    return folder


def draw(results: Path, output_dir: Path) -> subprocess.CompletedProcess:
    output_dir.mkdir(exist_ok=True)
    script = [sys.executable, str(ROOT / "docs" / "result_pictures.py")]
    where = ["--results", str(results), "--output-dir", str(output_dir)]
    return subprocess.run([*script, *where], capture_output=True, text=True)


def test_all_pictures_are_drawn_without_colours_and_the_same_each_time(results, tmp_path):
    for name in ("first", "second"):
        done = draw(results, tmp_path / name)
        assert done.returncode == 0, done.stderr
    for name in PICTURES:
        red, green, blue = np.moveaxis(np.asarray(Image.open(tmp_path / "first" / name).convert("RGB"), int), -1, 0)
        assert (red == green).all() and (green == blue).all()
        assert red.min() == 0 and (red < 128).mean() > 0.005, "something is drawn"
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_one_result_file_gives_one_picture_and_none_is_an_error(results, tmp_path):
    (results / "ablation.json").unlink()
    (results / "posttraining_helps.json").unlink()
    assert draw(results, tmp_path / "one").returncode == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["results_curve.png"]
    (results / "lcqmc_curve.json").unlink()
    done = draw(results, tmp_path / "none")
    assert done.returncode == 2 and "found none" in done.stderr and "Traceback" not in done.stderr


def test_a_result_file_of_another_form_is_one_message(results, tmp_path):
    (results / "lcqmc_curve.json").write_text('[{"name": "quick"}]', encoding="utf-8")
    done = draw(results, tmp_path / "pictures")
    assert done.returncode == 2 and "lcqmc_curve.json" in done.stderr and "Traceback" not in done.stderr
