"""Signals and lost processes, real ones: the state is written, the end comes soon and says how to go on."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, TINY, command, environment, stage
from test_training_engines import largest_difference, weights_of
from test_training_resume import last_step, weights_digest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from final_project.parallel.torchrun import failure_priority

pytestmark = pytest.mark.stage

OWN_TORCHRUN = "final_project.parallel.torchrun"
NOTED = """
import signal, sys, time
from final_project.parallel import signals
signals.ECHO_S = 0.2
with signals.stop_requests() as stop:
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
        if stop.number and len(sys.argv) > 1:
            break
print("noted", stop.number)
"""


def noting(*arguments: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", NOTED, *arguments], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_launchers_echo_of_a_signal_is_not_a_second_wish():
    process = noting("end")
    process.send_signal(signal.SIGSTOP)  # so that both are there before either is handled
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    assert process.wait() == 0
    assert process.stdout.read() in ("noted 2\n", "noted 15\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number):
    process = noting()
    process.send_signal(number)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(5) == -number


def started(runs: Path, *launcher: str) -> subprocess.Popen:
    arguments = ("posttrain", "--recipe", "demo", "--", *TINY, f"runs_dir={runs}")
    run_sh = ["bash", str(ROOT / "run.sh"), *arguments]
    return subprocess.Popen(
        [*launcher, "-m", *arguments] if launcher else run_sh,
        cwd=ROOT, env=environment(VENV=sys.prefix), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_step(process: subprocess.Popen, runs: Path, step: int) -> None:
    while last_step(runs, "posttrain") < step:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def rank(process: subprocess.Popen, number: int) -> psutil.Process:
    children = psutil.Process(process.pid).children(recursive=True)
    return next(child for child in children if child.environ().get("RANK") == str(number))


@pytest.mark.usefixtures("environment_of_run_sh")
def test_a_stage_ended_by_a_signal_resumes_to_the_same_bits(prepared, posttrained, copy_of):
    """SIGTERM to run.sh, as a cluster sends it: passed on, the state written, the status says what ended it."""
    runs = copy_of(prepared)
    process = started(runs)
    wait_for_step(process, runs, 4)
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143, said
    assert "stopped by SIGTERM after step" in said and "the same command resumes from it" in said
    assert not (runs / "demo" / "posttrain" / "manifest.json").exists()
    resumed = stage("posttrain", runs)
    assert "resuming after step" in resumed.stderr
    assert weights_digest(runs, "posttrain") == weights_digest(posttrained, "posttrain")


@pytest.mark.engines
def test_two_processes_agree_on_their_end_and_do_not_wait_for_a_lost_one(prepared, posttrained, copy_of, thorough):
    """A signal to the second of two, then kill -9 to it after a resume; then on to the end of an undisturbed run."""
    runs = copy_of(prepared)
    launcher = [word if word != "torch.distributed.run" else OWN_TORCHRUN for word in command(nproc=2)[:-1]]
    process = started(runs, *launcher)
    wait_for_step(process, runs, 4)
    rank(process, 1).send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143, said
    assert said.count("stopped by SIGTERM after step") == 1 and "Traceback" not in said
    stopped_at = int(said.split("stopped by SIGTERM after step ")[1].split()[0])

    process = started(runs, *launcher)
    wait_for_step(process, runs, stopped_at + 1)
    rank(process, 1).kill()
    began = time.monotonic()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 137, said
    assert time.monotonic() - began < 30
    assert f"resuming after step {stopped_at}" in said
    assert "process 0 of 2 lost another process" in said and "process 1 was ended by SIGKILL" in said
    assert "Traceback" not in said

    stage("posttrain", runs, nproc=2)
    assert largest_difference(weights_of(runs, "posttrain"), weights_of(posttrained, "posttrain")) < 1e-6
    if thorough:
        calm = copy_of(prepared, "calm")
        stage("posttrain", calm, nproc=2)
        assert weights_digest(runs, "posttrain") == weights_digest(calm, "posttrain")


def test_torchrun_ends_as_its_processes_ended():
    launcher = [sys.executable, "-m", OWN_TORCHRUN, "--nproc-per-node=2", "--standalone", "-m"]
    wrong = ("final_project", "stats", "--input", "nowhere.csv")
    done = subprocess.run([*launcher, *wrong], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert "nowhere.csv" in done.stderr and "Traceback" not in done.stderr


def test_the_process_that_was_killed_is_named_before_those_that_missed_it():
    def ended(exitcode: int, at: int) -> ProcessFailure:
        failure = ProcessFailure(local_rank=0, pid=1, exitcode=exitcode, error_file="")
        failure.timestamp = at
        return failure

    killed, missed_it, told_to_end = ended(-9, 3), ended(1, 2), ended(-15, 1)
    assert sorted([told_to_end, missed_it, killed], key=lambda end: failure_priority(0, end)) == [
        killed, missed_it, told_to_end,
    ]  # fmt: skip


def test_a_machine_that_never_comes_is_not_waited_for_for_ever():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launcher = [sys.executable, "-m", OWN_TORCHRUN, "--nnodes=2", "--node-rank=0", "--rdzv-conf=timeout=2"]
    here = ["--master-addr=127.0.0.1", f"--master-port={port}", "-m", "final_project", "stats", "--input", "any.csv"]
    done = subprocess.run([*launcher, *here], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "error: the machines could not connect to each other" in done.stderr and "1/2 clients joined" in done.stderr
    assert "Traceback" not in done.stderr
