"""Rationales of a whole file: rows a second of `extract` beside plain loops over the Explainer.

    python bench/speed/extract_speed.py [--rows 8000] [--rounds 3] [--layers 4] [--width 256] [--output FILE.json]

one        `extract` in one process, with one CPU thread as it has by default
two        `extract` on two processes under torchrun; their rows are checked to be those of one
threads    `extract` in one process with a thread for every core
loop       a loop that asks the Explainer for one pair at a time and writes its line; torch takes every core
at_once    the Explainer asked for all pairs in one call, everything in memory; torch takes every core
Built-in pairs, a random BERT. Python's start is left out everywhere; `extract` loads its model and checks the pairs
within its time, the loops do not.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch  # noqa: E402
from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

from bench.figures import show  # noqa: E402
from final_project.data.demo.pairs import build_demo  # noqa: E402
from final_project.data.files.contest import write_segmented  # noqa: E402
from final_project.data.records import SegmentedPair  # noqa: E402
from final_project.settings import SimilarityV1  # noqa: E402
from final_project.tokens.tokenizer import build_tokenizer  # noqa: E402
from similarity_v1.extract.worker import Worker  # noqa: E402
from similarity_v1.rationales.submission import format_row, write_submission  # noqa: E402

CORES = os.cpu_count() or 1
EXTRACT = ("-m", "similarity_v1", "extract")
TORCHRUN = ("-m", "final_project.parallel.torchrun", "--nproc-per-node=2", "--standalone")


class Bench:
    """The model, the pairs, and a method for each system that gives its rows a second."""

    def __init__(self, folder: Path, n_rows: int, n_layers: int, width: int):
        self.folder, self.n_rows = folder, n_rows
        self.pairs = made_pairs(n_rows)
        write_segmented(folder / "pairs.jsonl", self.pairs)
        self.model = save_model(folder / "model", self.pairs, n_layers, width)

    def one(self) -> float:
        return self.extract("one")

    def two(self) -> float:
        rate = self.extract("two", launcher=TORCHRUN)
        for file in ("txt", "scores.jsonl"):
            assert (self.folder / f"two.{file}").read_bytes() == (self.folder / f"one.{file}").read_bytes()
        return rate

    def threads(self) -> float:
        return self.extract("threads", f"--threads={CORES}")

    def loop(self) -> float:
        worker = Worker(self.model, SimilarityV1())
        began = time.perf_counter()
        with (self.folder / "loop.txt").open("w", encoding="utf-8") as file:
            for pair in self.pairs:
                ((scores,), _) = worker.score([pair])
                row = scores.chosen(worker.settings.ratio)
                file.write(format_row(row))
        return self.n_rows / (time.perf_counter() - began)

    def at_once(self) -> float:
        worker = Worker(self.model, SimilarityV1())
        began = time.perf_counter()
        rows = [scores.chosen(worker.settings.ratio) for scores in worker.score(self.pairs)[0]]
        write_submission(self.folder / "at_once.txt", rows)
        return self.n_rows / (time.perf_counter() - began)

    def extract(self, name: str, *options: str, launcher: tuple[str, ...] = ()) -> float:
        """The rate that the command tells."""
        files = ("--pairs", self.folder / "pairs.jsonl", "--output", self.folder / f"{name}.txt")
        command = [sys.executable, *launcher, *EXTRACT, "--model", self.model, *files, *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)["rows_per_s"]


def made_pairs(n_rows: int) -> list[SegmentedPair]:
    """Built-in pairs, each character a word."""
    pairs = build_demo(min(n_rows, 6000), 1).train
    texts = [(pairs[k % len(pairs)].sentence1, pairs[k % len(pairs)].sentence2) for k in range(n_rows)]
    return [
        SegmentedPair(number, query, title, tuple("".join(query.split())), tuple("".join(title.split())))
        for number, (query, title) in enumerate(texts, start=1)
    ]


def save_model(folder: Path, pairs: list[SegmentedPair], n_layers: int, width: int) -> Path:
    torch.manual_seed(0)
    tokenizer = build_tokenizer((text for pair in pairs for text in (pair.query, pair.title)), 21_128, "the pairs")
    config = BertConfig(
        vocab_size=21_128,
        hidden_size=width,
        num_hidden_layers=n_layers,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
        num_labels=2,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(bench: Bench, rounds: int) -> dict[str, float]:
    """System -> median rows a second; the systems take turns."""
    systems: dict[str, Callable[[], float]] = {
        name: getattr(bench, name) for name in ("one", "two", "threads", "loop", "at_once")
    }
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, system in systems.items():
            rates[name].append(system())
            print(f"{name}: {rates[name][-1]:,.0f} rows/s", file=sys.stderr)
    return {name: round(statistics.median(found), 1) for name, found in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(Bench(Path(folder), arguments.rows, arguments.layers, arguments.width), arguments.rounds)
    setting = {"rows": arguments.rows, "rounds": arguments.rounds, "layers": arguments.layers, "width": arguments.width}
    show({"cores": CORES, "torch": torch.__version__, **setting, "rows_per_s": rates}, arguments.output)


if __name__ == "__main__":
    main()
