"""Token budgets, packed steps, orders that need little memory, and batches built ahead."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from conftest import environment

from final_project.errors import RecipeError
from final_project.recipe import load_recipe
from final_project.tokens.packing import fill_lines
from final_project.training.batching import epoch_steps, steps_per_epoch
from final_project.training.prefetch import built_ahead

LENGTHS = np.clip(np.random.default_rng(0).normal(25, 12, 1003), 4, 64).astype(np.int32)
FORMS = {"rows": {"micro_tokens": 300}, "packed": {"micro_tokens": 300, "line_tokens": 100}}
FORMS |= {"packed_by_rows": {"line_tokens": 100}}


def computed_tokens(lengths: np.ndarray, line_tokens: int = 0) -> int:
    """Tokens of one forward, padding included."""
    if line_tokens:
        return line_tokens * (int(fill_lines(lengths, line_tokens)[0].max()) + 1)
    return len(lengths) * int(lengths.max())


@pytest.mark.parametrize("form", FORMS)
def test_every_row_occurs_once_an_epoch_in_steps_of_the_same_number_of_rows(form):
    steps = epoch_steps(LENGTHS, 64, 16, seed=1, epoch=0, **FORMS[form])
    rows_of_steps = [np.concatenate(step) for step in steps]
    assert sorted(np.concatenate(rows_of_steps)) == list(range(len(LENGTHS)))
    assert len(steps) == steps_per_epoch(len(LENGTHS), 64, 16)
    sizes = sorted(len(rows) for rows in rows_of_steps)
    assert set(sizes[2:]) == {64}  # the last step is short, and the one with the last rows of the shuffle


@pytest.mark.parametrize("form", ["rows", "packed"])
def test_batches_respect_the_token_budget(form):
    line_tokens = FORMS[form].get("line_tokens", 0)
    for step in epoch_steps(LENGTHS, 64, 16, seed=1, epoch=0, **FORMS[form]):
        assert all(computed_tokens(LENGTHS[rows], line_tokens) <= 300 for rows in step)
        assert len(step) <= -(-3 * LENGTHS[np.concatenate(step)].sum() // 300)


def test_one_line_may_exceed_the_budget_rather_than_be_lost():
    for form in ({"micro_tokens": 10}, {"micro_tokens": 10, "line_tokens": 64}):
        step = epoch_steps(LENGTHS, 64, 64, seed=1, epoch=0, **form)[0]
        assert len(np.concatenate(step)) == 64
        assert all(computed_tokens(LENGTHS[rows], form.get("line_tokens", 0)) <= 64 for rows in step)


@pytest.mark.parametrize("line_tokens", [0, 100])
def test_the_budget_changes_how_a_step_is_computed_and_not_what_is_in_it(line_tokens):
    def rows_of_steps(micro_tokens):
        steps = epoch_steps(LENGTHS, 64, 16, 1, 0, micro_tokens, line_tokens)
        return [sorted(np.concatenate(step)) for step in steps]

    assert rows_of_steps(0) == rows_of_steps(200) == rows_of_steps(100_000)


@pytest.mark.parametrize(("ranks", "random"), [(2, 1.19), (4, 1.51)])
def test_ranks_have_about_the_same_to_compute_in_a_step(ranks, random):
    """random: how much longer than its share the slowest would take, were a step's micro-batches drawn at random."""
    lengths = np.tile(LENGTHS, 20)
    most, all_of_them = 0, 0
    for step in list(epoch_steps(lengths, 64, 16, seed=1, epoch=0))[:-1]:
        tokens = [sum(computed_tokens(lengths[rows]) for rows in step[rank::ranks]) for rank in range(ranks)]
        most, all_of_them = most + ranks * max(tokens), all_of_them + sum(tokens)
    assert most / all_of_them - 1 < 0.2 * (random - 1)


def test_short_and_long_steps_come_in_random_order():
    lengths = np.tile(LENGTHS, 20)
    means = [lengths[np.concatenate(step)].mean() for step in epoch_steps(lengths, 64, 16, seed=1, epoch=0)]
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.2


