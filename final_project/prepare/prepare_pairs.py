"""Run the stage: find the inputs, read them, select pairs by policy, write the files."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import digest_of, write_json
from final_project.data.demo.pairs import DemoSet
from final_project.data.files.contest import write_json_lines, write_segmented
from final_project.data.files.pair_table import PairTable, write_pair_table
from final_project.data.files.tables import write_pairs_csv, write_pairs_tsv
from final_project.data.implied_pairs import augment_pairs
from final_project.data.quality.checks import Known
from final_project.data.quality.fingerprints import Fingerprinter, Fingerprints, fingerprints
from final_project.data.quality.groups import connected_groups, held_out_rows
from final_project.data.records import GoldRow, Pair
from final_project.errors import DataError
from final_project.prepare.facts import gather_facts, log_facts
from final_project.prepare.inputs import Inputs, find_inputs
from final_project.prepare.material import RawMaterial, ScoredSets, read_material
from final_project.prepare.select_pairs import select_text, select_training
from final_project.prepare.write_texts import write_text_stage
from final_project.run.stage_folder import StageFolder
from final_project.settings import Prepare, Recipe
from final_project.settings.prepare_section import Split

log = logging.getLogger(__name__)

SPOOL = ".spool.arrow"  # training pairs and text as they were read; deleted when the stage ends


def prepare(recipe: Recipe, force: bool = False) -> Path:
    """Run the stage, or skip it where its folder is up to date; returns the folder.

    Raises ArtifactError with every missing input at once, DataError with file and line on a fault in one.
    """
    started = time.monotonic()
    settings = recipe.prepare
    folder = StageFolder(Path(recipe.runs_dir) / recipe.name, "prepare")
    inputs = find_inputs(settings)
    digests = inputs.digests()
    unasked = shares_by_default(settings)
    targets = {} if recipe.targets.rows == "pairs" else {"targets": recipe.targets.model_dump(mode="json")}
    key = digest_of(
        {"prepare": settings.model_dump(mode="json"), "inputs": digests}
        | ({"held_out": unasked} if unasked else {})
        | targets
    )
    if not force and folder.run_dir.is_dir() and not folder.is_finished(key):
        folder.restore_previous(key, key)
    if not force and folder.is_finished(key):
        log.info("prepare: up to date, skipped (%s)", folder.path)
        return folder.path
    for split, share in unasked.items():  # dev decides checkpoint and threshold; the report shows test
        file, way_out = inputs.splits["train"][0].path, f"prepare.{split}_file or prepare.{split}_share"
        log.info(
            "prepare: no %s pairs are named: %g of %s are held out (set %s to change that)", split, share, file, way_out
        )
    write = writer_of(recipe, inputs)
    folder.lock()
    # All files are written next to the folder: a fault in the data must not delete the results of an earlier run.
    unfinished = folder.run_dir / ".prepare.partial"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        rows = write(unfinished)
        folder.begin(key, fresh=True)
        try:
            for path in unfinished.iterdir():
                path.replace(folder.path / path.name)
            folder.finish(key, recipe=recipe.model_dump(mode="json"), inputs=digests, outputs=list(rows), rows=rows)
        except BaseException:
            folder.restore_if_refused()
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    log.info("prepare: wrote %s (rows: %s) in %.1f s", folder.path, counts, time.monotonic() - started)
    return folder.path


def writer_of(recipe: Recipe, inputs: Inputs) -> Callable[[Path], dict[str, int]]:
    """What writes every file of the stage into a folder and returns the rows of each: for pairs, or for texts."""
    if recipe.targets.rows != "pairs":
        return partial(write_text_stage, recipe, inputs)
    material = read_material(recipe.prepare, inputs)
    return lambda folder: make(folder, recipe.prepare, material)


def make(folder: Path, settings: Prepare, material: RawMaterial) -> dict[str, int]:
    """Write every file of the stage into `folder`; returns the rows of each by name."""
    table = write_pair_table(folder / SPOOL, material.rows())
    is_train_N = np.arange(len(table)) < material.n_train
    is_taken_N, held_out = hold_out(table, is_train_N, settings, material)
    scored = material.scored_sets(held_out)
    scored_prints = fingerprint_scored(scored, material.inputs)
    known = Known.of(scored_prints)
    train = select_training(table[is_train_N & ~is_taken_N], known, settings)
    text = select_text(table[~is_taken_N], known, settings)
    kept_train, kept_text = train.kept, text.kept
    for name, left in (("training pair", kept_train), ("text for post-training", kept_text)):
        if not len(left):
            raise DataError(
                folder.parent,
                f"no {name} is left: each is a repeat, contradiction or leak; set that policy of prepare to keep",
            )

    rows, train_prints = write_training(folder, kept_train, settings.augment)
    rows["text.tsv"] = write_pairs_tsv(folder / "text.tsv", kept_text.pairs())
    if settings.text_corpora:
        rows["collection.arrow"] = kept_text.copy_to(folder / "collection.arrow")
    rows |= write_scored(folder, scored, material.explained_demo)
    facts = gather_facts({"train": train_prints, **scored_prints}, train, text, material, scored)
    (folder / SPOOL).unlink()
    write_json(folder / "statistics.json", facts)
    log_facts(facts)
    return rows | {"statistics.json": 1}


def shares_by_default(settings: Prepare) -> dict[Split, float]:
    """Shares of own training pairs that are held out although the recipe does not ask for it, by split."""
    asked: dict[Split, float] = {"dev": settings.dev_share, "test": settings.test_share}
    return {split: share for split in asked if not asked[split] and (share := settings.held_out_share(split))}


def hold_out(
    table: PairTable, is_train_N: np.ndarray, settings: Prepare, material: RawMaterial
) -> tuple[np.ndarray, dict[Split, list[Pair]]]:
    """Take dev and test, where the material has none, from the training pairs.

    Returns the mask (N,) of the rows taken, and the sets taken. Pairs that share a sentence stay together, so that no
    sentence is in two sets. Raises DataError if nothing can be taken.
    """
    is_taken_N = np.zeros(len(table), dtype=bool)
    held_out: dict[Split, list[Pair]] = {}
    splits: tuple[Split, ...] = ("test", "dev")
    for split in splits:
        if split in material.splits:
            continue
        rows = np.flatnonzero(is_train_N & ~is_taken_N)
        groups, labels = connected_groups(table.prints.normal_N2[rows]), table.prints.label_N[rows]
        # the share counts all training pairs, also those that test has taken
        wanted = settings.held_out_share(split) * is_train_N.sum() / len(rows)
        is_taken_N[rows[held_out_rows(groups, labels, wanted, settings.split_seed)]] = True
        taken = np.zeros(len(table), dtype=bool)
        taken[rows] = is_taken_N[rows]
        if not taken.any():
            train = material.inputs.splits.get("train")
            why = "shared sentences connect all of its pairs" if len(rows) > 1 else "one pair alone cannot be divided"
            raise DataError(
                train[0].path if train else settings.corpus,
                f"no {split} pairs can be held out: {why}; name a file of others as prepare.{split}_file",
            )
        held_out[split] = list(table[taken].pairs())
    return is_taken_N, held_out


def fingerprint_scored(scored: ScoredSets, inputs: Inputs) -> dict[str, Fingerprints]:
    """Fingerprints of every set that will be scored, here or elsewhere, by name."""
    sets = {
        "dev": fingerprints(scored.dev),
        "test": fingerprints(scored.test),
        "explain": fingerprints(Pair(row.query, row.title) for row in scored.explain),
    }
    for source in inputs.held_out:
        sets[source.name] = fingerprints(source.read())
    return sets


def write_training(folder: Path, kept: PairTable, augment: bool) -> tuple[dict[str, int], Fingerprints]:
    """train.csv, augmented where asked; returns its rows and their fingerprints."""
    taker = Fingerprinter()
    pairs = taker.through(augment_pairs(kept.pairs())) if augment else kept.pairs()
    rows = {"train.csv": write_pairs_csv(folder / "train.csv", pairs)}
    return rows, taker.result() if augment else kept.prints


def write_scored(folder: Path, scored: ScoredSets, demo: DemoSet | None) -> dict[str, int]:
    """Write dev, test, the rows to explain and, for built-in rows, their gold; returns the rows of each file."""
    rows = {
        "dev.csv": write_pairs_csv(folder / "dev.csv", scored.dev),
        "test.csv": write_pairs_csv(folder / "test.csv", scored.test),
        "explain.jsonl": write_segmented(folder / "explain.jsonl", scored.explain),
        "originals.tsv": write_pairs_tsv(folder / "originals.tsv", scored.source_pairs),
    }
    if demo is not None:
        rows["gold.jsonl"] = write_json_lines(folder / "gold.jsonl", map(gold_record, demo.gold))
        pair_map = ({"ori": source_id, "disturb": perturbed_id} for source_id, perturbed_id in demo.pair_map)
        rows["pair_map.jsonl"] = write_json_lines(folder / "pair_map.jsonl", pair_map)
    return rows


def gold_record(row: GoldRow) -> dict[str, Any]:
    """One line of gold JSONL, with the field names of the public evaluators."""
    record = {
        "sent_id": row.id,
        "sent_label": row.label,
        "rationale_q_idx": [list(chosen) for chosen in row.sets_q],
        "rationale_t_idx": [list(chosen) for chosen in row.sets_t],
        "sample_type": row.sample_type,
        "text_q_seg": list(row.words_q),
        "text_t_seg": list(row.words_t),
    }
    return record | ({"rel_ids": list(row.rel_ids)} if row.sample_type == "ori" else {})
