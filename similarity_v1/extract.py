"""Attribution of pairs: one score per given word and the raw rationales out.

Rows are batched by length under a token budget and come back in their own order; the batch they were in does not change
their scores.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from final_project.data.pairs import Rationale, SegmentedPair
from final_project.errors import ArtifactError
from final_project.model.decision import Decision, load_decision
from final_project.model.folder import load_classifier, longest_input
from final_project.settings import SimilarityV1
from similarity_v1.alignment import Span, align, word_spans
from similarity_v1.attribution import attribute, n_path_steps, token_batches
from similarity_v1.selection import select
from similarity_v1.word_scores import WordScores

log = logging.getLogger(__name__)

CUT = (
    "%d of %d pairs are longer than the model's %d positions and were cut, the longer sentence first; words cut off "
    "score 0 (first id: %d)"
)


@dataclass(frozen=True)
class Encoded:
    """One tokenised pair. side_T: 0 and 1 for tokens of the sentences, None for special tokens. spans_T: characters."""

    arrays: dict[str, list[int]]
    side_T: list[int | None]
    spans_T: list[Span]
    truncated: bool

    def __len__(self) -> int:
        return len(self.side_T)


class Explainer:
    """A classifier folder, ready to explain pairs. Raises ArtifactError where the folder cannot be explained."""

    def __init__(self, folder: str | Path, settings: SimilarityV1):
        self.model, self.tokenizer = load_classifier(folder)
        self.decision: Decision = load_decision(folder)
        self.settings = settings
        if self.model.config.num_labels != 2:
            raise ArtifactError(
                f"{folder}: a pair classifier has 2 labels, this model has {self.model.config.num_labels}"
            )
        if not self.tokenizer.is_fast:
            raise ArtifactError(f"{folder}: the tokenizer does not tell character offsets (no tokenizer.json)")
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")

    def explain(self, pairs: Sequence[SegmentedPair]) -> list[WordScores]:
        """Score the words of every pair. Pairs beyond the model's positions lose the end of their longer sentence;
        how many is logged, and the words cut off score 0."""
        explained, cut_ids = self.explain_quietly(pairs)
        if cut_ids:
            log.warning(CUT, len(cut_ids), len(pairs), self.longest_input, cut_ids[0])
        return explained

    def explain_quietly(self, pairs: Sequence[SegmentedPair]) -> tuple[list[WordScores], list[int]]:
        """The words' scores, and the ids of pairs that were cut."""
        rows = [encode(self.model, self.tokenizer, pair) for pair in pairs]
        batches = token_batches([len(row) for row in rows], self.settings.batch_tokens)
        explained = dict(self._scored_rows(pairs, rows, batches))
        cut_ids = [pair.id for pair, row in zip(pairs, rows, strict=True) if row.truncated]
        return [explained[position] for position in range(len(pairs))], cut_ids

    @property
    def longest_input(self) -> int:
        return longest_input(self.model, self.tokenizer)

    def _scored_rows(
        self, pairs: Sequence[SegmentedPair], rows: Sequence[Encoded], batches: list[list[int]]
    ) -> Iterator[tuple[int, WordScores]]:
        n_steps = n_path_steps(self.settings.method, self.settings.ig_steps)
        for batch in batches:
            inputs = self.tokenizer.pad([rows[i].arrays for i in batch], padding=True, return_tensors="pt")
            inputs = {key: value.to(self.model.device) for key, value in inputs.items()}
            found = attribute(self.model, inputs, self.decision.labels, n_steps)
            for b, position in enumerate(batch):
                scores_q, scores_t = _word_scores(pairs[position], rows[position], found.scores_BT[b])
                label, probability = int(found.labels_B[b]), float(found.probabilities_BC[b, 1])
                yield position, WordScores(pairs[position].id, label, probability, scores_q, scores_t)


def encode(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pair: SegmentedPair) -> Encoded:
    """Tokenise one pair with character offsets, cut to the model's positions, the longer sentence first."""
    texts = [_without_surrogates(pair.query), _without_surrogates(pair.title)]
    limit = longest_input(model, tokenizer)
    encoding = tokenizer(
        *texts,
        truncation="longest_first",
        max_length=limit,
        return_offsets_mapping=True,
        return_attention_mask=True,
        verbose=False,
    )
    n_tokens = len(encoding["input_ids"])
    truncated = n_tokens >= limit and len(tokenizer(*texts, verbose=False)["input_ids"]) > n_tokens
    return Encoded(
        arrays={key: encoding[key] for key in tokenizer.model_input_names if key in encoding},
        side_T=encoding.sequence_ids(),
        spans_T=[tuple(span) for span in encoding["offset_mapping"]],
        truncated=truncated,
    )


def select_rationales(explained: Iterable[WordScores], ratio: float) -> list[Rationale]:
    return [Rationale(row.id, row.label, select(row.scores_q, ratio), select(row.scores_t, ratio)) for row in explained]


def _word_scores(pair: SegmentedPair, row: Encoded, scores_T) -> tuple[tuple[float, ...], tuple[float, ...]]:
    sides = []
    for side, sentence, words in ((0, pair.query, pair.words_q), (1, pair.title, pair.words_t)):
        tokens = [t for t, of_side in enumerate(row.side_T) if of_side == side]
        scores_W = align(scores_T[tokens], [row.spans_T[t] for t in tokens], word_spans(sentence, words))
        sides.append(tuple(map(float, scores_W)))
    return sides[0], sides[1]


def _without_surrogates(text: str) -> str:
    """A lone surrogate, which JSON can spell, has no UTF-8; one character stands in for one, so offsets stay true."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
