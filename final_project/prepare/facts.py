"""statistics.json: figures of every set and corpus, what was left out and why, and the overlap baseline."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from final_project.data.quality.fingerprints import Fingerprints
from final_project.data.quality.overlap_baseline import overlap_baseline
from final_project.data.quality.statistics import LENGTH_EDGES, describe, overlaps, shared_sentences, statistics_table
from final_project.prepare.material import RawMaterial, ScoredSets
from final_project.prepare.select_pairs import PairSelection

log = logging.getLogger(__name__)

BASELINE_ROWS = 20_000  # training pairs the baseline is fitted on, evenly spaced; enough for its five features


def gather_facts(
    sets: Mapping[str, Fingerprints],
    train: PairSelection,
    text: PairSelection,
    material: RawMaterial,
    scored: ScoredSets,
) -> dict[str, Any]:
    """The contents of statistics.json. sets: the training pairs as written, then every set that will be scored."""
    kept_train = train.kept
    thinned = kept_train[:: -(-len(kept_train) // BASELINE_ROWS)]
    corpora = {name: text.table.of_corpus(name) for name in text.table.corpora}
    of_corpus = {name: text.table.prints[rows] for name, rows in corpora.items()}
    return {
        "sets": {name: describe(prints) for name, prints in sets.items()},
        "overlaps": overlaps(sets),
        "length_edges": LENGTH_EDGES,
        "train": {"rows": len(kept_train), "left_out": train.left_out(), "found": train.found},
        "augmented_rows": len(sets["train"]) - len(kept_train),
        "text": {"rows": len(text.kept), "left_out": text.left_out(), "found": text.found},
        "corpora": {
            name: describe(of_corpus[name]) | {"left_out": text.left_out(rows)} for name, rows in corpora.items()
        },
        "refused": material.inputs.refused,
        "not_kept_out": material.inputs.absent,
        "shared_sentences": shared_sentences({**of_corpus, **{name: sets[name] for name in sets if name != "train"}}),
        "cleaned_rows": {name: cleaner.changed for name, cleaner in material.cleaners.items()},
        "overlap_baseline": overlap_baseline(list(thinned.pairs()), dev=scored.dev, test=scored.test),
    }


def log_facts(facts: Mapping[str, Any]) -> None:
    """Log the figures of `gather_facts` for people."""
    several = len(facts["corpora"]) > 1
    corpora = {f"text: {name}": figures for name, figures in facts["corpora"].items()} if several else {}
    for line in statistics_table({**facts["sets"], **corpora}, facts["overlaps"]).splitlines():
        log.info("%s", line)
    for corpus, why in facts["refused"].items():
        log.info("text.tsv: %s is left out: %s", corpus, why)
    for name in facts["not_kept_out"]:
        log.info("text.tsv: %s is not on this machine, so pairs that occur in it cannot be left out", name)
    for file, name in (("train.csv", "train"), ("text.tsv", "text")):
        _log_faults(file, name, facts[name])
    for split, steps in facts["cleaned_rows"].items():
        log.info("cleaned %s: %s", split, ", ".join(f"{step} {count:,} rows" for step, count in steps.items()))
    for name, accuracy in facts["overlap_baseline"].items():
        log.info("character-overlap baseline: %s %.4f", name.replace("_", " "), accuracy)


def _log_faults(file: str, name: str, facts: Mapping[str, Any]) -> None:
    shares = "share a sentence with {}" if name == "text" else "occur in {}"
    for fault, n_found in facts["found"].items():
        if n_found:
            what = f"are {fault}" if fault in ("repeated", "contradicting", "nearly repeated") else shares.format(fault)
            done = f"{facts['left_out'][fault]:,} left out for it" if fault in facts["left_out"] else "kept"
            log.info("%s: %s pairs %s; %s", file, f"{n_found:,}", what, done)