def test_packed_steps_hold_random_lengths_and_little_padding():
    lengths = np.tile(LENGTHS, 10)
    steps = epoch_steps(lengths, 256, 256, seed=1, epoch=0, micro_tokens=4096, line_tokens=128)
    padding = [1 - lengths[rows].sum() / computed_tokens(lengths[rows], 128) for step in steps for rows in step]
    assert np.mean(padding) < 0.04
    means = [lengths[np.concatenate(step)].mean() for step in list(steps)[:-1]]
    expected = lengths.std() / np.sqrt(256)
    assert 0.5 * expected < np.std(means) < 1.5 * expected


def test_steps_are_a_pure_function_of_seed_and_epoch_and_can_be_asked_for_in_any_order():
    first = epoch_steps(LENGTHS, 64, 16, 1, 3, 300, 100)
    again = epoch_steps(LENGTHS, 64, 16, 1, 3, 300, 100)
    for at in reversed(range(len(first))):
        assert all(np.array_equal(a, b) for a, b in zip(first[at], again[at], strict=True))
    other = epoch_steps(LENGTHS, 64, 16, 1, 4, 300, 100)
    assert not np.array_equal(np.concatenate(first[0]), np.concatenate(other[0]))


@pytest.mark.stage
def test_an_epoch_holds_few_bytes_a_row():
    lengths = np.random.default_rng(0).integers(4, 64, 1_000_000, dtype=np.int32)
    gc.collect()
    tracemalloc.start()
    steps = epoch_steps(lengths, 64, 64, seed=1, epoch=0)
    held, peak = tracemalloc.get_traced_memory()
    taken = sum(len(np.concatenate(steps[at])) for at in range(0, len(steps), 100))
    tracemalloc.stop()
    assert taken > 0 and held < 5 * len(lengths) and peak < 10 * len(lengths)


def test_no_rows_are_no_steps():
    assert len(epoch_steps(LENGTHS[:0], 64, 16, 1, 0)) == len(epoch_steps(LENGTHS[:0], 64, 16, 1, 0, 300, 100)) == 0


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("posttrain.micro_tokens=60", "micro_tokens: 60 is too small for one row of max_length: 64"),
        (
            "posttrain.batch_form=packed posttrain.pack_length=63",
            "pack_length: 63 is too small for one row of max_length: 64",
        ),
        (
            "posttrain.batch_form=packed posttrain.micro_tokens=100",
            "too small for one packed sequence of pack_length: 128",
        ),
        ("encoder.extend_vocab=10", "extend_vocab: 10 needs an existing tokenizer"),
        ("encoder.init=somewhere encoder.vocab_words=10", "vocab_words: 10 needs init: scratch"),
        ("encoder.vocab_words=5000", "vocab_words: 5000 is more than half of vocab_size: 8000"),
    ],
)
def test_settings_that_cannot_work_together_are_refused(override, problem):
    with pytest.raises(RecipeError, match=problem):
        load_recipe("demo", override.split())


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_items_built_ahead_are_the_same_in_the_same_order(depth):
    with built_ahead(iter(range(50)), depth) as items:
        assert list(items) == list(range(50))


def test_no_more_is_built_ahead_than_asked_for():
    built = []
    with built_ahead((built.append(at) or at for at in range(100)), 2) as items:
        next(items)
        time.sleep(0.2)
        assert len(built) <= 5  # one taken, two waiting, one in hand
    assert threading.active_count() == 1 or "built_ahead" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_while_building_is_raised_where_the_item_is_taken(depth):
    def items():
        yield 1
        raise ValueError("no third")

    with pytest.raises(ValueError, match="no third"), built_ahead(items(), depth) as taken:
        assert next(taken) == 1
        next(taken)
    assert "built_ahead" not in {thread.name for thread in threading.enumerate()}


def test_the_thread_ends_when_the_work_on_its_items_fails():
    with pytest.raises(KeyboardInterrupt), built_ahead(iter(range(10**9)), 2) as items:
        next(items)
        raise KeyboardInterrupt
    assert "built_ahead" not in {thread.name for thread in threading.enumerate()}


INTERRUPTED = """
import itertools, time
from final_project.training.prefetch import built_ahead
with built_ahead(itertools.count(), 2) as items:
    for item in items:
        if item == 3:
            print("working", flush=True)
        time.sleep(0.05)
"""


@pytest.mark.stage
def test_ctrl_c_ends_the_process_at_once():
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "working\n"
    os.kill(process.pid, 2)
    _, said = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in said and process.returncode != 0
