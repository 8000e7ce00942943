"""A disk that is really full: a small tmpfs. One message, nothing half-written, and with room it goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import TINY, call, stage
from test_training_resume import weights_digest

pytestmark = pytest.mark.stage


@pytest.mark.parametrize("spare_kb", [40, 400])
def test_training_on_a_full_disk_ends_in_one_message_and_resumes_when_there_is_room(
    spare_kb, prepared, posttrained, small_disk
):
    """spare_kb: what is free when training starts: too little for the tokens, or for the first checkpoint."""
    runs = small_disk(used_kb(prepared) + spare_kb)
    shutil.copytree(prepared / "demo", runs / "demo")
    arguments = ("posttrain", "--recipe", "demo", "--", *TINY, f"runs_dir={runs}")
    full = call(*arguments)
    assert full.returncode == 2, full.stderr[-2000:]
    assert "error:" in full.stderr and "Traceback" not in full.stderr
    assert not (runs / "demo" / "posttrain" / "manifest.json").exists()
    small_disk(100_000)
    assert call(*arguments).returncode == 0
    assert weights_digest(runs, "posttrain") == weights_digest(posttrained, "posttrain")


def test_with_room_for_one_checkpoint_training_warns_and_continues_to_the_same_bits(prepared, posttrained, small_disk):
    runs = small_disk(used_kb(prepared) + 900)
    shutil.copytree(prepared / "demo", runs / "demo")
    done = stage("posttrain", runs)
    assert done.stderr.count("CANNOT WRITE THE CHECKPOINT") == 2
    assert weights_digest(runs, "posttrain") == weights_digest(posttrained, "posttrain")


@pytest.mark.parametrize(("name", "spare_kb"), [("similarity_v0", 700), ("similarity_v0", 1300), ("posttrain", 650)])
def test_without_room_for_the_best_weights_or_the_model_a_stage_ends_in_one_message_and_resumes_later(
    name, spare_kb, posttrained, prepared, small_disk
):
    source = prepared if name == "posttrain" else posttrained
    runs = small_disk(used_kb(source) + spare_kb)
    shutil.copytree(source / "demo", runs / "demo")
    arguments = (name, "--recipe", "demo", "--", *TINY, f"runs_dir={runs}")
    full = call(*arguments)
    assert full.returncode == 2 and "Traceback" not in full.stderr, full.stderr[-2000:]
    assert "error:" in full.stderr and not (runs / "demo" / name / "manifest.json").exists()
    small_disk(100_000)
    assert call(*arguments).returncode == 0


def used_kb(runs: Path) -> int:
    return sum(path.stat().st_size for path in runs.rglob("*") if path.is_file()) // 1024 + 60


def test_prepare_on_a_full_disk_ends_in_one_message(small_disk):
    runs = small_disk(64)
    done = call("final_project", "prepare", "--recipe", "demo", "--", f"runs_dir={runs}")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
    assert not (runs / "demo" / "prepare" / "manifest.json").exists()
