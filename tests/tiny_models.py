"""Tiny random models and inputs for tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

PAD = 0


def tiny_config(**changes) -> BertConfig:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "max_position_embeddings": 32, "pad_token_id": PAD}
    return BertConfig(**{**sizes, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **changes})


def tiny_classifier(seed: int = 0, **changes) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    return BertForSequenceClassification(tiny_config(**changes))


def tiny_masked_lm(seed: int = 0, **changes) -> BertForMaskedLM:
    torch.manual_seed(seed)
    return BertForMaskedLM(tiny_config(**changes))


def random_inputs(n_rows: int = 6, longest: int = 12, seed: int = 1) -> dict[str, torch.Tensor]:
    """Padded rows of different lengths, with two segments each."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, longest + 1, (n_rows,), generator=generator)
    mask = (torch.arange(longest) < lengths[:, None]).long()
    ids = torch.randint(5, 60, (n_rows, longest), generator=generator) * mask
    types = (torch.arange(longest) >= lengths[:, None] // 2).long() * mask
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}


ARCHITECTURES = ("bert", "roberta", "electra", "deberta", "xlm-roberta", "ernie")
TOKENIZERS = ("wordpiece_lower", "wordpiece_cased", "byte_bpe", "unigram", "character")
BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TEXT = ("怎么开通花呗", "如何关闭花呗", "手机号码是多少", "How do I open it", "how to close it", "abc 123 café")


def tiny_tokenizer(kind: str, texts: Sequence[str] = TEXT, model_max_length: int = 64) -> PreTrainedTokenizerBase:
    """A tokenizer of one of the kinds of TOKENIZERS, trained on a few texts."""
    if kind.startswith("wordpiece"):
        letters = dict.fromkeys("".join(texts).replace(" ", ""))
        tokens = [*BERT_SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
        vocab = {token: number for number, token in enumerate(tokens)}
        return BertTokenizer(vocab=vocab, do_lower_case=kind.endswith("lower"), model_max_length=model_max_length)
    tokenizer = {"byte_bpe": _byte_bpe, "unigram": _unigram, "character": _character}[kind](texts)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = dict(zip(names, BERT_SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=model_max_length, **special)


def _byte_bpe(texts: Sequence[str]) -> Tokenizer:
    """As RoBERTa's: over bytes, so that a character may be several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=[*BERT_SPECIAL], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _unigram(texts: Sequence[str]) -> Tokenizer:
    """As XLM-R's: SentencePiece's compatibility normalisation, spaces as marks, pieces across characters."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=80, special_tokens=[*BERT_SPECIAL], unk_token="[UNK]", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _character(texts: Sequence[str]) -> Tokenizer:
    """Each character, white space included, is a token."""
    vocab = {token: number for number, token in enumerate([*BERT_SPECIAL, *dict.fromkeys("".join(texts))])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return tokenizer


def tiny_sequence_classifier(architecture: str, tokenizer: PreTrainedTokenizerBase, num_labels: int = 2, **changes):
    """A random classifier of one of ARCHITECTURES, with weights wide enough that words matter."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    sizes |= {"initializer_range": 0.3}
    sizes |= {"embedding_size": 16} if architecture == "electra" else {}
    sizes |= {"type_vocab_size": 1} if "roberta" in architecture else {}
    pad = tokenizer.pad_token_id
    special = {"pad_token_id": pad, "bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        max_position_embeddings=tokenizer.model_max_length + pad + 1,
        num_labels=num_labels,
        **{**sizes, **special, **changes},
    )
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config).eval()
