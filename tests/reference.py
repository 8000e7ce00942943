"""Slow, obvious float64 references, written apart from the code under test."""

from __future__ import annotations

import copy
import math

import torch
from torch.nn import functional as F


def fgm_gradients(model, inputs, labels, eps: float, padding_id: int) -> dict[str, torch.Tensor]:
    """Gradients of (mean clean loss + mean loss with the embedding weight itself moved by eps * G / ||G||)."""
    model = copy.deepcopy(model)
    embedding = model.get_input_embeddings()
    F.cross_entropy(model(**inputs).logits, labels).backward()
    G = embedding.weight.grad.clone()
    G[padding_id] = 0
    before = embedding.weight.data.clone()
    embedding.weight.data += eps * G / math.sqrt(float((G**2).sum()))
    F.cross_entropy(model(**inputs).logits, labels).backward()
    embedding.weight.data = before
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def best_cut(scores, labels, metric: str) -> float:
    """The best accuracy or F1 over every way of cutting the scores, by trying them all."""
    best = 0.0
    for cut in [*set(scores), math.inf]:
        predicted = [score >= cut for score in scores]
        right = sum(p == bool(y) for p, y in zip(predicted, labels, strict=True))
        hits = sum(p and y for p, y in zip(predicted, labels, strict=True))
        f1 = 2 * hits / max(1, sum(predicted) + sum(labels))
        best = max(best, f1 if metric == "f1" else right / len(labels))
    return best
