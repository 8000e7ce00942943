"""Slow, obvious float64 references, written apart from the code under test."""

from __future__ import annotations

import copy
import math

import numpy as np
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


class SlowTraining:
    """Fine-tuning of a BertForSequenceClassification in the plainest way: weights edited in place, AdamW by hand.

    Settings by the names of the recipe; what a recipe leaves out is off. batches of a step:
    (inputs, labels, weights, index).
    """

    def __init__(self, model, **settings):
        self.model = copy.deepcopy(model)
        self.of = settings.get
        self.weights = {n: w for n, w in self.model.named_parameters() if not n.endswith("attention.self.key.bias")}
        self.first = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        self.second = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        self.history = [self.copy_of_weights()]

    def copy_of_weights(self):
        return {name: w.detach().clone() for name, w in self.weights.items()}

    def step(self, batches, masks, blends=None) -> None:
        """masks(index, number) seeds the dropout of a pass; blends[index] = (layer, lambda, partners) of mixup."""
        n_pairs = sum(len(labels) for _, labels, _, _ in batches)
        if self.of("awp_gamma"):
            gradients = self.gradients_of([self.loss(*batch, masks, 0) / n_pairs for batch in batches])
            before = self.copy_of_weights()
            with torch.no_grad():
                for name, w in self.weights.items():
                    if w.dim() >= 2:
                        G = gradients[name]
                        w += self.of("awp_gamma") * G * math.sqrt((w**2).sum() / (G**2).sum())
        total = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        for batch in batches:
            for name, gradient in self.batch_gradients(batch, n_pairs, masks, blends, total).items():
                total[name] += gradient
        if self.of("awp_gamma"):
            with torch.no_grad():
                for name, w in self.weights.items():
                    w.copy_(before[name])
        self.adamw(total)
        self.history.append(self.copy_of_weights())

    def batch_gradients(self, batch, n_pairs, masks, blends, so_far):
        inputs, labels, weights, index = batch
        E, padding = self.model.get_input_embeddings().weight, self.model.config.pad_token_id
        name_of_E = "bert.embeddings.word_embeddings.weight"
        if self.of("freelb_eps"):
            return self.freelb(batch, n_pairs, masks)
        losses = []
        if blends:
            masks(index, 1)
            losses.append(self.mixup_loss(inputs, labels, weights, *blends[index]) / n_pairs)
        losses.append(self.loss(*batch, masks, 0) / n_pairs)
        alone = self.gradients_of(losses[-1:])
        gradients = self.gradients_of(losses)
        length, steps = self.of("fgm_eps"), 1
        if self.of("pgd_eps"):
            length, steps = self.of("pgd_alpha"), self.of("pgd_steps")
        if not length:
            return gradients
        before = E.detach().clone()
        G = alone[name_of_E]
        if self.of("fgm_direction") == "accumulated":
            G = so_far[name_of_E] + gradients[name_of_E]
        for number in range(steps):
            with torch.no_grad():
                G = G.clone()
                G[padding] = 0
                E += length * G / math.sqrt(float((G**2).sum()))
                if self.of("pgd_eps"):
                    r = E - before
                    norm = math.sqrt(float((r**2).sum()))
                    if norm > self.of("pgd_eps"):
                        E.copy_(before + self.of("pgd_eps") * r / norm)
            there = self.gradients_of([self.loss(*batch, masks, 2 + number) / n_pairs])
            G = there[name_of_E]
        with torch.no_grad():
            E.copy_(before)
        return {name: gradient + there[name] for name, gradient in gradients.items()}

    def freelb(self, batch, n_pairs, masks):
        """One pair after the other has a ball of its own."""
        inputs, labels, weights, index = batch
        rest = {name: value for name, value in inputs.items() if name != "input_ids"}
        E, steps = self.model.get_input_embeddings(), self.of("freelb_steps")
        total = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        d = torch.zeros(*inputs["input_ids"].shape, E.embedding_dim, dtype=torch.float64)
        for _ in range(steps):
            d.requires_grad_()
            masks(index, 0)
            logits = self.model(inputs_embeds=E(inputs["input_ids"]) + d, **rest).logits
            loss = (weights * self.losses(logits, labels)).sum() / n_pairs
            gradients = self.gradients_of([loss])
            for name in total:
                total[name] += gradients[name] / steps
            (g,) = torch.autograd.grad(loss, d)
            d = d.detach().clone()
            for pair in range(len(labels)):
                d[pair] += self.of("freelb_alpha") * g[pair] / math.sqrt(float((g[pair] ** 2).sum()))
                norm = math.sqrt(float((d[pair] ** 2).sum()))
                if norm > self.of("freelb_eps"):
                    d[pair] *= self.of("freelb_eps") / norm
        return total

    def loss(self, inputs, labels, weights, index, masks, number):
        masks(index, number)
        if not self.of("r_drop"):
            return (weights * self.losses(self.model(**inputs).logits, labels)).sum()
        logits = self.model(**{name: torch.cat([value, value]) for name, value in inputs.items()}).logits
        one, two = logits[: len(labels)], logits[len(labels) :]
        p, q = one.softmax(-1), two.softmax(-1)
        between = 0.5 * (F.kl_div(p.log(), q, reduction="none") + F.kl_div(q.log(), p, reduction="none"))
        both = 0.5 * (self.losses(one, labels) + self.losses(two, labels))
        return (weights * (both + self.of("r_drop") * between.mean(dim=1))).sum()

    def losses(self, logits, labels):
        """One number a pair, class by class; labels may be shares of the classes."""
        if labels.dim() == 1:
            labels = torch.stack([(labels == c).double() for c in range(logits.shape[1])], dim=1)
        smoothing, kind = self.of("label_smoothing") or 0.0, self.of("loss") or "ce"
        labels = (1 - smoothing) * labels + smoothing / 2
        pairs = []
        for z, y in zip(logits, labels, strict=True):
            p = z.exp() / z.exp().sum()
            if kind == "bce":
                s = 1 / (1 + (-z).exp())
                pairs.append(-(y * s.log() + (1 - y) * (1 - s).log()).sum() / len(z))
            elif kind == "focal":
                pairs.append(-sum(y[c] * (1 - p[c]) ** self.of("focal_gamma") * p[c].log() for c in range(len(z))))
            else:
                pairs.append(-(y * p.log()).sum())
        return torch.stack(pairs)

    def mixup_loss(self, inputs, labels, weights, layer, share, partners):
        """layer: the place of the blend: -1 after the embeddings, 0... after that layer, None after the pooler."""
        bert = self.model.bert
        mask = torch.zeros_like(inputs["attention_mask"], dtype=torch.float64)
        mask = mask.masked_fill(inputs["attention_mask"] == 0, torch.finfo(torch.float64).min)[:, None, None, :]

        def blend(h):
            return share * h + (1 - share) * h[partners]

        h = bert.embeddings(input_ids=inputs["input_ids"], token_type_ids=inputs["token_type_ids"])
        h = blend(h) if layer == -1 else h
        for number, block in enumerate(bert.encoder.layer):
            h = block(h, mask)
            h = blend(h) if layer == number else h
        pooled = bert.pooler(h)
        pooled = blend(pooled) if layer is None else pooled
        logits = self.model.classifier(self.model.dropout(pooled))
        own, others = self.losses(logits, labels), self.losses(logits, labels[partners])
        return (share * weights * own + (1 - share) * weights[partners] * others).sum()

    def gradients_of(self, losses):
        found = torch.autograd.grad(sum(losses), list(self.weights.values()), retain_graph=True)
        return dict(zip(self.weights, found, strict=True))

    def adamw(self, gradients) -> None:
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
        clip, done = min(1.0, self.of("max_grad_norm") / (norm + 1e-6)), len(self.history)
        with torch.no_grad():
            for name, w in self.weights.items():
                g, m, v = gradients[name] * clip, self.first[name], self.second[name]
                m.copy_(0.9 * m + 0.1 * g)
                v.copy_(0.999 * v + 0.001 * g**2)
                w *= 1 - self.of("lr") * (self.of("weight_decay") if w.dim() >= 2 else 0)
                w -= self.of("lr") * (m / (1 - 0.9**done)) / ((v / (1 - 0.999**done)) ** 0.5 + 1e-6)


def values_of_all_cuts(scores, labels, measure: str, costs=(1.0, 1.0)):
    """(cuts, values): every decision "score >= cut", spelled out row by row, and what it is worth (cost: negated).

    cuts: each score, and one above all.
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels, dtype=bool)
    cuts = np.append(np.unique(scores), math.inf)
    decided = scores[None, :] >= cuts[:, None]
    n11, n10 = (decided & labels).sum(axis=1), (decided & ~labels).sum(axis=1)
    n01, n00 = (~decided & labels).sum(axis=1), (~decided & ~labels).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = n11 / (n11 + n10), n11 / (n11 + n01)
        values = {
            "accuracy": (n11 + n00) / len(labels),
            "f1": 2 * precision * recall / (precision + recall),
            "mcc": n11 / len(labels) - decided.mean(axis=1) * labels.mean(),
            "cost": -(costs[0] * n10 + costs[1] * n01) / len(labels),
        }[measure]
        if measure == "mcc":  # as a correlation of two binary variables: covariance over the standard deviations
            values = np.nan_to_num(values / (decided.std(axis=1) * labels.std()), posinf=0, neginf=0)
    return cuts, np.nan_to_num(values)
