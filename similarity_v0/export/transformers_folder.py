"""A classifier as folders that others' libraries load: transformers, and sentence-transformers' CrossEncoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from final_project.errors import ArtifactError
from final_project.model.custom_parts import custom_embeddings
from final_project.model.heads.classifier import PooledClassifier
from similarity_v0.model import LABELS, PairModel


def write_transformers(classifier: PreTrainedModel | PooledClassifier, folder: Path, longest: int) -> None:
    """As AutoModelForSequenceClassification and a text-classification pipeline load it."""
    require_standard(classifier)
    classifier.save_pretrained(folder)


def write_cross_encoder(classifier: PreTrainedModel | PooledClassifier, folder: Path, longest: int) -> None:
    """As CrossEncoder loads it: one score a pair, its probability of class 1. Changes the classifier.

    A CrossEncoder answers two labels with bare logits, and ranks by a single one alone. softmax(z)_1 is
    sigmoid(z1 - z0), so a last layer with the difference of the two rows gives the same probabilities.
    """
    require_standard(classifier)
    model, config = PairModel(classifier), classifier.config
    if config.num_labels == 2:
        if not model.has_output_layer:
            raise ArtifactError(f"a {config.model_type} classifier has no linear layer that ends its head: export onnx")
        model.replace_output_layer(difference_of_rows(model.output_layer))
    config.num_labels, config.id2label, config.label2id = 1, LABELS[1], {"same": 0}
    config.sentence_transformers = {"activation_fn": "torch.nn.modules.activation.Sigmoid"}
    classifier.save_pretrained(folder)


def difference_of_rows(layer: nn.Linear) -> nn.Linear:
    """z -> z1 - z0."""
    single = nn.Linear(layer.in_features, 1)
    with torch.no_grad():
        single.weight.copy_(layer.weight[1:] - layer.weight[:1])
        single.bias.copy_(layer.bias[1:] - layer.bias[:1])
    return single


def require_standard(classifier: PreTrainedModel | PooledClassifier) -> None:
    """Raises ArtifactError where transformers alone would lose a part of the classifier."""
    if isinstance(classifier, PooledClassifier):
        lost = f"its {classifier.facts['pool']} pool"
    elif own := custom_embeddings(classifier):
        lost = " and ".join(own)
    else:
        return
    raise ArtifactError(f"transformers has no class for this classifier and would lose {lost}: export onnx or int8")
