"""Peer: decomposable attention (Parikh et al., EMNLP 2016) with attention within the sentences, in torch.

    python bench/peers/decomposable_attention.py --run runs/lcqmc_small --minutes 150 [--output FILE.json]

No recurrence: each token, told its surroundings by attention within its sentence, is softly aligned with the other
sentence (attend, F), compared with what it is aligned with (compare, G), and the sums over the tokens are judged
(aggregate, H). Embeddings are learned. Shapes: B pairs, S and T tokens, E embedding.
"""

from __future__ import annotations

import sys

import torch
from esim import softly_aligned
from peer import Job, Trained, add_course_arguments, run_peer
from torch import Tensor, nn
from torch_peer import PAD, Settings, train_network

SIZES = {"embedding_size": 200, "hidden_size": 200, "dropout": 0.2, "farthest": 10}


def perceptron(n_inputs: int, hidden_size: int, dropout: float) -> nn.Sequential:
    """The paper's feed-forward network: two layers with ReLU."""
    layers = []
    for width in (n_inputs, hidden_size):
        layers += [nn.Dropout(dropout), nn.Linear(width, hidden_size), nn.ReLU()]
    return nn.Sequential(*layers)


class DecomposableAttention(nn.Module):
    def __init__(self, vocab_size: int, embedding_size: int, hidden_size: int, dropout: float, farthest: int):
        """farthest: distances within a sentence from which on all share one bias."""
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size, padding_idx=PAD)
        self.within = perceptron(embedding_size, hidden_size, dropout)
        self.distance_bias = nn.Embedding(2 * farthest + 1, 1)
        self.attend = perceptron(2 * embedding_size, hidden_size, dropout)
        self.compare = perceptron(4 * embedding_size, hidden_size, dropout)
        self.aggregate = nn.Sequential(perceptron(2 * hidden_size, hidden_size, dropout), nn.Linear(hidden_size, 1))
        nn.init.normal_(self.embedding.weight, std=0.3)
        nn.init.zeros_(self.distance_bias.weight)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):  # as wide as ReLU wants it: smaller, no token would stand out in alignment
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, first_BS: Tensor, second_BT: Tensor) -> Tensor:
        masks = first_BS != PAD, second_BT != PAD
        first, second = (
            self.with_surroundings(self.embedding(ids), mask)
            for ids, mask in zip((first_BS, second_BT), masks, strict=True)
        )
        scores_BST = self.attend(first) @ self.attend(second).transpose(1, 2)
        first_aligned = softly_aligned(first, second, masks[1], scores_BST)
        second_aligned = softly_aligned(second, first, masks[0], scores_BST.transpose(1, 2))
        sums = [
            self.compare(torch.cat([own, aligned], dim=-1)).masked_fill(~mask[:, :, None], 0.0).sum(1)
            for own, aligned, mask in ((first, first_aligned, masks[0]), (second, second_aligned, masks[1]))
        ]
        return self.aggregate(torch.cat(sums, dim=-1)).squeeze(-1)

    def with_surroundings(self, embedded_BTE: Tensor, mask_BT: Tensor) -> Tensor:
        """(B, T, 2E): each token beside its soft alignment with its own sentence, biased by distance (section 3.4)."""
        farthest = self.distance_bias.num_embeddings // 2
        at_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
        distance_TT = (at_T[None, :] - at_T[:, None]).clamp(-farthest, farthest) + farthest
        projected = self.within(embedded_BTE)
        scores_BTT = projected @ projected.transpose(1, 2) + self.distance_bias(distance_TT).squeeze(-1)
        return torch.cat([embedded_BTE, softly_aligned(embedded_BTE, embedded_BTE, mask_BT, scores_BTT)], dim=-1)


def train(job: Job) -> Trained:
    return train_network(job, lambda vocab_size: DecomposableAttention(vocab_size, **SIZES), Settings(), **SIZES)


def main(argv: list[str] | None = None) -> int:
    return run_peer("decomposable_attention", __doc__, train, argv, add_course_arguments)


if __name__ == "__main__":
    sys.exit(main())
