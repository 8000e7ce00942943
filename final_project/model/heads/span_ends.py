"""Which tokens of a tokenizer end a sentence or a paragraph, for the pool `spans`."""

from __future__ import annotations

from typing import Literal

from transformers import PreTrainedTokenizerBase

from final_project.errors import ArtifactError

Span = Literal["sentence", "paragraph"]
SENTENCE_MARKS = (".", "!", "?", "。", "！", "？", "…")
PARAGRAPH_MARKS = ("[BR]", "\n")
MARKS = {"sentence": SENTENCE_MARKS, "paragraph": PARAGRAPH_MARKS}


def span_ends(tokenizer: PreTrainedTokenizerBase, span: Span) -> list[int]:
    """Ids of the tokens that end in one of the marks, and of the separator, so that no span reaches from one text into
    the other. Raises ArtifactError where the tokenizer has no token for any of the marks.

    Example:
        >>> span_ends(tokenizer, "sentence")  # doctest: +SKIP
        [3, 119, 106, 136, 511, 8013, 8043]
    """
    marks = MARKS[span]
    ends = {number for token, number in tokenizer.get_vocab().items() if token.endswith(marks)}
    for mark in marks:  # as tokenizers of bytes spell it
        ids = tokenizer(mark, add_special_tokens=False).input_ids
        if len(ids) == 1 and ids[0] != tokenizer.unk_token_id:
            ends.add(ids[0])
    if not ends:
        raise ArtifactError(f"span {span}: no token of this tokenizer ends in one of {', '.join(map(repr, marks))}")
    return sorted(ends | {tokenizer.sep_token_id} - {None})
