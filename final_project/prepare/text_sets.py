"""The texts of each split, with their scores or labels: read, checked, held out, and selected by policy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from final_project.data.files.text_columns import TextColumns
from final_project.data.files.text_rows import id_column_of, iter_text_rows
from final_project.data.quality.groups import deal_rows
from final_project.data.quality.strata import keys_of, score_matrix, strata
from final_project.data.records import TextRow
from final_project.errors import DataError
from final_project.prepare.inputs import Inputs
from final_project.prepare.select_pairs import RowSelection
from final_project.settings import Recipe, Targets
from final_project.settings.prepare_section import Split

log = logging.getLogger(__name__)

GRID = 1e-6  # how far a score may lie from a step of the scale


@dataclass
class TextSets:
    """sets: rows by split. columns: of the files that are written. selection: what became of the training rows.
    has_groups: whether a group column is given. id_column: what the test rows' ids are called; None = they are numbers.
    """

    sets: dict[str, list[TextRow]]
    columns: TextColumns
    selection: RowSelection
    has_groups: bool
    id_column: str | None


def read_text_sets(recipe: Recipe, inputs: Inputs) -> TextSets:
    """All splits of the user's files. Raises DataError with file and line."""
    targets, prepare = recipe.targets, recipe.prepare
    given = TextColumns.of_given(targets, prepare)
    sets: dict[str, list[TextRow]] = {}
    for split, sources in inputs.splits.items():
        sets[split] = [row for source in sources for row in _read(source.path, split, given, recipe)]
    places = {split: sources[0].path for split, sources in inputs.splits.items()}
    splits: tuple[Split, ...] = ("test", "dev")
    n_train = len(sets["train"])  # the shares count all training texts, also those that test has taken
    for split in splits:
        if split not in sets:
            wanted = prepare.held_out_share(split) * n_train / len(sets["train"])
            sets[split], sets["train"] = _held_out(sets["train"], split, wanted, prepare.split_seed, places["train"])
    id_column = id_column_of(places.get("test", places["train"]), given)
    return chosen_sets(recipe, sets, places["train"], bool(prepare.group_column), id_column)


def chosen_sets(
    recipe: Recipe, sets: dict[str, list[TextRow]], source: Path | str, has_groups: bool, id_column: str | None
) -> TextSets:
    """Select the training rows and check that there is something to learn. source: of the training rows, for
    messages."""
    prepare, targets = recipe.prepare, recipe.targets
    selection = RowSelection(len(sets["train"]))
    train = sets["train"]
    selection.apply(prepare.leaks, lambda: _leaking(train, sets))
    selection.apply(prepare.contradictions, lambda: {"contradicting": _contradicting(train, targets)})
    selection.apply(prepare.duplicates, lambda: {"repeated": _repeated(train)})
    kept = [row for row, stays in zip(train, selection.stays_N, strict=True) if stays]
    if not kept:
        raise DataError(source, "no training text is left: every one was dropped; see prepare's policies")
    require_something_to_learn(kept, targets, source)
    columns = TextColumns.of_prepared(targets)
    return TextSets({**sets, "train": kept}, columns, selection, has_groups, id_column)


def require_something_to_learn(train: Sequence[TextRow], targets: Targets, source: Path | str) -> None:
    """Raises DataError where a score of the training rows is unknown everywhere or always the same, or all rows have
    one label, or more labels than are possible."""
    if targets.kind == "labels":
        n_labels = len({row.label for row in train})
        if n_labels < 2:
            raise DataError(
                source, f"all {len(train):,} texts have the label {train[0].label!r}: nothing to learn from"
            )
        return
    for name, scores_N in zip(targets.names, score_matrix(train).T, strict=True):
        known_N = scores_N[np.isfinite(scores_N)]
        if not len(known_N):
            raise DataError(source, f"{name}: no training text has a score: nothing to learn from")
        if known_N.min() == known_N.max():
            raise DataError(
                source, f"{name}: all {len(known_N):,} scores are {known_N[0]:g}: there is nothing to learn from"
            )


