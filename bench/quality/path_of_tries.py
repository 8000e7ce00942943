"""What each step on the way to the LCQMC recipes gives: accuracy on dev, one change after the other, over seeds.

    bash run.sh --recipe lcqmc_quick prepare
    python bench/quality/path_of_tries.py [--seeds 1 2 3] [--output FILE.json] [-- key=value ...]

The first is a plain BERT from random weights; every further step keeps what came before. Equal pairs and
updates. Every run is an ordinary one below runs/path_of_tries/, and takes the encoder of the one before where nothing
ahead of fine-tuning has changed; the same call goes on where it was, and the file is written after every run.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import show
from bench.quality.small_runs import read_arguments, run_both_stages

RECIPE = "lcqmc_quick"
SHARED = ("similarity_v0.max_train_pairs=20000", "similarity_v0.epochs=2", "similarity_v0.eval_every=0")
PLAIN = {
    "encoder.n_layers": "4",
    "encoder.start": "bert",
    "encoder.match_types": "false",
    "encoder.ngram_buckets": "0",
    "similarity_v0.pair_weights": "equal",
    "similarity_v0.ema_decay": "0",
    "posttrain.epochs": "0",
    "similarity_v0.fgm_eps": "0",
}
STEPS = {
    "plain": {},
    "matching_start": {"encoder.start": "matching"},
    "match_types": {"encoder.match_types": "true"},
    "pairs_of_neighbours": {"encoder.ngram_buckets": "32768"},
    "two_layers": {"encoder.n_layers": "2"},
    "weights_like_dev": {"similarity_v0.pair_weights": "like_dev"},
    "post_training": {"posttrain.epochs": "1"},
    "average_of_weights": {"similarity_v0.ema_decay": "0.99"},
    "adversarial_step": {"similarity_v0.fgm_eps": "1"},
    "augmented_pairs": {},  # drawn from the training pairs and those they imply
}


def main() -> None:
    arguments = read_arguments(__doc__, seeds=[1, 2, 3])
    found: dict[str, dict[int, float]] = {name: {} for name in STEPS}
    for seed in arguments.seeds:
        changed, encoder_of = dict(PLAIN), ""
        for name, change in STEPS.items():
            changed |= change
            settings = [*SHARED, *(f"{key}={value}" for key, value in changed.items())]
            if not (encoder_of and all(key.startswith("similarity_v0.") for key in change)):
                encoder_of = name
            ended = run_both_stages(
                arguments, "path_of_tries", name, seed, RECIPE, settings, augmented=name == "augmented_pairs",
                encoder_of=encoder_of,
            )  # fmt: skip
            found[name][seed] = ended["best_dev_accuracy"]
            show(summary(found), arguments.output)


def summary(found: dict[str, dict[int, float]]) -> dict:
    rows, before = {}, None
    for name, by_seed in found.items():
        if by_seed:
            mean = statistics.mean(by_seed.values())
            gain = {} if before is None else {"gain": round(mean - before, 4)}
            rows[name] = {"mean": round(mean, 4), **gain, "by_seed": by_seed}
            before = mean
    return {"dev_accuracy": rows}


if __name__ == "__main__":
    main()
