"""Explain a sequence classifier of transformers: which words of one or two texts its answer rests on.

    explainer = Explainer(model, tokenizer, method="integrated_gradients", steps=50)
    for explanation in explainer.explain([("怎么开通花呗", "花呗如何开通")]):
        print(explanation.label, explanation.words, explanation.scores)

Rows are batched by length under a token budget and come back in their own order. Batch, order and padding change
nothing but the rounding of the model's arithmetic.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from final_project.errors import ArtifactError, DataError, RecipeError
from final_project.model.decision import FILE_NAME, Decision, load_decision
from final_project.model.folder import load_classifier, longest_input
from similarity_v1.encoding import EncodedRow, Texts, encode, pad, token_batches
from similarity_v1.explanation import Explanation
from similarity_v1.methods import Method, method_named
from similarity_v1.probe import Probe, Reading, probing
from similarity_v1.target import CLASSES, SCORE, Target, check_target, kind_of
from similarity_v1.trial import tried
from similarity_v1.words import RULES, words_of

# on a CPU more tokens at a time leave its caches and are slower; a GPU wants to be filled
BATCH_TOKENS = {"cpu": 1024, "cuda": 16_384}

Row = str | Sequence[str]
GivenWords = Sequence[Sequence[Sequence[str]]]  # row -> text -> its words


class Explainer:
    """A classifier, ready to explain rows of one or two texts."""

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        method: str | Method = "gradient_x_input",
        *,
        target: Target = "predicted",
        words: str = "characters",
        decision: Decision | None = None,
        batch_tokens: int | None = None,
        precision: str = "fp32",
        device: str | torch.device | None = None,
        **options: Any,
    ):
        """method: a name of methods.METHODS with its options (steps, baseline, reduce, samples, ...), or a method.
        target: `predicted`, a class's number, or `both` (the decided class against its rival).
        words: the rule for texts whose words are not given, of words.RULES.
        decision: how a label follows from the probabilities, and their calibration; the arg max where None.
        batch_tokens: most tokens, padding included, in one pass through the model; BATCH_TOKENS where None.
        precision: fp32, or bf16 under autocast. device: CUDA where there is one, by default.

        Raises RecipeError for options that do not exist, ArtifactError where model or tokenizer cannot be explained.
        """
        if words not in RULES:
            raise RecipeError([f"words: expected one of {', '.join(RULES)}, found {words!r}"])
        if precision not in ("fp32", "bf16"):
            raise RecipeError([f"precision: expected fp32 or bf16, found {precision!r}"])
        self.method_name = method if isinstance(method, str) else type(method).__name__
        self.method = method_named(method, **options) if isinstance(method, str) else method
        self.model, self.tokenizer = model, tokenizer
        kind = kind_of(model.config, decision)
        self.n_classes = max(model.config.num_labels, 2) if kind == CLASSES else model.config.num_labels
        check_target(target, self.n_classes)
        if not tokenizer.is_fast:
            raise ArtifactError(
                f"{_name(tokenizer)}: the tokenizer does not tell character offsets (no tokenizer.json)"
            )
        if tokenizer.pad_token_id is None:
            raise ArtifactError(f"{_name(tokenizer)}: the tokenizer has no padding token")
        self.words, self.keys = words, input_keys(model, tokenizer)
        self.limit = longest_input(model, tokenizer)
        token_ids = {"mask": tokenizer.mask_token_id, "pad": tokenizer.pad_token_id}
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        batch_tokens = batch_tokens or BATCH_TOKENS["cpu" if self.device.type == "cpu" else "cuda"]
        model.to(self.device)
        reading = Reading(kind, target, decision, batch_tokens, precision, token_ids)
        self.reading = tried(model, tokenizer, reading, self.method, self.keys, self.limit, self.device)

    @classmethod
    def from_folder(cls, folder: str | Path, *arguments: Any, **options: Any) -> Explainer:
        """The classifier of a folder, with the folder's own rule of decision (decision.json) where it has one."""
        model, tokenizer = load_classifier(folder)
        decision = load_decision(folder) if (Path(folder) / FILE_NAME).is_file() else None
        return cls(model, tokenizer, *arguments, **{"decision": decision, **options})

    def explain(self, rows: Sequence[Row], words: GivenWords | None = None) -> list[Explanation]:
        """Explain rows, each one text or each two, in their order.

        words: the given words of every text, which must join to it, white space aside; by the Explainer's rule where
        None. Raises DataError naming the first row, counted from 0, that is not as it should be.
        """
        texts = [(row,) if isinstance(row, str) else tuple(row) for row in rows]
        if words is None:
            words = [tuple(words_of(text, self.words) for text in its_texts) for its_texts in texts]
        check_rows(texts, words)
        encoded = encode(self.tokenizer, self.limit, texts, words, self.keys)
        batches = token_batches([len(row) for row in encoded], self.reading.batch_tokens)
        explained = dict(self._explained(texts, words, encoded, batches))
        return [explained[position] for position in range(len(texts))]

    def _explained(
        self, texts: Sequence[Texts], words: GivenWords, encoded: Sequence[EncodedRow], batches: list[list[int]]
    ) -> Iterator[tuple[int, Explanation]]:
        for batch in batches:
            rows = [encoded[position] for position in batch]
            inputs = pad(rows, self.tokenizer.pad_token_id, self.device)
            with probing(self.model, inputs, rows, self.reading, self.method.needs_gradient) as probe:
                found = self.method(probe)
            scores_BT = found.scores_BT.double().cpu().numpy()
            errors = [None] * len(batch) if found.error_B is None else found.error_B.double().tolist()
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
        names = getattr(self.model.config, "id2label", None) or {}
        return Explanation(
            texts=texts,
            words=words,
            scores=scores,
            label=label,
            label_name="score" if label is None else str(names.get(label, label)),
            probability=None if label is None else numbers[label],
            probabilities=() if is_score else numbers,
            score=numbers[0] if is_score else None,
            threshold=self._threshold,
            method=self.method_name,
            target=self.reading.target,
            completeness_error=error,
            steps=steps,
            truncated=probe.rows[b].truncated,
        )

    @property
    def _threshold(self) -> float | None:
        decision = self.reading.decision
        return decision.threshold if decision and self.reading.kind == CLASSES else None


