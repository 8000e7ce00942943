"""Stage prepare: from raw files, or the built-in generator, to what the later stages read.

runs/<recipe>/prepare/
    train.csv dev.csv test.csv   pairs; the label column is empty where labels are unknown
    text.tsv                     text for masked-LM: the training pairs before augmentation, one pair a line, without
                                 those that share a sentence with dev, test or the rows to explain
    explain.jsonl                rows to explain, in the contest's form
    originals.tsv                two columns: the texts by which refinement recognises originals
    gold.jsonl pair_map.jsonl    gold rationales, and which perturbed row comes from which original (built-in pairs)
    statistics.json              figures, the character-overlap baseline among them

train.csv keeps training pairs that also occur in dev or test, as the original did; statistics.json counts them.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.artifacts import StageFolder, digest_of, file_digest, write_json
from final_project.cli import add_recipe_arguments, recipe_from
from final_project.data.augment import augment_pairs
from final_project.data.clean import clean_pairs
from final_project.data.contest import read_segmented, write_json_lines, write_segmented
from final_project.data.corpora import CONTEST_SOURCE, contest_places, find_corpus, locate
from final_project.data.overlap_baseline import overlap_baseline
from final_project.data.pairs import GoldRow, Pair, SegmentedPair
from final_project.data.statistics import describe, normal_form, overlaps, statistics_table
from final_project.data.tables import read_pairs, write_pairs_csv, write_pairs_tsv
from final_project.errors import ArtifactError
from final_project.recipe import ROOT, describe_fields
from final_project.settings import Prepare, Recipe

log = logging.getLogger(__name__)

SPLITS = ("train", "dev", "test")


@dataclass
class Material:
    """What the stage works on: the splits, the rows to explain and, for the built-in pairs, their gold."""

    splits: dict[str, list[Pair]]
    originals: list[Pair]
    explain: list[SegmentedPair]
    gold: Sequence[GoldRow] = ()
    pair_map: Sequence[tuple[int, int]] = ()


def prepare(recipe: Recipe, force: bool = False) -> Path:
    """Run the stage, or skip it where its folder is up to date; returns the folder.

    Raises ArtifactError with every missing input at once, DataError with file and line on a fault in one.
    """
    started = time.monotonic()
    settings = recipe.prepare
    folder = StageFolder(Path(recipe.runs_dir) / recipe.name, "prepare")
    inputs = find_inputs(settings)
    digests = {name: file_digest(path) for name, path in inputs.items()}
    key = digest_of({"prepare": settings.model_dump(mode="json"), "inputs": digests})
    if folder.is_finished(key) and not force:
        log.info("prepare: up to date, skipped (%s)", folder.path)
        return folder.path
    # Reading comes first: a fault in the data must not cost the user the finished folder of an earlier run.
    material = read_material(settings, inputs)
    folder.begin(key, fresh=True)
    rows = write_material(folder.path, settings, material)
    folder.finish(key, recipe=recipe.model_dump(mode="json"), inputs=digests, outputs=list(rows), rows=rows)
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    log.info("prepare: wrote %s (rows: %s) in %.1f s", folder.path, counts, time.monotonic() - started)
    return folder.path


def find_inputs(settings: Prepare) -> dict[str, Path]:
    """The files to read by role: train, dev, test and, where one is given, explain. Files named in the recipe go
    before the corpus's own. Raises one ArtifactError that lists all that is missing and where to place it."""
    folders = [Path(settings.data_dir), ROOT / "corpora"]
    found: dict[str, Path] = {}
    missing: list[str] = []

    def search(role: str, own_file: str, places: tuple[str, ...]) -> None:
        path = Path(own_file) if own_file else locate(places, folders)
        if path is not None and path.exists():
            found[role] = path
        elif own_file:
            missing.append(f"  {own_file}: named in the recipe (prepare.{role}_file), but there is no such file")
        else:
            missing.append(f"  {folders[0] / places[0]}")

    corpus = None if settings.corpus == "demo" else find_corpus(settings.corpus)
    own_files = {"train": settings.train_file, "dev": settings.dev_file, "test": settings.test_file}
    for split, own_file in own_files.items():
        if own_file or corpus:
            search(split, own_file, corpus.places[split] if corpus else ())
    if settings.explain_file or settings.contest_set:
        search("explain", settings.explain_file, contest_places(settings.contest_set or "B"))
    if missing:
        raise ArtifactError("\n".join(["prepare: these files are missing:", *missing, *_advice(corpus, settings)]))
    return found


def _advice(corpus: Any, settings: Prepare) -> list[str]:
    lines = []
    if corpus:
        lines.append(f"{corpus.name}: {corpus.raw_format}. From {corpus.source} ({corpus.licence}).")
    if settings.contest_set:
        lines.append(f"Contest set {settings.contest_set}: {CONTEST_SOURCE}.")
    return [*lines, "prepare.data_dir names another folder; bash run.sh --recipe demo needs no files at all."]


