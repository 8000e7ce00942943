"""The six rows of contest set B that the original excepts from f3: they alone, and no row of another data set."""

import pytest
from v1_support import corpus_file, pair

from final_project.data.demo.pairs import build_demo
from final_project.data.files.contest import read_segmented
from final_project.data.records import Rationale
from similarity_v1.rationales.published_chain import KEEP_OWN_ROWS, SourceRows, read_source_rows, refine_f3

OTHER = pair(1, "花呗怎么开", "开花呗如何啊")
EXCEPTED = (
    pair(76, "报关单如何查询", "查询报关单号"),
    pair(877, "月落乌啼霜满天江枫渔火对愁眠写的是哪个季节", "月落乌啼霜满天，江枫渔火对愁眠。是写那个季节"),
    pair(1653, "报关单如何查询", "查询报关单号"),
    pair(2225, "报关单怎样查询", "怎么查报关单号"),
    pair(3026, "月落乌啼霜满天江枫渔火对愁眠写的是哪个季节的景色", "月落乌啼霜满天，江枫渔火对愁眠。是写那个季节"),
    pair(3802, "报关单如何查询", "我想查一下报关单号，谁知道怎么查啊"),
)


def answers_after_f3(rows):
    """What f3 makes of these rows beside one original, each of which answers 0 itself while the original answers 1."""
    original = pair(1, "报关单如何查询？", "查询报关单号月落？")
    known = SourceRows(frozenset({original.query}), frozenset({original.title}))
    own = [Rationale(1, 1, (0,), (0,)), *(Rationale(row.id, 0, (0,), (0,)) for row in rows)]
    refined, counts = refine_f3([original, *rows], own, known)
    return [row.label for row in refined[1:]], counts["copied"]


def test_f3_keeps_the_six_rows_of_contest_set_b_that_the_original_excepts():
    assert {row.id for row in EXCEPTED} == set(KEEP_OWN_ROWS)
    assert answers_after_f3(EXCEPTED) == ([0] * 6, 0)
    spaced = [pair(row.id, f" {row.query} ", row.title) for row in EXCEPTED]
    assert answers_after_f3(spaced) == ([0] * 6, 0), "white space is no other text"


def test_f3_treats_other_rows_under_those_ids_and_those_rows_under_other_ids_as_all_rows():
    others = [pair(row.id, OTHER.query, OTHER.title) for row in EXCEPTED]
    swapped = [pair(row.id, row.title, row.query) for row in EXCEPTED]
    half = [pair(row.id, row.query, OTHER.title) for row in EXCEPTED]
    renumbered = [pair(row.id + 1, row.query, row.title) for row in EXCEPTED]
    for rows in (others, swapped, half, renumbered):
        assert answers_after_f3(rows) == ([1] * 6, 6)


def test_every_perturbed_row_of_the_demo_takes_the_answer_of_its_source_row():
    demo = build_demo(100, 2022)
    source_rows = SourceRows(
        frozenset(p.sentence1 for p in demo.source_pairs), frozenset(p.sentence2 for p in demo.source_pairs)
    )
    rows = [Rationale(p.id, 0, (0,), (0,)) for p in demo.segmented]
    assert refine_f3(demo.segmented, rows, source_rows)[1]["copied"] == 300


@pytest.mark.stage
def test_f3_of_contest_set_b_excepts_exactly_six_rows(tmp_path):
    pairs = read_segmented(corpus_file("xinzhibei/sim_interpretation_B.txt", tmp_path))
    by_text = {row: index for index, row in enumerate(pairs)}
    originals = read_source_rows(corpus_file("lcqmc/test_unlabelled.tsv", tmp_path))
    rows = [Rationale(p.id, p.id % 2, (0,), (0,)) for p in pairs]
    refined, counts = refine_f3(pairs, rows, originals)
    assert counts["originals"] + counts["copied"] == len(pairs) - 6
    for row in EXCEPTED:
        assert row in by_text and refined[by_text[row]] == rows[by_text[row]]
