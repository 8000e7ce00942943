"""A trained pair classifier as a Python object: load a folder, hand over pairs, get probabilities and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.chunks import in_chunks
from final_project.data.given_rows import given_rows, texts_of_row
from final_project.data.texts import why_no_text
from final_project.errors import ArtifactError, CallError, RecipeError
from final_project.model.cls_only_layer import use_cls_only_last_layer
from final_project.model.decision import Decision, load_decision
from final_project.model.device import chosen_device
from final_project.model.finite import NotFinite
from final_project.model.folder import load_classifier, longest_input
from final_project.model.model_inputs import inspect_inputs
from final_project.model.turns import alone_with
from final_project.parallel.world import World
from final_project.tokens.token_table import Row, tokenised
from final_project.training.precision import autocast, resolve_precision
from similarity_v0.model import PairModel
from similarity_v0.probabilities import predict_probabilities

EXAMPLE = "[(a, b)], a list of pairs of texts"
Precision = Literal["fp32", "bf16"]
CHUNK_ROWS = 4096  # enough to find rows of one length for every batch, and few enough to hold in memory


class Predictions(NamedTuple):
    """probabilities: (N,) P(same meaning), calibrated where the folder is. labels: (N,) 0 or 1."""

    probabilities: np.ndarray
    labels: np.ndarray


class Scored(NamedTuple):
    """probabilities_NC: as the model gives them, before any calibration. n_truncated: rows too long for the model."""

    probabilities_NC: np.ndarray
    n_truncated: int


class PairClassifier:
    """A model, its tokenizer and its decision rule, on one device. Several threads may use one: the model answers one
    thread at a time."""

    def __init__(
        self,
        model: PairModel,
        tokenizer: PreTrainedTokenizerBase,
        decision: Decision,
        device: torch.device,
        precision: Precision = "fp32",
    ):
        if precision not in get_args(Precision):
            raise RecipeError([f"precision: expected {' or '.join(get_args(Precision))}, found {precision!r}"])
        self.decision = decision
        self._tokenizer = tokenizer
        self._max_length = longest_input(model.classifier, tokenizer)
        self._model = model.to(device).eval()
        self._inputs = inspect_inputs(model.classifier, tokenizer, self._max_length)
        self._world = World(device=device)
        self._precision = resolve_precision(precision, device)

    @classmethod
    def load(
        cls, folder: str | Path, precision: Precision = "fp32", device: str | torch.device | None = None
    ) -> PairClassifier:
        """The classifier of a model folder, such as runs/NAME/similarity_v0/result/model.

        precision: bf16 is faster where the device computes in it, and moves probabilities by some thousandths.
        device: None = the first CUDA device where there is one. Raises ArtifactError where the folder is unfit,
        RecipeError for an option that does not exist, EnvironmentProblem where this machine lacks the device.
        """
        place = chosen_device(device)
        model, tokenizer = load_classifier(folder, pairs=True)
        use_cls_only_last_layer(model)
        try:
            return cls(PairModel(model), tokenizer, load_decision(folder), place, precision)
        except ArtifactError as error:
            raise ArtifactError(f"{folder}: {error}") from error

    def predict(self, pairs: Iterable[tuple[str, str]]) -> Predictions:
        """P(1) and label of each pair, in the order given. Any number of pairs: they are worked on in chunks.

        Raises CallError, which is a ValueError, with the number of the first pair that is not two texts (texts.py), and
        where one pair, a dict or a data frame is given in place of a list of pairs; ArtifactError where the model's
        answer is not finite.
        """
        chunks = enumerate(in_chunks(_rows(pairs), CHUNK_ROWS))
        parts = [self.score(chunk, at * CHUNK_ROWS).probabilities_NC for at, chunk in chunks]
        if not parts:
            return Predictions(np.zeros(0), np.zeros(0, dtype=np.int64))
        return self.decide(np.concatenate(parts))

    def score(self, rows: list[Row], first_row: int = 0) -> Scored:
        """Probabilities of the rows of one chunk; it chooses which rows share a batch.

        first_row: the number of the chunk's first row, for messages. Raises NotFinite.
        """
        with alone_with(self._model.classifier, self._tokenizer), autocast(self._precision, self._world.device):
            table, n_truncated = tokenised(rows, self._tokenizer, self._max_length)
            given = self._inputs
            try:
                probabilities_NC = predict_probabilities(self._model, table, given.pad_id, self._world, given)
            except NotFinite as error:
                raise NotFinite(first_row + error.row, error.fault) from error
        return Scored(probabilities_NC, n_truncated)

    def decide(self, probabilities_NC: np.ndarray) -> Predictions:
        """The folder's decision rule on a model's probabilities."""
        return Predictions(self.decision.positive(probabilities_NC), self.decision.labels(probabilities_NC))


def _rows(pairs: Iterable[tuple[str, str]]) -> Iterator[Row]:
    for number, pair in enumerate(given_rows(pairs, EXAMPLE)):
        texts = texts_of_row(f"pair {number}", pair, "two strings", EXAMPLE)
        if len(texts) != 2:
            raise CallError(f"pair {number}", f"expected two strings, found {len(texts)}")
        for text in texts:
            if fault := why_no_text(text):
                raise CallError(f"pair {number}", f"a text {fault}")
        yield str(texts[0]), str(texts[1]), None
