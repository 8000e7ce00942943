"""The pair classifier: a standard transformers sequence classifier that answers with its logits alone.

h = encoder(x); p = tanh(W_p h_[CLS] + b); z = W_c dropout(p) + c: the two-layer MLP on [CLS] of the original solution,
which is what BertForSequenceClassification holds. So a saved model is a standard folder.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from final_project.errors import ArtifactError, first_line

LABELS = {0: "different", 1: "same"}


class PairModel(nn.Module):
    def __init__(self, classifier: PreTrainedModel):
        super().__init__()
        self.classifier = classifier

    @property
    def word_embedding(self) -> nn.Embedding:
        return self.classifier.get_input_embeddings()

    @property
    def embeddings(self) -> nn.Module:
        """The embedding block: its output, (B, T, H), is what the first layer sees."""
        return self.classifier.base_model.embeddings

    @property
    def layers(self) -> list[nn.Module]:
        """The encoder's layers, the lowest first; each puts out hidden states (B, T, H)."""
        return [part for part in self.classifier.base_model.modules() if isinstance(part, GradientCheckpointingLayer)]

    @property
    def pool(self) -> nn.Module:
        """The module whose output is the pooled vector, (B, H), before the head's dropout."""
        return self.classifier.base_model.pooler

    def forward(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        """(B, T) inputs -> logits (B, C)."""
        return self.classifier(input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask).logits


def pair_model_from(place: str, seed: int) -> PairModel:
    """A classifier on the encoder of a transformers folder; the head's random weights follow from the seed."""
    torch.manual_seed(seed)
    try:
        classifier = AutoModelForSequenceClassification.from_pretrained(
            place, local_files_only=True, num_labels=2, id2label=LABELS, label2id={v: k for k, v in LABELS.items()}
        )
    except Exception as error:  # whatever missing or damaged weights make the library raise
        raise ArtifactError(f"{place}: the model cannot be loaded: {first_line(error)}") from error
    return PairModel(classifier)
