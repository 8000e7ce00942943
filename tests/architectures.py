"""Every family of sequence classifiers that the installed transformers knows, as a tiny random model.

A config starts from the family's defaults; every number that sets a size is made small by its name (SMALL), those that
fit together only in the family's own way come from OWN. What a family takes is transformers' own registry.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

FAMILIES = tuple(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)
N_POSITIONS = 128

SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size", "entity_emb_size"), 16),
    **dict.fromkeys(("intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("d_inner", "d_ff", "dff", "hidden_dim", "ffn_dim", "ffn_hidden_size", "feed_forward_size"), 32),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "n_inner", "moe_shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_decoder_layers", "num_attention_heads", "n_heads", "n_head", "num_heads"), 2),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads", "num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("head_dim", "d_head", "d_kv", "kv_channels", "attention_head_size", "v_head_dim"), 8),
    **dict.fromkeys(("n_positions", "n_ctx", "max_position_embeddings", "max_seq_len", "n_pos"), N_POSITIONS),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "n_shared_experts"), 1),
    **dict.fromkeys(("initializer_range", "init_std", "embed_init_std"), 0.3),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    **dict.fromkeys(("max_xpath_tag_unit_embeddings", "max_xpath_subs_unit_embeddings"), 12),
    **{"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "qk_head_dim": 16},
    **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads", "num_linear_heads"), 2),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 8),
    **{"entity_vocab_size": 10, "rotary_dim": 4, "pooler_hidden_size": 16, "attention_window": 8, "dim_model_base": 16},
    **{"query_pre_attn_scalar": 8, "initializer_factor": 8.0, "num_hash_buckets": 64},
}
SMALL_VISION = {"image_size": 32, "patch_size": 16}
OWN: dict[str, dict[str, Any]] = {
    "cohere_compass_text": {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}}},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"layers_block_type": ["linear_attention", "hybrid", "hybrid"], "n_mamba_heads": 2}
    | {
        "num_hidden_layers": 3,
        "mamba_d_state": 4,
        "attention_hidden_size": 32,
        "attention_head_dim": 16,
        "mamba_dt_rank": 4,
    },
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"], "n_mamba_heads": 2, "mamba_d_state": 4}
    | {"mamba_ngroups": 1, "adapter_rank": 4},
    "axk2": {"index_n_heads": 2, "index_head_dim": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 4, "mamba_dt_rank": 4},
    "layoutlmv3": {"coordinate_size": 2, "shape_size": 4, "input_size": 32},
    "lilt": {"hidden_size": 24},
    "markuplm": {"tag_pad_id": 10, "subs_pad_id": 10},
    "mistral4": {"head_dim": 16},
    "mobilebert": {"initializer_range": 0.1},
    "perceiver": {"d_latents": 16, "num_latents": 4, "num_self_attends_per_block": 1, "num_cross_attention_heads": 2}
    | {"num_self_attention_heads": 2},
    "reformer": {"axial_pos_shape": [8, 16], "axial_pos_embds_dim": [8, 8], "attn_layers": ["local", "local"]}
    | {"local_attn_chunk_length": 8, "pad_token_id": 0},
}


def tiny_config(family: str, tokenizer: PreTrainedTokenizerBase, **changes: Any) -> PreTrainedConfig:
    """The family's config, small, for the tokenizer's ids."""
    special = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "cls_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "mask_token_id": tokenizer.mask_token_id,
        "decoder_start_token_id": tokenizer.sep_token_id,
    }
    kind = CONFIG_MAPPING[family]
    always = {name: special[name] for name in ("pad_token_id", "decoder_start_token_id")}
    own = {"num_labels": 2, **always, **OWN.get(family, {})}
    return kind(**{**small_sizes(kind(), {**SMALL, **special}), **own, **changes})


def small_sizes(config: PreTrainedConfig, sizes: dict[str, Any]) -> dict[str, Any]:
    """Those of the sizes that the config has, in its parts, too; no dropout."""
    given: dict[str, Any] = {}
    for name in config.to_dict():
        value = getattr(config, name, None)
        if isinstance(value, PreTrainedConfig):
            of_part = small_sizes(value, sizes)
            given[name] = {**of_part, **(SMALL_VISION if "vision" in name else {})}
        elif name == "layer_types" and value:
            given[name] = [*dict.fromkeys(value), *value][:2]  # one layer of each kind
        elif name in sizes:
            given[name] = sizes[name]
        elif isinstance(value, float) and any(part in name for part in ("dropout", "drop", "pdrop")):
            given[name] = 0.0
    return given


def tiny_family(family: str, tokenizer: PreTrainedTokenizerBase, **changes: Any) -> PreTrainedModel:
    """A random classifier of the family, in evaluation mode."""
    config = tiny_config(family, tokenizer, **changes)
    torch.manual_seed(0)
    return MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)](config).eval()
