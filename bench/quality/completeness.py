"""How complete integrated gradients are at fifty gradients a row, by rule, and what a tolerance of a thousandth costs.

    python bench/quality/completeness.py --model DIR --pairs FILE [--rows 200] [--steps 50] [--output FILE.json]

Of each baseline and rule: the median, the ninth tenth and the largest completeness error, to |F(text) - F(baseline)|;
the share of rows that are complete to a thousandth; gradients a row; processor time, that of evenly laid Gauss points
being 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from bench.figures import show
from final_project.cli import run_main
from final_project.data.files.contest import read_segmented
from final_project.training.batching import batches_by_length
from similarity_v1.explain.encoding import encode, pad
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.methods import method_named
from similarity_v1.explain.probe import Probe, probing

COMPLETE = 1e-3
RULES: dict[str, dict[str, Any]] = {
    "gauss_legendre": {"rule": "gauss_legendre"},
    "adaptive": {"rule": "adaptive"},
    "adaptive, tolerance 0.001": {"rule": "adaptive", "tolerance": COMPLETE},
}


def probes(model: Path, pairs_file: Path, n_rows: int) -> Iterator[Probe]:
    """Batches of rows, evenly spread over the file, each open to questions."""
    explainer, pairs = Explainer.from_folder(model), read_segmented(pairs_file)
    some = [pairs[k * len(pairs) // n_rows] for k in range(n_rows)]
    texts = [(pair.query, pair.title) for pair in some]
    words = [(pair.words_q, pair.words_t) for pair in some]
    encoded = encode(explainer.tokenizer, explainer.limit, texts, words, explainer.keys)
    lengths = np.array([len(row) for row in encoded])
    for batch in batches_by_length(lengths, explainer.reading.batch_tokens, shortest_first=True):
        rows = [encoded[position] for position in batch]
        inputs = pad(rows, explainer.tokenizer.pad_token_id, explainer.device)
        with probing(explainer.model, inputs, rows, explainer.reading, True) as probe:
            yield probe


def measure(arguments: argparse.Namespace, baseline: str) -> dict[str, dict[str, float]]:
    errors, steps, seconds = ({name: [] for name in RULES} for _ in range(3))
    n_done = 0
    for probe in probes(arguments.model, arguments.pairs, arguments.rows):
        rows_B = torch.arange(len(probe.rows), device=probe.value_B.device)
        rise_B = (probe.value_B - probe.values(probe.baseline(baseline), rows_B)).abs().clamp(min=1e-12)
        for name, options in RULES.items():
            method = method_named("integrated_gradients", steps=arguments.steps, baseline=baseline, **options)
            began = time.process_time()
            found = method(probe)
            seconds[name].append(time.process_time() - began)
            errors[name] += (found.error_B / rise_B).tolist()
            steps[name] += [arguments.steps] * len(rows_B) if found.steps_B is None else found.steps_B.tolist()
        n_done += len(rows_B)
        print(f"{baseline}: {n_done} of {arguments.rows} rows", file=sys.stderr, flush=True)
    even_s = sum(seconds["gauss_legendre"])
    return {name: _figures(errors[name], steps[name], sum(seconds[name]) / even_s) for name in RULES}


def _figures(errors: list[float], steps: list[int], time_ratio: float) -> dict[str, float]:
    median, ninth_tenth, largest = np.quantile(errors, [0.5, 0.9, 1]).tolist()
    return {
        "median": float(f"{median:.2g}"),
        "ninth_tenth": float(f"{ninth_tenth:.2g}"),
        "largest": float(f"{largest:.2g}"),
        "complete": round(float(np.mean(np.array(errors) <= COMPLETE)), 3),
        "steps_median": float(np.median(steps)),
        "steps_mean": round(float(np.mean(steps)), 1),
        "steps_most": max(steps),
        "time": round(time_ratio, 2),
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args(argv)
    measured = {baseline: measure(arguments, baseline) for baseline in ("zero", "mask")}
    show({"rows": arguments.rows, "steps": arguments.steps, "baselines": measured}, arguments.output)


if __name__ == "__main__":
    sys.exit(run_main(main))
