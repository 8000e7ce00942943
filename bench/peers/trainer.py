"""Peer: transformers' Trainer, as in its own text-classification recipe (examples/pytorch/text-classification).

    python bench/peers/trainer.py --run runs/lcqmc_small --model FOLDER --minutes 150 [--output FILE.json]

AutoModelForSequenceClassification on the folder, both sentences in one row, AdamW with linear decay. What the recipe
leaves open is set in the peer's favour: rows padded to the longest of their batch, batches of like lengths, warm-up and
a rate for weights from scratch, the best checkpoint by dev.
"""

from __future__ import annotations

import sys
import tempfile

import numpy as np
from datasets import Dataset
from peer import Job, Trained, run_peer
from scipy.special import expit
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
)
from transformers_peer import (
    MAX_LENGTH,
    add_arguments,
    prepare,
    settings,
    shared_arguments,
    show_own_parts,
    train_within,
)

from similarity_v0.decision.threshold import best_threshold


def train(job: Job) -> Trained:
    tokenizer = prepare(job)
    model = AutoModelForSequenceClassification.from_pretrained(job.model, num_labels=2, local_files_only=True)
    show_own_parts(job, model)
    data = {}
    for split, pairs in (("train", job.train), ("dev", job.dev)):
        sides = [pair.sentence1 for pair in pairs], [pair.sentence2 for pair in pairs]
        columns = dict(tokenizer(*sides, truncation=True, max_length=MAX_LENGTH))
        lengths = list(map(len, columns["input_ids"]))
        data[split] = Dataset.from_dict({**columns, "labels": [pair.label for pair in pairs], "length": lengths})

    def figures(predicted: EvalPrediction) -> dict[str, float]:
        # grouped by length, the Trainer evaluates in another order than the data's: its labels come in that order, too
        return {"dev_accuracy": best_threshold(p_same(predicted.predictions), predicted.label_ids)[1]}

    with tempfile.TemporaryDirectory() as folder:

        def make(arguments: dict, sampling: str = "group_by_length") -> Trainer:
            sampled = {"train_sampling_strategy": sampling, "length_column_name": "length"}
            return Trainer(
                model, TrainingArguments(**arguments, **sampled), train_dataset=data["train"],
                eval_dataset=data["dev"], data_collator=DataCollatorWithPadding(tokenizer), compute_metrics=figures,
            )  # fmt: skip

        train_s, pairs_seen, more = train_within(job, model, make, folder)
        predicting = make(shared_arguments(job, folder), sampling="random")  # predicts in the data's order
        probabilities_N = p_same(predicting.predict(data["dev"]).predictions)
    used = settings(job, padding="longest of the batch", batches="group_by_length")
    packages = ("torch", "transformers", "accelerate")
    return Trained(probabilities_N, used, model.num_parameters(), train_s, pairs_seen, packages, more)


def p_same(logits_N2: np.ndarray) -> np.ndarray:
    """P(1), (N,)."""
    logits_N2 = logits_N2.astype(np.float64)
    return expit(logits_N2[:, 1] - logits_N2[:, 0])


def main(argv: list[str] | None = None) -> int:
    return run_peer("trainer", __doc__, train, argv, add_arguments)


if __name__ == "__main__":
    sys.exit(main())
