"""The n-grams of many texts as numbers, for counting what texts have in common without comparing them in Python.

Clipped counts are a set intersection once the k-th occurrence of an n-gram counts as a feature of its own:
sum_g min(count_a(g), count_b(g)) = |features_a & features_b|. A text is then a row of a 0/1 matrix, and the clipped
counts of many pairs are one sparse product. Shapes: T texts, N tokens of all texts end to end, F features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_matrix

Words = Sequence[str]


def feature_matrices(texts: Sequence[Words], max_n: int) -> Iterator[csr_matrix]:
    """For n = 1..max_n the (T, F) 0/1 matrix of the texts' n-gram features."""
    lengths_T = np.array([len(words) for words in texts], dtype=np.int64)
    text_N = np.repeat(np.arange(len(texts)), lengths_T)
    numbers: dict[str, int] = {}
    words_N = np.fromiter(
        (numbers.setdefault(word, len(numbers)) for words in texts for word in words), np.int64, lengths_T.sum()
    )
    # an n-gram is numbered by the (n-1)-gram that it continues and its last word, so no key is longer than two numbers
    grams, starts = words_N, np.arange(len(words_N))
    for n in range(1, max_n + 1):
        if n > 1:
            inside = starts + n - 1 < len(words_N)
            starts, grams = starts[inside], grams[inside]
            whole = text_N[starts] == text_N[starts + n - 1]
            starts, grams = starts[whole], grams[whole]
            grams = _numbered(grams * len(numbers) + words_N[starts + n - 1])
        yield _matrix(text_N[starts], grams, len(texts))


def _matrix(text_G: np.ndarray, gram_G: np.ndarray, n_texts: int) -> csr_matrix:
    """One row a text from (text, n-gram) occurrences, sorted by text."""
    order = np.lexsort((gram_G, text_G))
    text_G, gram_G = text_G[order], gram_G[order]
    first_G = np.ones(len(order), dtype=bool)
    first_G[1:] = (text_G[1:] != text_G[:-1]) | (gram_G[1:] != gram_G[:-1])
    places = np.arange(len(order))
    earlier_G = places - np.maximum.accumulate(np.where(first_G, places, 0))  # earlier occurrences in the same text
    columns = _numbered(gram_G * (earlier_G.max(initial=0) + 1) + earlier_G)
    ends = np.concatenate([[0], np.cumsum(np.bincount(text_G, minlength=n_texts))])
    shape = (n_texts, int(columns.max(initial=0)) + 1)
    return csr_matrix((np.ones(len(columns), dtype=np.int32), columns.astype(np.int32), ends), shape=shape)


def _numbered(values: np.ndarray) -> np.ndarray:
    """Equal values become equal numbers from 0 on, without gaps."""
    return np.unique(values, return_inverse=True)[1].reshape(-1)
