"""Pairs of neighbouring tokens as embeddings of their own, added to the embeddings of the tokens they consist of.

A Chinese character says little; what means something is mostly two of them. A large encoder composes them in its lower
layers, a small one from scratch has neither the width nor the time. Here every pair of neighbours has a vector, found
by a hash of the two ids (collisions are left to training, as with the hashed n-grams of fastText, Bojanowski et al.
2017), and added to both tokens: e_i = w(x_i) + g(x_{i-1}, x_i) + g(x_i, x_{i+1}). g starts at zero, so the encoder
starts as it would without. A token's pairs are part of its embedding: attacks and attributions reach them, too.

The folder stays a standard one, whose config says `ngrams` and whose weights hold one table more. What loads it without
this module passes over that table and gets poorer answers. Shapes: B lines, T tokens, H hidden.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from final_project.errors import ArtifactError, first_line
from final_project.model.finite import require_finite_weights
from final_project.model.match_types import is_one_of

PRIME = 2**31 - 1
LEFT_FACTOR, FACTOR = 1_000_003, 48_271
NO_PAIR = 0
"""The bucket of what is no pair; its vector stays zero."""
TABLE = "embeddings.word_embeddings.ngrams.weight"
"""What the name of the table among an encoder's or a classifier's weights ends with."""


def describe_ngrams(tokenizer: PreTrainedTokenizerBase, buckets: int) -> dict:
    """What a config says: the number of vectors, and the tokens at which a row begins or has ended."""
    return {"buckets": buckets, "borders": [tokenizer.cls_token_id, tokenizer.pad_token_id]}


class NgramEmbedding(nn.Embedding):
    """Word embeddings, and what pairs add to them. The words' weight is the given module's own parameter, since an
    output layer may be tied to it."""

    def __init__(self, words: nn.Embedding, buckets: int, borders: list[int]):
        nn.Module.__init__(self)
        vars(self).update({name: getattr(words, name) for name in nn.Embedding.__constants__})
        self.weight = words.weight
        self.ngrams = nn.Embedding(buckets, words.embedding_dim, padding_idx=NO_PAIR).to(words.weight)
        nn.init.zeros_(self.ngrams.weight)
        self.borders = borders

    def forward(self, ids_BT: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, H)."""
        pairs_BTH = self.ngrams(bucket_of_pairs(ids_BT, self.ngrams.num_embeddings, self.borders))
        return super().forward(ids_BT) + F.pad(pairs_BTH, (0, 0, 1, 0)) + F.pad(pairs_BTH, (0, 0, 0, 1))


def bucket_of_pairs(ids_BT: Tensor, buckets: int, borders: list[int]) -> Tensor:
    """(B, T - 1): the bucket of each token and its right neighbour, from 1 on; NO_PAIR across the border of two rows,
    so that packing and padding change nothing."""
    left_BT, right_BT = ids_BT[:, :-1], ids_BT[:, 1:]
    hashed_BT = (left_BT * LEFT_FACTOR + right_BT) * FACTOR % PRIME
    return torch.where(is_one_of(right_BT, borders), NO_PAIR, 1 + hashed_BT % (buckets - 1))


def enable_bigram_embedding(model: PreTrainedModel, place: str | Path | None) -> None:
    """Give a model its pairs of neighbours, if its config says so. Changes it in place. place: the folder that their
    table is read from; None for a new model. Raises ArtifactError where the folder does not hold it."""
    if not (described := getattr(model.config, "ngrams", None)):
        return
    words = NgramEmbedding(model.base_model.get_input_embeddings(), **described)
    if place is not None:
        words.ngrams.weight.data.copy_(_table_in(Path(place), words.ngrams.weight.shape))
    model.base_model.set_input_embeddings(words)


def _table_in(folder: Path, shape: torch.Size) -> Tensor:
    try:
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, framework="pt") as weights:
                if name := next((name for name in weights.keys() if name.endswith(TABLE)), None):  # noqa: SIM118
                    table = weights.get_tensor(name)
                    if table.shape != shape:
                        raise ValueError(f"expected the shape {tuple(shape)}, found {tuple(table.shape)}")
                    require_finite_weights(file, [(name, table)])
                    return table
        raise ValueError("they lack its table")
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtifactError(f"{folder}: its config says ngrams, but not so its weights: {first_line(error)}") from error
