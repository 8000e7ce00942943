"""Peer without reading: which label a sentence's other training pairs have, nothing else.

    python bench/peers/sentence_memory.py --run runs/lcqmc_small [--output FILE.json]

Four of five sentences of LCQMC's dev occur in its training file, in other pairs. This peer does not look at a
sentence's words, only up how often it was in a pair of label 1 and of label 0; logistic regression makes a probability
of both sentences' counts. For a training pair its own label is left out of them. What it gets is what a model may get
by memory; `seen` tells how many dev pairs have both, one or none of their sentences in training.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
from peer import Job, Trained, run_peer
from sklearn.linear_model import LogisticRegression

from final_project.data.records import Pair


def train(job: Job) -> Trained:
    counts = {label: Counter() for label in (0, 1)}
    for pair in job.train:
        counts[pair.label].update((pair.sentence1, pair.sentence2))
    model = LogisticRegression()
    model.fit(np.array([memory_of(pair, counts, own=1) for pair in job.train]), job.train_labels_N)
    dev_NF = np.array([memory_of(pair, counts, own=0) for pair in job.dev])
    probabilities_N = model.predict_proba(dev_NF)[:, 1]
    n_seen_N = np.array([sum(is_known(side, counts) for side in (pair.sentence1, pair.sentence2)) for pair in job.dev])
    seen = {name: int((n_seen_N == number).sum()) for number, name in enumerate(("none", "one", "both"))}
    settings = {"features": dev_NF.shape[1]}
    n_known = len(counts[0] | counts[1])
    return Trained(
        probabilities_N, settings, 2 * n_known, job.spent_s, len(job.train), ("scikit-learn",), {"seen": seen}
    )


def memory_of(pair: Pair, counts: dict[int, Counter], own: int) -> list[float]:
    """Log odds of label 1 among each sentence's other pairs, one added to either count: their sum, the lower, the
    higher; and how many of the sentences have no other pair. own: 1 where the pair itself is among the counted."""
    odds, unknown = [], 0
    for side in (pair.sentence1, pair.sentence2):
        n_other = {label: counts[label][side] - own * (pair.label == label) for label in (0, 1)}
        odds.append(float(np.log((n_other[1] + 1) / (n_other[0] + 1))))
        unknown += not any(n_other.values())
    return [sum(odds), min(odds), max(odds), unknown]


def is_known(sentence: str, counts: dict[int, Counter]) -> bool:
    return any(sentence in of_label for of_label in counts.values())


def main(argv: Sequence[str] | None = None) -> int:
    return run_peer("sentence_memory", __doc__, train, argv)


if __name__ == "__main__":
    sys.exit(main())
