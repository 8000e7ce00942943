"""python -m final_project prepare | corpora | convert | augment | stats | doctor | plan: what needs no training."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from final_project import doctor, plan
from final_project.cli import Parser, run_main
from final_project.data import augment, corpora, statistics
from final_project.data.corpora import listing
from final_project.prepare import stage as prepare

COMMANDS = (prepare, listing, corpora, augment, statistics, doctor, plan)


def main(argv: Sequence[str]) -> int | None:
    parser = Parser(prog="python -m final_project", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_command(subparsers)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(run_main(main))
