"""multilingual-e5-small out of an `E5S1` file: a transformers BertModel and a fast tokenizer.

The tokenizer is XLM-R's: characters by the table of normalisations, runs of spaces as one, words marked by U+2581,
the most probable pieces (Kudo 2018); `<s> A </s>`, and `<s> A </s> </s> B </s>` for pairs, all of token type 0.
"""

from __future__ import annotations

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from final_project.errors import DataError
from final_project.weights.charsmap import precompiled_charsmap
from final_project.weights.q4_file import Pieces, Q4File

OF_EMBEDDINGS = {"emb.pos": "position_embeddings.weight", "emb.type": "token_type_embeddings.weight",
                 "emb.ln.w": "LayerNorm.weight", "emb.ln.b": "LayerNorm.bias"}  # fmt: skip
OF_LAYER = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
            "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
            "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm"}  # fmt: skip
NORMS = ("aln", "oln")


def encoder_of(file: Q4File) -> BertModel:
    """The encoder in float32, without a pooler: the file has none. Raises DataError where a tensor is missing or has
    another size."""
    sizes, pieces = file.sizes, file.pieces
    config = BertConfig(
        vocab_size=sizes.vocabulary, hidden_size=sizes.hidden, num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads, intermediate_size=sizes.intermediate, hidden_act="gelu",
        max_position_embeddings=sizes.positions, type_vocab_size=sizes.token_types,
        layer_norm_eps=sizes.norm_epsilon, pad_token_id=pieces.pad, bos_token_id=pieces.bos, eos_token_id=pieces.eos,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    state = _state(file)
    for name, shape in expected.items():
        if name not in state or state[name].numel() != torch.Size(shape).numel():
            found = tuple(state[name].shape) if name in state else "nothing"
            raise DataError(file.path, f"{name}: expected the shape {shape} by the file's sizes, found {found}")
    model.load_state_dict({name: state[name].reshape(shape) for name, shape in expected.items()})
    return model.eval()


def _state(file: Q4File) -> dict[str, torch.Tensor]:
    state = {f"embeddings.{name}": torch.from_numpy(file.vector(key)) for key, name in OF_EMBEDDINGS.items()}
    state["embeddings.word_embeddings.weight"] = torch.from_numpy(file.rows("emb.word"))
    for layer in range(file.sizes.layers):
        for key, name in OF_LAYER.items():
            ours, theirs = f"encoder.layer.{layer}.{name}", f"l{layer}.{key}"
            n_columns = file.sizes.intermediate if key == "fo" else file.sizes.hidden
            weight = file.vector(f"{theirs}.w") if key in NORMS else file.rows(f"{theirs}.w", n_columns)
            state |= {f"{ours}.weight": torch.from_numpy(weight),
                      f"{ours}.bias": torch.from_numpy(file.vector(f"{theirs}.b"))}  # fmt: skip
    return state


def tokenizer_of(pieces: Pieces, n_positions: int) -> PreTrainedTokenizerBase:
    """The file's tokenizer. n_positions: the longest row, in tokens."""
    bos, eos, pad, unk = (pieces.texts[token] for token in (pieces.bos, pieces.eos, pieces.pad, pieces.unk))
    mask = pieces.texts[-1]
    table = {chr(point): "".join(map(chr, points)) for point, points in pieces.normalised.items()}
    backend = Tokenizer(models.Unigram(list(zip(pieces.texts, pieces.scores, strict=True)), pieces.unk, False))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(precompiled_charsmap(table)), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}", pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, pieces.bos), (eos, pieces.eos)],
    )  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=bos, eos_token=eos, cls_token=bos, sep_token=eos, pad_token=pad,
        unk_token=unk, mask_token=AddedToken(mask, lstrip=True, special=True), model_max_length=n_positions,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
