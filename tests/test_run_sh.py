"""run.sh, the way in: what it prints, what it skips, what it refuses."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import TINY, run_sh

STAGES = ("prepare", "posttrain", "similarity_v0", "similarity_v1")
pytestmark = [pytest.mark.stage, pytest.mark.usefixtures("environment_of_run_sh")]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """All stages of the tiny demo through run.sh."""
    runs = tmp_path_factory.mktemp("whole")
    done = run_sh("--recipe", "demo", "--", *TINY, f"runs_dir={runs}")
    assert done.returncode == 0, done.stderr[-3000:]
    return runs, done


def test_help_names_every_stage():
    text = run_sh("--help").stdout
    assert all(stage in text for stage in STAGES) and "--dry-run" in text


def test_the_first_line_says_which_recipe_and_why():
    assert run_sh("--dry-run", CUDA_VISIBLE_DEVICES="").stdout.startswith("recipe demo: no CUDA device is visible")
    assert run_sh("--dry-run", CUDA_VISIBLE_DEVICES="0,1").stdout.startswith("recipe competition: 2 CUDA devices")
    assert run_sh("--dry-run", "--recipe", "demo").stdout.startswith("recipe demo: as asked")


def test_competition_without_its_files_says_what_to_place_where_and_starts_nothing(tmp_path):
    done = run_sh("--recipe", "competition", "--", f"prepare.data_dir={tmp_path}", f"runs_dir={tmp_path}")
    assert done.returncode == 2
    assert "LCQMC/train" in done.stderr and "sim_interpretation_B.txt" in done.stderr
    assert "models/chinese-roberta-wwm-ext-large" in done.stderr
    assert "--recipe demo needs nothing" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_dry_run_prints_the_command_of_every_stage_and_runs_nothing(tmp_path):
    lines = run_sh("--recipe", "demo", "--dry-run", "--", f"runs_dir={tmp_path}").stdout.splitlines()[1:]
    assert [line.split(" -m ")[1].split(" --recipe")[0] for line in lines] == [
        "final_project prepare", "posttrain", "similarity_v0", "similarity_v1",
    ]  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_dry_run_says_what_is_missing_as_well(tmp_path):
    done = run_sh("--dry-run", "--recipe", "competition", "--", f"prepare.data_dir={tmp_path}")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 5
    assert "LCQMC/train" in done.stderr and "--recipe demo needs nothing" in done.stderr


def test_stages_run_in_their_order_however_they_are_named(tmp_path):
    named = ("similarity_v1", "posttrain", "similarity_v1")
    lines = run_sh("--recipe", "demo", "--dry-run", *named, "--", f"runs_dir={tmp_path}").stdout.splitlines()[1:]
    assert [line.split(" -m ")[1].split(" --recipe")[0] for line in lines] == ["posttrain", "similarity_v1"]


def test_several_processes_get_torchrun_or_the_launcher_of_deepspeed():
    lines = run_sh(
        "--dry-run",
        "--recipe",
        "demo",
        "--nproc",
        "4",
        "posttrain",
        "similarity_v0",
        "similarity_v1",
        "--",
        "posttrain.engine=deepspeed",
    ).stdout.splitlines()[1:]
    assert "-m deepspeed.launcher.launch" in lines[0] and "--module posttrain" in lines[0]
    (world_info,) = [word.split("=", 1)[1] for word in lines[0].split() if word.startswith("--world_info=")]
    assert json.loads(base64.urlsafe_b64decode(world_info)) == {"node0": [0, 1, 2, 3]}
    for stage, line in zip(("similarity_v0", "similarity_v1"), lines[1:], strict=True):
        assert f"final_project.parallel.torchrun --nproc-per-node=4 --standalone -m {stage}" in line


def test_several_machines_are_taken_from_the_environment():
    several = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "first", "MASTER_PORT": "1234"}
    line = run_sh("--dry-run", "--recipe", "demo", "similarity_v0", **several).stdout.splitlines()[1]
    assert "--nnodes=2 --node-rank=1 --master-addr=first --master-port=1234" in line
    assert run_sh("--dry-run", "--recipe", "demo", NNODES="2").returncode == 2
    assert "MASTER_ADDR" in run_sh("--dry-run", "--recipe", "demo", NNODES="2").stderr


@pytest.mark.parametrize("engine", ["torch", "deepspeed"])
def test_two_launchers_on_the_loopback_train_as_two_machines(engine, prepared, copy_of):
    runs = copy_of(prepared)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    arguments = ("--recipe", "demo", "prepare", "posttrain", "--", *TINY, f"runs_dir={runs}")
    address = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with ThreadPoolExecutor(2) as machines:
        first, second = machines.map(
            lambda rank: run_sh(*arguments, f"posttrain.engine={engine}", **address, NODE_RANK=rank), ("0", "1")
        )
    assert first.returncode == second.returncode == 0, first.stderr[-2000:] + second.stderr[-2000:]
    manifest = json.loads((runs / "demo" / "posttrain" / "manifest.json").read_text())
    assert manifest["processes"] == 2 and manifest["engine"]["name"] == engine
    assert "prepare: up to date, skipped" in first.stderr
    assert "prepare: the first machine's work, skipped on this one" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("similarity_v2",), "unknown stage similarity_v2"),
        (("--recip", "demo"), "unknown option --recip"),
        (("--recipe",), "--recipe needs a value"),
        (("--nproc", "zero"), "positive whole number"),
        (("--recipe", "dmo"), "did you mean demo?"),
        (("--recipe", "demo", "--", "similarity_v0.lrr=1"), "did you mean similarity_v0.lr?"),
    ],
)
def test_wrong_use_is_one_message_and_status_2(arguments, message):
    done = run_sh(*arguments)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_python_that_is_too_old_gets_one_clear_line(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.8.1'\nexit 1\n")
    old.chmod(0o755)
    done = run_sh("--recipe", "demo", VENV=str(tmp_path / "venv"), PYTHON=str(old))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"error: Python 3.10-3.13 is needed; {old} is Python 3.8.1. Name one with PYTHON=..."
    ]


def test_all_stages_end_in_a_valid_zip_and_a_report(whole_run):
    runs, _ = whole_run
    submit = runs / "demo" / "similarity_v1" / "submit"
    assert zipfile.ZipFile(submit / "sim_rationale_f1_f2_f3.zip").testzip() is None
    assert "</html>" in (runs / "demo" / "similarity_v1" / "report.html").read_text(encoding="utf-8")
    for stage in STAGES:
        manifest = json.loads((runs / "demo" / stage / "manifest.json").read_text())
        assert manifest["stage"] == stage and manifest["recipe"]["name"] == "demo" and manifest["rows"]
        assert f"{stage}: wrote" in whole_run[1].stderr


def test_the_same_call_again_skips_every_stage(whole_run):
    again = run_sh("--recipe", "demo", "--", *TINY, f"runs_dir={whole_run[0]}")
    assert again.returncode == 0
    assert [line.split(":")[0] for line in again.stderr.splitlines() if "up to date, skipped" in line] == list(STAGES)


@pytest.mark.parametrize(
    ("override", "runs_again"),
    [
        ("similarity_v1.ratio=0.5", ["similarity_v1"]),
        ("similarity_v0.threshold=margin", ["similarity_v0", "similarity_v1"]),
    ],
)
def test_a_changed_value_reruns_only_what_depends_on_it(override, runs_again, whole_run, copy_of):
    runs = copy_of(whole_run[0])
    changed = run_sh("--recipe", "demo", "--", *TINY, override, f"runs_dir={runs}")
    assert changed.returncode == 0, changed.stderr[-2000:]
    assert [stage for stage in STAGES if f"{stage}: up to date, skipped" not in changed.stderr] == runs_again
    record = (runs / "demo" / "similarity_v0" / "result_record.csv").read_text().splitlines()
    assert len(record) == 1 + len(runs_again), "the record keeps a row of every run"


def test_a_single_stage_works_alone_and_force_runs_it_again_on_two_processes_to_the_same_bytes(whole_run, copy_of):
    runs = copy_of(whole_run[0])
    two = ("--recipe", "demo", "--nproc", "2", "similarity_v1", "--", *TINY, f"runs_dir={runs}")
    assert "similarity_v1: up to date, skipped" in run_sh(*two).stderr, "the number of processes changes no result"
    done = run_sh("--force", *two)
    assert done.returncode == 0 and done.stderr.count("similarity_v1: wrote") == 1, done.stderr
    for name in ("scores.jsonl", "submit/sim_rationale_f1_f2_f3.zip", "submit/sim_rationale_clean.zip"):
        before = (whole_run[0] / "demo" / "similarity_v1" / name).read_bytes()
        assert (runs / "demo" / "similarity_v1" / name).read_bytes() == before


def test_a_stage_whose_input_is_missing_names_the_stage_to_run(tmp_path):
    done = run_sh("--recipe", "demo", "similarity_v0", "--", f"runs_dir={tmp_path}")
    assert done.returncode == 2
    assert "run bash run.sh prepare" in done.stderr and "Traceback" not in done.stderr


def test_a_recipe_file_is_found_from_the_folder_of_the_caller(tmp_path):
    (tmp_path / "mine.yaml").write_text("seed: 5\n")
    done = run_sh("--dry-run", "--recipe", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0 and str(tmp_path / "mine.yaml") in done.stdout
