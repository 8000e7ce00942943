"""Ask the model for its answer to the chosen words alone, and to the text without them.

Chosen words are rejoined in sentence order, without spaces where the sentence is written in Chinese characters or
kana, with them elsewhere; an empty text becomes [UNK] (the public evaluators' way). A row's three texts are judged
under the folder's own rule of decision.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from final_project.data.records import Rationale, SegmentedPair
from final_project.errors import ArtifactError, RecipeError
from final_project.model.decision import Decision, load_decision, probabilities_of
from final_project.model.finite import NotFinite, require_finite
from final_project.model.folder import load_classifier, longest_input
from final_project.model.model_inputs import ModelInputs, inspect_inputs, padded
from final_project.model.turns import alone_with
from final_project.option_checks import find_problem
from final_project.tokens.encode import encode_rows
from final_project.tokens.tokenizer import special_tokens_meant
from final_project.training.batching import batches_by_length
from similarity_v1.evaluate.figures import Figures
from similarity_v1.evaluate.metrics import Removal, aopc, removal_values

CHINESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
EMPTY = "[UNK]"
AOPC_SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # ERASER's

Texts = tuple[str, str]


def join_words(words: Sequence[str], kept: Collection[int]) -> str:
    """The words at some positions as one text, in sentence order; [UNK] where there are none."""
    joiner = "" if CHINESE.search("".join(words)) else " "
    kept = set(kept)
    return joiner.join(word for place, word in enumerate(words) if place in kept) or EMPTY


def chosen_texts(pair: SegmentedPair, row: Rationale) -> Texts:
    return join_words(pair.words_q, row.words_q), join_words(pair.words_t, row.words_t)


def rest_texts(pair: SegmentedPair, row: Rationale) -> Texts:
    sides = ((pair.words_q, row.words_q), (pair.words_t, row.words_t))
    first, second = (join_words(words, set(range(len(words))) - set(chosen)) for words, chosen in sides)
    return first, second


@dataclass(frozen=True)
class Judge:
    """A pair classifier with its rule of decision.

    Pairs of texts are asked in batches of like length, of one length only where padding changes the model's answers.
    One thread at a time asks the model. Raises RecipeError where batch_tokens is no number of tokens.
    """

    model: Any
    tokenizer: Any
    decision: Decision = field(default_factory=Decision)
    batch_tokens: int = 16384

    def __post_init__(self) -> None:
        if fault := find_problem(int, {"ge": 1}, self.batch_tokens):
            raise RecipeError([f"batch_tokens: {fault}"])

    @classmethod
    def from_folder(cls, folder: str | Path) -> Judge:
        model, tokenizer = load_classifier(folder)
        model.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]  # transformers wraps nn.Module.to without its types
        return cls(model, tokenizer, load_decision(folder))

    @cached_property
    def limit(self) -> int:
        return longest_input(self.model, self.tokenizer)

    @cached_property
    def inputs(self) -> ModelInputs:
        return inspect_inputs(self.model, self.tokenizer, self.limit)

    def probabilities(self, texts: Sequence[Texts]) -> np.ndarray:
        """(B, C) probabilities of pairs of texts. Each distinct pair is asked once."""
        distinct = list(dict.fromkeys(texts))
        place = {pair: k for k, pair in enumerate(distinct)}
        found = self._ask(distinct)
        return found[[place[pair] for pair in texts]]

    def _ask(self, texts: Sequence[Texts]) -> np.ndarray:
        answers: dict[int, np.ndarray] = {}
        with alone_with(self.model, self.tokenizer):
            rows = [self._encoded(pair) for pair in texts]
            lengths = np.array([len(row["input_ids"]) for row in rows], dtype=int)
            batches = batches_by_length(lengths, self.batch_tokens, self.inputs.one_length, shortest_first=True)
            for batch in (rows_B.tolist() for rows_B in batches):
                inputs = padded([rows[i] for i in batch], self.inputs.pad_id, self.model.device)
                with torch.inference_mode():
                    probabilities_BC = probabilities_of(self.model(**inputs).logits)
                try:
                    require_finite(probabilities_BC, batch, self.model)
                except NotFinite as error:
                    raise ArtifactError(f"{' / '.join(texts[error.row])}: {error.fault}") from error
                answers |= zip(batch, probabilities_BC, strict=True)
        return np.stack([answers[k] for k in range(len(texts))])

    def _encoded(self, pair: Texts) -> dict[str, list[int]]:
        with special_tokens_meant(self.tokenizer, EMPTY in pair):  # it is the unknown token
            (row,) = encode_rows(self.tokenizer, [pair], self.limit)
        return {key: row.columns[key] for key in self.inputs.keys if key in row.columns}

    def removals(self, pairs: Sequence[SegmentedPair], rows: Sequence[Rationale]) -> dict[int, Removal]:
        """What the model says of each row's chosen words, and of the rest, by id."""
        by_id = {pair.id: pair for pair in pairs}
        forms = [
            form
            for row in rows
            for pair in (by_id[row.id],)
            for form in ((pair.query, pair.title), chosen_texts(pair, row), rest_texts(pair, row))
        ]
        if not forms:
            return {}
        probabilities = self.probabilities(forms)
        labels = self.decision.labels(probabilities).tolist()
        found = {}
        for k, row in enumerate(rows):
            label, of_chosen, of_rest = labels[3 * k : 3 * k + 3]
            full, chosen, rest = probabilities[3 * k : 3 * k + 3, label].tolist()
            found[row.id] = Removal(label, full, chosen, rest, of_chosen, of_rest)
        return found

    def figures(
        self, pairs: Sequence[SegmentedPair], rows: Sequence[Rationale], asked: Collection[int] | None = None
    ) -> Figures:
        """Sufficiency, comprehensiveness, new_p and decision_flip of some rows; asked: as for removal_values."""
        return removal_values(self.removals(pairs, rows), asked)

    def aopc(self, pairs: Sequence[SegmentedPair], rows: Sequence[Rationale]) -> Figures:
        """Sufficiency and comprehensiveness as means over AOPC_SHARES of each sentence's words, in the rows' order of
        importance; a share beyond what a row ranks takes all that it ranks."""
        by_id = {pair.id: pair for pair in pairs}
        cut = [(by_id[row.id], _first_share(by_id[row.id], row, share)) for row in rows for share in AOPC_SHARES]
        full = self.probabilities([(by_id[row.id].query, by_id[row.id].title) for row in rows])
        labels = self.decision.labels(full)
        answer = {}
        for name, texts_of_row in (("aopc_sufficiency", chosen_texts), ("aopc_comprehensiveness", rest_texts)):
            asked = self.probabilities([texts_of_row(pair, row) for pair, row in cut])
            of_label = asked[np.arange(len(cut)), np.repeat(labels, len(AOPC_SHARES))]
            of_full = full[np.arange(len(rows)), labels]
            answer[name] = aopc([row.id for row in rows], of_full, of_label.reshape(len(rows), len(AOPC_SHARES)))
        return answer


def _first_share(pair: SegmentedPair, row: Rationale, share: float) -> Rationale:
    sides = ((row.words_q, pair.words_q), (row.words_t, pair.words_t))
    return Rationale(row.id, row.label, *(chosen[: max(1, round(share * len(words)))] for chosen, words in sides))
