"""A trained scorer of texts as a Python object: load a folder, hand over texts, get scores in points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.chunks import in_chunks
from final_project.data.given_rows import given_rows
from final_project.data.texts import why_no_text
from final_project.errors import ArtifactError, CallError
from final_project.model.device import chosen_device
from final_project.model.finite import NotFinite
from final_project.model.folder import load_classifier, longest_input
from final_project.model.model_inputs import inspect_inputs
from final_project.model.scale import Scale, is_scorer_folder, load_scale
from final_project.model.turns import alone_with
from final_project.parallel.world import World
from final_project.tokens.token_table import Row, tokenised
from final_project.training.precision import autocast, resolve_precision
from similarity_v0.api import CHUNK_ROWS, Precision
from similarity_v0.model import PairModel
from similarity_v0.probabilities import predict_probabilities

EXAMPLE = "[text, text], a list of texts"


class TextScores(NamedTuple):
    """values: (N, C) scores cut to the scale. names: of the C scores. rounded: (N, C), to the scale's steps. low, high:
    the scale's bounds."""

    values: np.ndarray
    names: tuple[str, ...]
    rounded: np.ndarray
    low: float
    high: float


class TextScorer:
    """A model, its tokenizer and its scale, on one device. Several threads may use one: the model answers one thread at
    a time."""

    def __init__(
        self,
        model: PairModel,
        tokenizer: PreTrainedTokenizerBase,
        scale: Scale,
        device: torch.device,
        precision: Precision = "fp32",
    ):
        self.scale, self._tokenizer = scale, tokenizer
        self._max_length = longest_input(model.classifier, tokenizer)
        self._model = model.to(device).eval()
        self._inputs = inspect_inputs(model.classifier, tokenizer, self._max_length)
        self._world = World(device=device)
        self._precision = resolve_precision(precision, device)

    @classmethod
    def load(
        cls, folder: str | Path, precision: Precision = "fp32", device: str | torch.device | None = None
    ) -> TextScorer:
        """The scorer of a model folder, such as runs/NAME/similarity_v0/result/model.

        Raises ArtifactError where the folder is unfit or is that of a pair classifier, EnvironmentProblem where this
        machine lacks the device.
        """
        if not is_scorer_folder(folder):
            raise ArtifactError(
                f"{folder}: no scorer of texts (scale.json is missing); PairClassifier loads classifiers of pairs"
            )
        model, tokenizer = load_classifier(folder)
        scale = load_scale(folder)
        if model.config.num_labels != len(scale.names):
            raise ArtifactError(
                f"{folder}: scale.json names {len(scale.names)} scores, the model gives {model.config.num_labels}"
            )
        return cls(PairModel(model), tokenizer, scale, chosen_device(device), precision)

    def predict(self, texts: Iterable[str]) -> TextScores:
        """The scores of each text, in the order given. Raises CallError with the number of the first that is no text,
        ArtifactError where the model's answer is not finite."""
        chunks = enumerate(in_chunks(_rows(texts), CHUNK_ROWS))
        parts = [self.score(chunk, at * CHUNK_ROWS)[0] for at, chunk in chunks]
        values = self.scale.clipped(np.concatenate([np.zeros((0, len(self.scale.names))), *parts]))
        return TextScores(values, self.scale.names, self.scale.rounded(values), self.scale.low, self.scale.high)

    def score(self, rows: list[Row], first_row: int = 0) -> tuple[np.ndarray, int]:
        """(N, C) as the model gives them, and how many rows were too long for the model. Raises NotFinite."""
        with alone_with(self._model.classifier, self._tokenizer), autocast(self._precision, self._world.device):
            table, n_truncated = tokenised(rows, self._tokenizer, self._max_length)
            given = self._inputs
            try:
                values_NC = predict_probabilities(
                    self._model, table, given.pad_id, self._world, given, lambda logits: logits.double().cpu().numpy()
                )
            except NotFinite as error:
                raise NotFinite(first_row + error.row, error.fault) from error
        return values_NC, n_truncated


def _rows(texts: Iterable[str]) -> Iterator[Row]:
    for number, text in enumerate(given_rows(texts, EXAMPLE)):
        if fault := why_no_text(text):
            raise CallError(f"text {number}", f"a text {fault}")
        yield text, None, None
