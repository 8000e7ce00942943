"""Figures about pairs: of one set (`describe`), between sets (`overlaps`), and the table that shows both."""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from final_project.cli import print_json
from final_project.data.pairs import Pair
from final_project.data.tables import read_pairs

QUANTILES = (0, 0.5, 0.9, 0.99, 1)


def normal_form(sentence: str) -> str:
    """How sentences are compared between sets: NFKC, lower case, no white space."""
    return "".join(unicodedata.normalize("NFKC", sentence).lower().split())


def normal_pair(pair: Pair) -> tuple[str, str]:
    """The two normal forms in sorted order: which sentence came first says nothing about the meaning."""
    first, second = sorted((normal_form(pair.sentence1), normal_form(pair.sentence2)))
    return first, second


def describe(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Rows, labels, lengths in characters, and what is odd, of one set. Sentences are compared as they are here.

    duplicates: rows that repeat an earlier one, sides and label alike. contradicting: distinct pairs of sentences that
    occur with both labels. identical_sides: rows whose two sentences are the same.
    """
    labels = [pair.label for pair in pairs if pair.label is not None]
    labels_of: dict[tuple[str, str], set[int | None]] = defaultdict(set)
    for pair in pairs:
        labels_of[pair.sentence1, pair.sentence2].add(pair.label)
    lengths = [len(side) for pair in pairs for side in (pair.sentence1, pair.sentence2)]
    return {
        "rows": len(pairs),
        "labelled": len(labels),
        "positive": sum(labels),
        "positive_share": round(sum(labels) / len(labels), 4) if labels else None,
        "sentences": len({side for pair in pairs for side in (pair.sentence1, pair.sentence2)}),
        "length_chars": quantiles(lengths),
        "duplicates": len(pairs) - len(set(pairs)),
        "contradicting": sum({0, 1} <= found for found in labels_of.values()),
        "identical_sides": sum(pair.sentence1 == pair.sentence2 for pair in pairs),
    }


def quantiles(values: Sequence[int]) -> dict[str, int]:
    """The smallest value that at least that share of the values does not exceed."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {f"{share:g}": ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)] for share in QUANTILES}


def overlaps(sets: dict[str, Sequence[Pair]]) -> dict[str, dict[str, int]]:
    """For every two sets, as `first/second`: how many rows of the second occur in the first as a pair (either order),
    and how many have at least one sentence that occurs there; compared by normal form."""
    pairs_of = {name: [normal_pair(pair) for pair in pairs] for name, pairs in sets.items()}
    found = {}
    names = list(sets)
    for place, first in enumerate(names):
        known_pairs, known_sentences = set(pairs_of[first]), _sentences(pairs_of[first])
        for second in names[place + 1 :]:
            found[f"{first}/{second}"] = {
                "rows": len(pairs_of[second]),
                "pairs": sum(pair in known_pairs for pair in pairs_of[second]),
                "sharing_a_sentence": sum(not known_sentences.isdisjoint(pair) for pair in pairs_of[second]),
            }
    return found


def _sentences(pairs: Iterable[tuple[str, str]]) -> set[str]:
    return {side for pair in pairs for side in pair}


def statistics_table(sets: dict[str, dict[str, Any]], between: dict[str, dict[str, int]] | None = None) -> str:
    """`describe` of several sets, one a line, and `overlaps` below."""
    head = ["set", "rows", "label 1", "sentences", *(f"len {q:g}" for q in QUANTILES), "dup", "contra", "same sides"]
    rows = []
    for name, facts in sets.items():
        share = "-" if facts["positive_share"] is None else f"{facts['positive_share']:.1%}"
        counts = [facts["duplicates"], facts["contradicting"], facts["identical_sides"]]
        rows.append([name, facts["rows"], share, facts["sentences"], *facts["length_chars"].values(), *counts])
    lines = _aligned([head, *rows])
    if between:
        head = ["overlap", "rows of the second", "same pair", "sharing a sentence"]
        rows = [[name, facts["rows"], facts["pairs"], facts["sharing_a_sentence"]] for name, facts in between.items()]
        lines += ["", *_aligned([head, *rows])]
    return "\n".join(lines)


def _aligned(rows: list[list[Any]]) -> list[str]:
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in texts
    ]


def add_command(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("stats", help="figures about pairs: JSON on standard output, a table beside it")
    parser.add_argument("--input", type=Path, required=True, action="append", help="pairs; may be given several times")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    sets = {str(path): read_pairs(path) for path in arguments.input}
    facts = {name: describe(pairs) for name, pairs in sets.items()}
    between = overlaps(sets)
    print(statistics_table(facts, between), file=sys.stderr)
    # One file answers with its own figures, several with one entry each.
    if len(facts) == 1:
        print_json(next(iter(facts.values())))
    else:
        print_json({"sets": facts, "overlaps": between})
