"""Peer: sentence-transformers' CrossEncoder with its CrossEncoderTrainer.

    python bench/peers/cross_encoder.py --run runs/lcqmc_small --model FOLDER --minutes 150 [--output FILE.json]

As in its own recipe for duplicate questions: one output, binary cross entropy, its evaluator of classifications on dev.
Rows are padded to the longest of their batch and tokenised while it trains, which is how it works.
"""

from __future__ import annotations

import sys
import tempfile

from datasets import Dataset
from peer import Job, Trained, require, run_peer
from transformers_peer import BATCH, MAX_LENGTH, add_arguments, prepare, settings, show_own_parts, train_within


def train(job: Job) -> Trained:
    require("sentence-transformers")
    from sentence_transformers.cross_encoder import (
        CrossEncoder,
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
        evaluation,
        losses,
    )

    prepare(job)
    encoder = CrossEncoder(str(job.model), num_labels=1, max_length=MAX_LENGTH, local_files_only=True)
    show_own_parts(job, encoder.transformers_model)
    columns = {side: [getattr(pair, side) for pair in job.train] for side in ("sentence1", "sentence2", "label")}
    data = Dataset.from_dict(columns)
    dev_pairs = [[pair.sentence1, pair.sentence2] for pair in job.dev]
    evaluator = evaluation.CrossEncoderClassificationEvaluator(
        dev_pairs, job.dev_labels_N.tolist(), name="dev", batch_size=2 * BATCH, write_csv=False
    )
    with tempfile.TemporaryDirectory() as folder:

        def make(arguments: dict) -> CrossEncoderTrainer:
            return CrossEncoderTrainer(
                encoder, CrossEncoderTrainingArguments(**arguments), data,
                loss=losses.BinaryCrossEntropyLoss(encoder), evaluator=evaluator,
            )  # fmt: skip

        train_s, pairs_seen, more = train_within(job, encoder, make, folder)
    probabilities_N = encoder.predict(dev_pairs, batch_size=2 * BATCH, show_progress_bar=False).astype(float)
    parameters = sum(weight.numel() for weight in encoder.parameters())
    packages = ("torch", "transformers", "sentence-transformers", "accelerate")
    used = settings(job, loss="binary cross entropy", padding="longest of the batch")
    return Trained(probabilities_N, used, parameters, train_s, pairs_seen, packages, more)


def main(argv: list[str] | None = None) -> int:
    return run_peer("cross_encoder", __doc__, train, argv, add_arguments)


if __name__ == "__main__":
    sys.exit(main())