def _read(path: Path, split: str, columns: TextColumns, recipe: Recipe) -> list[TextRow]:
    """The rows of one file, whose scores are known as the split needs them."""
    keeps, rows = recipe.prepare.scores_unknown == "keep", []
    names = [name for name, _ in columns.values]
    n_off, n_unknown, first_known = 0, 0, None
    for line, row in iter_text_rows(path, columns, may_lack_values=split == "test"):
        known = [row.label is not None] if columns.kind == "labels" else [score is not None for score in row.scores]
        if first_known is None:
            first_known = any(known)
        is_open = split == "test" and not any(known) and not first_known
        if not all(known) and not is_open and not (keeps and any(known) and columns.kind == "scores"):
            lacking = names[known.index(False)]
            way_out = "" if columns.kind == "labels" or not any(known) else "; prepare.scores_unknown: keep masks it"
            raise DataError(path, f"{lacking}: unknown; {split} texts need it{way_out}", line)
        if split == "test" and first_known is False and any(known):
            raise DataError(path, "scores, where the first text has none: give them to all test texts or to none", line)
        n_unknown += any(known) and not all(known)
        n_off += any(score is not None and is_off_grid(score, recipe.targets) for score in row.scores)
        rows.append(row)
    if n_unknown:
        log.info("prepare: %s: %s texts lack a score; it is left out of the loss", path, f"{n_unknown:,}")
    if n_off:
        log.warning("prepare: %s: %s texts have scores off the steps of %g; they are kept", path, f"{n_off:,}",
                    recipe.targets.step)  # fmt: skip
    return rows


def is_off_grid(score: float, targets: Targets) -> bool:
    if not targets.step:
        return False
    steps = (score - targets.low) / targets.step
    return abs(steps - round(steps)) * targets.step > GRID


def _held_out(
    rows: list[TextRow], split: str, share: float, seed: int, source: Path
) -> tuple[list[TextRow], list[TextRow]]:
    """(the rows held out, the others): equal texts and groups together, every score's values spread evenly."""
    try:
        side_N = deal_rows(keys_of(rows), strata(rows), np.array([share, 1 - share]), seed)
    except ValueError as error:
        raise DataError(
            source, f"no {split} texts can be held out: all belong together; name a file as prepare.{split}_file"
        ) from error
    if len(set(side_N.tolist())) < 2:
        raise DataError(source, f"too few texts to hold out any for {split}; name a file as prepare.{split}_file")
    return (
        [row for row, side in zip(rows, side_N, strict=True) if side == 0],
        [row for row, side in zip(rows, side_N, strict=True) if side == 1],
    )


def _leaking(train: Sequence[TextRow], sets: dict[str, list[TextRow]]) -> dict[str, np.ndarray]:
    """Training texts that also are dev's or test's, by their normal form."""
    keys_N = keys_of(train)[:, 0]
    return {name: np.isin(keys_N, keys_of(sets[name])[:, 0]) for name in ("dev", "test")}


def _contradicting(train: Sequence[TextRow], targets: Targets) -> np.ndarray:
    """Rows whose text also occurs with another label, or with a score more than one step away."""
    _, text_N = np.unique(keys_of(train)[:, 0], return_inverse=True)
    if targets.kind == "labels":
        names = np.unique([row.label or "" for row in train], return_inverse=True)[1].astype(np.float64)
        values_NC, apart = names[:, None], 0.0
    else:
        values_NC, apart = score_matrix(train), targets.step + GRID
    n_texts = int(text_N.max()) + 1
    lowest_GC = np.full((n_texts, values_NC.shape[1]), np.inf)
    highest_GC = -lowest_GC
    np.minimum.at(lowest_GC, text_N, np.where(np.isnan(values_NC), np.inf, values_NC))
    np.maximum.at(highest_GC, text_N, np.where(np.isnan(values_NC), -np.inf, values_NC))
    return (highest_GC - lowest_GC > apart).any(axis=1)[text_N]


def _repeated(train: Sequence[TextRow]) -> np.ndarray:
    """Rows that repeat an earlier one: text and what is known of it."""
    seen: set[tuple] = set()
    mask = np.zeros(len(train), dtype=bool)
    for number, (key, row) in enumerate(zip(keys_of(train)[:, 0].tolist(), train, strict=True)):
        content = (key, row.scores, row.label)
        mask[number] = content in seen
        seen.add(content)
    return mask
