"""Prediction beside what else one would take for it: pairs a second, as ratios.

    pip install -r bench/requirements.txt
    python bench/speed/predict_speed.py [--pairs test.tsv] [--rows 20000] [--rounds 5] [--output FILE.json]

Peers   pipeline_ROWS       transformers' text-classification pipeline, batches of 32 and of 128
        cross_encoder_ROWS  sentence-transformers' CrossEncoder.predict, which sorts by length; the same batches
Ours    classifier          PairClassifier.predict
        file                `predict` from a CSV to a CSV: reading, checking, scoring and writing included
All load one folder (4 layers x 256, vocabulary 21,128), take texts and give probabilities in float32, in one process,
and the script checks that they agree to 1e-5. Runs are interleaved; medians are compared. bf16 is ours alone.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from sentence_transformers.cross_encoder import CrossEncoder  # noqa: E402
from transformers import pipeline  # noqa: E402

from bench.figures import show  # noqa: E402
from bench.speed.small_classifier import MAX_LENGTH, labelled_pairs, small_classifier, tokenizer_of  # noqa: E402
from final_project.data.files.tables import write_pairs_csv  # noqa: E402
from final_project.data.records import Pair  # noqa: E402
from final_project.parallel.world import World  # noqa: E402
from similarity_v0 import PairClassifier  # noqa: E402
from similarity_v0.commands.predict import predict_file  # noqa: E402

BATCHES = (32, 128)
OURS = ("classifier", "file", "classifier_bf16")
Run = Callable[[], np.ndarray]
"""P(1) of every pair."""


class Bench:
    """One model folder, loaded by every system before the clock starts."""

    def __init__(self, pairs: list[Pair], folder: Path):
        self.texts = [(pair.sentence1, pair.sentence2) for pair in pairs]
        tokenizer = tokenizer_of(pairs)
        self.folder, self.source = folder, folder / "pairs.csv"
        small_classifier(tokenizer).save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        write_pairs_csv(self.source, pairs)
        self.ours = {precision: PairClassifier.load(folder / "model", precision) for precision in ("fp32", "bf16")}
        self.pipeline = pipeline("text-classification", str(folder / "model"), device="cpu", top_k=None)
        self.cross_encoder = CrossEncoder(str(folder / "model"), max_length=MAX_LENGTH)

    def systems(self) -> dict[str, Run]:
        peers = {f"pipeline_{rows}": partial(self.by_pipeline, rows) for rows in BATCHES}
        peers |= {f"cross_encoder_{rows}": partial(self.by_cross_encoder, rows) for rows in BATCHES}
        ours = {"classifier": partial(self.by_classifier, "fp32"), "file": self.by_file}
        return {**peers, **ours, "classifier_bf16": partial(self.by_classifier, "bf16")}

    def by_pipeline(self, rows: int) -> np.ndarray:
        inputs = [{"text": first, "text_pair": second} for first, second in self.texts]
        answers = self.pipeline(inputs, batch_size=rows, truncation=True, max_length=MAX_LENGTH)
        return np.array([next(one["score"] for one in answer if one["label"] == "same") for answer in answers])

    def by_cross_encoder(self, rows: int) -> np.ndarray:
        return self.cross_encoder.predict(self.texts, batch_size=rows, apply_softmax=True)[:, 1]

    def by_classifier(self, precision: str) -> np.ndarray:
        return self.ours[precision].predict(self.texts).probabilities

    def by_file(self) -> np.ndarray:
        target = self.folder / "predictions.csv"
        predict_file(self.ours["fp32"], self.source, target, World())
        return np.loadtxt(target, delimiter=",", skiprows=1, usecols=1)


def measure(bench: Bench, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Seconds by system, a figure a round; and the largest difference between two systems in float32. The first round
    only warms up."""
    systems = bench.systems()
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    answers = {}
    for round_ in range(rounds + 1):
        for name, run in systems.items():
            began = time.perf_counter()
            answers[name] = run()
            taken = time.perf_counter() - began
            if round_:
                seconds[name].append(taken)
                print(f"round {round_} {name}: {taken:.2f} s", file=sys.stderr)
    exact = [answer for name, answer in answers.items() if not name.endswith("bf16")]
    return seconds, max(float(np.abs(answer - exact[0]).max()) for answer in exact)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    pairs = labelled_pairs(arguments.pairs, arguments.rows)
    with tempfile.TemporaryDirectory() as folder:
        seconds, difference = measure(Bench(pairs, Path(folder)), arguments.rounds)
    if difference > 1e-5:
        sys.exit(f"the systems do not agree: probabilities differ by {difference:.2g}")
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    peers = [name for name in medians if name not in OURS]
    found = {
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__,
        "pairs": "made" if arguments.pairs is None else arguments.pairs.name,
        "rows": arguments.rows, "rounds": arguments.rounds, "largest_difference": difference,
        "pairs_per_s": {name: round(len(pairs) / taken) for name, taken in medians.items()},
        "ratios": {f"{ours} to {peer}": round(medians[peer] / medians[ours], 2) for ours in OURS for peer in peers},
    }  # fmt: skip
    show(found, arguments.output)


if __name__ == "__main__":
    main()
