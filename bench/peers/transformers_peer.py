"""How the peers that stand on transformers' Trainer are kept within the budget.

One short run measures the speed, its weights are thrown away, and the run proper takes as many updates as fit: AdamW,
warm-up, linear decay to zero at the end, bf16 where the device has it, the checkpoint that is best on dev.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from peer import (
    FIRST_UPDATES,
    PROBE_SHARE,
    PROBE_UPDATES,
    Course,
    Job,
    add_course_arguments,
    lay_out,
    require,
)
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback

from final_project.errors import RecipeError
from final_project.model.custom_parts import CUSTOM_EMBEDDINGS, add_custom_embeddings, custom_embeddings
from final_project.model.folder import load_tokenizer
from final_project.training.precision import resolve_precision

BATCH, LR, WARMUP_FRAC, WEIGHT_DECAY, MAX_LENGTH = 64, 5e-4, 0.1, 0.01, 64
MakeTrainer = Callable[[dict[str, Any]], Trainer]
"""(training arguments) -> a trainer of the peer's one model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    start = "folder to start from, as posttrain leaves it; with posttrain.epochs=0 its weights are random"
    parser.add_argument("--model", type=Path, required=True, help=start)
    hint = "give the model the folder's own parts (final_project/model/custom_parts.py), which the libraries pass over"
    parser.add_argument("--own-parts", action="store_true", help=hint)
    parser.add_argument("--lr", type=float, default=LR, help=f"peak learning rate (default: {LR})")
    add_course_arguments(parser)


def prepare(job: Job) -> transformers.PreTrainedTokenizerBase:
    """Check what the peer stands on; the tokenizer of its folder."""
    require("accelerate")
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)  # of the head's weights
    return load_tokenizer(job.model)


def show_own_parts(job: Job, model: PreTrainedModel) -> None:
    if job.options.own_parts:
        if not custom_embeddings(model):
            expected = " or ".join(CUSTOM_EMBEDDINGS)
            raise RecipeError([f"--own-parts: expected {expected} in {job.model / 'config.json'}, found neither"])
        add_custom_embeddings(model, job.model)


def train_within(job: Job, model: torch.nn.Module, make: MakeTrainer, folder: str) -> tuple[float, int, dict[str, Any]]:
    """(seconds by the job's clock, pairs seen, what is worth knowing). Leaves the model with its best weights."""
    arguments = shared_arguments(job, folder)

    def update_s() -> float:
        start = copy.deepcopy(model.state_dict())
        watch = StopAfter(PROBE_SHARE * job.budget_s)
        run(make({**arguments, "max_steps": 1_000_000}), watch)
        model.load_state_dict(start)
        return watch.update_s

    course = lay_out(job, BATCH, update_s)
    trainer = make({**arguments, **arguments_of(course)})
    torch.manual_seed(job.seed)
    run(trainer)
    accuracies = {row["step"]: round(row["eval_dev_accuracy"], 4)
                  for row in trainer.state.log_history if "eval_dev_accuracy" in row}  # fmt: skip
    train_s, pairs_seen = job.spent_s, round(trainer.state.epoch * len(job.train))
    return train_s, pairs_seen, {"updates": course.updates, "dev_accuracy_by_update": accuracies}


def shared_arguments(job: Job, folder: str) -> dict[str, Any]:
    on_cpu = not torch.cuda.is_available()
    device = torch.device("cpu" if on_cpu else "cuda")
    return {
        "output_dir": folder, "per_device_train_batch_size": BATCH, "per_device_eval_batch_size": 2 * BATCH,
        "learning_rate": job.options.lr, "weight_decay": WEIGHT_DECAY, "lr_scheduler_type": "linear",
        "bf16": resolve_precision("auto", device) == "bf16", "use_cpu": on_cpu, "seed": job.seed,
        "optim": "adamw_torch_fused", "eval_strategy": "no", "save_strategy": "no", "report_to": "none",
        "logging_strategy": "no", "disable_tqdm": True, "dataloader_pin_memory": not on_cpu,
    }  # fmt: skip


def arguments_of(course: Course) -> dict[str, Any]:
    steps = {"max_steps": course.updates, "warmup_steps": round(WARMUP_FRAC * course.updates)}
    if course.every is None:
        return steps
    looking = {"eval_strategy": "steps", "eval_steps": course.every, "save_strategy": "steps"}
    looking |= {"save_steps": course.every, "save_total_limit": 1, "load_best_model_at_end": True}
    return {**steps, **looking, "metric_for_best_model": "eval_dev_accuracy", "greater_is_better": True}


def settings(job: Job, **more: Any) -> dict[str, Any]:
    """For the record."""
    return {"lr": job.options.lr, "batch": BATCH, "warmup_frac": WARMUP_FRAC, "weight_decay": WEIGHT_DECAY,
            "max_length": MAX_LENGTH, "optimizer": "AdamW", "schedule": "linear", "model": job.model.name,
            "own_parts": job.options.own_parts, **more}  # fmt: skip


def run(trainer: Trainer, *callbacks: TrainerCallback) -> None:
    trainer.remove_callback(PrinterCallback)
    for callback in callbacks:
        trainer.add_callback(callback)
    trainer.train()


class StopAfter(TrainerCallback):
    """Ends a run after PROBE_UPDATES, or once it has taken so many seconds; update_s: the mean of what was timed."""

    def __init__(self, most_s: float):
        self.most_s = most_s
        self.ends: list[float] = []

    def on_step_end(self, args, state, control, **others) -> None:
        self.ends.append(time.perf_counter())
        enough = len(self.ends) >= FIRST_UPDATES + PROBE_UPDATES or self.ends[-1] - self.ends[0] > self.most_s
        control.should_training_stop = enough and len(self.ends) > FIRST_UPDATES

    @property
    def update_s(self) -> float:
        timed = self.ends[FIRST_UPDATES - 1 :]
        return (timed[-1] - timed[0]) / (len(timed) - 1)
