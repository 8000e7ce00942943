"""How the torch peers are trained: characters of both sentences, buckets of like lengths, Adam with warm-up and linear
decay to zero at the end of the budget, dropout, the checkpoint that is best on dev.

A network takes (first_BS, second_BT), token ids padded at the end, and answers with logits_B of label 1.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from peer import FIRST_UPDATES, PROBE_SHARE, PROBE_UPDATES, Course, Job, Trained, lay_out
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from final_project.data.records import Pair
from final_project.tokens.tokenizer import build_tokenizer
from final_project.training.optim import lr_factor
from final_project.training.precision import autocast, resolve_precision

PAD = 0  # the tokenizer's first token
POOL = 50  # batches whose pairs are sorted by length together


@dataclass(frozen=True)
class Settings:
    lr: float = 1e-3
    batch: int = 128
    warmup_frac: float = 0.05
    clip: float = 1.0
    vocab_size: int = 6000
    max_tokens: int = 64  # a sentence


class Sentences:
    """Pairs as token ids."""

    def __init__(self, pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase, max_tokens: int):
        options = {"add_special_tokens": False, "truncation": True, "max_length": max_tokens}
        options |= {"return_attention_mask": False, "return_token_type_ids": False}
        self.sides = []
        for side in ("sentence1", "sentence2"):
            ids = tokenizer([getattr(pair, side) for pair in pairs], **options)["input_ids"]
            self.sides.append([torch.tensor(row or [tokenizer.unk_token_id]) for row in ids])
        self.labels_N = torch.tensor([float(pair.label) for pair in pairs])
        self.lengths_N = np.array([len(first) + len(second) for first, second in zip(*self.sides, strict=True)])

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        return tuple(
            nn.utils.rnn.pad_sequence([side[row] for row in rows], batch_first=True, padding_value=PAD)
            for side in self.sides
        )


def batches(lengths_N: np.ndarray, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Row numbers of batches, epoch after epoch without end: shuffled, sorted by length within a pool, the batches
    shuffled again."""
    while True:
        order = generator.permutation(len(lengths_N))
        cut = []
        for begin in range(0, len(order), size * POOL):
            pool = order[begin : begin + size * POOL]
            pool = pool[np.argsort(lengths_N[pool], kind="stable")]
            cut += [pool[at : at + size] for at in range(0, len(pool), size)]
        yield from (cut[at] for at in generator.permutation(len(cut)))


class Learner:
    """A network with its optimizer and arithmetic."""

    def __init__(self, network: nn.Module, settings: Settings):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = resolve_precision("auto", self.device)
        self.network = network.to(self.device)
        self.settings = settings
        self.optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr, fused=True)

    def update(self, sides: tuple[Tensor, Tensor], labels_B: Tensor, rate_share: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * rate_share
        loss = nn.functional.binary_cross_entropy_with_logits(self.logits(sides), labels_B.to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()

    def logits(self, sides: tuple[Tensor, Tensor]) -> Tensor:
        with autocast(self.precision, self.device):
            return self.network(*(side.to(self.device) for side in sides)).float()

    @torch.no_grad()
    def probabilities(self, sentences: Sentences) -> np.ndarray:
        """P(1), (N,)."""
        self.network.eval()
        order, found_N = np.argsort(sentences.lengths_N, kind="stable"), np.zeros(len(sentences.lengths_N))
        for begin in range(0, len(order), 2 * self.settings.batch):
            rows = order[begin : begin + 2 * self.settings.batch]
            found_N[rows] = torch.sigmoid(self.logits(sentences.batch(rows)).double()).cpu().numpy()
        self.network.train()
        return found_N


def train_network(job: Job, build: Callable[[int], nn.Module], settings: Settings, **sizes: float) -> Trained:
    """Train build(vocabulary size) within the job's budget. sizes: of the network, for the record."""
    torch.set_num_threads(job.threads)
    tokenizer = build_tokenizer(
        (text for pair in job.train for text in (pair.sentence1, pair.sentence2)), settings.vocab_size
    )
    train, dev = (Sentences(pairs, tokenizer, settings.max_tokens) for pairs in (job.train, job.dev))
    torch.manual_seed(job.seed)
    network = build(len(tokenizer))
    course = lay_out(job, settings.batch, lambda: _update_s(job, Learner(copy.deepcopy(network), settings), train))
    torch.manual_seed(job.seed)  # dropout starts anew, so that a run is repeated by its --updates
    learner = Learner(network, settings)
    accuracies, pairs_seen = _train(job, learner, train, dev, course)
    train_s = job.spent_s
    parameters = sum(weight.numel() for weight in network.parameters())
    used = {**asdict(settings), **sizes, "optimizer": "Adam", "schedule": "linear", "precision": learner.precision}
    more = {"updates": course.updates, "dev_accuracy_by_update": accuracies}
    probabilities_N = learner.probabilities(dev)
    return Trained(probabilities_N, used, parameters, train_s, pairs_seen, ("torch", "transformers"), more)


def _update_s(job: Job, learner: Learner, train: Sentences) -> float:
    """Mean seconds of an update, on a copy that is thrown away."""
    drawn = batches(train.lengths_N, learner.settings.batch, np.random.default_rng(job.seed))
    began = time.perf_counter()
    taken: list[float] = []
    for rows in itertools.islice(drawn, FIRST_UPDATES + PROBE_UPDATES):
        before = time.perf_counter()
        learner.update(train.batch(rows), train.labels_N[rows], 1.0)
        taken.append(time.perf_counter() - before)
        if len(taken) > FIRST_UPDATES and time.perf_counter() - began > PROBE_SHARE * job.budget_s:
            break
    return float(np.mean(taken[FIRST_UPDATES:]))


def _train(
    job: Job, learner: Learner, train: Sentences, dev: Sentences, course: Course
) -> tuple[dict[int, float], int]:
    """(dev accuracy by update, pairs seen); leaves the weights that were best on dev, the last where none was tried."""
    drawn = batches(train.lengths_N, learner.settings.batch, np.random.default_rng(job.seed))
    accuracies, best, pairs_seen = {}, None, 0
    for done, rows in enumerate(itertools.islice(drawn, course.updates)):
        rate_share = lr_factor(done + 1, course.updates + 1, learner.settings.warmup_frac, "linear")
        learner.update(train.batch(rows), train.labels_N[rows], rate_share)
        pairs_seen += len(rows)
        if course.every and (done + 1) % course.every == 0:
            accuracy = round(job.dev_accuracy(learner.probabilities(dev)), 4)
            if accuracy > max(accuracies.values(), default=0.0):
                best = copy.deepcopy(learner.network.state_dict())
            accuracies[done + 1] = accuracy
    if best is not None:
        learner.network.load_state_dict(best)
    return accuracies, pairs_seen