def read_material(settings: Prepare, inputs: dict[str, Path]) -> Material:
    """Read or generate everything. Own files replace their split; gold exists only for rows that were generated."""
    read = {
        split: read_pairs(inputs[split], labelled=None if split == "test" else True)
        for split in SPLITS
        if split in inputs
    }
    explain = read_segmented(inputs["explain"]) if "explain" in inputs else None
    if settings.corpus == "demo":
        from final_project.data.demo_pairs import build_demo

        demo = build_demo(settings.demo_pairs, settings.demo_seed)
        material = Material(
            {"train": demo.train, "dev": demo.dev, "test": demo.test},
            demo.originals,
            demo.segmented,
            demo.gold,
            demo.pair_map,
        )
        material.splits.update(read)
        if "test" not in read and explain is None:
            return material
    else:
        material = Material(read, read["test"], [])
    if "test" in read:
        material.originals = read["test"]
    if explain is None:
        explain = [segment_into_characters(k, pair) for k, pair in enumerate(material.splits["test"], start=1)]
    return Material(material.splits, material.originals, explain)


def segment_into_characters(number: int, pair: Pair) -> SegmentedPair:
    """A row to explain, one word per character; white space is no word."""
    words = [tuple(char for char in side if not char.isspace()) for side in (pair.sentence1, pair.sentence2)]
    return SegmentedPair(number, pair.sentence1, pair.sentence2, *words)


def write_material(folder: Path, settings: Prepare, material: Material) -> dict[str, int]:
    """Clean and augment as set, write every file of the stage; returns the rows of each by name."""
    splits, cleaned = dict(material.splits), {}
    if settings.clean:
        for split in SPLITS:
            splits[split], cleaned[split] = clean_pairs(splits[split])
    explained = [Pair(row.query, row.title) for row in material.explain]
    held_out = {"dev": splits["dev"], "test": splits["test"], "explain": explained}
    text, left_out = text_for_posttrain(splits["train"], held_out)
    n_before = len(splits["train"])
    if settings.augment:
        splits["train"] = augment_pairs(splits["train"])

    rows = {f"{split}.csv": write_pairs_csv(folder / f"{split}.csv", splits[split]) for split in SPLITS}
    rows["text.tsv"] = write_pairs_tsv(folder / "text.tsv", text)
    rows["explain.jsonl"] = write_segmented(folder / "explain.jsonl", material.explain)
    rows["originals.tsv"] = write_pairs_tsv(folder / "originals.tsv", material.originals)
    if material.gold:
        rows["gold.jsonl"] = write_json_lines(folder / "gold.jsonl", map(gold_record, material.gold))
        pair_map = ({"ori": original, "disturb": twin} for original, twin in material.pair_map)
        rows["pair_map.jsonl"] = write_json_lines(folder / "pair_map.jsonl", pair_map)

    facts = {
        "sets": {split: describe(splits[split]) for split in SPLITS} | {"explain": describe(explained)},
        "overlaps": overlaps({"train": splits["train"], **held_out}),
        "text": {"rows": len(text), "left_out": left_out},
        "augmented_rows": len(splits["train"]) - n_before,
        "cleaned_rows": cleaned,
        "overlap_baseline": overlap_baseline(splits["train"], dev=splits["dev"], test=splits["test"]),
    }
    write_json(folder / "statistics.json", facts)
    rows["statistics.json"] = 1
    _tell(facts)
    return rows


def text_for_posttrain(train: Sequence[Pair], held_out: dict[str, Sequence[Pair]]) -> tuple[list[Pair], dict[str, int]]:
    """The training pairs without those that share a sentence with held-out rows, and how many were left out because
    of which set. A row found in several sets counts for the first. Sentences are compared by normal form."""
    known = {
        name: {normal_form(side) for pair in pairs for side in (pair.sentence1, pair.sentence2)}
        for name, pairs in held_out.items()
    }
    left_out = dict.fromkeys(held_out, 0)
    kept = []
    for pair in train:
        sides = {normal_form(pair.sentence1), normal_form(pair.sentence2)}
        name = next((name for name, sentences in known.items() if not sides.isdisjoint(sentences)), None)
        if name is None:
            kept.append(pair)
        else:
            left_out[name] += 1
    return kept, left_out


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


def _tell(facts: dict[str, Any]) -> None:
    for line in statistics_table(facts["sets"], facts["overlaps"]).splitlines():
        log.info("%s", line)
    for name, count in facts["text"]["left_out"].items():
        if count:
            log.info("text.tsv: %s training pairs left out, because they share a sentence with %s", f"{count:,}", name)
    for split, steps in facts["cleaned_rows"].items():
        log.info("cleaned %s: %s", split, ", ".join(f"{step} {count:,} rows" for step, count in steps.items()))
    for name, accuracy in facts["overlap_baseline"].items():
        log.info("character-overlap baseline: %s %.4f", name.replace("_", " "), accuracy)


def add_command(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "prepare",
        help="stage 1: pairs, text and rows to explain from raw files or the built-in generator",
        epilog="settings, given after -- as key=value:\n" + describe_fields("prepare"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    prepare(recipe_from(arguments), arguments.force)