def input_keys(model: Any, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The inputs that the tokenizer makes and the model can use: token types only where the model tells two apart."""
    takes = inspect.signature(model.forward).parameters
    any_takes = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    keys = [key for key in tokenizer.model_input_names if key in takes or (any_takes and key != "token_type_ids")]
    if getattr(model.config, "type_vocab_size", 2) < 2 and "token_type_ids" in keys:
        keys.remove("token_type_ids")
    return keys if "attention_mask" in keys else [*keys, "attention_mask"]


def check_rows(texts: Sequence[Texts], words: GivenWords) -> None:
    """Raises DataError where rows differ in their number of texts, or words do not join to their text."""
    if len(words) != len(texts):
        raise DataError("words", f"expected words for {len(texts)} rows, found {len(words)}")
    for number, (its_texts, its_words) in enumerate(zip(texts, words, strict=True)):
        if len(its_texts) not in (1, 2) or len(its_texts) != len(texts[0]):
            raise DataError(f"row {number}", f"expected {min(len(texts[0]), 2) or 1} texts, found {len(its_texts)}")
        if len(its_words) != len(its_texts):
            raise DataError(f"row {number}", f"expected the words of {len(its_texts)} texts, found {len(its_words)}")
        for text, words_W in zip(its_texts, its_words, strict=True):
            if "".join("".join(words_W).split()) != "".join(text.split()):
                raise DataError(f"row {number}", f"the words do not join to the text {text[:40]!r}")


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    return getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
