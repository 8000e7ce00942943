"""Peer: gradient boosted trees on handmade features of overlap, scikit-learn's HistGradientBoostingClassifier.

    python bench/peers/gradient_boosting.py --run runs/lcqmc_small [--output FILE.json]

What a pair is told by: lengths; Jaccard shares of character n-grams and of words; edit distance, longest common
subsequence and substring, common beginning and end; cosines of TF-IDF vectors (characters, words) and of their latent
semantic ones (LSA); how rare the words and characters are that one sentence alone has. A few sizes of tree are tried;
dev decides. The number of trees is found on a tenth of the training pairs.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import numpy as np
from peer import Job, Trained, run_peer
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer

from final_project.data.quality.fingerprints import normal_form
from final_project.data.quality.overlap_baseline import overlap_features
from final_project.data.records import Pair
from final_project.tokens.words import word_of_each_character

LONGEST, LSA_SIZE, MOST_TREES = 4, 64, 600
TRIED = tuple({"learning_rate": rate, "max_leaf_nodes": leaves} for rate, leaves in ((0.1, 31), (0.1, 127), (0.05, 63)))


def train(job: Job) -> Trained:
    spaces = Spaces(job.train, job.seed)
    train_NF, dev_NF = (np.hstack([string_features(pairs), spaces.features(pairs)]) for pairs in (job.train, job.dev))
    tried = []
    for options in TRIED:
        model = HistGradientBoostingClassifier(
            max_iter=MOST_TREES, early_stopping=True, n_iter_no_change=20, l2_regularization=1.0,
            random_state=job.seed, **options,
        )  # fmt: skip
        model.fit(train_NF, job.train_labels_N)
        probabilities_N = model.predict_proba(dev_NF)[:, 1]
        tried.append((job.dev_accuracy(probabilities_N), options, model.n_iter_, probabilities_N))
    _, options, n_trees, probabilities_N = max(tried, key=lambda found: found[0])
    train_s = job.spent_s
    settings = {**options, "trees": n_trees, "features": train_NF.shape[1], "lsa_size": LSA_SIZE}
    more = {"dev_accuracy_by_options": [{**options, "trees": trees, "dev_accuracy": round(accuracy, 4)}
                                        for accuracy, options, trees, _ in tried]}  # fmt: skip
    n_parameters = n_trees * (2 * options["max_leaf_nodes"] - 1)  # a split or a value a node
    packages = ("scikit-learn", "jieba")
    return Trained(probabilities_N, settings, n_parameters, train_s, len(job.train), packages, more)


def string_features(pairs: Sequence[Pair]) -> np.ndarray:
    """(N, F), of the two strings alone."""
    return np.array([string_features_of(pair) for pair in pairs], dtype=np.float32)


def string_features_of(pair: Pair) -> list[float]:
    first, second = normal_form(pair.sentence1), normal_form(pair.sentence2)
    shorter, longer = sorted((len(first), len(second)))
    features = [shorter, longer, longer - shorter, *overlap_features(pair)]
    for size in range(1, LONGEST + 1):
        features.append(jaccard(grams(first, size), grams(second, size)))
    words = [set(words_of(side)) for side in (first, second)]
    features += [jaccard(*words), len(words[0] - words[1]) + len(words[1] - words[0])]
    distance, subsequence, substring = alignment_figures(first, second)
    features += [distance, distance / max(1, longer), subsequence / max(1, shorter), substring / max(1, shorter)]
    features += [common_start(first, second), common_start(first[::-1], second[::-1])]
    return features


def grams(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}


def words_of(text: str) -> list[str]:
    numbered = zip(word_of_each_character(text), text, strict=True)
    return ["".join(character for _, character in word) for _, word in itertools.groupby(numbered, lambda at: at[0])]


def jaccard(first: set[str], second: set[str]) -> float:
    return len(first & second) / max(1, len(first | second))


def common_start(first: str, second: str) -> int:
    return sum(1 for _ in itertools.takewhile(lambda both: both[0] == both[1], zip(first, second, strict=False)))


def alignment_figures(first: str, second: str) -> tuple[int, int, int]:
    """Levenshtein's distance, the lengths of the longest common subsequence and of the longest common substring."""
    distance, common, run = list(range(len(second) + 1)), [0] * (len(second) + 1), [0] * (len(second) + 1)
    longest_run = 0
    for row, character in enumerate(first, start=1):
        above_distance, above_common, above_run = distance, common, run
        distance, common, run = [row], [0], [0]
        for at, other in enumerate(second):
            if character == other:
                distance.append(above_distance[at])
                common.append(above_common[at] + 1)
                run.append(above_run[at] + 1)
            else:
                distance.append(1 + min(above_distance[at], above_distance[at + 1], distance[at]))
                common.append(max(above_common[at + 1], common[at]))
                run.append(0)
        longest_run = max(longest_run, *run)
    return distance[-1], common[-1], longest_run


class Spaces:
    """TF-IDF spaces of the training sentences, each with its latent semantic one (Deerwester et al. 1990)."""

    def __init__(self, pairs: Sequence[Pair], seed: int):
        self.vectorizers = [
            TfidfVectorizer(analyzer="char", ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32),
            TfidfVectorizer(analyzer=words_of, min_df=2, dtype=np.float32),
        ]
        texts = [normal_form(side) for pair in pairs for side in (pair.sentence1, pair.sentence2)]
        self.projections = []
        for vectorizer in self.vectorizers:
            vectors = vectorizer.fit_transform(texts)
            size = min(LSA_SIZE, min(vectors.shape) - 1)
            self.projections.append(TruncatedSVD(size, random_state=seed, n_iter=3).fit(vectors))

    def features(self, pairs: Sequence[Pair]) -> np.ndarray:
        """(N, F)."""
        sides = [[normal_form(getattr(pair, name)) for pair in pairs] for name in ("sentence1", "sentence2")]
        columns = []
        for vectorizer, projection in zip(self.vectorizers, self.projections, strict=True):
            first, second = (vectorizer.transform(side) for side in sides)
            columns.append(np.asarray(first.multiply(second).sum(axis=1)))  # rows have length 1, so this is the cosine
            columns.append(rarity_of_what_differs(first, second, vectorizer.idf_))
            latent = [projection.transform(side) for side in (first, second)]
            columns.append(cosine(*latent)[:, None])
            columns.append(np.abs(latent[0] - latent[1]))
        return np.hstack(columns).astype(np.float32)


def rarity_of_what_differs(first: csr_matrix, second: csr_matrix, idf_V: np.ndarray) -> np.ndarray:
    """(N, 2): the sums of the IDF of what one sentence alone has, the smaller first."""
    has = [(side > 0).astype(np.float32) for side in (first, second)]
    both = has[0].multiply(has[1])
    alone = [np.asarray((side - both) @ idf_V) for side in has]
    return np.sort(np.stack(alone, axis=1), axis=1)


def cosine(first_NL: np.ndarray, second_NL: np.ndarray) -> np.ndarray:
    lengths_N = np.linalg.norm(first_NL, axis=1) * np.linalg.norm(second_NL, axis=1)
    return (first_NL * second_NL).sum(axis=1) / np.maximum(lengths_N, 1e-12)


def main(argv: list[str] | None = None) -> int:
    return run_peer("gradient_boosting", __doc__, train, argv)


if __name__ == "__main__":
    sys.exit(main())
