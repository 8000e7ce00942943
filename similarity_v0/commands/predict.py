"""The `predict` command: a file of any size in, a file of predictions out, on one process or several.

Rows stream through in chunks, and chunks are given to the ranks in turn. Which rows share a batch is
decided within a chunk, so any number of ranks writes the same bytes.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from final_project.chunks import in_chunks
from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.files.predictions import prediction_writer, require_known_form
from final_project.data.files.tables import iter_pairs, read_and_log_pairs
from final_project.data.records import Pair
from final_project.errors import ArtifactError
from final_project.model.scale import is_scorer_folder
from final_project.parallel.world import World, started_world
from final_project.run.progress import progress
from similarity_v0 import api
from similarity_v0.api import PairClassifier, Scored
from similarity_v0.commands.predict_texts import predict_texts
from similarity_v0.decision.streaming_scores import StreamingScores
from similarity_v0.text_api import TextScorer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="folder of a pair classifier, or of a scorer of texts")
    parser.add_argument("--input", type=Path, required=True,
                        help="pairs with or without labels, or texts: CSV, TSV, JSON, Parquet or Excel")  # fmt: skip
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help=".csv or .parquet to write: row,probability,label; of texts .csv: id and the scores",
    )
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32",
                        help="compute dtype; the threshold was found in fp32 (default: fp32)")  # fmt: skip
    add_reading_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """The command: predictions to a file; where the input has labels, its scores to standard output."""
    how = how_from(arguments)
    with started_world() as world:
        world.run_on_all_ranks(lambda: refuse_target(arguments.output, arguments.input))
        if is_scorer_folder(arguments.model):
            load_scorer = partial(TextScorer.load, arguments.model, arguments.precision, world.device)
            scorer = world.run_on_all_ranks(load_scorer)
            answer = predict_texts(scorer, arguments.input, arguments.output, world)
        else:
            load = partial(PairClassifier.load, arguments.model, arguments.precision, world.device)
            answer = predict_file(world.run_on_all_ranks(load), arguments.input, arguments.output, world, how)
        if world.is_first:
            print_json(answer)


def refuse_target(target: Path, source: Path) -> None:
    require_known_form(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise ArtifactError(f"{target}: is also the input; name another output file")


def predict_file(
    classifier: PairClassifier, source: Path, target: Path, world: World, how: HowToRead = AS_NAMED
) -> dict[str, Any]:
    """Predict every row of a file, in order; returns rows, rows cut, positives, and scores where there are labels.

    The first rank reads the file once before, so that a fault in its last line costs seconds and no prediction.
    Raises ArtifactError and DataError; the target is then as it was.
    """
    n_rows = count_rows(source, world, how)
    tally, has_labels, n_truncated, n_positive = StreamingScores(), False, 0, 0
    n_rounds = -(-n_rows // (api.CHUNK_ROWS * world.size))
    with prediction_writer(target) if world.is_first else contextlib.nullcontext() as add:
        rounds = read_rounds(source, world.size, how)
        shown = progress(rounds, n_rounds, "predict", f"x {api.CHUNK_ROWS * world.size:,} rows")
        for number, chunks in enumerate(shown):
            mine = chunks[world.rank] if world.rank < len(chunks) else []
            first_row = (number * world.size + world.rank) * api.CHUNK_ROWS
            scored = world.gather(world.run_on_all_ranks(partial(score, classifier, mine, first_row)))
            if not world.is_first:
                continue
            assert add is not None
            for chunk, part in zip(chunks, scored, strict=False):
                probabilities_N, labels_N = classifier.decide(part.probabilities_NC)
                add(probabilities_N, labels_N)
                n_truncated, n_positive = n_truncated + part.n_truncated, n_positive + int(labels_N.sum())
                if has_labels := chunk[0].label is not None:
                    tally.add(probabilities_N, labels_N, np.array([pair.label for pair in chunk]))
    answer = {"rows": n_rows, "truncated": n_truncated, "positive": n_positive}
    return {**answer, **(tally.scores() if has_labels else {})}


def count_rows(source: Path, world: World, how: HowToRead) -> int:
    """Rows of the file, every one of them checked by the first rank, which logs how they were read."""
    n_rows = world.run_on_all_ranks(
        lambda: sum(1 for _ in read_and_log_pairs(source, how=how)) if world.is_first else 0
    )
    return world.gather(n_rows)[0]


def read_rounds(source: Path, n_ranks: int, how: HowToRead) -> Iterator[list[list[Pair]]]:
    """The file's rows in chunks, as many chunks at a time as there are ranks; fewer in the last round."""
    return in_chunks(in_chunks(iter_pairs(source, how=how), api.CHUNK_ROWS), n_ranks)


def score(classifier: PairClassifier, chunk: list[Pair], first_row: int) -> Scored:
    if not chunk:
        return Scored(np.zeros((0, 2)), 0)
    return classifier.score([(pair.sentence1, pair.sentence2, pair.label) for pair in chunk], first_row)
