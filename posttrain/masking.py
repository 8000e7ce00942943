"""RoBERTa's dynamic masking: each time a row is seen, other tokens are masked.

Of the tokens that may be predicted, a share `mask_prob` is drawn; of those 80 % become [MASK], 10 % a random token,
10 % stay. (Devlin et al. 2019, section 3.1; drawn again every epoch, as in Liu et al. 2019, section 4.1.) With whole
words the draw is the word's: all its tokens are predicted or none, and 80/10/10 is still decided for each token, as in
BERT's create_pretraining_data.py and Chinese-BERT-wwm (Cui et al. 2021).

The random numbers are SplitMix64's (Steele, Lea and Flood 2014): the epoch's generator seeds one for each row number,
and the k-th number of a row's is one multiplication away. So they are computed for all tokens of a micro-batch at once,
and depend neither on the number of ranks, nor on the other rows of the micro-batch, nor on where a run was resumed.
"""

from __future__ import annotations

import numpy as np

from final_project.tokens.token_table import TokenRows

DRAWS = 3  # random numbers per token: whether it is predicted, how it is changed, which random token
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Masking:
    """Ordinary ids (below vocab_size, not special) may be masked or drawn as random tokens; special ones never."""

    def __init__(
        self, mask_id: int, vocab_size: int, special_ids: frozenset[int], mask_prob: float, whole_words: bool = False
    ):
        self.mask_id, self.mask_prob, self.whole_words = mask_id, mask_prob, whole_words
        self.is_ordinary = ~np.isin(np.arange(vocab_size), list(special_ids))
        self.ordinary_ids = np.flatnonzero(self.is_ordinary)

    def __call__(self, rows: TokenRows, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """(changed ids (N,), positions to predict (M,)): a pure function of the rows, their numbers, seed and epoch.

        At least one token (or word) is drawn in each row that has an ordinary one.
        """
        chance_N, fate_N, token_N = self._draws(rows, seed, epoch)
        if self.whole_words:
            assert rows.word_starts_N is not None  # the token table is written with them for whole words
            chance_N = chance_N[np.maximum.accumulate(np.where(rows.word_starts_N, np.arange(len(chance_N)), 0))]
        chance_N[~self.is_ordinary[rows.ids_N]] = 1.0
        # a row's lowest draw always counts; this matters only if none is below mask_prob
        lowest_B = np.minimum.reduceat(chance_N, rows.starts_B)
        is_drawn_N = (chance_N < 1.0) & ((chance_N < self.mask_prob) | (chance_N == lowest_B[rows.row_N]))
        positions_M = np.flatnonzero(is_drawn_N)
        changed_N = rows.ids_N.copy()
        fate_M = fate_N[positions_M]
        changed_N[positions_M[fate_M < 0.8]] = self.mask_id
        at_random = positions_M[(fate_M >= 0.8) & (fate_M < 0.9)]
        changed_N[at_random] = self.ordinary_ids[(token_N[at_random] * len(self.ordinary_ids)).astype(np.int64)]
        return changed_N, positions_M

    def _draws(self, rows: TokenRows, seed: int, epoch: int) -> np.ndarray:
        """(DRAWS, N) numbers in [0, 1)."""
        state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
        state_B = _mixed(state + GOLDEN * (rows.numbers_B.astype(np.uint64) + np.uint64(1)))
        count_N = (rows.place_N * DRAWS).astype(np.uint64)
        counts_DN = count_N + np.arange(1, DRAWS + 1, dtype=np.uint64)[:, None]
        return (_mixed(state_B[rows.row_N] + GOLDEN * counts_DN) >> np.uint64(11)) * 2.0**-53


def _mixed(state: np.ndarray) -> np.ndarray:
    """SplitMix64's output for each state; the arithmetic is modulo 2^64."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
