"""Which rows make up which optimizer step: a pure function of lengths, seed and epoch.

Rows are shuffled, sorted by length within pools, and cut into micro-batches of one length; a step is a handful of
random micro-batches. Ranks deal the micro-batches of a step out among themselves. So the same steps are taken on any
number of processes, and a resumed run needs no sampler state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POOL_MICRO_BATCHES = 50  # pools long enough that a micro-batch has one length, short enough to stay shuffled


@dataclass(frozen=True)
class MicroBatch:
    """rows: row numbers. index: its place within the step. counts: False for a stand-in that keeps ranks in step
    (every rank runs as many backward passes, because collectives wait for all) and whose loss has weight zero."""

    rows: np.ndarray
    index: int
    counts: bool = True


def steps_per_epoch(n_rows: int, step_rows: int, micro_rows: int) -> int:
    n_micro = -(-n_rows // micro_rows)
    return -(-n_micro // (step_rows // micro_rows))


def epoch_steps(lengths: np.ndarray, step_rows: int, micro_rows: int, seed: int, epoch: int) -> list[list[np.ndarray]]:
    """The epoch's steps in order; each is a list of micro-batches of row numbers. Every row occurs once."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    pool_rows = POOL_MICRO_BATCHES * micro_rows
    micro_batches = []
    for start in range(0, len(order), pool_rows):
        pool = order[start : start + pool_rows]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        micro_batches += [pool[at : at + micro_rows] for at in range(0, len(pool), micro_rows)]
    micro_batches = [micro_batches[at] for at in rng.permutation(len(micro_batches))]
    per_step = step_rows // micro_rows
    return [micro_batches[at : at + per_step] for at in range(0, len(micro_batches), per_step)]


def share_of_rank(step: Sequence[np.ndarray], rank: int, size: int) -> list[MicroBatch]:
    """This rank's micro-batches of a step: every size-th one, filled up with stand-ins to the same number."""
    rounds = -(-len(step) // size)
    return [
        MicroBatch(step[at], at) if at < len(step) else MicroBatch(step[0], at, counts=False)
        for at in range(rank, rounds * size, size)
    ]


def batches_by_length(lengths: np.ndarray, max_tokens: int) -> list[np.ndarray]:
    """Row numbers grouped for evaluation: longest first, each batch at most max_tokens when padded (or one row)."""
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, max_tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def seed_of(*parts: int) -> int:
    """One 63-bit seed from several numbers (recipe seed, step, micro-batch ...)."""
    high, low = np.random.SeedSequence(parts).generate_state(2, np.uint32)
    return (int(high) << 31 | int(low) >> 1) & (2**63 - 1)
