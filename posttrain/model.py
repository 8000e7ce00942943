"""A masked-LM model that projects onto the vocabulary at masked positions only: most of the cost of a small encoder
lies in that projection, and six of seven positions do not need it."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from final_project.errors import ArtifactError


class MaskedLm(nn.Module):
    def __init__(self, model: PreTrainedModel):
        super().__init__()
        heads = [name for name, _ in model.named_children() if name != model.base_model_prefix]
        if len(heads) != 1:
            raise ArtifactError(f"{type(model).__name__}: expected one head beside the encoder, found {heads}")
        self.model = model
        self._head = heads[0]

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        masked_M: torch.Tensor,
    ) -> torch.Tensor:
        """(B, T) inputs and M positions into the flattened B*T -> logits (M, V)."""
        hidden_BTH = self.model.base_model(
            input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask
        ).last_hidden_state
        hidden_MH = hidden_BTH.flatten(0, 1)[masked_M]
        return getattr(self.model, self._head)(hidden_MH)
