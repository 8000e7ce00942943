"""The pair classifier: encoder -> pool -> dropout -> linear layer, answering with its logits alone.

h = encoder(x); p = tanh(W_p h_[CLS] + b); z = W_c dropout(p) + c: the two-layer MLP on [CLS] of the published
solution, which is what BertForSequenceClassification has. So a saved model is a standard folder. With another pool it
is a PooledClassifier (final_project/model/heads/classifier.py). Shapes: B pairs, T tokens, H hidden, C outputs; P
packed lines of S tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from final_project.errors import ArtifactError
from final_project.model.adapters.lora import add_lora, merged
from final_project.model.custom_parts import add_custom_embeddings
from final_project.model.encoder_dropout import dropout_options
from final_project.model.folder import load_tokenizer
from final_project.model.fresh_layers import draw_top_layers
from final_project.model.heads.classifier import PooledClassifier
from final_project.model.heads.multi_dropout import MultiDropout, Reduce
from final_project.model.heads.outputs import Outputs
from final_project.model.heads.pools import POOLS
from final_project.model.heads.span_ends import span_ends
from final_project.model.loading import load_start
from final_project.model.model_inputs import takes_token_types
from final_project.settings import SimilarityV0
from final_project.tokens.packing import block_mask, score_dtype
from final_project.training.batching import derive_seed
from final_project.training.weights import with_ties

LABELS = {1: {0: "same"}, 2: {0: "different", 1: "same"}}
"""Names of the outputs, by their number."""
REINIT = 1
"""Part of the seed of layers that are drawn anew, so that they share no random numbers with the head."""


class PairModel(nn.Module):
    """mean_C, factor_C: what the head's outputs are multiplied by and moved to, for scores; None = as they are."""

    mean_C: torch.Tensor | None
    factor_C: torch.Tensor | None

    def __init__(self, classifier: PreTrainedModel | PooledClassifier):
        super().__init__()
        self.classifier = classifier
        self._takes_types = takes_token_types(classifier)
        self.register_buffer("mean_C", None, persistent=False)
        self.register_buffer("factor_C", None, persistent=False)

    @property
    def word_embedding(self) -> nn.Embedding:
        return cast(nn.Embedding, self.classifier.get_input_embeddings())

    @property
    def embeddings(self) -> nn.Module:
        """The embedding block: its output, (B, T, H), is what the first layer sees."""
        return self._encoder.embeddings

    @property
    def layers(self) -> list[nn.Module]:
        """The encoder's layers, the lowest first; each puts out hidden states (B, T, H)."""
        return [part for part in self.classifier.base_model.modules() if isinstance(part, GradientCheckpointingLayer)]

    @property
    def pool(self) -> nn.Module:
        """The module whose output is the pooled vector, (B, H), before the head's dropout. Raises ArtifactError if the
        model has no such module."""
        if isinstance(self.classifier, PooledClassifier):
            return self.classifier.pool
        if (pooler := getattr(self._encoder, "pooler", None)) is None:
            raise ArtifactError(f"a {self.classifier.config.model_type} model pools inside its head")
        return pooler

    @property
    def has_output_layer(self) -> bool:
        """Whether the head ends in a linear layer that output_layer can return."""
        head = getattr(self.classifier, "classifier", None)
        return isinstance(head, nn.Linear) or isinstance(getattr(head, "out_proj", None), nn.Linear)

    @property
    def output_layer(self) -> nn.Linear:
        """The linear layer that ends the head."""
        return getattr(self._head, self._output_name)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        places_BT: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, T) inputs -> logits, or scores in points, (B, C).

        With places_BT the inputs are packed lines (similarity_v0/batches.py), and attention_mask numbers their rows.
        """
        logits_BC = self._logits(input_ids, attention_mask, token_type_ids, position_ids, places_BT)
        if self.factor_C is None or self.mean_C is None:
            return logits_BC
        return self.mean_C + self.factor_C * logits_BC.float()

    def _logits(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None,
        position_ids: torch.Tensor | None,
        places_BT: torch.Tensor | None,
    ) -> torch.Tensor:
        inputs = {"input_ids": input_ids} | (
            {"token_type_ids": token_type_ids} if self._takes_types and token_type_ids is not None else {}
        )
        if places_BT is None:
            return self.classifier(**inputs, attention_mask=attention_mask).logits
        mask = block_mask(attention_mask, score_dtype(input_ids.device.type, self.classifier.dtype))
        if isinstance(self.classifier, PooledClassifier):
            pooled = self.classifier
            hidden_states = pooled.hidden_states(**inputs, attention_mask=mask, position_ids=position_ids)
            rows = [hidden_PSH.flatten(0, 1)[places_BT.clamp(min=0)] for hidden_PSH in hidden_states]
            return pooled.head(rows, places_BT >= 0, input_ids.flatten()[places_BT.clamp(min=0)])
        encoder = self._encoder
        embedded_PSH = encoder.embeddings(**inputs, position_ids=position_ids)
        hidden_PSH = encoder.encoder(embedded_PSH, attention_mask=mask).last_hidden_state
        first_B1H = hidden_PSH.flatten(0, 1)[places_BT[:, :1]]
        if self._output_name == "out_proj":  # RoBERTa's head does all of it
            return self._head(first_B1H)
        return self.output_layer(self._head.dropout(encoder.pooler(first_B1H)))

    def require_trainable(self, place: str) -> None:
        """Raises ArtifactError if the model lacks a part that fine-tuning needs."""
        has_block = isinstance(getattr(self.classifier.base_model, "embeddings", None), nn.Module)
        if not (has_block and self.layers and self.has_output_layer):
            kind = self.classifier.config.model_type
            raise ArtifactError(
                f"{place}: a {kind} model cannot be fine-tuned here: that takes an encoder of BERT's form, with an "
                "embedding block, layers, and a linear layer that ends the head"
            )

    def freeze(self, embeddings: bool, n_layers: int) -> None:
        """Exclude the embeddings or the lowest layers from training. Raises ArtifactError if there are fewer."""
        if n_layers > len(self.layers):
            raise ArtifactError(f"freeze_layers {n_layers}: the encoder has {len(self.layers)} layers")
        for part in [self.embeddings] * embeddings + self.layers[:n_layers]:
            part.requires_grad_(False)

    def replace_output_layer(self, layer: nn.Linear) -> None:
        setattr(self._head, self._output_name, layer)

    def set_head_dropout(self, share: float) -> None:
        """Also where the configuration does not name it, as DeBERTa's does not."""
        self._head.dropout.p = share

    def use_multi_dropout(self, n_samples: int, reduce: Reduce) -> None:
        """Replace the dropout before the last layer by K dropout masks whose outputs are combined."""
        self.replace_output_layer(MultiDropout(self.output_layer, self._head.dropout.p, n_samples, reduce))
        self._head.dropout = nn.Identity()

    def scale_outputs(self, mean_C: Sequence[float], factor_C: Sequence[float]) -> None:
        """From now on answer with mean + factor * logit; save folds both into the last layer."""
        device = self.output_layer.weight.device
        self.mean_C = torch.tensor(mean_C, dtype=torch.float32, device=device)
        self.factor_C = torch.tensor(factor_C, dtype=torch.float32, device=device)

    def save(self, folder: Path, full: Mapping[str, torch.Tensor]) -> None:
        """Write the classifier's folder. full: the values of all weights, by their names in this model."""
        state = with_ties(full, self, self.classifier)
        output = self.output_layer
        (name,) = [name for name, part in self.classifier.named_modules() if part is output]
        weight, bias = f"{name}.weight", f"{name}.bias"
        if isinstance(output, MultiDropout):  # fold the factor in, so that a plain linear layer gives the same logits
            state |= {key: output.scale * state[key] for key in (weight, bias)}
        if self.factor_C is not None and self.mean_C is not None:  # likewise the scale of scores
            mean_C, factor_C = (part.to(state[bias].device) for part in (self.mean_C, self.factor_C))
            state |= {weight: factor_C[:, None] * state[weight], bias: factor_C * state[bias] + mean_C}
        self.classifier.save_pretrained(folder, state_dict=merged(state, self.classifier))

    @property
    def _encoder(self) -> Any:
        """Any, because transformers' classes do not declare the parts of an encoder."""
        return self.classifier.base_model

    @property
    def _head(self) -> Any:
        """The module with `dropout` and the last layer: the classifier itself, or the head module inside RoBERTa's."""
        inner = self.classifier.classifier
        return self.classifier if isinstance(inner, nn.Linear) else inner

    @property
    def _output_name(self) -> str:
        return "classifier" if self._head is self.classifier else "out_proj"


