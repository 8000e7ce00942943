"""Fine-tuning beside what else one would take for it: pairs a second, as ratios; and what each trick costs.

    pip install -r bench/requirements.txt
    python bench/speed/finetune_speed.py [--pairs train.tsv] [--updates 60] [--rounds 5] [--output FILE.json]

Peers   trainer_padded      transformers' Trainer, every pair padded to 64, as the original did
        trainer_by_length   the same with group_by_length and padding to the batch's longest
        cross_encoder       sentence-transformers' CrossEncoder trainer, cross entropy, padding to the longest; it
                            tokenises while it trains, once in the main process and once in a worker (_worker)
Ours    rows                micro-batches of pairs of like length
        packed              several pairs a line, each seeing itself alone
All start from one model (4 layers x 256, vocabulary 21,128), see the same pairs, take as many updates of 64 pairs with
torch's fused AdamW, in one process. Runs are interleaved; medians are compared. Without --pairs, made pairs are used.
The cost of a trick is the time of its run over that of the plain run beside it, the median over the rounds.
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
import transformers  # noqa: E402
from datasets import Dataset  # noqa: E402
from sentence_transformers.cross_encoder import (  # noqa: E402
    CrossEncoder,
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
    losses,
)
from transformers import (  # noqa: E402
    DataCollatorWithPadding,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from bench.figures import show  # noqa: E402
from bench.speed.small_classifier import MAX_LENGTH, labelled_pairs, small_classifier, tokenizer_of  # noqa: E402
from final_project.data.records import Pair  # noqa: E402
from final_project.parallel.world import started_world  # noqa: E402
from final_project.recipe import load_recipe  # noqa: E402
from final_project.tokens.token_table import open_token_table, write_token_table  # noqa: E402
from final_project.training.engines import build_engine  # noqa: E402
from final_project.training.loop import run_loop  # noqa: E402
from final_project.training.precision import resolve_precision  # noqa: E402
from final_project.training.throughput import count_model_work  # noqa: E402
from similarity_v0.model import PairModel  # noqa: E402
from similarity_v0.param_groups import pair_groups  # noqa: E402
from similarity_v0.task import PairTask  # noqa: E402

STEP_ROWS, LR, HELD_OUT = 64, 1e-4, 8
PEERS = ("trainer_padded", "trainer_by_length", "cross_encoder", "cross_encoder_worker")
OURS = ("rows", "packed")
TRICKS = {  # the recipe's settings of each, as published
    "ema": ("ema_decay=0.999",),
    "swa": ("swa_start=0.5",),
    "fgm": ("fgm_eps=1",),
    "pgd, K 3": ("pgd_eps=1", "pgd_steps=3"),
    "freelb, K 3": ("freelb_eps=0.3", "freelb_steps=3"),
    "awp": ("awp_gamma=0.005",),
    "r_drop": ("r_drop=1",),
    "mixup": ("mixup=layer",),
    "multi_dropout, 5 masks": ("multi_dropout_samples=5",),
    "label_smoothing": ("label_smoothing=0.1",),
    "activation_checkpointing": ("activation_checkpointing=true",),
}
SHARED = {
    "num_train_epochs": 1, "per_device_train_batch_size": STEP_ROWS, "learning_rate": LR, "weight_decay": 0.01,
    "optim": "adamw_torch_fused", "use_cpu": not torch.cuda.is_available(), "report_to": "none", "save_strategy": "no",
    "logging_steps": 1_000_000, "disable_tqdm": True, "dataloader_pin_memory": False,
}  # fmt: skip
Run = Callable[[PreTrainedModel, str], float]
"""(model, precision) -> seconds of training."""


class Bench:
    """The pairs, and one method a system."""

    def __init__(self, pairs: list[Pair], folder: Path):
        self.pairs, self.folder = pairs, folder
        self.tokenizer = tokenizer_of(pairs)
        sides = [[pair.sentence1 for pair in pairs], [pair.sentence2 for pair in pairs]]
        self.token_ids = self.tokenizer(*sides, truncation=True, max_length=MAX_LENGTH)
        self.labels = [pair.label for pair in pairs]
        self.mean_tokens = statistics.fmean(map(len, self.token_ids["input_ids"]))
        for name, chosen in (("train", pairs), ("dev", pairs[:HELD_OUT])):
            rows = ((pair.sentence1, pair.sentence2, pair.label) for pair in chosen)
            write_token_table(rows, self.tokenizer, MAX_LENGTH, folder / name)
        self.start = small_classifier(self.tokenizer)

    def ours(self, model: PreTrainedModel, precision: str, *overrides: str) -> float:
        settings = ("epochs=1", f"step_rows={STEP_ROWS}", f"micro_rows={STEP_ROWS}", f"max_length={MAX_LENGTH}")
        settings += (f"precision={precision}", f"lr={LR}", "log_every=1000000", "checkpoint_every=1000000", *overrides)
        recipe = load_recipe("demo", [f"similarity_v0.{value}" for value in settings])
        wanted = recipe.similarity_v0
        tables = {name: open_token_table(self.folder / name) for name in ("train", "dev")}
        pair_model = PairModel(model)
        if wanted.multi_dropout_samples > 1:
            pair_model.use_multi_dropout(wanted.multi_dropout_samples, wanted.multi_dropout_reduce)
        with started_world(needs_group=False) as world, tempfile.TemporaryDirectory(dir=self.folder) as folder:
            arithmetic = resolve_precision(precision, world.device)
            engine = build_engine("torch", pair_model, wanted, arithmetic, world, pair_groups)
            rows = np.arange(len(self.pairs))
            task = PairTask(engine, pair_model, recipe, self.tokenizer, tables, rows, Path(folder))
            began = time.perf_counter()
            run_loop(task, engine, wanted, 1, 0, Path(folder), "similarity_v0", count_model_work(model))
            return time.perf_counter() - began

    def rows(self, model: PreTrainedModel, precision: str) -> float:
        return self.ours(model, precision)

    def packed(self, model: PreTrainedModel, precision: str) -> float:
        return self.ours(model, precision, "batch_form=packed")

    def trainer_padded(self, model: PreTrainedModel, precision: str) -> float:
        padded = self.tokenizer.pad(self.token_ids, padding="max_length", max_length=MAX_LENGTH)
        return self.train_with_trainer(model, padded, precision)

    def trainer_by_length(self, model: PreTrainedModel, precision: str) -> float:
        return self.train_with_trainer(
            model, self.token_ids, precision, train_sampling_strategy="group_by_length", length_column_name="length"
        )

    def train_with_trainer(self, model: PreTrainedModel, columns: dict, precision: str, **options) -> float:
        model.accepts_loss_kwargs = False  # without it the Trainer scales the loss of BERT's heads wrongly
        lengths = list(map(len, columns["input_ids"]))
        data = Dataset.from_dict({**columns, "labels": self.labels, "length": lengths})
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            arguments = TrainingArguments(output_dir=folder, bf16=precision == "bf16", **SHARED, **options)
            collate = DataCollatorWithPadding(self.tokenizer)
            trainer = Trainer(model, arguments, train_dataset=data, data_collator=collate)
            trainer.remove_callback(PrinterCallback)
            began = time.perf_counter()
            trainer.train()
            return time.perf_counter() - began

    def cross_encoder(self, model: PreTrainedModel, precision: str, workers: int = 0) -> float:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
            encoder = CrossEncoder(folder, num_labels=2, max_length=MAX_LENGTH)
            columns = {key: [getattr(pair, key) for pair in self.pairs] for key in ("sentence1", "sentence2", "label")}
            arguments = CrossEncoderTrainingArguments(
                output_dir=folder, bf16=precision == "bf16", dataloader_num_workers=workers, **SHARED
            )
            loss = losses.CrossEntropyLoss(encoder)
            trainer = CrossEncoderTrainer(encoder, arguments, Dataset.from_dict(columns), loss=loss)
            trainer.remove_callback(PrinterCallback)
            began = time.perf_counter()
            trainer.train()
            return time.perf_counter() - began

    def cross_encoder_worker(self, model: PreTrainedModel, precision: str) -> float:
        return self.cross_encoder(model, precision, workers=1)

    def trick(self, name: str) -> Run:
        return lambda model, precision: self.ours(model, precision, *TRICKS[name])


def measure(bench: Bench, systems: dict[str, Run], rounds: int, precisions: list[str]) -> dict[str, dict[str, list]]:
    """Seconds: precision -> system -> one figure a round, round by round one system after the other. The first round
    only warms up."""
    seconds = {precision: {name: [] for name in systems} for precision in precisions}
    for round_ in range(rounds + 1):
        for precision in precisions:
            for name, run in systems.items():
                taken = run(copy.deepcopy(bench.start), precision)
                if round_:
                    seconds[precision][name].append(taken)
                    print(f"round {round_} {precision} {name}: {taken:.2f} s", file=sys.stderr)
    return seconds


def ratios(seconds: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    """Medians of the peers over ours; ours in bf16 also beside the peers in fp32, from which a user may come."""
    found = {}
    for precision, systems in seconds.items():
        for ours in OURS:
            for peer in PEERS:
                for peer_precision in {precision, "fp32"} & set(seconds):
                    ratio = statistics.median(seconds[peer_precision][peer]) / statistics.median(systems[ours])
                    found[f"{ours} {precision} to {peer} {peer_precision}"] = round(ratio, 2)
    return dict(sorted(found.items()))


def costs(seconds: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Time of each trick over that of the plain run of the same round: the median."""
    return {
        precision: {
            name: round(statistics.median(a / b for a, b in zip(taken, systems["rows"], strict=True)), 3)
            for name, taken in systems.items()
            if name != "rows"
        }
        for precision, systems in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--part", choices=("peers", "tricks", "both"), default="both")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    pairs = labelled_pairs(arguments.pairs, arguments.updates * STEP_ROWS)
    found = {
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__,
        "pairs": "made" if arguments.pairs is None else arguments.pairs.name,
        "updates": arguments.updates, "rounds": arguments.rounds,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pairs, Path(folder))
        found["mean_tokens_of_a_pair"] = round(bench.mean_tokens, 1)
        if arguments.part != "tricks":
            systems = {name: getattr(bench, name) for name in (*PEERS, *OURS)}
            seconds = measure(bench, systems, arguments.rounds, arguments.precisions)
            found["ratios"] = ratios(seconds)
            found["pairs_per_s"] = {
                precision: {name: round(len(pairs) / statistics.median(taken)) for name, taken in of.items()}
                for precision, of in seconds.items()
            }
        if arguments.part != "peers":
            tricks = {"rows": bench.rows, **{name: bench.trick(name) for name in TRICKS}}
            found["cost_of_a_trick"] = costs(measure(bench, tricks, arguments.rounds, arguments.precisions))
    show(found, arguments.output)


if __name__ == "__main__":
    main()
