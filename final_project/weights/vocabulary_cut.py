"""Cut a model and its tokenizer to the pieces that a corpus needs: texts of the corpus keep their pieces and answers.

A multilingual encoder is mostly vocabulary: of multilingual-e5-small's 118 M weights, 96 M. What stays is each piece
that a text of the corpus uses, each single Chinese character and printable ASCII character, and the special tokens.
The best pieces of a text are the best among fewer as well, so its pieces stay the same; the penalty of a character
without a piece hangs on the lowest score, whose piece stays too.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from final_project import strict_json
from final_project.chunks import in_chunks
from final_project.errors import ArtifactError

SINGLE_CHARACTER = re.compile("(?:##)?[\u4e00-\u9fff\u0021-\u007e\u2581]")
ENCODE_ROWS = 1000
SPECIAL_NAMES = ("bos_token", "eos_token", "cls_token", "sep_token", "pad_token", "unk_token", "mask_token")


@dataclass(frozen=True)
class Cut:
    """kept: the old ids that stay, in order; the new id of each is its place. n_tokens, n_unknown: of the corpus."""

    kept: list[int]
    n_before: int
    n_tokens: int
    n_unknown: int

    @property
    def unknown_share(self) -> float:
        return self.n_unknown / max(1, self.n_tokens)


def plan_cut(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase) -> Cut:
    """Which tokens the texts need. Raises ArtifactError where the tokenizer is of a kind whose texts would change."""
    kind = _described(tokenizer)["model"]["type"] if tokenizer.is_fast else "slow"
    if kind not in ("Unigram", "WordPiece"):
        raise ArtifactError(f"the vocabulary of a {kind} tokenizer cannot be cut; leave --vocabulary-of out")
    backend = tokenizer.backend_tokenizer
    vocabulary = backend.get_vocab(with_added_tokens=True)
    counts: Counter[int] = Counter()
    tried: set[int] = set()
    for chunk in in_chunks(texts, ENCODE_ROWS):
        for text, encoding in zip(chunk, backend.encode_batch(chunk, add_special_tokens=False), strict=True):
            counts.update(encoding.ids)
            if kind == "WordPiece" and tokenizer.unk_token_id in encoding.ids:
                tried |= _tried(text, backend, vocabulary)
    single = {token for text, token in vocabulary.items() if SINGLE_CHARACTER.fullmatch(text)}
    added = set(tokenizer.added_tokens_decoder) | set(tokenizer.all_special_ids)
    up_to_pad = range(tokenizer.pad_token_id or 0)  # it keeps its number: RoBERTa's positions are counted from it
    kept = sorted({*counts, *tried, *single, *added, *up_to_pad, *_lowest(tokenizer)})
    return Cut(kept, len(vocabulary), counts.total(), counts[tokenizer.unk_token_id])


def cut_tokenizer(tokenizer: PreTrainedTokenizerBase, cut: Cut) -> PreTrainedTokenizerBase:
    """A fast tokenizer with the kept tokens alone."""
    new = {old: at for at, old in enumerate(cut.kept)}
    described = copy.deepcopy(_described(tokenizer))
    model = described["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for token, entry in enumerate(model["vocab"]) if token in new]
        model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {text: new[token] for text, token in model["vocab"].items() if token in new}
    for token in described["added_tokens"]:
        token["id"] = new[token["id"]]
    described["post_processor"] = _renumbered(described["post_processor"], new)
    names = {name: getattr(tokenizer, name) for name in SPECIAL_NAMES}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(strict_json.dumps(described)),
        model_max_length=tokenizer.model_max_length, model_input_names=tokenizer.model_input_names,
        padding_side=tokenizer.padding_side, truncation_side=tokenizer.truncation_side,
        **{name: token for name, token in names.items() if token is not None},
    )  # fmt: skip


@torch.no_grad()
def cut_model(model: PreTrainedModel, cut: Cut) -> None:
    """Keep the rows of the kept tokens, in place: of the word embeddings and the output layer, if there is one."""
    rows = torch.tensor(cut.kept)
    tables = [cast(nn.Embedding, model.get_input_embeddings()).weight]
    if (output := model.get_output_embeddings()) is not None:
        tables += [table for table in (output.weight, output.bias) if table is not None]
    new = {id(table): nn.Parameter(table[rows].clone()) for table in tables}
    for module in model.modules():  # a tied weight is one parameter in several modules
        for name, value in list(module.named_parameters(recurse=False)):
            if id(value) in new:
                setattr(module, name, new[id(value)])
                if isinstance(module, nn.Embedding):
                    module.num_embeddings = len(rows)
                    module.padding_idx = _place(module.padding_idx, cut)
                elif isinstance(module, nn.Linear):
                    module.out_features = len(rows)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id"):
        if isinstance(old := getattr(model.config, name, None), int):
            setattr(model.config, name, _place(old, cut))
    model.config.vocab_size = len(rows)


def _place(old: int | None, cut: Cut) -> int | None:
    return cut.kept.index(old) if old in cut.kept else None


def _described(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """The tokenizer as tokenizer.json has it."""
    return json.loads(tokenizer.backend_tokenizer.to_str())


def _lowest(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    model = _described(tokenizer)["model"]
    if model["type"] != "Unigram":
        return set()
    scores = [score for _, score in model["vocab"]]
    return {scores.index(min(scores))}


def _tried(text: str, backend: Tokenizer, vocabulary: Mapping[str, int]) -> set[int]:
    """Of the words of a text the pieces that WordPiece takes before it finds no next one: without them it would go on
    with shorter ones."""
    normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
    tried = set()
    for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal):
        begin = 0
        while begin < len(word):
            pieces = [("##" if begin else "") + word[begin:end] for end in range(len(word), begin, -1)]
            if (longest := next((piece for piece in pieces if piece in vocabulary), None)) is None:
                break
            tried.add(vocabulary[longest])
            begin += len(longest) - (2 if begin else 0)
    return tried


def _renumbered(part: Any, new: Mapping[int, int]) -> Any:
    """A post-processor of tokenizer.json with the new ids: lists `ids`, and [token, id] of `sep` and `cls`."""
    if isinstance(part, list):
        return [_renumbered(value, new) for value in part]
    if not isinstance(part, dict):
        return part
    return {
        key: [new[token] for token in value] if key == "ids"
        else [value[0], new[value[1]]] if key in ("sep", "cls")
        else _renumbered(value, new)
        for key, value in part.items()
    }  # fmt: skip
