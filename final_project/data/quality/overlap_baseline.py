"""How far character overlap alone gets: the baseline shown next to the model's accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from final_project.data.quality.fingerprints import normal_form
from final_project.data.records import Pair


def overlap_features(pair: Pair) -> list[float]:
    """Shares in 0..1 of characters and of character pairs (bigrams) that the sentences have in common, by union and by
    the shorter side, with repetitions counted; and the ratio of the lengths."""
    sides = normal_form(pair.sentence1), normal_form(pair.sentence2)
    features = [min(map(len, sides)) / max(1, *map(len, sides))]
    for size in (1, 2):
        first, second = (Counter(side[k : k + size] for k in range(len(side) - size + 1)) for side in sides)
        shared = (first & second).total()
        shorter = min(first.total(), second.total())
        features += [shared / max(1, (first | second).total()), shared / max(1, shorter)]
    return features


def overlap_baseline(train: Sequence[Pair], **evaluated: Sequence[Pair]) -> dict[str, float]:
    """Logistic regression on the overlap features, fitted on `train`: `NAME_accuracy` for each labelled set of
    `evaluated`. Empty where the training pairs have one label only."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = [pair.label for pair in train]
    if set(labels) != {0, 1}:
        return {}
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit([overlap_features(pair) for pair in train], labels)
    accuracies = {}
    for name, pairs in evaluated.items():
        if pairs and all(pair.label is not None for pair in pairs):
            score = model.score([overlap_features(pair) for pair in pairs], [pair.label for pair in pairs])
            accuracies[f"{name}_accuracy"] = round(float(score), 4)
    return accuracies
