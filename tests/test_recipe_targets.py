"""The recipe's section `targets`: what it fills in, and what it refuses, one message each."""

from __future__ import annotations

import pytest

from final_project.errors import RecipeError
from final_project.recipe import load_recipe

SCORES = ("targets={names: [a, b]}", "prepare.train_file=mine.csv")
LABELS = ("targets={kind: labels}", "prepare.train_file=mine.csv")


def problems(*overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as error:
        load_recipe("demo", list(overrides))
    return error.value.problems


def test_without_names_rows_are_pairs_and_nothing_changes():
    plain, said = load_recipe("demo"), load_recipe("demo", ["targets={low: 1, high: 5}"])
    assert plain.targets.rows == "pairs" and said.similarity_v0 == plain.similarity_v0


def test_names_make_scores_whose_defaults_are_filled_in_but_not_forced():
    recipe = load_recipe("demo", SCORES)
    assert (recipe.targets.rows, recipe.similarity_v0.loss, recipe.similarity_v0.best_by) == (
        "scores", "smooth_l1", "mcrmse",
    )  # fmt: skip
    assert (recipe.similarity_v1.target, recipe.similarity_v1.reduce) == ("all", "sum")
    chosen = load_recipe("demo", [*SCORES, "similarity_v0.loss=mcrmse", "similarity_v1.target=b"])
    assert chosen.similarity_v0.loss == "mcrmse" and chosen.similarity_v1.target == "b"
    labels = load_recipe("demo", LABELS)
    assert (labels.targets.rows, labels.similarity_v0.loss, labels.similarity_v1.target) == (
        "labels", "ce", "predicted",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("{names: [a, a]}", "has a name twice"),
        ("{names: [a, id]}", "id is the name of another column"),
        ("{names: [a, ' b']}", "begin or end with a blank"),
        ("{names: [a], low: 5, high: 1}", "low: 5 is not below high: 1"),
        ("{names: [a], low: 2, high: 2}", "low: 2 is not below high: 2"),
        ("{names: [a], step: 0.3}", "step: 0.3 does not divide the scale"),
        ("{names: [a], step: 0.03125}", "gives 128 steps, at most 100"),
        ("{names: [a], step: -1}", "greater than or equal to 0"),
        ("{names: [a, b], weights: [1]}", "weights: 1 of them for 2 names"),
        ("{names: [a, b], weights: [1, 0]}", "must all be above 0"),
        ("{names: [" + ", ".join(f"n{i}" for i in range(65)) + "]}", "65 of them; at most 64 scores"),
        ("{kind: labels, names: [a]}", "takes 2 to 1,000 names"),
        ("{kind: labels, step: 1}", "step: 1.0 needs kind: scores"),
        ("{names: [a], kind: score}", "targets.kind"),
    ],
)
def test_a_scale_that_is_none_is_refused(targets, message):
    said = problems(f"targets={targets}", "prepare.train_file=mine.csv")
    assert len(said) == 1 and message in said[0]


@pytest.mark.parametrize(
    "override",
    [
        "prepare.contest_set=A", "prepare.augment=true", "prepare.clean=[nfkc]", "prepare.near_duplicates=0.9",
        "encoder.match_types=true", "similarity_v0.pair_weights=like_dev", "similarity_v0.label_smoothing=0.1",
        "similarity_v0.threshold=half", "similarity_v0.calibration=platt", "similarity_v0.loss=ce",
        "similarity_v0.best_by=accuracy", "similarity_v0.ensemble=rank", "similarity_v1.target=predicted",
        "similarity_v1.target=both", "similarity_v1.target=c", "similarity_v1.target=2", "similarity_v1.chain=clean",
        "prepare.corpus=LCQMC", "prepare.label_column=x",
    ],
)  # fmt: skip
def test_what_goes_with_pairs_alone_is_refused_by_name_beside_scores(override):
    (said,) = problems(*SCORES, override)
    key, _, value = override.partition("=")
    assert override in said and f"{key}: " in said and value.strip("[]").split(",")[0].lower() in said.lower()


@pytest.mark.parametrize(
    "override",
    [
        "similarity_v0.loss=mse", "similarity_v0.best_by=mcrmse", "prepare.id_column=x", "similarity_v1.target=all",
        "similarity_v0.target_scale=centre", "prepare.target_columns={a: b}",
    ],
)  # fmt: skip
def test_what_goes_with_scores_alone_is_refused_beside_pairs(override):
    (said,) = problems(override)
    assert override.partition("=")[0] in said


def test_all_conflicts_are_said_at_once():
    said = problems(*SCORES, "similarity_v0.loss=ce", "encoder.match_types=true", "similarity_v0.threshold=half")
    assert len(said) == 3


def test_built_in_essays_have_three_scores_and_no_labels():
    (said,) = problems("targets={names: [grammar, style]}")
    assert "style is no score of the built-in essays (cohesion, grammar, conventions)" in said
    (said,) = problems("targets={kind: labels}")
    assert "has no built-in texts" in said


def test_mcrmse_goes_with_no_trick_that_takes_losses_row_by_row():
    said = problems(*SCORES, "similarity_v0.loss=mcrmse", "similarity_v0.r_drop=1", "similarity_v0.mixup=pool")
    assert len(said) == 2 and all("mcrmse is no sum over rows" in line for line in said)
