"""How many words a rationale should have, learned on dev: the number of a selection rule, by one of two measures.

gold          the number with the highest token-F1 against gold rationales; of equal ones the lowest
faithfulness  the lowest number at which the chosen words alone keep the model's label in at least KEPT of the rows

Dev must be other rows than those that are measured in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from final_project.data.records import GoldRow, Rationale, SegmentedPair
from final_project.errors import RecipeError
from final_project.option_checks import find_problem
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.evaluate.gold import read_gold, require_known_ids, require_same_words
from similarity_v1.evaluate.metrics import plausibility_of
from similarity_v1.rationales.selection import Rule, Selection
from similarity_v1.rationales.word_scores import WordScores

KEPT = 0.95
GRIDS: dict[Rule, tuple[float, ...]] = {
    "ratio": tuple(k / 20 for k in range(1, 21)),
    "top_k": tuple(range(1, 21)),
    "threshold": tuple(k / 20 for k in range(20, 0, -1)),  # a lower threshold chooses more: shortest first, as above
    "mass": tuple(k / 20 for k in range(1, 21)),
}


def by_gold(
    scored: Sequence[WordScores], gold: Mapping[int, GoldRow], rule: Rule
) -> tuple[Selection, dict[float, float]]:
    """(the selection, token-F1 of every number of the grid)."""
    marked = [row for row in scored if row.id in gold]

    def token_f1(rows: Sequence[Rationale]) -> float:
        return sum(plausibility_of(gold[row.id], row, "paddlenlp")[0] for row in rows) / max(len(rows), 1)

    measured = _over_grid(marked, rule, token_f1)
    return Selection(rule, max(measured, key=measured.__getitem__)), measured


def by_faithfulness(
    scored: Sequence[WordScores], pairs: Sequence[SegmentedPair], judge: Judge, rule: Rule
) -> tuple[Selection, dict[float, float]]:
    """(the selection, at every number of the grid the share of rows whose chosen words alone keep the label)."""

    def share_kept(rows: Sequence[Rationale]) -> float:
        removals = judge.removals(pairs, rows).values()
        return sum(row.label_of_chosen == row.label for row in removals) / max(len(removals), 1)

    measured = _over_grid(scored, rule, share_kept)
    enough = [number for number, share in measured.items() if share >= KEPT]
    return Selection(rule, (enough or [GRIDS[rule][-1]])[0]), measured


def _over_grid(
    scored: Sequence[WordScores], rule: Rule, measure: Callable[[Sequence[Rationale]], float]
) -> dict[float, float]:
    if fault := find_problem(Rule, {}, rule):
        raise RecipeError([f"rule: {fault}"])
    measured = {}
    for number in GRIDS[rule]:
        how = Selection(rule, number)
        measured[number] = measure([row.chosen(how) for row in scored])
    return measured


def learn(
    pairs: Sequence[SegmentedPair], scored: Sequence[WordScores], rule: Rule, gold_file: Path | None, model: Path | None
) -> dict[str, Any]:
    """What the command answers, by gold where it is given, else by the model. Raises DataError where gold speaks of
    rows that have no scores, or of other words."""
    if gold_file is not None:
        gold = {row.id: row for row in read_gold(gold_file)}
        require_known_ids(gold_file, gold, {row.id: row for row in scored}, "the scores")
        require_same_words(gold_file, list(gold.values()), {pair.id: pair for pair in pairs})
        selection, measured = by_gold(scored, gold, rule)
    else:
        assert model is not None, "either gold or a model measures a length"
        selection, measured = by_faithfulness(scored, pairs, Judge.from_folder(model), rule)
    return {"select": rule, "number": selection.number, "measured": {f"{k:g}": value for k, value in measured.items()}}
