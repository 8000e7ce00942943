"""The stage: find, read, choose, write."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import digest_of, write_json
from final_project.data.augment import augment_pairs
from final_project.data.files.contest import write_json_lines, write_segmented
from final_project.data.files.pair_table import PairTable, write_pair_table
from final_project.data.files.tables import write_pairs_csv, write_pairs_tsv
from final_project.data.quality.checks import Known
from final_project.data.quality.fingerprints import Fingerprinter, Fingerprints, fingerprints
from final_project.data.quality.groups import connected_groups, held_out_rows
from final_project.data.records import GoldRow, Pair
from final_project.errors import DataError
from final_project.prepare.facts import gather_facts, tell
from final_project.prepare.inputs import find_inputs
from final_project.prepare.material import Material, read_material, segment_by_script
from final_project.prepare.selection import select_text, select_training
from final_project.run.stage_folder import StageFolder
from final_project.settings import Prepare, Recipe

log = logging.getLogger(__name__)

SPOOL = ".spool.arrow"  # training pairs and text as they were read; gone when the stage ends


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
    key = digest_of(
        {"prepare": settings.model_dump(mode="json"), "inputs": digests} | ({"held_out": unasked} if unasked else {})
    )
    if not force and folder.run_dir.is_dir() and not folder.is_finished(key):
        folder.restore_previous(key, key)
    if not force and folder.is_finished(key):
        log.info("prepare: up to date, skipped (%s)", folder.path)
        return folder.path
    for split, share in unasked.items():  # dev decides checkpoint and threshold, test is what the report shows
        file, way_out = inputs.splits["train"][0].path, f"prepare.{split}_file or prepare.{split}_share"
        log.info(
            "prepare: no %s pairs are named: %g of %s are held out (%s say otherwise)", split, share, file, way_out
        )
    material = read_material(settings, inputs)
    folder.lock()
    # Everything is made beside the folder: a fault in the data must not cost the user what an earlier run left there.
    partial = folder.run_dir / ".prepare.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        rows = make(partial, settings, material)
        folder.begin(key, fresh=True)
        try:
            for path in partial.iterdir():
                path.replace(folder.path / path.name)
            folder.finish(key, recipe=recipe.model_dump(mode="json"), inputs=digests, outputs=list(rows), rows=rows)
        except BaseException:
            folder.restore_if_refused()
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    log.info("prepare: wrote %s (rows: %s) in %.1f s", folder.path, counts, time.monotonic() - started)
    return folder.path


def make(folder: Path, settings: Prepare, material: Material) -> dict[str, int]:
    """Write every file of the stage into `folder`; returns the rows of each by name."""
    table = write_pair_table(folder / SPOOL, material.rows())
    is_train_N = np.arange(len(table)) < material.n_train
    is_taken_N = hold_out(table, is_train_N, settings, material)
    if material.explain is None:
        material.explain = [segment_by_script(k, pair) for k, pair in enumerate(material.test, start=1)]
    scored = scored_sets(material)
    known = Known.of(scored)
    train = select_training(table[is_train_N & ~is_taken_N], known, settings)
    text = select_text(table[~is_taken_N], known, settings)
    kept_train, kept_text = train.kept, text.kept
    for name, left in (("training pair", kept_train), ("text for post-training", kept_text)):
        if not len(left):
            raise DataError(folder.parent, f"no {name} is left: every one was dropped; see prepare's policies")

    rows, train_prints = write_training(folder, kept_train, settings.augment)
    rows["text.tsv"] = write_pairs_tsv(folder / "text.tsv", kept_text.pairs())
    if settings.text_corpora:
        rows["collection.arrow"] = kept_text.copy_to(folder / "collection.arrow")
    rows |= write_scored(folder, material)
    facts = gather_facts({"train": train_prints, **scored}, train, text, material)
    (folder / SPOOL).unlink()
    write_json(folder / "statistics.json", facts)
    tell(facts)
    return rows | {"statistics.json": 1}


def shares_by_default(settings: Prepare) -> dict[str, float]:
    """What is held out of own training pairs although the recipe does not ask for it, by split."""
    asked = {"dev": settings.dev_share, "test": settings.test_share}
    return {split: share for split in asked if not asked[split] and (share := settings.share_of(split))}


def hold_out(table: PairTable, is_train_N: np.ndarray, settings: Prepare, material: Material) -> np.ndarray:
    """Take from the training pairs what dev and test lack; returns the mask (N,) of rows taken.

    Pairs that share a sentence stay together, so that no sentence is on both sides.
    """
    is_taken_N = np.zeros(len(table), dtype=bool)
    for split in ("test", "dev"):
        if getattr(material, split) is not None:
            continue
        rows = np.flatnonzero(is_train_N & ~is_taken_N)
        groups, labels = connected_groups(table.prints.normal_N2[rows]), table.prints.label_N[rows]
        # of all training pairs, also where test has taken some
        wanted = settings.share_of(split) * is_train_N.sum() / len(rows)
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
        setattr(material, split, list(table[taken].pairs()))
    return is_taken_N


def scored_sets(material: Material) -> dict[str, Fingerprints]:
    """Fingerprints of all that will be scored, by name."""
    sets = {
        "dev": fingerprints(material.dev),
        "test": fingerprints(material.test),
        "explain": fingerprints(Pair(row.query, row.title) for row in material.explain),
    }
    for source in material.inputs.held_out:
        sets[source.name] = fingerprints(source.read())
    return sets


def write_training(folder: Path, kept: PairTable, augment: bool) -> tuple[dict[str, int], Fingerprints]:
    """train.csv, augmented where asked; returns its rows and their fingerprints."""
    taker = Fingerprinter()
    pairs = taker.through(augment_pairs(kept.pairs())) if augment else kept.pairs()
    rows = {"train.csv": write_pairs_csv(folder / "train.csv", pairs)}
    return rows, taker.result() if augment else kept.prints


def write_scored(folder: Path, material: Material) -> dict[str, int]:
    """Dev, test, the rows to explain and what belongs to them; returns the rows of each file."""
    rows = {
        "dev.csv": write_pairs_csv(folder / "dev.csv", material.dev),
        "test.csv": write_pairs_csv(folder / "test.csv", material.test),
        "explain.jsonl": write_segmented(folder / "explain.jsonl", material.explain),
        "originals.tsv": write_pairs_tsv(folder / "originals.tsv", material.originals or material.test),
    }
    if material.gold:
        rows["gold.jsonl"] = write_json_lines(folder / "gold.jsonl", map(gold_record, material.gold))
        pair_map = ({"ori": original, "disturb": twin} for original, twin in material.pair_map)
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
