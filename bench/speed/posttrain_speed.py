"""Masked-LM training beside transformers' Trainer: tokens of real text a second, as ratios.

    pip install -r bench/requirements.txt
    python bench/speed/posttrain_speed.py [--text text.tsv] [--updates 60] [--rounds 3] [--output FILE.json]

Peers   trainer_padded   one pair a row, padded to 64, as the original did
        trainer_blocks   all pairs strung together and cut into blocks of 128, the way of transformers' own example
Ours    rows             one pair a row, micro-batches of rows of like length
        packed           several pairs a row, positions restarted, each seeing itself alone
All start from one model (4 layers x 256, vocabulary 21,128), see the same pairs, mask 15 %, take as many updates of as
many pairs with torch's AdamW, in one process; runs are interleaved, medians are compared. Padding is not counted.
Without --text the built-in pairs are used.
"""

from __future__ import annotations

import argparse
import copy
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import (  # noqa: E402
    DataCollatorForLanguageModeling,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from bench.figures import show  # noqa: E402
from final_project.data.demo.pairs import build_demo  # noqa: E402
from final_project.data.files.lines import read_lines  # noqa: E402
from final_project.model.encoder import masked_lm_from_scratch  # noqa: E402
from final_project.parallel.world import started_world  # noqa: E402
from final_project.recipe import load_recipe  # noqa: E402
from final_project.tokens.token_table import write_token_table  # noqa: E402
from final_project.tokens.tokenizer import build_tokenizer  # noqa: E402
from final_project.training.engines import build_engine  # noqa: E402
from final_project.training.loop import run_loop  # noqa: E402
from final_project.training.precision import resolve_precision  # noqa: E402
from final_project.training.throughput import count_model_work  # noqa: E402
from posttrain.model import MaskedLm  # noqa: E402
from posttrain.task import MaskedLmTask  # noqa: E402

MAX_LENGTH, BLOCK, STEP_ROWS, VOCAB = 64, 128, 64, 21_128
ENCODER = ("n_layers=4", "hidden_size=256", "n_heads=4", "intermediate_size=1024", "max_positions=512")
Run = Callable[[PreTrainedModel, str], tuple[float, int]]
"""(model, precision) -> (seconds of training, tokens of real text seen)"""


class Bench:
    """The texts, and one method a system."""

    def __init__(self, pairs: list[tuple[str, str]], updates: int, folder: Path):
        self.pairs, self.updates, self.folder = pairs, updates, folder
        self.tokenizer = tokenizer_of(pairs)
        self.token_ids = self.tokenizer(*map(list, zip(*pairs, strict=True)), truncation=True, max_length=MAX_LENGTH)
        self.n_tokens = sum(map(len, self.token_ids["input_ids"]))
        rows = ((first, second, None) for first, second in pairs)
        write_token_table(rows, self.tokenizer, MAX_LENGTH, folder / "tokens")

    def model(self) -> PreTrainedModel:
        encoder = load_recipe("demo", [f"encoder.{value}" for value in ENCODER]).encoder
        return masked_lm_from_scratch(encoder, self.tokenizer, seed=1)

    def ours(self, model: PreTrainedModel, precision: str, *overrides: str) -> tuple[float, int]:
        settings = ("epochs=1", f"step_rows={STEP_ROWS}", f"max_length={MAX_LENGTH}", "held_out_rows=1", *overrides)
        settings += (f"precision={precision}", "log_every=1000000", "checkpoint_every=1000000")
        recipe = load_recipe("demo", [f"posttrain.{value}" for value in settings])
        with started_world(needs_group=False) as world, tempfile.TemporaryDirectory(dir=self.folder) as folder:
            engine = build_engine(
                "torch", MaskedLm(model), recipe.posttrain, resolve_precision(precision, world.device), world
            )
            task = MaskedLmTask(engine, recipe, self.tokenizer, self.folder / "tokens")
            began = time.perf_counter()
            run_loop(task, engine, recipe.posttrain, 1, 0, Path(folder), "posttrain", count_model_work(model))
            return time.perf_counter() - began, int(task.lengths.sum())

    def rows(self, model: PreTrainedModel, precision: str) -> tuple[float, int]:
        return self.ours(model, precision, f"micro_rows={STEP_ROWS}")

    def packed(self, model: PreTrainedModel, precision: str) -> tuple[float, int]:
        return self.ours(model, precision, f"micro_rows={STEP_ROWS}", "batch_form=packed")

    def trainer_padded(self, model: PreTrainedModel, precision: str) -> tuple[float, int]:
        padded = self.tokenizer.pad(self.token_ids, padding="max_length", max_length=MAX_LENGTH)
        rows = [{key: padded[key][k] for key in padded} for k in range(len(self.pairs))]
        return self.train_with_trainer(model, rows, STEP_ROWS, precision), self.n_tokens

    def trainer_blocks(self, model: PreTrainedModel, precision: str) -> tuple[float, int]:
        stream = np.concatenate([np.asarray(ids) for ids in self.token_ids["input_ids"]])
        blocks = stream[: len(stream) // BLOCK * BLOCK].reshape(-1, BLOCK)
        batch = max(1, round(len(blocks) / self.updates))
        seconds = self.train_with_trainer(model, [{"input_ids": block.tolist()} for block in blocks], batch, precision)
        return seconds, blocks.size

    def train_with_trainer(self, model: PreTrainedModel, rows: list[dict], batch: int, precision: str) -> float:
        model.accepts_loss_kwargs = False  # without it the Trainer scales the loss of BERT's heads wrongly
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            arguments = TrainingArguments(
                output_dir=folder, num_train_epochs=1, per_device_train_batch_size=batch, bf16=precision == "bf16",
                learning_rate=1e-3, weight_decay=0.01, use_cpu=not torch.cuda.is_available(), report_to="none",
                save_strategy="no", logging_steps=1_000_000, disable_tqdm=True, dataloader_pin_memory=False,
            )  # fmt: skip
            collate = DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=0.15)
            trainer = Trainer(model, arguments, train_dataset=rows, data_collator=collate)
            began = time.perf_counter()
            trainer.train()
            return time.perf_counter() - began


def tokenizer_of(pairs: list[tuple[str, str]]) -> PreTrainedTokenizerBase:
    """Characters of the texts, filled up to the size of the published vocabulary."""
    tokenizer = build_tokenizer((text for pair in pairs for text in pair), VOCAB, "the bench's text")
    tokenizer.add_tokens([f"[unused{k}]" for k in range(VOCAB - len(tokenizer))])
    return tokenizer


def read_text(path: Path | None, n_pairs: int) -> list[tuple[str, str]]:
    """Pairs drawn evenly from a text.tsv, or built in."""
    if path is None:
        pairs = [(pair.sentence1, pair.sentence2) for pair in build_demo(n_pairs, 1).train]
    else:
        rows = [tuple(line.split("\t")) for _, line in read_lines(path)]
        pairs = [row for row in rows if len(row) == 2]
    return [pairs[k * len(pairs) // n_pairs] for k in range(n_pairs)]


def measure(bench: Bench, rounds: int, precisions: list[str]) -> dict[str, dict[str, list[float]]]:
    """Tokens of text a second: precision -> system -> one figure a round. The first round only warms up."""
    systems: dict[str, Run] = {
        name: getattr(bench, name) for name in ("trainer_padded", "trainer_blocks", "rows", "packed")
    }
    start = bench.model()
    speeds = {precision: {name: [] for name in systems} for precision in precisions}
    for round_ in range(rounds + 1):
        for precision in precisions:
            for name, run in systems.items():
                seconds, tokens = run(copy.deepcopy(start), precision)
                if round_:
                    speeds[precision][name].append(tokens / seconds)
                    print(f"round {round_} {precision} {name}: {tokens / seconds:,.0f}", file=sys.stderr)
    return speeds


def ratios(speeds: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Medians relative to each peer; ours in bf16 also beside the peers in fp32, which is what a user may come from."""
    found = {}
    for precision, systems in speeds.items():
        for ours in ("rows", "packed"):
            for peer in ("trainer_padded", "trainer_blocks"):
                for peer_precision in {precision, "fp32"} & set(speeds):
                    ratio = statistics.median(systems[ours]) / statistics.median(speeds[peer_precision][peer])
                    found[f"{ours} {precision} to {peer} {peer_precision}"] = round(ratio, 2)
    return dict(sorted(found.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    pairs = read_text(arguments.text, arguments.updates * STEP_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pairs, arguments.updates, Path(folder))
        speeds = measure(bench, arguments.rounds, arguments.precisions)
        mean_tokens = bench.n_tokens / len(pairs)
    found = {
        "cores": os.cpu_count(), "torch": torch.__version__, "updates": arguments.updates, "rounds": arguments.rounds,
        "mean_tokens_of_a_pair": round(mean_tokens, 1), "ratios": ratios(speeds),
    }  # fmt: skip
    show(found, arguments.output)


if __name__ == "__main__":
    main()
