"""What a user sees while a stage works: a bar on a terminal, a line per interval elsewhere; and what is kept."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from conftest import ROOT, environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from final_project.errors import EnvironmentProblem
from final_project.run.progress import Journal, read_metrics
from final_project.run.trackers import TensorBoard, require_wandb

CODE = """
import time
from pathlib import Path
from final_project.cli import set_up_logging
from final_project.run.progress import Journal
set_up_logging()
journal = Journal(Path({folder!r}), "fit", 6, 0, 2)
for step in range(1, 7):
    time.sleep(0.15)
    journal.update(step, 1.0 / step, lambda: {{"tokens_per_s": 1234.5, "padding": 0.25, "rows_per_s": 8.0}})
journal.evaluation(6, {{"dev_accuracy": 0.5}})
journal.close()
"""


def on_a_terminal(code: str) -> str:
    """Run Python code on a pseudo-terminal of 100 columns; returns what it showed."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), stdout=secondary, stderr=secondary, stdin=secondary
    )
    os.close(secondary)
    shown = b""
    while True:
        try:
            block = os.read(primary, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
    assert process.wait() == 0, shown.decode()
    return shown.decode()


@pytest.mark.stage
def test_a_terminal_shows_a_bar_with_rate_and_time_left(tmp_path):
    shown = on_a_terminal(CODE.format(folder=str(tmp_path)))
    assert re.search(r"fit:  50%.*3/6 \[\d\d:\d\d<\d\d:\d\d, .*step/s, loss=0\.3333\]", shown)
    assert "dev_accuracy 0.5000" in shown


@pytest.mark.stage
def test_elsewhere_there_is_a_line_per_interval(tmp_path):
    code = CODE.format(folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"fit: step {step}/6" for step in (2, 4, 6, 6)]
    assert re.search(r"  loss 0\.5000  1,234 tokens/s  25% padding  \d+:\d\d left$", lines[0])
    assert "rows" not in lines[0], "a line is short; metrics.jsonl has it all"
    assert "%|" not in done.stderr


def test_metrics_and_events_are_kept(tmp_path):
    journal = Journal(tmp_path, "fit", 2, 0, 1)
    journal.update(1, 2.0, lambda: {"lr": 0.1})
    journal.evaluation(1, {"dev_accuracy": 0.75})
    journal.close()
    first, second = read_metrics(tmp_path / "metrics.jsonl")
    assert (first["step"], first["loss"], first["lr"], second["dev_accuracy"]) == (1, 2.0, 0.1, 0.75)
    assert "seconds_left" in first
    assert events(tmp_path, "loss") == [(1, 2.0)] and events(tmp_path, "dev_accuracy") == [(1, 0.75)]


def events(folder: Path, name: str) -> list[tuple[int, float]]:
    """What TensorBoard shows of a figure."""
    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(name)]


def test_tensorboard_forgets_what_an_interrupted_run_has_noted_of_later_steps(tmp_path):
    for first_step, steps in ((0, range(1, 6)), (3, range(4, 6))):
        tracker = TensorBoard(tmp_path, first_step)
        for step in steps:
            tracker.add(step, {"loss": float(first_step)})
    assert events(tmp_path, "loss") == [(1, 0.0), (2, 0.0), (3, 0.0), (4, 3.0), (5, 3.0)]


def test_figures_that_are_not_finite_are_null(tmp_path):
    journal = Journal(tmp_path, "fit", 1, 0, 1)
    journal.update(1, float("nan"), lambda: {"grad_norm": float("inf"), "bad_steps": 1})
    journal.close()
    assert (tmp_path / "metrics.jsonl").read_text().startswith('{"bad_steps": 1, "grad_norm": null, "loss": null,')


def test_weights_and_biases_is_used_on_request_and_its_absence_reported():
    require_wandb("", "fit")
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed here")
    with pytest.raises(EnvironmentProblem, match=r"fit\.wandb=mine needs the package wandb"):
        require_wandb("mine", "fit")


WANDB_CODE = """
import json, sys
from pathlib import Path
from final_project.run.progress import Journal

first = int(sys.argv[2])
journal = Journal(Path(sys.argv[1]), "fit", 4, first, 1, wandb="pairs")
for step in (first + 1, first + 2):
    journal.update(step, 1 / step, lambda: {"lr": 0.1})
journal.evaluation(first + 2, {"dev_accuracy": 0.5 + first / 10})
import wandb
print(json.dumps([wandb.run.id, wandb.run.project, wandb.run.name]), flush=True)
journal.close()
"""


def with_wandb(folder: Path, first_step: int, **variables: str) -> subprocess.CompletedProcess:
    """Two steps and an evaluation in a process of their own, since wandb reads its environment once a process."""
    pytest.importorskip("wandb", reason="wandb is not installed here; it is optional")
    code = [sys.executable, "-c", WANDB_CODE, str(folder), str(first_step)]
    variables = {**environment(), "HOME": str(folder), **variables}  # no key from an earlier login
    return subprocess.run(code, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300)


def test_weights_and_biases_gets_every_figure_and_a_resumed_stage_continues_its_run(tmp_path):
    runs = []
    for first_step, loss, accuracy in ((0, "0.5", "0.5"), (2, "0.25", "0.7")):
        done = with_wandb(tmp_path, first_step, WANDB_MODE="offline")
        runs.append(json.loads(done.stdout.splitlines()[0]))
        told = done.stdout + done.stderr  # it ends with the last value of every figure
        assert re.search(rf" loss {loss}$", told, re.MULTILINE), told
        assert re.search(rf" dev_accuracy {accuracy}$", told, re.MULTILINE), told
    assert runs[0] == runs[1] and runs[0][1:] == ["pairs", f"{tmp_path.parent.name}/fit"]


def test_weights_and_biases_without_a_key_says_what_to_do(tmp_path):
    done = with_wandb(tmp_path, 0, WANDB_BASE_URL="http://127.0.0.1:9")
    assert re.search(r"EnvironmentProblem: fit\.wandb=pairs: .*API key.* WANDB_MODE=offline", done.stderr)


def test_a_resumed_journal_is_cut_back_to_where_it_resumes(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in range(1, 8)) + '{"step": 8, "lo')
    journal = Journal(tmp_path, "fit", 10, 5, 1)
    journal.update(6, 0.5, dict)
    journal.close()
    assert [row["step"] for row in read_metrics(path)] == [1, 2, 3, 4, 5, 6]


def test_a_rank_without_a_folder_writes_nothing(tmp_path, capsys):
    journal = Journal(None, "fit", 2, 0, 1)
    journal.update(1, 2.0, lambda: {"lr": 0.1})
    journal.evaluation(1, {"dev_accuracy": 0.75})
    journal.close()
    assert capsys.readouterr().err == "" and not list(tmp_path.iterdir())
