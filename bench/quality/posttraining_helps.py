"""What does post-training give on real text? Held-out perplexity along the way, and accuracy on LCQMC's dev of a
fine-tune from the post-trained weights beside one from the same random start, over several seeds.

    bash run.sh --recipe lcqmc_small prepare
    python bench/quality/posttraining_helps.py [--seeds 111 112 113] [--output FILE.json] [-- key=value ...]

Every run is an ordinary one below runs/posttraining_helps/; the same call goes on where it was.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import show
from bench.quality.small_runs import read_arguments, run_both_stages

RECIPE = "lcqmc_small"
SMALL = (
    "encoder.n_layers=2", "encoder.hidden_size=128", "encoder.intermediate_size=512", "posttrain.eval_every=500",
    "posttrain.held_out_rows=2000", "similarity_v0.max_train_pairs=40000", "similarity_v0.epochs=2",
    "similarity_v0.eval_every=500", "nproc=1", "encoder.match_types=false", "posttrain.step_rows=64",
    "similarity_v0.step_rows=64", "similarity_v0.pair_weights=equal", "encoder.ngram_buckets=0", "posttrain.lr=1e-3",
    "similarity_v0.lr=5e-4", "similarity_v0.fgm_eps=0", "posttrain.epochs=1",
)  # fmt: skip
STARTS = {"post-trained": (), "random": ("posttrain.epochs=0",)}


def main() -> None:
    arguments = read_arguments(__doc__, seeds=[111, 112, 113])
    found: dict[str, dict] = {start: {} for start in STARTS}
    for seed in arguments.seeds:
        for start, start_settings in STARTS.items():
            settings = [*SMALL, *start_settings]
            found[start][seed] = run_both_stages(arguments, "posttraining_helps", start, seed, RECIPE, settings)
    best = {start: [run["best_dev_accuracy"] for run in runs.values()] for start, runs in found.items()}
    gains = [with_ - without for with_, without in zip(best["post-trained"], best["random"], strict=True)]
    summary = {start: round(statistics.mean(values), 4) for start, values in best.items()}
    show({"mean_dev_accuracy": summary, "gain_by_seed": [round(gain, 4) for gain in gains], "runs": found},
         arguments.output)  # fmt: skip


if __name__ == "__main__":
    main()
