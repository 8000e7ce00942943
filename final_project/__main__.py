"""python -m final_project COMMAND ...: what needs no training."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from final_project.cli import run_commands, run_main

COMMANDS = {
    "prepare": ("final_project.commands.prepare", "stage 0: read, check, split and count the pairs of a recipe"),
    "corpora": ("final_project.commands.corpora", "what is known of the corpora, and what of them a folder holds"),
    "inspect": ("final_project.commands.inspect", "show what would be read of a file of pairs, and what does not fit"),
    "convert": ("final_project.commands.convert", "turn a corpus's raw files into one CSV of pairs"),
    "augment": ("final_project.commands.augment", "add the pairs that labelled pairs imply"),
    "stats": (
        "final_project.commands.stats",
        "count files of pairs: JSON on standard output, a table on standard error",
    ),
    "weights": (
        "final_project.commands.pretrained",
        "bring a pretrained encoder here, from an index, a hub or a folder",
    ),
    "doctor": ("final_project.commands.doctor", "check whether this machine can run a recipe"),
    "plan": ("final_project.commands.plan", "print the command of each stage, as run.sh runs it"),
}


def main(argv: Sequence[str]) -> int | None:
    return run_commands("final_project", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(run_main(main))
