"""What the benches of fine-tuning share: labelled pairs, a vocabulary as large as the published one, a small BERT."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from bench.made.made_pairs import make_sentences, write_made_pairs
from final_project.data.files.tables import read_pairs
from final_project.data.records import Pair
from final_project.tokens.tokenizer import build_tokenizer

MAX_LENGTH, VOCAB = 64, 21_128
SIZES = {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024}


def labelled_pairs(path: Path | None, n_pairs: int) -> list[Pair]:
    """Pairs drawn evenly from a file, or made ones of the lengths of real collections."""
    if path is not None:
        pairs = read_pairs(path, labelled=True)
        return [pairs[k * len(pairs) // n_pairs] for k in range(n_pairs)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.tsv"
        write_made_pairs(file, n_pairs, seed=1, scored=make_sentences(100, np.random.default_rng(2)))
        return read_pairs(file, labelled=True)


def tokenizer_of(pairs: list[Pair]) -> PreTrainedTokenizerBase:
    """Characters of the pairs, filled up to the size of the published vocabulary."""
    texts = (text for pair in pairs for text in (pair.sentence1, pair.sentence2))
    tokenizer = build_tokenizer(texts, VOCAB, "the bench's pairs")
    tokenizer.add_tokens([f"[unused{k}]" for k in range(VOCAB - len(tokenizer))])
    tokenizer.model_max_length = MAX_LENGTH
    return tokenizer


def small_classifier(tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """4 layers x 256, random weights: the same ones on every call."""
    torch.manual_seed(1)
    labels = {"id2label": {0: "different", 1: "same"}, "label2id": {"different": 0, "same": 1}}
    config = BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, num_labels=2, **SIZES, **labels)
    return BertForSequenceClassification(config)
