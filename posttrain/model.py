"""A masked-LM model that projects onto the vocabulary at masked positions only: the projection is most of a small
encoder's cost, and six of seven positions do not need it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from final_project.errors import ArtifactError
from final_project.model.model_inputs import takes_token_types
from final_project.tokens.packing import block_mask, score_dtype

HEAD_ROWS = 32
"""The number of rows given to the head is rounded up to a multiple of this."""


class MaskedLm(nn.Module):
    def __init__(self, model: PreTrainedModel):
        """Raises ArtifactError unless the model has one head and torch's sdpa attention."""
        super().__init__()
        heads = [name for name, _ in model.named_children() if name != model.base_model_prefix]
        if len(heads) != 1:
            raise ArtifactError(f"{type(model).__name__}: expected one head on top of the encoder, found {heads}")
        if model.config._attn_implementation != "sdpa":
            found = model.config._attn_implementation
            raise ArtifactError(f"{type(model).__name__}: expected torch's sdpa attention, found {found}")
        self.model = model
        self._head = heads[0]
        self._takes_types = takes_token_types(model.base_model)

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        masked_M: torch.Tensor,
        position_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, T) inputs and M positions into the flattened B*T -> logits (M, V).

        With position_ids the lines hold several rows, numbered by attention_mask (final_project/tokens/packing.py).
        """
        if position_ids is not None:
            attention_mask = block_mask(attention_mask, score_dtype(input_ids.device.type, self.model.dtype))
        hidden_BTH = self.model.base_model(
            input_ids=input_ids,
            token_type_ids=token_type_ids if self._takes_types else None,
            attention_mask=attention_mask,
            position_ids=position_ids,
        ).last_hidden_state
        # pad to few different sizes, because a CPU library caches one kernel per size; the extra rows are cut off
        n_masked = len(masked_M)
        filled_M = F.pad(masked_M, (0, -n_masked % HEAD_ROWS))
        hidden_MH = hidden_BTH.flatten(0, 1)[filled_M]
        return getattr(self.model, self._head)(hidden_MH)[:n_masked]
