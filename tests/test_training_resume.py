"""kill -9 at any moment, then the same command: the same bits as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, TINY, command, environment, stage
from safetensors.torch import load_file
from training_support import largest_difference, settings_of

from final_project.artifacts import file_digest
from final_project.run.progress import read_metrics

pytestmark = pytest.mark.engines

LONGER = ("posttrain.epochs=4", "similarity_v0.epochs=4")  # 24 and 28 updates
EXTRA = {"similarity_v0": ("similarity_v0.fgm_eps=1", "similarity_v0.ema_decay=0.9"), "posttrain": ()}


def last_step(runs: Path, name: str) -> int:
    rows = read_metrics(runs / "demo" / name / "metrics.jsonl")
    return max((int(row["step"]) for row in rows), default=0)


def kill_at(runs: Path, name: str, step: int, *overrides: str, nproc: int = 1) -> None:
    """Start a stage and kill -9 every process of it once it has logged that step."""
    process = subprocess.Popen(
        command(name, "--recipe", "demo", "--", *TINY, *LONGER, f"runs_dir={runs}", *overrides, nproc=nproc),
        cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while last_step(runs, name) < step:
        assert process.poll() is None, f"the stage ended before step {step}"
        time.sleep(0.01)
    for victim in [*psutil.Process(process.pid).children(recursive=True), process]:
        victim.kill()
    process.wait()
    assert not (runs / "demo" / name / "manifest.json").exists(), "a killed stage must not look finished"


def weights_file(runs: Path, name: str) -> Path:
    manifest = json.loads((runs / "demo" / name / "manifest.json").read_text())
    (weights,) = [path for path in manifest["outputs"] if path.endswith("model.safetensors")]
    return runs / "demo" / name / weights


def weights_digest(runs: Path, name: str) -> str:
    return file_digest(weights_file(runs, name))


MOMENTS = {"few": 1, "some": 3, "many": 5}  # of kill -9


@pytest.mark.parametrize(
    ("name", "engine", "nproc", "kills"),
    [
        ("posttrain", "ddp", 1, "some"),
        ("similarity_v0", "fairscale", 2, "few"),
        *(
            pytest.param("posttrain", engine, nproc, "many", marks=pytest.mark.thorough)
            for engine, nproc in (("ddp", 1), ("ddp", 2), ("fsdp2", 2), ("zero2", 2), ("zero3", 2))
        ),
        *(
            pytest.param("similarity_v0", engine, 2, "many", marks=pytest.mark.thorough)
            for engine in ("ddp", "fsdp2", "fairscale", "zero2", "zero3")
        ),
    ],
)
def test_a_stage_killed_at_random_ends_with_the_bits_of_an_undisturbed_one(
    name, engine, nproc, kills, prepared, posttrained, copy_of
):
    source = prepared if name == "posttrain" else posttrained
    overrides = (*EXTRA[name], *settings_of(name, engine))
    calm, disturbed = copy_of(source, "calm"), copy_of(source, "disturbed")
    stage(name, calm, *LONGER, *overrides, nproc=nproc)
    for moment in sorted(random.Random(f"{name}{engine}").sample(range(4, 22), MOMENTS[kills])):
        kill_at(disturbed, name, moment, *overrides, nproc=nproc)
    resumed = stage(name, disturbed, *LONGER, *overrides, nproc=nproc)
    assert "resuming after step" in resumed.stderr, "the last run was to go on from a checkpoint"
    assert weights_digest(calm, name) == weights_digest(disturbed, name)
    steps = [
        json.loads(line)["step"] for line in (disturbed / "demo" / name / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == sorted(steps), "no step stands twice in the journal"


def test_a_run_may_resume_with_another_engine_and_number_of_ranks(prepared, copy_of):
    calm, disturbed = copy_of(prepared, "calm"), copy_of(prepared, "disturbed")
    stage("posttrain", calm, *LONGER)
    for moment, engine, nproc in ((5, "zero3", 2), (12, "ddp", 1)):
        kill_at(disturbed, "posttrain", moment, *settings_of("posttrain", engine), nproc=nproc)
    resumed = stage("posttrain", disturbed, *LONGER, *settings_of("posttrain", "fsdp2"), nproc=2)
    assert "resuming after step" in resumed.stderr and "removing" not in resumed.stderr
    both = [load_file(weights_file(runs, "posttrain")) for runs in (calm, disturbed)]
    assert largest_difference(*both) < 1e-6


def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning(prepared, copy_of):
    calm, disturbed = copy_of(prepared, "calm"), copy_of(prepared, "disturbed")
    stage("posttrain", calm, *LONGER)
    kill_at(disturbed, "posttrain", 8)
    newest = max((disturbed / "demo" / "posttrain" / "checkpoints").glob("step-*"))
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    resumed = stage("posttrain", disturbed, *LONGER)
    assert f"{newest.name} cannot be used" in resumed.stderr
    assert weights_digest(calm, "posttrain") == weights_digest(disturbed, "posttrain")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("posttrain", ("posttrain.lr=1e-4",)),
        *(
            pytest.param("similarity_v0", change, marks=pytest.mark.thorough)
            for change in (EXTRA["similarity_v0"], ("similarity_v0.pgd_eps=1",), ("similarity_v0.swa_start=0.5",))
        ),
    ],
)
def test_a_changed_setting_starts_over_instead_of_resuming(name, change, prepared, request, copy_of):
    runs = copy_of(prepared if name == "posttrain" else request.getfixturevalue("posttrained"))
    kill_at(runs, name, 5)
    restarted = stage(name, runs, *LONGER, *change)
    assert "resuming" not in restarted.stderr
    assert "an earlier run had other settings or inputs" in restarted.stderr


def test_the_same_command_while_the_stage_still_runs_waits_and_finds_it_done(prepared, copy_of):
    """As when only the shell was killed: its child trains on, and two must not write into one folder."""
    runs = copy_of(prepared)
    arguments = ("posttrain", "--recipe", "demo", "--", *TINY, *LONGER, f"runs_dir={runs}")
    first = subprocess.Popen(command(*arguments), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL)
    while last_step(runs, "posttrain") < 1:
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    second = subprocess.Popen(command(*arguments), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    said = second.stderr.readline()
    assert "another process is working on" in said
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert "posttrain: up to date, skipped" in second.stderr.read()
    assert second.wait() == 0
