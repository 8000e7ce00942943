"""The scripts of docs/clusters: what can be tried of them without a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, TINY

pytestmark = pytest.mark.stage

CLUSTERS = ROOT / "docs" / "clusters"
SRUN = """#!/usr/bin/env bash
# srun for two machines that are this one: each gets its number, and all must end well
n=2
while [[ $1 == --* ]]; do
    [[ $1 != --ntasks=1 ]] || n=1
    shift
done
pids=()
for ((i = 0; i < n; i++)); do SLURM_NODEID=$i "$@" & pids+=($!); done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
exit $status
"""


def on_two_machines(folder: Path, *arguments: str, run_sh: str = "") -> subprocess.CompletedProcess:
    """The Slurm script with commands of Slurm's names in its path. run_sh: stands in for run.sh where given."""
    commands = folder / "bin"
    commands.mkdir()
    scontrol = "#!/bin/sh\necho 127.0.0.1\nsleep 0.2 # whoever reads the first line only is gone now\necho second\n"
    for name, text in {"srun": SRUN, "scontrol": scontrol}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    place = ROOT
    if run_sh:
        place = folder
        (folder / "run.sh").write_text(run_sh)
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "two"}
    variables = {**os.environ, **job, "SLURM_SUBMIT_DIR": str(place), "PATH": f"{commands}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", str(CLUSTERS / "slurm.sbatch"), *arguments],
        env={**variables, "OMP_NUM_THREADS": "1", "VENV": sys.prefix}, capture_output=True, text=True,
    )  # fmt: skip


def test_the_slurm_script_prepares_once_and_then_calls_run_sh_on_each_machine(tmp_path):
    says = 'echo "$NODE_RANK/$NNODES $MASTER_ADDR $MASTER_PORT: $*"\n'
    done = on_two_machines(tmp_path, "demo", "seed=3", run_sh=says)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    port = 20000 + os.getpid() % 20000
    assert first == f"/2 127.0.0.1 {port}: --recipe demo prepare -- seed=3"
    assert sorted(others) == [f"{rank}/2 127.0.0.1 {port}: --recipe demo -- seed=3" for rank in (0, 1)]


@pytest.mark.thorough
@pytest.mark.usefixtures("environment_of_run_sh")
def test_the_slurm_script_takes_a_recipe_to_its_end(tmp_path):
    done = on_two_machines(tmp_path, "demo", *TINY, f"runs_dir={tmp_path / 'runs'}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "runs" / "demo" / "similarity_v1" / "report.html").is_file()


def test_shellcheck_is_content_with_the_slurm_script():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (Debian: apt-get install shellcheck)")
    done = subprocess.run(["shellcheck", str(CLUSTERS / "slurm.sbatch")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_pods_of_the_kubernetes_job_find_each_other_and_run_one_call_each(tmp_path):
    service, job = yaml.safe_load_all((CLUSTERS / "job.yaml").read_text(encoding="utf-8"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {item["name"]: item["value"] for item in container["env"]}
    name = job["metadata"]["name"]
    assert int(variables["NNODES"]) == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert (
        variables["MASTER_ADDR"] == f"{name}-0.{pod['subdomain']}" and pod["subdomain"] == service["metadata"]["name"]
    )
    assert service["spec"]["selector"] == {"job-name": name}
    manifest = tmp_path / "runs" / "competition" / "prepare" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.touch()
    (tmp_path / "run.sh").write_text('echo "$NODE_RANK of $NNODES: $*"\n')
    for rank in ("0", "1"):
        done = subprocess.run(
            [*container["command"], *container["args"]], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, **variables, "JOB_COMPLETION_INDEX": rank},
        )  # fmt: skip
        assert done.stdout == f"{rank} of 2: --recipe competition\n", done.stderr
