"""A classifier with a pool that no standard class has: encoder -> pool -> dropout -> linear layer.

Its folder is the encoder's, which AutoModel loads, with two more files that only this module reads:
    head.json           which pool, how many outputs, dropout
    head.safetensors    weights of the pool and of the linear layer
It has the interface of transformers' classifiers, so that callers need not distinguish them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from final_project import strict_json
from final_project.artifacts import write_json
from final_project.errors import ArtifactError, first_line
from final_project.model.finite import require_finite_weights
from final_project.model.heads.pools import POOLS
from final_project.model.loading import load_weights

HEAD_FACTS = "head.json"
HEAD_WEIGHTS = "head.safetensors"
ENCODER = "encoder."
MOST_OUTPUTS = 1000


class PooledClassifier(nn.Module):
    """The names of its parts are those of BertForSequenceClassification: `dropout` and `classifier` end the head."""

    def __init__(
        self,
        encoder: PreTrainedModel,
        pool: str,
        n_outputs: int,
        dropout: float,
        options: Mapping[str, Any] | None = None,
    ):
        """options: of the pool, by the names that its class lists. The head's random weights are drawn from torch's
        generator, as BERT draws its own."""
        super().__init__()
        config, options = encoder.config, options or {}
        pooler = getattr(encoder, "pooler", None)
        if pooler is not None:
            encoder.register_module("pooler", None)  # BERT's own, which only a pool may take up
        config.num_labels = n_outputs
        self.config = config
        self.encoder = encoder
        self.facts = {"pool": pool, "n_outputs": n_outputs, "dropout": dropout, **options}
        self.pool = POOLS[pool](config.hidden_size, config.num_hidden_layers, **options)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.pool.width, n_outputs)
        for part in [*self.pool.modules(), self.classifier]:
            if isinstance(part, nn.Linear):
                part.weight.data.normal_(0.0, config.initializer_range)
                if part.bias is not None:
                    part.bias.data.zero_()
        self.pool.adopt(pooler)

    @property
    def base_model(self) -> PreTrainedModel:
        return self.encoder

    @property
    def dtype(self) -> torch.dtype:
        return self.encoder.dtype

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.get_input_embeddings()

    def num_parameters(self) -> int:
        return sum(weight.numel() for weight in self.parameters())

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """(B, T) inputs -> logits (B, C)."""
        hidden_states = self.hidden_states(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )
        return SequenceClassifierOutput(logits=self.head(hidden_states, attention_mask.bool(), input_ids))

    def hidden_states(self, **inputs: Tensor | None) -> Sequence[Tensor]:
        """The encoder's hidden states, of the layers that the pool needs."""
        if self.pool.n_layers == 1:
            return (self.encoder(**inputs).last_hidden_state,)
        return self.encoder(**inputs, output_hidden_states=True).hidden_states[-self.pool.n_layers :]

    def head(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.pool(hidden_states, mask_BT, ids_BT)))

    def save_pretrained(self, folder: Path, state_dict: Mapping[str, Tensor] | None = None) -> None:
        """Write the folder. state_dict: values to write instead of the model's own."""
        state = self.state_dict() if state_dict is None else state_dict
        body = {name.removeprefix(ENCODER): value for name, value in state.items() if name.startswith(ENCODER)}
        self.encoder.save_pretrained(folder, state_dict=body)
        head = {name: value.contiguous() for name, value in state.items() if not name.startswith(ENCODER)}
        save_file(head, folder / HEAD_WEIGHTS)
        write_json(folder / HEAD_FACTS, self.facts)


def has_own_head(folder: str | Path) -> bool:
    return (Path(folder) / HEAD_FACTS).is_file()


def load_pooled_classifier(folder: str | Path) -> PooledClassifier:
    """Load what save_pretrained wrote; raises ArtifactError if a file is missing, damaged or of another model."""
    folder = Path(folder)
    try:
        facts = strict_json.loads((folder / HEAD_FACTS).read_text(encoding="utf-8"))
        pool, n_outputs, dropout = facts["pool"], facts["n_outputs"], float(facts["dropout"])
        if pool not in POOLS or n_outputs not in range(1, MOST_OUTPUTS + 1) or not 0 <= dropout < 1:
            raise ValueError(f"found {facts}")
        options = {name: facts[name] for name in POOLS[pool].options}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{folder / HEAD_FACTS}: expected a pool ({', '.join(POOLS)}), n_outputs from 1 to {MOST_OUTPUTS} and a "
            f"dropout: {first_line(error)}"
        ) from error
    encoder, _ = load_weights(AutoModel, folder, use_safetensors=True)
    try:
        classifier = PooledClassifier(encoder, pool, n_outputs, dropout, options)
    except (ArtifactError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder / HEAD_FACTS}: the pool {pool} cannot be built: {first_line(error)}") from error
    try:
        head = load_file(folder / HEAD_WEIGHTS)
        own = classifier.state_dict()
        for name in sorted(head.keys() & own.keys()):
            if head[name].shape != own[name].shape:
                raise ValueError(f"{name} has the shape {[*head[name].shape]}, by head.json {[*own[name].shape]}")
        wrong = classifier.load_state_dict(head, strict=False)
        missing = [name for name in wrong.missing_keys if not name.startswith(ENCODER)]
        if missing or wrong.unexpected_keys:
            raise ValueError(f"missing {missing}, unexpected {wrong.unexpected_keys}")
    except Exception as error:  # damaged file, other names, other shapes: each library raises its own kind
        raise ArtifactError(f"{folder / HEAD_WEIGHTS}: not this head's weights: {first_line(error)}") from error
    require_finite_weights(folder / HEAD_WEIGHTS, head.items())
    return classifier
