"""Compare an exported classifier with the folder that it was made from: accuracy and speed.

Both answer the same batches in turn, so that a machine that slows down slows both. Shapes: B pairs, T tokens.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.files.tables import read_and_log_pairs
from final_project.data.records import Pair
from final_project.errors import DataError
from final_project.model.decision import Decision, probabilities_of
from final_project.model.finite import require_finite
from final_project.model.folder import load_classifier
from final_project.model.model_inputs import ModelInputs
from final_project.tokens.token_table import pad_rows, tokenised
from final_project.training.batching import batches_by_length

Scorer = Callable[[dict[str, torch.Tensor]], np.ndarray]
"""(B, T) inputs -> probabilities of both classes, (B, 2)."""

BATCH_TOKENS = 2048
ALONE_ROWS = 1000  # pairs that are asked alone as well, evenly spaced
ROUNDS = 3  # timed passes over all pairs; the median counts
CPU = torch.device("cpu")


def labelled_pairs(path: Path, how: HowToRead = AS_NAMED) -> list[Pair]:
    """The pairs of a file; raises DataError where one has no label, or there is none."""
    pairs = list(read_and_log_pairs(path, how=how))
    if not pairs or any(pair.label is None for pair in pairs):
        raise DataError(path, "a check needs pairs, and a label on every row")
    return pairs


def torch_scorer(folder: Path, classifier: torch.nn.Module | None = None) -> Scorer:
    """From a folder that load_classifier reads, or from what it has read."""
    model = load_classifier(folder)[0] if classifier is None else classifier

    def score(inputs: dict[str, torch.Tensor]) -> np.ndarray:
        with torch.no_grad():
            return probabilities_of(model(**inputs).logits)

    return score


def compare(
    own: Scorer,
    exported: Scorer,
    pairs: list[Pair],
    tokenizer: PreTrainedTokenizerBase,
    longest: int,
    rule: Decision,
    given: ModelInputs,
) -> dict[str, Any]:
    """Accuracy of both at the folder's decision rule, labels that differ, the largest difference of P(1), pairs a
    second of both and their ratio; and the exported one with itself: each pair alone against the same pair in a batch.

    given: what the folder's own model is given. Raises ArtifactError where a probability is not finite.
    """
    table, n_truncated = tokenised([(p.sentence1, p.sentence2, p.label) for p in pairs], tokenizer, longest)
    batches = [
        (rows, pad_rows(table[rows], given.pad_id, CPU))
        for rows in batches_by_length(table.lengths, BATCH_TOKENS, given.one_length)
    ]
    labels_N = np.array([pair.label for pair in pairs])
    seconds: dict[str, list[float]] = {"own": [], "exported": []}
    probabilities = {name: np.zeros((len(pairs), 2)) for name in seconds}
    for _ in range(1 + ROUNDS):  # the first warms up
        for name, scorer in (("own", own), ("exported", exported)):
            began = time.perf_counter()
            for rows, inputs in batches:
                probabilities[name][rows] = scorer(inputs)
            seconds[name].append(time.perf_counter() - began)
    for values in probabilities.values():
        require_finite(values, range(len(pairs)), None)
    decided = {name: rule.labels(values) for name, values in probabilities.items()}
    some = np.arange(0, len(pairs), -(-len(pairs) // ALONE_ROWS))
    alone = np.concatenate([exported(pad_rows(table[some[k : k + 1]], given.pad_id, CPU)) for k in range(len(some))])
    in_batch = probabilities["exported"][some]
    speed = {name: len(pairs) / statistics.median(values[1:]) for name, values in seconds.items()}
    return {
        "rows": len(pairs),
        "truncated": n_truncated,
        "threads": torch.get_num_threads(),
        "accuracy": {name: float((labels == labels_N).mean()) for name, labels in decided.items()},
        "labels_that_differ": int((decided["own"] != decided["exported"]).sum()),
        "largest_difference": float(np.abs(probabilities["own"] - probabilities["exported"]).max()),
        "alone_and_in_a_batch": {
            "rows": len(some),
            "labels_that_differ": int((rule.labels(alone) != rule.labels(in_batch)).sum()),
            "largest_difference": float(np.abs(alone - in_batch).max()),
        },
        "pairs_per_second": {name: round(value, 1) for name, value in speed.items()},
        "speed_ratio": round(speed["exported"] / speed["own"], 3),
    }
