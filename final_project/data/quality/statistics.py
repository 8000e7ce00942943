"""Figures about pairs, from their fingerprints: of one set (`describe`), between sets (`overlaps`), and their table."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from final_project.data.quality.checks import Known, in_both, repeating
from final_project.data.quality.fingerprints import UNKNOWN, Fingerprints, distinct, found_in

QUANTILES = (0, 0.5, 0.9, 0.99, 1)
LENGTH_EDGES = (*range(0, 100, 5), 100)  # in characters; the last bin takes all that is longer


def describe(prints: Fingerprints) -> dict[str, Any]:
    """Rows, labels, lengths in characters, and what is odd, of one set.

    duplicates: rows that repeat an earlier pair with its label. contradicting: distinct pairs that occur with both
    labels; which pairs are the same, `Fingerprints.normal_pairs_N` says. identical_sides: rows whose two sentences are
    the same, compared as they are, as in `sentences`. length_histogram: sentences by length, bins as in LENGTH_EDGES,
    each with its lower edge.
    """
    labels, pairs = prints.label_N, prints.normal_pairs_N
    n_labelled, n_positive = int((labels != UNKNOWN).sum()), int((labels == 1).sum())
    return {
        "rows": len(prints),
        "labelled": n_labelled,
        "positive": n_positive,
        "positive_share": round(n_positive / n_labelled, 4) if n_labelled else None,
        "sentences": len(distinct(prints.exact_N2)),
        "length_chars": quantiles(prints.length_N2.ravel()),
        "length_histogram": histogram(prints.length_N2.ravel()),
        "duplicates": sum(int(repeating(pairs[labels == label]).sum()) for label in (UNKNOWN, 0, 1)),
        "contradicting": len(in_both(pairs[labels == 0], pairs[labels == 1])),
        "identical_sides": int((prints.exact_N2[:, 0] == prints.exact_N2[:, 1]).sum()),
    }


def quantiles(values: np.ndarray) -> dict[str, int]:
    """The smallest value that at least that share of the values does not exceed."""
    if not len(values):
        return {}
    found = np.quantile(values, QUANTILES, method="inverted_cdf")
    return {f"{share:g}": int(value) for share, value in zip(QUANTILES, found, strict=True)}


def histogram(lengths: np.ndarray) -> list[int]:
    counts, _ = np.histogram(lengths, bins=[*LENGTH_EDGES, np.inf])
    return counts.tolist()


def overlaps(sets: Mapping[str, Fingerprints]) -> dict[str, dict[str, int]]:
    """For every two sets, as `first/second`: how many rows of the second occur in the first as a pair (either order),
    and how many have at least one sentence that occurs there; compared by normal form."""
    known = Known.of(sets)
    return {
        f"{first}/{second}": {
            "rows": len(sets[second]),
            "pairs": int(found_in(sets[second].normal_pairs_N, known.pairs[first]).sum()),
            "sharing_a_sentence": int(found_in(sets[second].normal_N2, known.sentences[first]).any(axis=1).sum()),
        }
        for first, second in combinations(sets, 2)
    }


def shared_sentences(sets: Mapping[str, Fingerprints]) -> dict[str, Any]:
    """`names`, and `shares`: the share of the distinct sentences of one set (row) that occur in another (column)."""
    distinct = Known.of(sets).sentences
    shares = [[_share(own, other) for other in distinct.values()] for own in distinct.values()]
    return {"names": list(sets), "shares": shares}


def _share(own: np.ndarray, other: np.ndarray) -> float:
    return round(float(found_in(own, other).mean()), 4) if len(own) else 0.0


def statistics_table(sets: Mapping[str, dict[str, Any]], between: Mapping[str, dict[str, int]] | None = None) -> str:
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
