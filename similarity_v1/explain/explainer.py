"""Explain a sequence classifier of transformers: which words of one or two texts decided its answer.

    explainer = Explainer(model, tokenizer, method="integrated_gradients", steps=50)
    for explanation in explainer.explain([("怎么开通花呗", "花呗如何开通")]):
        print(explanation.label, explanation.words, explanation.scores)

Rows are batched by length under a token budget and come back in their own order. Batch, order and padding change
nothing but the rounding of the model's arithmetic: that is checked on the model, and where padding changes its answers
a batch holds rows of one length only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.data.given_rows import given_rows, texts_of_row
from final_project.errors import ArtifactError, DataError, ProjectError, RecipeError, first_line
from final_project.model.decision import FILE_NAME, Decision, load_decision
from final_project.model.device import chosen_device
from final_project.model.finite import require_finite
from final_project.model.folder import load_classifier, longest_input
from final_project.model.model_inputs import inspect_inputs
from final_project.model.scale import is_scorer_folder, load_scale
from final_project.model.turns import alone_with
from final_project.option_checks import hint
from final_project.tokens.tokenizer import with_special_tokens_as_text
from final_project.training.batching import batches_by_length
from similarity_v1.explain.encoding import EncodedRow, Texts, encode, pad
from similarity_v1.explain.explanation import Explanation
from similarity_v1.explain.methods import Method, method_named
from similarity_v1.explain.probe import Probe, Reading, probing
from similarity_v1.explain.segmentation import DEFAULT_RULE, RULES, split_words
from similarity_v1.explain.target import (
    CLASSES,
    SCORE,
    ExplainedNumber,
    Target,
    check_target,
    number_of,
    output_kind,
    require_one_score,
)
from similarity_v1.explain.trial import check_model

# on a CPU more tokens at a time leave its caches and are slower; a GPU needs large batches
BATCH_TOKENS = {"cpu": 1024, "cuda": 16_384}

EXAMPLE = "[text] or [(text_a, text_b)], a list of rows"
Row = str | Sequence[str]
GivenWords = Sequence[Sequence[Sequence[str]]]  # row -> text -> its words
PRECISIONS = ("fp32", "bf16")


class RowError(DataError):
    """One row cannot be explained, for the reason `what`. row: its number, from 0."""

    def __init__(self, row: int, what: str):
        self.row, self.what = row, what
        super().__init__(f"row {row}", what)


class Explainer:
    """A classifier, ready to explain rows of one or two texts.

    Several threads may use one Explainer, or several Explainers of one model: the model answers one thread at a time.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        method: str | Method = "gradient_x_input",
        *,
        target: Target = "predicted",
        words: str = DEFAULT_RULE,
        decision: Decision | None = None,
        batch_tokens: int | None = None,
        precision: str = "fp32",
        device: str | torch.device | None = None,
        **options: Any,
    ):
        """tokenizer: special tokens that a text spells become text to it (with_special_tokens_as_text).
        method: a name of methods.METHODS with its options (steps, baseline, reduce, samples, ...), or a method.
        target: `predicted`, a class's number, a score's name, or `both` (the decided class against its rival).
        words: the rule for texts whose words are not given, of words.RULES.
        decision: how a label follows from the probabilities, and their calibration; the arg max where None.
        batch_tokens: most tokens, padding included, in one pass through the model; BATCH_TOKENS where None.
        precision: fp32, or bf16 under autocast. device: CUDA where there is one, by default.

        Raises RecipeError that lists the options that are off, ArtifactError where model or tokenizer cannot be
        explained, EnvironmentProblem where this machine lacks the device.
        """
        self.method_name = method if isinstance(method, str) else type(method).__name__
        self.method = _checked_options(method, options, words, precision, batch_tokens, decision)
        self.model, self.tokenizer = model, with_special_tokens_as_text(tokenizer)
        kind = output_kind(model.config, decision)
        self.n_classes = max(model.config.num_labels, 2) if kind == CLASSES else model.config.num_labels
        target = number_of(target, [self._answer_name(number) for number in range(self.n_classes)], kind)
        check_target(target, self.n_classes)
        if not tokenizer.is_fast:
            raise ArtifactError(
                f"{_name(tokenizer)}: the tokenizer does not give character offsets (no tokenizer.json)"
            )
        self.words, self.device = words, chosen_device(device)
        with alone_with(model, tokenizer):
            self.limit = longest_input(model, tokenizer)
            model.to(self.device)
            self.inputs = inspect_inputs(model, tokenizer, self.limit)
        self.keys = list(self.inputs.keys)
        token_ids = {"mask": tokenizer.mask_token_id, "pad": tokenizer.pad_token_id}
        batch_tokens = batch_tokens or BATCH_TOKENS["cpu" if self.device.type == "cpu" else "cuda"]
        reading = Reading(kind, target, decision, batch_tokens, precision, token_ids)
        with alone_with(model, tokenizer):
            self.reading = check_model(model, tokenizer, reading, self.method, self.inputs, self.limit)

    @classmethod
    def from_folder(cls, folder: str | Path, *arguments: Any, **options: Any) -> Explainer:
        """The classifier of a folder, with the folder's own rule of decision (decision.json) where it has one."""
        if is_scorer_folder(folder):
            require_one_score(options.get("target", "predicted"), load_scale(folder).names)
        model, tokenizer = load_classifier(folder)
        decision = load_decision(folder) if (Path(folder) / FILE_NAME).is_file() else None
        return cls(model, tokenizer, *arguments, **{"decision": decision, **options})

    def explain(self, rows: Sequence[Row], words: GivenWords | None = None) -> list[Explanation]:
        """Explain rows, each one text or each two, in their order.

        words: the given words of every text, which must join to it, white space aside; by the Explainer's rule where
        None. Raises RowError (a DataError) naming the first row, counted from 0, that is not as it should be, or that
        the model fails on; the other rows are not at fault and can be explained without it. CallError, also a
        DataError, where a row is no text and no texts, or one text is given in place of a list. NotFinite where what
        the model says of a row is not finite.
        """
        texts = [
            (str(row),) if isinstance(row, str) else texts_of_row(f"row {number}", row, "one text or two", EXAMPLE)
            for number, row in enumerate(given_rows(rows, EXAMPLE))
        ]
        if words is None:
            words = [tuple(split_words(text, self.words) for text in its_texts) for its_texts in texts]
        check_rows(texts, words)
        with alone_with(self.model, self.tokenizer):
            encoded = encode(self.tokenizer, self.limit, texts, words, self.keys)
            lengths = np.array([len(row) for row in encoded], dtype=int)
            batches = batches_by_length(lengths, self.reading.batch_tokens, self.inputs.one_length, shortest_first=True)
            explained: dict[int, Explanation] = {}
            for batch in batches:
                explained |= self._of_batch(texts, words, encoded, batch.tolist())
        return [explained[position] for position in range(len(texts))]

    def _of_batch(
        self, texts: Sequence[Texts], words: GivenWords, encoded: Sequence[EncodedRow], batch: list[int]
    ) -> dict[int, Explanation]:
        """Explain the rows at these positions together; where that fails, one by one, to find the row to blame."""
        try:
            return dict(self._explained(texts, words, encoded, batch))
        except ProjectError:
            raise  # about the model or the options, whatever the row
        except Exception as error:  # the model's own code has failed
            if len(batch) == 1:
                reason = f"the model fails on its {len(encoded[batch[0]])} tokens: {first_line(error)}"
                raise RowError(batch[0], reason) from error
        found: dict[int, Explanation] = {}
        for position in sorted(batch):
            found |= self._of_batch(texts, words, encoded, [position])
        return found

    def _explained(
        self, texts: Sequence[Texts], words: GivenWords, encoded: Sequence[EncodedRow], batch: list[int]
    ) -> Iterator[tuple[int, Explanation]]:
        rows = [encoded[position] for position in batch]
        inputs = pad(rows, self.inputs.pad_id, self.device)
        with probing(self.model, inputs, rows, self.reading, self.method.needs_gradient) as probe:
            require_finite(probe.probabilities_BC, batch, self.model)
            found = self.method(probe)
        scores_BT = found.scores_BT.double().cpu().numpy()
        shown_BT = np.where(probe.mask_BT.cpu().numpy() > 0, scores_BT, 0.0)
        require_finite(shown_BT, batch, self.model, f"attribution by {self.method_name}")
        errors = [None] * len(batch) if found.error_B is None else found.error_B.double().tolist()
        if found.error_B is not None:
            require_finite(np.array(errors), batch, self.model, "completeness error")
        steps = [None] * len(batch) if found.steps_B is None else found.steps_B.tolist()
        for b, position in enumerate(batch):
            scores = rows[b].word_scores(scores_BT[b])
            given = tuple(tuple(its_words) for its_words in words[position])
            yield position, self._explanation(texts[position], given, scores, probe, b, errors[b], steps[b])

    def _explanation(
        self, texts, words, scores, probe: Probe, b: int, error: float | None, steps: int | None
    ) -> Explanation:
        numbers = tuple(map(float, probe.probabilities_BC[b]))
        is_score = self.reading.kind == SCORE
        if self.reading.decision and self.reading.decision.calibration:
            positive = float(self.reading.decision.positive(probe.probabilities_BC[b : b + 1])[0])
            numbers = (1 - positive, positive)
        label = None if is_score else int(probe.labels_B[b])
        return Explanation(
            texts=texts,
            words=words,
            scores=scores,
            label=label,
            label_name=self._score_name(probe.question, b) if label is None else self._answer_name(label),
            probability=None if label is None else numbers[label],
            probabilities=() if is_score else numbers,
            score=float(probe.value_B[b]) if is_score else None,
            threshold=self._threshold,
            method=self.method_name,
            target=self.reading.target,
            completeness_error=error,
            steps=steps,
            truncated=probe.rows[b].truncated,
            outputs=numbers if is_score else (),
            unread=probe.rows[b].unread,
        )

    def _answer_name(self, output: int) -> str:
        names = getattr(self.model.config, "id2label", None) or {}
        return str(names.get(output, output))

    def _score_name(self, asked: ExplainedNumber, b: int) -> str:
        """The name of the number explained for row b: `score` where the model has no other, else the output's name, and
        both names where their difference is explained."""
        if self.n_classes == 1:
            return "score"
        name = self._answer_name(int(asked.for_B[b]))
        return name if asked.against_B is None else f"{name} less {self._answer_name(int(asked.against_B[b]))}"

    @property
    def _threshold(self) -> float | None:
        decision = self.reading.decision
        return decision.threshold if decision and self.reading.kind == CLASSES else None


