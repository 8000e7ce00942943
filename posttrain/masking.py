"""RoBERTa's dynamic masking: each time a row is seen, other tokens are hidden.

Of the tokens that may be predicted, a share `mask_prob` is drawn; of those 80 % become [MASK], 10 % a random token,
10 % stay. (Devlin et al. 2019, section 3.1; drawn anew every epoch as in Liu et al. 2019, section 4.1.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Masking:
    """mask_id, vocab_size, special_ids: the tokenizer's. Ids below vocab_size that are not special may be drawn."""

    mask_id: int
    vocab_size: int
    special_ids: frozenset[int]
    mask_prob: float

    def __call__(self, ids_T: np.ndarray, seed: int, epoch: int, row: int) -> tuple[np.ndarray, np.ndarray]:
        """(changed ids (T,), positions to predict (M,)): a pure function of the arguments.

        So it depends neither on the number of ranks nor on where a run was resumed. At least one token is drawn
        where the row has any that may be.
        """
        rng = np.random.default_rng([seed, epoch, row])
        allowed = np.flatnonzero(~np.isin(ids_T, list(self.special_ids)))
        if len(allowed) == 0:
            return ids_T, allowed
        drawn = rng.random(len(allowed)) < self.mask_prob
        if not drawn.any():
            drawn[rng.integers(len(allowed))] = True
        positions = allowed[drawn]
        changed = ids_T.copy()
        fate = rng.random(len(positions))
        changed[positions[fate < 0.8]] = self.mask_id
        at_random = positions[(fate >= 0.8) & (fate < 0.9)]
        changed[at_random] = self._random_ids(rng, len(at_random))
        return changed, positions

    def _random_ids(self, rng: np.random.Generator, count: int) -> np.ndarray:
        ids = rng.integers(self.vocab_size, size=count)
        while (special := np.isin(ids, list(self.special_ids))).any():
            ids[special] = rng.integers(self.vocab_size, size=int(special.sum()))
        return ids
