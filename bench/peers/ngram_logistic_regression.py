"""Peer: logistic regression on character n-grams of the pair, in scikit-learn.

    python bench/peers/ngram_logistic_regression.py --run runs/lcqmc_small [--output FILE.json]

A pair is told by which n-grams both sentences have, which one alone has, and which of the one alone stand against
which of the other alone (products, up to two characters each): what was said otherwise, or replaced. Beside them the
shares of overlap. All are the same in either order of the sentences. Of a few strengths of the penalty, the best on dev
is taken.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from peer import Job, Trained, run_peer
from scipy.sparse import csr_matrix, hstack
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from final_project.data.quality.fingerprints import normal_form
from final_project.data.quality.overlap_baseline import overlap_features
from final_project.data.records import Pair

LONGEST, PRODUCTS_OF, HASH_BITS, MOST_ITERATIONS = 3, 2, 21, 200
PENALTIES = (1.0, 3.0, 10.0, 30.0)


def train(job: Job) -> Trained:
    hasher = FeatureHasher(2**HASH_BITS, input_type="string", dtype=np.float32, alternate_sign=False)
    scaler = StandardScaler().fit(overlaps(job.train))
    train, dev = (features(pairs, hasher, scaler) for pairs in (job.train, job.dev))
    known = np.unique(train.indices)  # the optimizer's vectors are dense
    train, dev = train[:, known], dev[:, known]
    tried: dict[float, tuple[float, np.ndarray]] = {}
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=MOST_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to the optimum for a decision
            model.fit(train, job.train_labels_N)
        probabilities_N = model.predict_proba(dev)[:, 1]
        tried[penalty] = (job.dev_accuracy(probabilities_N), probabilities_N)
    best = max(tried, key=lambda penalty: tried[penalty][0])
    train_s = job.spent_s
    settings = {
        "C": best, "ngrams": LONGEST, "products_of_ngrams_up_to": PRODUCTS_OF, "hash_bits": HASH_BITS,
        "solver": "lbfgs", "max_iter": MOST_ITERATIONS,
    }  # fmt: skip
    more = {"dev_accuracy_by_C": {str(penalty): round(accuracy, 4) for penalty, (accuracy, _) in tried.items()}}
    return Trained(tried[best][1], settings, len(known) + 1, train_s, len(job.train), ("scikit-learn",), more)


def features(pairs: Sequence[Pair], hasher: FeatureHasher, scaler: StandardScaler) -> csr_matrix:
    """(N, 2^HASH_BITS + the overlaps)."""
    hashed = hasher.transform(list(told(pair)) for pair in pairs)
    return hstack([hashed, csr_matrix(scaler.transform(overlaps(pairs)).astype(np.float32))], format="csr")


def overlaps(pairs: Sequence[Pair]) -> np.ndarray:
    return np.array([overlap_features(pair) for pair in pairs])


def told(pair: Pair) -> Iterator[str]:
    """The names of what a pair has."""
    first, second = ngrams(pair.sentence1), ngrams(pair.sentence2)
    yield from ("both " + gram for gram in first & second)
    yield from ("one " + gram for gram in first ^ second)
    for gram in first - second:
        if len(gram) <= PRODUCTS_OF:
            others = (other for other in second - first if len(other) <= PRODUCTS_OF)
            yield from (f"{min(gram, other)}|{max(gram, other)}" for other in others)


def ngrams(sentence: str) -> set[str]:
    """Of 1..LONGEST characters; ^ and $ mark where the sentence begins and ends."""
    text = f"^{normal_form(sentence)}$"
    return {text[at : at + size] for size in range(1, LONGEST + 1) for at in range(len(text) - size + 1)}


def main(argv: list[str] | None = None) -> int:
    return run_peer("ngram_logistic_regression", __doc__, train, argv)


if __name__ == "__main__":
    sys.exit(main())