def pair_model_from(place: str, seed: int, settings: SimilarityV0, outputs: Outputs | None = None) -> PairModel:
    """Build a classifier on the encoder of a transformers folder, with the recipe's head and frozen parts. The seed
    determines the head's random weights. outputs: None = those of pairs, as n_outputs has it. Raises ArtifactError if
    the folder or the encoder is unfit."""
    outputs = outputs or Outputs(tuple(LABELS[settings.n_outputs].values()))
    torch.manual_seed(seed)
    is_standard = settings.pool == "cls"
    options = dropout_options(place, settings.encoder_dropout, settings.head_dropout if is_standard else None)
    classifier: PreTrainedModel | PooledClassifier
    if is_standard:
        classifier = standard_classifier(place, outputs, options)
        draw_top_layers(classifier.base_model, settings.reinit_layers, derive_seed(seed, REINIT))
    else:
        encoder = load_start(AutoModel, place, use_safetensors=True, **options)
        draw_top_layers(encoder, settings.reinit_layers, derive_seed(seed, REINIT))
        dropout = encoder.config.hidden_dropout_prob if settings.head_dropout is None else settings.head_dropout
        chosen = pool_options(place, settings)
        classifier = PooledClassifier(encoder, settings.pool, len(outputs), dropout, chosen)
        if outputs.problem_type:
            encoder.config.update(outputs.options)
    model = PairModel(add_custom_embeddings(classifier, place))
    model.require_trainable(place)
    if settings.head_dropout is not None:
        model.set_head_dropout(settings.head_dropout)
    if settings.multi_dropout_samples > 1:
        model.use_multi_dropout(settings.multi_dropout_samples, settings.multi_dropout_reduce)
    if settings.reinit_layers and settings.reinit_layers + settings.freeze_layers > len(model.layers):
        raise ArtifactError(
            f"reinit_layers {settings.reinit_layers} and freeze_layers {settings.freeze_layers}: the encoder has "
            f"{len(model.layers)} layers, so a layer would stay random"
        )
    model.freeze(settings.freeze_embeddings, settings.freeze_layers)
    if settings.lora_rank:
        add_lora(model.classifier.base_model, settings)
    return model


def pool_options(place: str, settings: SimilarityV0) -> dict[str, Any]:
    """What the recipe's pool is built with; a pool of spans asks the tokenizer at `place` what ends them."""
    if settings.pool == "spans":
        return {"span": settings.span, "span_ends": span_ends(load_tokenizer(place), settings.span)}
    given = {"layers_from": settings.layers_from, "pool_width": settings.pool_width, "pool_share": settings.pool_share}
    return {name: given[name] for name in POOLS[settings.pool].options}


def standard_classifier(place: str, outputs: Outputs, options: dict[str, Any]) -> PreTrainedModel:
    """options: entries of the configuration that replace those at `place`, beside those of the outputs."""
    return load_start(AutoModelForSequenceClassification, place, **options, **outputs.options)
