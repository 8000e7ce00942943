"""Shared by all tests: the command line as a subprocess, and a small prepared run of real demo pairs."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from final_project.artifacts import file_digest

ROOT = Path(__file__).resolve().parent.parent
TINY_ENCODER = (
    "encoder.n_layers=2",
    "encoder.hidden_size=32",
    "encoder.n_heads=2",
    "encoder.intermediate_size=64",
    "encoder.max_positions=64",
)
TINY_TRAINING = tuple(
    f"{stage}.{setting}"
    for stage in ("posttrain", "similarity_v0")
    for setting in ("epochs=2", "step_rows=64", "micro_rows=16", "precision=fp32", "checkpoint_every=3", "log_every=1")
)
TINY = (*TINY_ENCODER, *TINY_TRAINING, "prepare.demo_pairs=400", "posttrain.held_out_rows=32")


TIERS = {
    "stage": "starts processes of the project's commands, trains, or takes more than a second",
    "engines": "DeepSpeed, fairscale, FSDP or several ranks",
    "browser": "opens pages in Chromium",
    "thorough": "takes too long for every run, and waits for --thorough",
}
RUNS_A_STAGE = {"prepared", "posttrained"}  # a test that asks for one of these fixtures is marked `stage` by itself


def pytest_addoption(parser) -> None:
    parser.addoption("--thorough", action="store_true", help="also run what takes too long for every run")
    parser.addoption(
        "--quick", action="store_true", help="run only tests without a tier marker: no process, no training"
    )


def pytest_configure(config) -> None:
    # A script's background job ignores Ctrl-C, and so does all that it starts; the tests send it themselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, meaning in TIERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(config, items) -> None:
    for item in items:
        if RUNS_A_STAGE & set(item.fixturenames):
            item.add_marker("stage")
    if config.getoption("--quick"):
        quick = [item for item in items if not any(item.get_closest_marker(tier) for tier in TIERS)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(quick)])
        items[:] = quick


def pytest_runtest_setup(item) -> None:
    if item.get_closest_marker("thorough") and not item.config.getoption("--thorough"):
        pytest.skip("takes too long for every run: bash run.sh test --thorough")


@pytest.fixture(scope="session", autouse=True)
def no_process_in_quick(request):
    """With --quick, a test that starts Python, bash or a worker process fails: it lacks its marker."""
    if not request.config.getoption("--quick"):
        yield
        return
    sentence = (
        "this test starts a process ({}): mark it `stage`, `engines` or `browser` (see TIERS in tests/conftest.py)"
    )
    start = subprocess.Popen.__init__

    def guarded(self, args, *others, **named):
        program = Path(os.fspath(args if isinstance(args, (str, Path)) else args[0])).name
        if program.startswith(("python", "bash", "chrom", "torchrun")):
            pytest.fail(sentence.format(program))
        start(self, args, *others, **named)

    def refuse(*_):
        pytest.fail(sentence.format("fork or multiprocessing"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", guarded)
        patch.setattr(os, "fork", refuse)
        patch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
        yield


@pytest.fixture(scope="module")
def one_thread():
    """Tiny models gain nothing from threads, and lose much where the cores are busy."""
    import torch  # a second that tests without it need not wait

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def thorough(request) -> bool:
    """Whether --thorough was given; ask for it to do more of the same."""
    return request.config.getoption("--thorough")


def command(*arguments: str, nproc: int = 1) -> list[str]:
    """`python -m ...`, or the same under torchrun."""
    if nproc == 1:
        return [sys.executable, "-m", *arguments]
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={nproc}",
        "--standalone",
        "-m",
        *arguments,
    ]


def rewrite(stage_folder: Path, name: str, text: str) -> None:
    """Give a finished stage another file, as if it had written that itself."""
    path, manifest = stage_folder / name, stage_folder / "manifest.json"
    path.write_text(text, encoding="utf-8")
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    facts["outputs"][name] = file_digest(path)
    facts["sizes"][name] = path.stat().st_size
    manifest.write_text(json.dumps(facts), encoding="utf-8")


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **extra}


def call(*arguments: str, nproc: int = 1, **extra: str) -> subprocess.CompletedProcess:
    """Run a command of the project to its end, from the checkout; standard output and error as text."""
    return subprocess.run(
        command(*arguments, nproc=nproc), cwd=ROOT, env=environment(**extra), capture_output=True, text=True
    )


def stage(name: str, runs: Path, *overrides: str, nproc: int = 1) -> subprocess.CompletedProcess:
    """Run one stage of the demo recipe in its tiny form; fails the test where the stage fails."""
    done = call(name, "--recipe", "demo", "--", *TINY, f"runs_dir={runs}", *overrides, nproc=nproc)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def run_sh(*arguments: str, cwd: Path = ROOT, **extra: str) -> subprocess.CompletedProcess:
    """bash run.sh, in the environment that the tests run in."""
    variables = {**os.environ, "VENV": sys.prefix, "OMP_NUM_THREADS": "1", **extra}
    return subprocess.run(
        ["bash", str(ROOT / "run.sh"), *arguments], cwd=cwd, env=variables, capture_output=True, text=True
    )


@pytest.fixture(scope="session")
def environment_of_run_sh() -> None:
    """Skips where run.sh would first install its packages."""
    installed = Path(sys.prefix) / "installed-requirements.txt"
    if not installed.is_file() or installed.read_bytes() != (ROOT / "requirements.txt").read_bytes():
        pytest.skip("these tests run inside the environment that run.sh sets up: bash run.sh test")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A runs folder in which `prepare` of the tiny demo has finished. Copy it, do not write to it."""
    runs = tmp_path_factory.mktemp("prepared")
    done = call("final_project", "prepare", "--recipe", "demo", "--", *TINY, f"runs_dir={runs}")
    assert done.returncode == 0, done.stderr[-3000:]
    return runs


@pytest.fixture(scope="session")
def posttrained(prepared, tmp_path_factory) -> Path:
    """A runs folder in which `prepare` and `posttrain` of the tiny demo have finished. Copy it."""
    runs = tmp_path_factory.mktemp("posttrained") / "runs"
    shutil.copytree(prepared, runs)
    stage("posttrain", runs)
    return runs


@pytest.fixture
def copy_of(tmp_path):
    """copy_of(runs, name): a private copy of a session's runs folder."""

    def copy(runs: Path, name: str = "runs") -> Path:
        return Path(shutil.copytree(runs, tmp_path / name))

    return copy


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(kilobytes): a folder on a file system of that size; call again to resize it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def resize(kilobytes: int) -> Path:
        options = f"{'remount,' if mounted else ''}size={kilobytes}k"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("mounting a small file system takes root's rights")
        mounted.append(True)
        return folder

    yield resize
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
