"""Which rows make up which optimizer step: a pure function of lengths, seed and epoch.

Without packing, rows are shuffled, sorted by length within pools, and cut into micro-batches of about one length. A
step is a few neighbouring micro-batches, so that the ranks, which divide them, have about the same amount of work; the
steps come in random order. With packing, a step is the next rows of the shuffle, whatever their lengths. A token budget
only decides how a step's rows are cut into micro-batches, not which rows are in the step. So every number of processes
takes the same steps, and a resumed run needs no sampler state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from final_project.tokens.packing import fill_lines

POOL_MICRO_BATCHES = 50  # rows are sorted by length within pools of this many micro-batches


@dataclass(frozen=True)
class MicroBatch:
    """rows: row numbers. index: position within the step. counts: False for a filler micro-batch, whose loss has weight
    zero: every rank runs the same number of backward passes, because collectives wait for all ranks."""

    rows: np.ndarray
    index: int
    counts: bool = True


def steps_per_epoch(n_rows: int, step_rows: int, micro_rows: int) -> int:
    n_micro = -(-n_rows // micro_rows)
    return -(-n_micro // (step_rows // micro_rows))


def epoch_steps(
    lengths: np.ndarray,
    step_rows: int,
    micro_rows: int,
    seed: int,
    epoch: int,
    micro_tokens: int = 0,
    line_tokens: int = 0,
) -> EpochSteps:
    """The epoch's steps in order; each is a list of micro-batches of row numbers. Every row occurs once.

    micro_tokens: most tokens of a micro-batch, padding included (one row or line may have more); 0 = micro_rows rows.
    line_tokens: the length of the lines into which rows are packed; 0 = each row is a line of its own.
    """
    return EpochSteps(lengths, step_rows, micro_rows, np.random.default_rng([seed, epoch]), micro_tokens, line_tokens)


class EpochSteps:
    """The steps of one epoch. Each is built on access, so that an epoch holds 4 bytes a row besides the lengths."""

    def __init__(
        self,
        lengths: np.ndarray,
        step_rows: int,
        micro_rows: int,
        rng: np.random.Generator,
        micro_tokens: int,
        line_tokens: int,
    ):
        self._lengths, self._micro_rows = lengths, micro_rows
        self._micro_tokens, self._line_tokens = micro_tokens, line_tokens
        self._step_rows = step_rows // micro_rows * micro_rows
        self._order = np.arange(len(lengths), dtype=np.int32 if len(lengths) < 2**31 else np.int64)
        rng.shuffle(self._order)
        n_steps = steps_per_epoch(len(lengths), step_rows, micro_rows)
        if line_tokens:
            self._steps = np.arange(n_steps)
            return
        pool_rows = max(1, POOL_MICRO_BATCHES * micro_rows // self._step_rows) * self._step_rows
        for start in range(0, len(lengths), pool_rows):
            pool = self._order[start : start + pool_rows]
            pool[:] = pool[np.argsort(lengths[pool], kind="stable")]
        self._steps = rng.permutation(n_steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        return (self[step] for step in range(len(self)))

    def __getitem__(self, step: int) -> list[np.ndarray]:
        if not 0 <= step < len(self):
            raise IndexError(step)
        rows = self._order[self._steps[step] * self._step_rows :][: self._step_rows]
        if not self._micro_tokens:
            return np.split(rows, range(self._micro_rows, len(rows), self._micro_rows))
        if self._line_tokens:
            return packed_within_budget(rows, self._lengths[rows], self._line_tokens, self._micro_tokens)
        return [rows[group] for group in batches_by_length(self._lengths[rows], self._micro_tokens)]


def packed_within_budget(
    rows: np.ndarray, lengths: np.ndarray, line_tokens: int, micro_tokens: int
) -> list[np.ndarray]:
    """Rows cut into micro-batches that fill whole lines, as many as the budget allows (or one), evenly."""
    line_of_row, _ = fill_lines(lengths, line_tokens)
    n_lines = int(line_of_row.max()) + 1
    n_micro = -(-n_lines // max(1, micro_tokens // line_tokens))
    micro_of_row = line_of_row * n_micro // n_lines
    return [rows[micro_of_row == at] for at in range(n_micro)]


def share_of_rank(step: Sequence[np.ndarray], rank: int, size: int) -> list[MicroBatch]:
    """This rank's micro-batches of a step: every size-th one. Filler micro-batches give all ranks the same number."""
    rounds = -(-len(step) // size)
    return [
        MicroBatch(step[at], at) if at < len(step) else MicroBatch(step[0], at, counts=False)
        for at in range(rank, rounds * size, size)
    ]


def batches_by_length(
    lengths: np.ndarray, max_tokens: int, one_length: bool = False, shortest_first: bool = False
) -> list[np.ndarray]:
    """Row numbers grouped by length, each batch at most max_tokens when padded (or one row); equal lengths keep their
    order. one_length: no batch has two lengths. The order, longest or shortest first, also decides which rows share a
    batch, and so the last digits of results."""
    order = np.argsort(lengths if shortest_first else -lengths, kind="stable")
    sorted_lengths = lengths[order].tolist()
    batches, start = [], 0
    for end, length in enumerate(sorted_lengths):
        first = sorted_lengths[start]
        fits = (end - start + 1) * max(first, length, 1) <= max_tokens
        if end > start and (not fits or (one_length and length != first)):
            batches.append(order[start:end])
            start = end
    return [*batches, order[start:]] if len(order) else []


def derive_seed(*parts: int) -> int:
    """One 63-bit seed from several numbers (recipe seed, step, micro-batch ...)."""
    high, low = np.random.SeedSequence(parts).generate_state(2, np.uint32)
    return (int(high) << 31 | int(low) >> 1) & (2**63 - 1)