def _checked_options(
    method: str | Method,
    options: dict[str, Any],
    words: str,
    precision: str,
    batch_tokens: int | None,
    decision: Decision | None,
) -> Method:
    """The method with its options. Raises RecipeError that lists all that is off, the Explainer's own options too."""
    problems: list[str] = []
    made: Any = method
    for name, value, known in (("words", words, RULES), ("precision", precision, PRECISIONS)):
        if value not in known:
            expected = " or ".join(known) if len(known) == 2 else f"one of {', '.join(known)}"
            problems.append(f"{name}: expected {expected}, found {value!r}{hint(value, known)}")
    if batch_tokens is not None and (
        not isinstance(batch_tokens, int) or isinstance(batch_tokens, bool) or batch_tokens < 1
    ):
        problems.append(f"batch_tokens: expected a whole number of at least 1, found {batch_tokens!r}")
    if decision is not None and not isinstance(decision, Decision):
        problems.append(f"decision: expected a Decision (final_project.model.decision) or None, found {decision!r}")
    if isinstance(method, str):
        try:
            made = method_named(method, **options)
        except RecipeError as error:
            problems += error.problems
    elif isinstance(method, type) or not callable(method) or not hasattr(method, "needs_gradient"):
        problems.append(f"method: expected a name or an instance of a method, found {method!r}")
    elif options:
        problems.append(f"{', '.join(options)}: a method that is made already keeps its own options")
    if problems:
        raise RecipeError(problems)
    return made


def check_rows(texts: Sequence[Texts], words: GivenWords) -> None:
    """Raises RowError where a row has another number of texts than the first, or its words do not join to its texts;
    DataError where there are not as many words as rows."""
    if len(words) != len(texts):
        raise DataError("words", f"expected words for {len(texts)} rows, found {len(words)}")
    for number, (its_texts, its_words) in enumerate(zip(texts, words, strict=True)):
        if len(its_texts) not in (1, 2) or len(its_texts) != len(texts[0]):
            raise RowError(number, f"expected {min(len(texts[0]), 2) or 1} texts, found {len(its_texts)}")
        if len(its_words) != len(its_texts):
            raise RowError(number, f"expected the words of {len(its_texts)} texts, found {len(its_words)}")
        for text, words_W in zip(its_texts, its_words, strict=True):
            if isinstance(words_W, str):  # its characters would join to it
                raise DataError(f"row {number}", f"expected a list of words of each text, found {words_W[:40]!r}")
            if "".join("".join(words_W).split()) != "".join(text.split()):
                raise RowError(number, f"the words do not join to the text {text[:40]!r}")


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    return getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
