"""Probabilities of a classifier over a token table, and the `predict` command.

Always in float32, so that the threshold found on dev holds for whoever loads the saved folder.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
import torch

from final_project.artifacts import write_atomic
from final_project.cli import print_json
from final_project.data.tables import read_pairs
from final_project.model.decision import load_decision
from final_project.model.folder import load_classifier, longest_input
from final_project.model.token_table import TokenTable, open_token_table, pad_rows, write_token_table
from final_project.progress import progress
from final_project.training.batching import batches_by_length, share_of_rank
from final_project.training.world import World
from similarity_v0.model import PairModel
from similarity_v0.scores import scores_of

BATCH_TOKENS = 8192


@torch.no_grad()
def predict_probabilities(
    model: PairModel, table: TokenTable, pad_id: int, world: World, label: str = ""
) -> np.ndarray:
    """(N, C) class probabilities of every row, in the table's order, on every rank. Leaves the model in its mode."""
    groups = batches_by_length(table.lengths, BATCH_TOKENS)
    # every rank runs as many forwards: where weights are sharded, each of them is a collective
    mine = share_of_rank(groups, world.rank, world.size)
    was_training = model.training
    model.eval()
    parts = []
    for batch in progress(mine, len(mine), label, "batches") if label else mine:
        logits_BC = model(**pad_rows(table[batch.rows], pad_id, world.device))
        if batch.counts:
            parts.append((batch.rows, torch.softmax(logits_BC.double(), dim=-1).cpu().numpy()))
    model.train(was_training)
    probabilities_NC = np.zeros((len(table), model.classifier.config.num_labels))
    for part in world.gather(parts):
        for rows, values in part:
            probabilities_NC[rows] = values
    return probabilities_NC


def write_predictions(path: Path, probabilities_N: np.ndarray, labels_N: np.ndarray) -> None:
    """CSV `row,probability,label`: row number from 0, P(1), decided label."""
    with write_atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "probability", "label"])
        for row, (probability, label) in enumerate(zip(probabilities_N, labels_N, strict=True)):
            writer.writerow([row, f"{probability:.9f}", int(label)])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="folder of a pair classifier")
    parser.add_argument("--input", required=True, help="pairs: CSV, TSV or JSONL, with or without labels")
    parser.add_argument("--output", required=True, help="CSV to write: row,probability,label")


def run(arguments: argparse.Namespace) -> None:
    """The command: predictions to a CSV; where the input has labels, its scores to standard output."""
    model, tokenizer = load_classifier(arguments.model)
    pairs = read_pairs(arguments.input)
    decision = load_decision(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens"
        rows = ((pair.sentence1, pair.sentence2, pair.label) for pair in pairs)
        n_truncated = write_token_table(rows, tokenizer, longest_input(model, tokenizer), path)
        table = open_token_table(path)
        probabilities_NC = predict_probabilities(PairModel(model), table, tokenizer.pad_token_id, World(), "predict")
    labels_N = decision.labels(probabilities_NC)
    write_predictions(Path(arguments.output), probabilities_NC[:, 1], labels_N)
    answer = {"rows": len(pairs), "truncated": n_truncated, "positive": int(labels_N.sum())}
    if all(pair.label is not None for pair in pairs):
        truth = np.array([pair.label for pair in pairs])
        threshold = 0.5 if decision.threshold is None else decision.threshold
        answer |= scores_of(probabilities_NC[:, 1], truth, threshold)
    print_json(answer)
