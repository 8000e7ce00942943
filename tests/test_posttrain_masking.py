"""What is hidden from the model: the published shares, whole words whole, and the same whoever asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from final_project.tokens.token_table import TokenRows, open_token_table, write_token_table
from final_project.tokens.tokenizer import build_tokenizer
from final_project.training.batching import MicroBatch, epoch_steps, share_of_rank
from final_project.training.prefetch import built_ahead
from posttrain.batches import BatchMaker
from posttrain.masking import Masking

SPECIAL = frozenset({0, 1, 2, 3, 4})
MASK = 4
TEXTS = [
    ("今天天气怎么样", "明天会不会下雨"),
    ("苹果手机怎么截图", "iPhone12如何截屏？"),
    ("请问怎么走", "怎样去火车站"),
    ("研究生命起源的人", "他在研究所工作"),
]


def masking(whole_words: bool = False, mask_prob: float = 0.15) -> Masking:
    return Masking(MASK, 1000, SPECIAL, mask_prob, whole_words)


def rows_of(*rows: list[int], starts: list[list[int]] | None = None) -> TokenRows:
    lengths = np.array([len(row) for row in rows])
    ids = np.concatenate([np.asarray(row) for row in rows])
    word_starts = None if starts is None else np.concatenate([np.asarray(row) for row in starts]).astype(bool)
    numbers = np.arange(len(rows))
    return TokenRows(numbers, lengths, numbers * 0 - 1, ids, ids * 0, word_starts)


def long_rows(n_rows: int = 500, word: int = 3) -> TokenRows:
    """Rows of 96 ordinary tokens between [CLS] and [SEP], in words of `word` tokens."""
    ids = np.random.default_rng(0).integers(5, 1000, (n_rows, 98))
    ids[:, 0], ids[:, -1] = 2, 3
    starts = np.r_[1, np.arange(96) % word == 0, 1]
    return rows_of(*ids.tolist(), starts=[starts] * n_rows)


def within(found: int, total: int, share: float, cluster: int = 1) -> bool:
    """Within five standard deviations of a binomial count in which `cluster` draws fall together."""
    return abs(found - total * share) < 5 * np.sqrt(cluster * total * share * (1 - share))


@pytest.mark.parametrize("whole_words", [False, True])
def test_masking_follows_the_published_shares_within_binomial_bounds(whole_words):
    rows = long_rows()
    changed, positions = masking(whole_words)(rows, 1, 1)
    before, after = rows.ids_N[positions], changed[positions]
    n_drawn = len(positions)
    assert within(n_drawn, 500 * 96, 0.15, cluster=3 if whole_words else 1)
    assert within(int((after == MASK).sum()), n_drawn, 0.8)
    assert within(int((after == before).sum()), n_drawn, 0.1)
    assert within(int(((after != MASK) & (after != before)).sum()), n_drawn, 0.1)
    untouched = np.setdiff1d(np.arange(len(changed)), positions)
    assert (changed[untouched] == rows.ids_N[untouched]).all()


def test_random_tokens_are_drawn_evenly_from_the_ordinary_ones():
    rows = long_rows(4000)
    changed, positions = Masking(MASK, 25, SPECIAL, 0.5)(replace(rows, ids_N=np.minimum(rows.ids_N, 24)), 1, 1)
    is_random = (changed[positions] != MASK) & (changed[positions] != np.minimum(rows.ids_N, 24)[positions])
    counts = np.bincount(changed[positions][is_random], minlength=25)
    assert not counts[:5].any()
    assert all(within(int(n), int(counts[5:24].sum()), 1 / 19) for n in counts[5:24])


def test_draws_of_neighbouring_tokens_rows_epochs_and_seeds_are_independent():
    rows = long_rows(2000)

    def drawn(seed, epoch):
        is_drawn = np.zeros(len(rows.ids_N), bool)
        is_drawn[masking(mask_prob=0.5)(rows, seed, epoch)[1]] = True
        return is_drawn.reshape(2000, 98)[:, 1:-1]

    base = drawn(1, 1)
    pairs = [(base, drawn(1, 2)), (base, drawn(2, 1)), (base[1:], base[:-1]), (base[:, 1:], base[:, :-1])]
    assert all(within(int((a == b).sum()), a.size, 0.5) for a, b in pairs)


def test_whole_words_are_masked_whole():
    rows = long_rows()
    _, positions = masking(whole_words=True)(rows, 1, 1)
    is_drawn = np.zeros(len(rows.ids_N), bool)
    is_drawn[positions] = True
    words = is_drawn.reshape(500, 98)[:, 1:-1].reshape(-1, 3)
    assert words.any(axis=1).sum() > 1000
    assert (words.all(axis=1) == words.any(axis=1)).all()


def test_special_tokens_are_neither_hidden_nor_drawn_not_even_within_a_word():
    ids = [2, 10, 1, 11, 3, 12, 3, 0, 0]  # an unknown character within a word of three
    starts = [1, 1, 0, 0, 1, 1, 1, 1, 1]
    for seed in range(300):
        for unit in (False, True):
            changed, positions = masking(unit)(rows_of(ids, starts=[starts]), seed, 1)
            assert set(positions) <= {1, 3, 5}
            assert not set(changed[positions]) & (SPECIAL - {MASK})
            if unit:
                assert (1 in positions) == (3 in positions)


@pytest.mark.parametrize("whole_words", [False, True])
def test_every_row_that_has_a_token_has_one_to_predict_each_equally_often(whole_words):
    ids, starts = [2, 10, 11, 12, 13, 3], [1, 1, 0, 1, 1, 1]
    counts = np.zeros(6, int)
    for seed in range(2000):
        _, positions = masking(whole_words, mask_prob=1e-9)(rows_of(ids, ids, starts=[starts] * 2), seed, 1)
        assert {at // 6 for at in positions} == {0, 1}
        np.add.at(counts, positions % 6, 1)
    units = [counts[[1, 3, 4]]] if whole_words else [counts[1:5]]
    for unit in units:
        assert all(within(int(n), 4000, 1 / len(unit)) for n in unit)


def test_a_row_of_special_tokens_alone_is_left_as_it_is():
    changed, positions = masking()(rows_of([2, 3], [2, 9, 3]), 1, 1)
    assert positions.tolist() == [3] and changed[:2].tolist() == [2, 3]


def test_a_text_of_one_token_is_predicted_from_nothing():
    changed, positions = masking()(rows_of([2, 9, 3]), 1, 1)
    assert positions.tolist() == [1] and changed[1] in (MASK, *range(5, 1000))


def test_masking_is_a_pure_function_that_changes_with_epoch_and_row():
    rows = long_rows(2)
    same = [masking()(rows, 7, 2) for _ in range(2)]
    assert all((a == b).all() for a, b in zip(*same, strict=True))
    assert not np.array_equal(masking()(rows, 7, 3)[1], same[0][1])
    assert not np.array_equal(masking()(replace(rows, numbers_B=rows.numbers_B + 2), 7, 2)[1], same[0][1])


@pytest.fixture(scope="module")
def maker(tmp_path_factory) -> BatchMaker:
    folder = tmp_path_factory.mktemp("table") / "tokens"
    tokenizer = build_tokenizer(("".join(pair) for pair in TEXTS), 200)
    write_token_table(((*TEXTS[at % 4], None) for at in range(100)), tokenizer, 64, folder, with_words=True)
    words = Masking(MASK, len(tokenizer), SPECIAL, 0.15, whole_words=True)
    return BatchMaker(open_token_table(folder), words, tokenizer.pad_token_id, seed=5)


def predicted(maker: BatchMaker, size: int, ahead: int, **form) -> dict[int, list[tuple]]:
    """row -> what it shows at its masked places, over one epoch dealt out to `size` ranks."""
    lengths = maker.table.lengths
    line_tokens = form.get("line_tokens", 0)
    steps = epoch_steps(lengths, 20, form.pop("micro_rows", 20), 1, 0, **form)
    found = {}
    for rank in range(size):
        dealt = (micro for step in steps for micro in share_of_rank(step, rank, size))
        mine = ((micro, maker(micro.rows, micro, 3, line_tokens)) for micro in dealt)
        with built_ahead(mine, ahead) as batches:
            for micro, batch in batches:
                if micro.counts:
                    found |= by_row(micro, batch, maker)
    return found


def by_row(micro: MicroBatch, batch, maker: BatchMaker) -> dict[int, list[tuple]]:
    """The masked places of a batch, found again by the masks of single rows."""
    shown = dict(zip(batch.masked_M.tolist(), batch.targets_M.tolist(), strict=True))
    ids = batch.inputs["input_ids"].flatten()
    values = sorted((int(target), int(ids[place])) for place, target in shown.items())
    alone = [maker(np.array([row]), micro, 3) for row in micro.rows]
    pairs = [
        list(zip(one.targets_M.tolist(), one.inputs["input_ids"].flatten()[one.masked_M].tolist(), strict=True))
        for one in alone
    ]
    assert values == sorted(pair for row in pairs for pair in row)
    return dict(zip(micro.rows.tolist(), pairs, strict=True))


def test_masks_do_not_depend_on_ranks_micro_batches_packing_or_prefetch(maker):
    base = predicted(maker, size=1, ahead=0)
    assert len(base) == 100
    assert base == predicted(maker, size=3, ahead=0, micro_rows=4)
    assert base == predicted(maker, size=2, ahead=2, micro_tokens=128)
    assert base == predicted(maker, size=1, ahead=1, micro_tokens=128, line_tokens=64)


def test_words_are_those_of_jieba_whatever_the_tokens(tmp_path):
    tokenizer = build_tokenizer(("".join(pair) for pair in TEXTS), 200)
    write_token_table(((*pair, None) for pair in TEXTS), tokenizer, 64, tmp_path / "t", with_words=True)
    table = open_token_table(tmp_path / "t")
    words = []
    for row in range(len(TEXTS)):
        fetched = table[np.array([row])]
        tokens = tokenizer.convert_ids_to_tokens(fetched.ids_N.tolist())
        groups = np.split(np.array(tokens), np.flatnonzero(fetched.word_starts_N)[1:])
        words.append(["".join(token.removeprefix("##") for token in group) for group in groups])
    assert words[0] == ["[CLS]", "今天天气", "怎么样", "[SEP]", "明天", "会", "不会", "下雨", "[SEP]"]
    assert words[1] == ["[CLS]", "苹果", "手机", "怎么", "截图", "[SEP]", "iphone12", "如何", "截屏", "？", "[SEP]"]
    assert words[3][1] == "研究" and "研究所" in words[3]


def test_a_table_without_words_cannot_mask_them(tmp_path):
    tokenizer = build_tokenizer(["你好"], 50)
    write_token_table([("你好", None, None)], tokenizer, 16, tmp_path / "t")
    assert open_token_table(tmp_path / "t")[np.array([0])].word_starts_N is None
