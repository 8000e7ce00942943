"""Write pretrained weights as a folder: cut where asked, checked, with a note of where they came from."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from final_project.artifacts import file_digest, folder_atomic, write_json
from final_project.data.files.lines import read_lines
from final_project.data.files.tables import iter_pairs
from final_project.model.inspection import require_fit
from final_project.model.model_folder import write_model_folder
from final_project.weights.local_folder import Pretrained
from final_project.weights.vocabulary_cut import cut_model, cut_tokenizer, plan_cut

log = logging.getLogger(__name__)

NOTE = "weights.json"
TABLES = (".csv", ".json", ".jsonl", ".parquet")


def write_weights(
    target: Path, pretrained: Pretrained, source: Mapping[str, Any], corpora: Sequence[Path] = ()
) -> dict[str, Any]:
    """Write the folder, whole or not at all; returns what NOTE in it says. source: where the weights came from.
    corpora: text files whose vocabulary is kept; none = all of it."""
    note: dict[str, Any] = {**source}
    if corpora:
        pretrained, note["vocabulary"] = cut_to(pretrained, corpora)
    require_fit(target, pretrained.model, pretrained.tokenizer)
    model = pretrained.model
    note["weights"] = sum(value.numel() for value in {id(p): p for p in model.parameters()}.values())
    with folder_atomic(target) as partial:
        save = functools.partial(model.save_pretrained, state_dict=pretrained.weights)
        write_model_folder(partial, save, pretrained.tokenizer)
        note["files"] = {path.name: file_digest(path) for path in sorted(partial.iterdir())}
        write_json(partial / NOTE, note)
    return note


def cut_to(pretrained: Pretrained, corpora: Sequence[Path]) -> tuple[Pretrained, dict[str, Any]]:
    """The same with the tokens alone that the corpora need, and the facts of it."""
    cut = plan_cut(texts_of(corpora), pretrained.tokenizer)
    cut_model(pretrained.model, cut)
    log.info(
        "weights: %d of %d tokens stay; %.4f %% of the corpus's tokens are unknown",
        len(cut.kept), cut.n_before, 100 * cut.unknown_share,
    )  # fmt: skip
    facts = {
        "kept": len(cut.kept), "of": cut.n_before, "unknown_share": cut.unknown_share,
        "corpora": {path.name: file_digest(path) for path in corpora},
    }  # fmt: skip
    return replace(pretrained, tokenizer=cut_tokenizer(pretrained.tokenizer, cut)), facts


def texts_of(paths: Iterable[Path]) -> Iterator[str]:
    """The texts of files: both of each pair of a table (CSV, JSON, Parquet), else the tab-separated parts of each
    line. Raises DataError with file and line."""
    for path in paths:
        if path.suffix.lower() in TABLES:
            for pair in iter_pairs(path):
                yield from (pair.sentence1, pair.sentence2)
        else:
            for _, line in read_lines(path):
                yield from line.split("\t")


def known_note(target: Path) -> dict[str, Any] | None:
    """What NOTE in the folder says, where all files are as it says; else None."""
    try:
        note = json.loads((target / NOTE).read_text(encoding="utf-8"))
        whole = all(file_digest(target / name) == digest for name, digest in note["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return note if whole else None
