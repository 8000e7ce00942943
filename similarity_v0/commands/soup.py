"""The `soup` command: the mean of the weights of several models, as a model folder."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from final_project.artifacts import folder_atomic, write_text
from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.data.files.tables import read_and_log_pairs
from final_project.data.records import Pair
from final_project.errors import ArtifactError, RecipeError
from final_project.model.decision import Decision
from final_project.model.folder import load_classifier
from final_project.tokens.token_table import Row
from similarity_v0.api import PairClassifier
from similarity_v0.decision.scores import scores_of
from similarity_v0.decision.threshold import best_threshold
from similarity_v0.export.model_card import exported_card
from similarity_v0.folds.model_soup import greedy_choice, write_soup
from similarity_v0.splits import is_test_file, require_labels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, nargs="+", required=True, metavar="DIR",
                        help="folders of one architecture; all but the first may be checkpoints")  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="new model folder")
    parser.add_argument("--greedy", action="store_true",
                        help="from best to worst, keep each that does not lower the accuracy on --dev")  # fmt: skip
    parser.add_argument("--dev", type=Path, metavar="FILE",
                        help="labelled pairs that choose models and threshold; do not use test pairs")  # fmt: skip
    add_reading_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Average the weights of several models. With --dev the folder gets the threshold that is best for accuracy there;
    without, it decides by the likelier label."""
    models, dev = arguments.models, arguments.dev
    check(arguments)
    pairs = list(read_and_log_pairs(dev, how=how_from(arguments))) if dev else []
    if dev:
        require_labels(dev, "dev", pairs)
    answer: dict = {"models": [str(model) for model in models]}
    if arguments.greedy:
        scores = [dev_scores(model, pairs)["accuracy"] for model in models]
        with tempfile.TemporaryDirectory() as scratch:

            def score_of(numbers: list[int]) -> float:
                folder = Path(scratch) / "-".join(map(str, numbers))
                write_soup([models[number] for number in numbers], folder)
                return dev_scores(folder, pairs)["accuracy"]

            chosen, _ = greedy_choice(scores, score_of)
        models = [models[number] for number in chosen]
        answer |= {"accuracy_of_each": scores, "taken": [str(model) for model in models]}
    with folder_atomic(arguments.output) as partial:
        write_soup(models, partial)
        load_classifier(partial, pairs=True)  # refused where the mean is no pair classifier
        decision = Decision()
        if dev:
            found = dev_scores(partial, pairs)
            decision = Decision(found["threshold"])
            decision.save(partial)
            answer |= found
        write_text(partial / "README.md", exported_card("soup", decision))
    print_json(answer)


def check(arguments: argparse.Namespace) -> None:
    problems = []
    if len(arguments.models) < 2:
        problems.append("--models: a soup takes two models or more, found one")
    if arguments.greedy and not arguments.dev:
        problems.append("--greedy chooses by labelled pairs: give them with --dev")
    if arguments.dev and is_test_file(arguments.dev):
        problems.append(f"{arguments.dev}: a choice by test data is refused; give dev pairs")
    if problems:
        raise RecipeError(problems)
    if arguments.output.is_file() or (arguments.output.is_dir() and any(arguments.output.iterdir())):
        raise ArtifactError(f"{arguments.output}: already exists; name a new folder")


def dev_scores(model: Path, pairs: list[Pair]) -> dict[str, float]:
    """Scores at the threshold that is best for accuracy on these pairs, and that threshold."""
    rows: list[Row] = [(pair.sentence1, pair.sentence2, pair.label) for pair in pairs]
    p_B, labels_B = PairClassifier.load(model).score(rows).probabilities_NC[:, 1], np.array([p.label for p in pairs])
    threshold = best_threshold(p_B, labels_B)[0]
    return {**scores_of(p_B, labels_B, threshold), "threshold": threshold}
