"""Our own refinement: nothing is copied between rows and no index is repeated.

Each row is refined from its own words, label and scores alone, so the result does not depend on which other rows there
are or how they are ordered. A first, plain rule; lengths are those of the raw rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from final_project.data.pairs import Rationale, SegmentedPair


def refine_clean(pairs: Sequence[SegmentedPair], raw: Sequence[Rationale]) -> list[Rationale]:
    """Chosen words that support the label first: those the other sentence has too where the label is 1, those it lacks
    where the label is 0; then the rest. The raw order, by importance, is kept within both classes.

    pairs and raw are aligned: raw[i] explains pairs[i].
    """
    return [
        Rationale(
            row.id,
            row.label,
            _supporting_first(row.label, row.words_q, pair.words_q, pair.words_t),
            _supporting_first(row.label, row.words_t, pair.words_t, pair.words_q),
        )
        for pair, row in zip(pairs, raw, strict=True)
    ]


def _supporting_first(
    label: int, chosen: tuple[int, ...], words: tuple[str, ...], other: tuple[str, ...]
) -> tuple[int, ...]:
    elsewhere = set(other)
    distinct = dict.fromkeys(chosen)
    return tuple(sorted(distinct, key=lambda position: (words[position] in elsewhere) != (label == 1)))
