"""Bigram embeddings: hashed vectors of neighbouring token pairs, added to the word embeddings of both tokens.

Most Chinese words have two characters. A large encoder composes them in its lower layers; a small one trained from
scratch has neither the width nor the time. Here every token pair has a vector, found by a hash of the two ids
(collisions are left to training, as with the hashed n-grams of fastText, Bojanowski et al. 2017) and added to both
tokens: e_i = w(x_i) + g(x_{i-1}, x_i) + g(x_i, x_{i+1}). g starts at zero, so it changes nothing at first. Bigrams are
part of a token's embedding, so attacks and attributions include them.

The model folder stays a standard one: its config has the key `ngrams`, its weights one more table. A loader without
this module ignores the table and gets worse answers. Shapes: B lines, T tokens, H hidden.
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
from final_project.model.heads.classifier import PooledClassifier
from final_project.model.match_types import is_one_of

PRIME = 2**31 - 1
LEFT_FACTOR, FACTOR = 1_000_003, 48_271
NO_PAIR = 0
"""Bucket of positions without a pair; its vector stays zero."""
TABLE = "embeddings.word_embeddings.ngrams.weight"
"""Suffix of the table's name in the weights of an encoder or a classifier."""


def describe_ngrams(tokenizer: PreTrainedTokenizerBase, buckets: int) -> dict:
    """The config entry: the number of vectors, and the tokens that separate rows ([CLS], [PAD])."""
    return {"buckets": buckets, "borders": [tokenizer.cls_token_id, tokenizer.pad_token_id]}


class NgramEmbedding(nn.Embedding):
    """Word embeddings plus bigram embeddings. The word weight is the given module's own parameter, because an output
    layer may be tied to it."""

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


def enable_bigram_embedding(model: PreTrainedModel | PooledClassifier, place: str | Path | None) -> None:
    """Add bigram embeddings to a model whose config has them. Changes it in place. place: the folder to read the table
    from; None for a new model. Raises ArtifactError if the folder lacks the table."""
    if not (described := getattr(model.config, "ngrams", None)):
        return
    encoder = model.base_model
    assert isinstance(encoder, PreTrainedModel)
    plain = encoder.get_input_embeddings()
    assert isinstance(plain, nn.Embedding)
    words = NgramEmbedding(plain, **described)
    if place is not None:
        words.ngrams.weight.data.copy_(_table_in(Path(place), words.ngrams.weight.shape))
    encoder.set_input_embeddings(words)


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
        raise ValueError("no weight has this name")
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtifactError(
            f"{folder}: config.json has ngrams, but the weights lack a fitting *{TABLE}: {first_line(error)}"
        ) from error
