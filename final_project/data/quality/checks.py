"""Checks on pairs by their fingerprints: what repeats, what contradicts itself, what occurs in another set.

All masks are of shape (N,), true where a row has the fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from final_project.data.quality.fingerprints import UNKNOWN, Fingerprints, distinct, found_in


def repeating(keys_N: np.ndarray) -> np.ndarray:
    """Rows whose key has occurred in an earlier row."""
    _, first_rows = np.unique(keys_N, return_index=True)
    repeats = np.ones(len(keys_N), dtype=bool)
    repeats[first_rows] = False
    return repeats


def contradicting(keys_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """Rows whose key occurs with label 0 and with label 1."""
    return found_in(keys_N, in_both(keys_N[label_N == 0], keys_N[label_N == 1])) & (label_N != UNKNOWN)


def in_both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The distinct values that occur in both, sorted."""
    first = distinct(first)
    return first[found_in(first, distinct(second))]


@dataclass(frozen=True)
class Known:
    """What occurs in some sets, by their names: sorted hashes of sentences and of pairs in normal form."""

    sentences: Mapping[str, np.ndarray]
    pairs: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, sets: Mapping[str, Fingerprints]) -> Known:
        return cls(
            {name: distinct(prints.normal_N2) for name, prints in sets.items()},
            {name: distinct(prints.normal_pairs_N) for name, prints in sets.items()},
        )

    def sharing_a_sentence(self, prints: Fingerprints) -> dict[str, np.ndarray]:
        """Per set the rows of which at least one sentence occurs there."""
        occurs = {name: found_in(prints.normal_N2, known) for name, known in self.sentences.items()}
        return {name: occurs_N2[:, 0] | occurs_N2[:, 1] for name, occurs_N2 in occurs.items()}

    def sharing_the_pair(self, prints: Fingerprints) -> dict[str, np.ndarray]:
        """Per set the rows that occur there, in either order, whatever their label."""
        return {name: found_in(prints.normal_pairs_N, known) for name, known in self.pairs.items()}
