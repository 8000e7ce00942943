import json
import math
import random
import time
from dataclasses import replace

import pytest
from nltk.translate.bleu_score import modified_precision
from v1_support import corpus_file, golden, pair, run_cli

from final_project.data.records import Rationale, SegmentedPair
from final_project.errors import DataError
from similarity_v1.rationales.bleu import best_hypotheses, bleu
from similarity_v1.rationales.clean_chain import ORDERS, nearly_match, refine_clean
from similarity_v1.rationales.published_chain import SourceRows, read_source_rows, refine_f1, refine_f2, refine_f3

NAMES = ("sim_rationale_f1.txt", "sim_rationale_f1_f2.txt", "sim_rationale_f1_f2_f3.txt")


@pytest.mark.stage
def test_contest_set_a_is_refined_byte_for_byte_within_five_seconds(tmp_path, capsys):
    expected = golden("refine_set_a")
    pairs = corpus_file("xinzhibei/sim_interpretation_A.txt", tmp_path)
    originals = corpus_file("lcqmc/test_unlabelled.tsv", tmp_path)
    began = time.process_time()
    status, out, _ = run_cli(
        capsys, "refine", "--pairs", pairs, "--rationales", expected / "sim_rationale.txt",
        "--originals", originals, "--output-dir", tmp_path / "out",
    )  # fmt: skip
    assert time.process_time() - began < 5
    assert status == 0 and json.loads(out)["rows"] == 1712
    for name in NAMES:
        assert (tmp_path / "out" / name).read_bytes() == (expected / name).read_bytes()


def test_rows_of_contest_set_b_are_refined_as_published():
    case = json.loads(golden("postprocess.json").read_text())["third_place_postprocess"]
    pairs = [
        SegmentedPair(r["id"], r["query"], r["title"], tuple(r["text_q_seg"]), tuple(r["text_t_seg"]))
        for r in case["rows"]
    ]
    rows = {
        step: [Rationale(p.id, *as_row(case[step][str(p.id)])) for p in pairs] for step in ("raw", "f1", "f2", "f3")
    }
    firsts = [p for p in pairs if str(p.id) not in case["bleu_original_of"]]
    originals = SourceRows(frozenset(p.query for p in firsts), frozenset(p.title for p in firsts))
    assert refine_f1(rows["raw"]) == rows["f1"]
    assert refine_f2(pairs, rows["raw"]) == rows["f2"]
    assert refine_f3(pairs, rows["f2"], originals)[0] == rows["f3"]


def as_row(record):
    label, words_q, words_t = record
    return label, tuple(words_q), tuple(words_t)


def slow_bleu(hypothesis, reference):
    """The design's formula, with nltk's clipped counts."""
    c, r = len(hypothesis), len(reference)
    log_sum = 0.0
    for n in (1, 2, 3, 4):
        clipped = modified_precision([reference], hypothesis, n)
        n_grams = max(c - n + 1, 0)
        # nltk reduces no fraction here; where there is no n-gram it puts the denominator 1
        assert clipped.denominator == max(1, n_grams)
        log_sum += math.log(clipped.numerator / (n_grams + 1e-10) + 1e-10) / 4
    return (1.0 if c > r else math.exp(1 - r / (c + 1e-10))) * math.exp(log_sum)


def random_texts(n, seed, alphabet="怎么开通花呗的"):
    chance = random.Random(seed)
    return [tuple(chance.choices(alphabet, k=chance.randint(1, 14))) for _ in range(n)]


def test_bleu_agrees_with_nltk_counts():
    for hypothesis, reference in zip(random_texts(200, 1), random_texts(200, 2), strict=True):
        assert bleu(hypothesis, reference) == pytest.approx(slow_bleu(hypothesis, reference), rel=1e-12)


def test_the_search_finds_what_comparing_every_pair_finds():
    hypotheses, references = random_texts(60, 3, "ab"), random_texts(80, 4, "ab")
    for reference, found in zip(references, best_hypotheses(hypotheses, references), strict=True):
        scores = [slow_bleu(hypothesis, reference) for hypothesis in hypotheses]
        assert found == scores.index(max(scores))


@pytest.mark.parametrize("alphabet", ["a", "ab", "怎么开通花呗的", "".join(map(chr, range(0x4E00, 0x4F00)))])
@pytest.mark.parametrize("candidates", [1, 5, 1000])
def test_the_search_is_exact_however_little_of_the_index_it_reads(monkeypatch, alphabet, candidates):
    hypotheses, references = random_texts(40, 5, alphabet), random_texts(50, 6, alphabet)
    hypotheses += [*references[:5], references[7] + references[8], references[9][:3]]
    monkeypatch.setattr("similarity_v1.rationales.bleu.CANDIDATES", candidates)
    monkeypatch.setattr("similarity_v1.rationales.bleu.FIRST_ROUND", 1)
    for reference, found in zip(references, best_hypotheses(hypotheses, references), strict=True):
        scores = [bleu(hypothesis, reference) for hypothesis in hypotheses]
        assert found == scores.index(max(scores))


def test_a_reference_that_no_hypothesis_comes_near_has_the_first_of_all():
    # every score is too small for a float: all are equal, and the first is taken
    assert best_hypotheses([("a",), ("x", "x")], [("x",) * 3000]) == [0]


def test_blocks_and_the_order_of_references_do_not_change_the_search(monkeypatch):
    hypotheses, references = random_texts(50, 5), random_texts(70, 6)
    whole = best_hypotheses(hypotheses, references)
    for name, value in (("BLOCK_CELLS", 120), ("BLOCK_REFERENCES", 7), ("BLOCK_PAIRS", 5)):
        monkeypatch.setattr(f"similarity_v1.rationales.bleu.{name}", value)
    assert best_hypotheses(hypotheses, references) == whole
    assert best_hypotheses(hypotheses, references[::-1]) == whole[::-1]


def test_the_first_of_equal_hypotheses_wins():
    assert best_hypotheses([("x",), tuple("怎么"), tuple("怎么")], [tuple("怎么办")]) == [1]
    assert best_hypotheses([tuple("ab"), tuple("cd")], [tuple("xyz")]) == [0]


def test_f1_sorts_by_position():
    assert refine_f1([Rationale(1, 0, (3, 0, 2), (1, 0))]) == [Rationale(1, 0, (0, 2, 3), (0, 1))]


def test_f2_puts_shared_words_first_for_label_1_and_last_for_label_0():
    pairs = [pair(1, "怎开通花呗", "怎关花呗？")]
    # shared positions: 0 3 4 in the first sentence, 0 2 3 in the second; the mark does not count as shared
    assert refine_f2(pairs, [Rationale(1, 1, (2, 4, 1), (4, 1, 3))]) == [Rationale(1, 1, (4, 0, 3), (3, 0, 2))]
    assert refine_f2(pairs, [Rationale(1, 0, (2, 4, 1), (4, 1, 3))]) == [Rationale(1, 0, (4, 2, 1), (3, 4, 1))]


def test_f2_does_not_count_listed_punctuation_as_shared():
    pairs = [pair(1, "好，“？", "坏，“？")]
    assert refine_f2(pairs, [Rationale(1, 1, (0, 3), (0, 3))]) == [Rationale(1, 1, (2, 0), (2, 0))]


ORIGINAL, TWIN, OTHER = (
    pair(1, "怎么开花呗", "如何开花呗"),
    pair(2, "花呗怎么开", "开花呗如何啊"),
    pair(3, "多少钱", "贵吗"),
)
BOTH = SourceRows(frozenset({ORIGINAL.query, OTHER.query}), frozenset({ORIGINAL.title, OTHER.title}))


def test_f3_copies_label_and_words_to_the_first_place_of_each_word():
    rows = [Rationale(1, 1, (3, 4, 0), (2, 0)), Rationale(2, 0, (0,), (5,)), Rationale(3, 0, (0,), (0,))]
    refined, counts = refine_f3([ORIGINAL, TWIN, OTHER], rows, BOTH)
    assert refined == [rows[0], Rationale(2, 1, (0, 1, 2), (0, 3)), rows[2]]
    assert counts == {"originals": 2, "copied": 1, "sides_kept": 0}


def test_f3_recognises_an_original_by_each_text_in_its_own_column():
    swapped = SourceRows(frozenset({ORIGINAL.title}), frozenset({ORIGINAL.query}))
    assert BOTH.holds(ORIGINAL) and not swapped.holds(ORIGINAL) and not BOTH.holds(TWIN)
    assert BOTH.holds(pair(9, ORIGINAL.query, OTHER.title)), "the texts need not stand in one row"


def test_f3_leaves_originals_alone():
    rows = [Rationale(1, 1, (3,), (2,)), Rationale(3, 0, (0,), (0,))]
    assert refine_f3([ORIGINAL, OTHER], rows, BOTH)[0] == rows


def test_f3_without_originals_copies_nothing():
    rows = [Rationale(1, 1, (3,), (2,)), Rationale(2, 0, (0,), (5,))]
    refined, counts = refine_f3([ORIGINAL, TWIN], rows, SourceRows(frozenset(), frozenset()))
    assert refined == rows and counts["copied"] == 0


def test_f3_keeps_the_own_answer_where_no_word_fits():
    rows = [Rationale(1, 1, (3,), (0,)), Rationale(2, 0, (0,), (5,))]
    twin = pair(2, "怎么开", "开花呗啊呀呢")
    refined, counts = refine_f3([ORIGINAL, twin], rows, BOTH)
    assert refined[1] == Rationale(2, 1, (0,), (5,)) and counts["sides_kept"] == 2


def test_repeats_of_a_word_stay_in_f3():
    source, twin = pair(1, "好好看", "好看"), pair(2, "好看", "好看")
    known = SourceRows(frozenset({source.query}), frozenset({source.title}))
    rows = [Rationale(1, 1, (0, 1), (0,)), Rationale(2, 1, (0,), (0,))]
    assert refine_f3([source, twin], rows, known)[0][1].words_q == (0, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("只有一列\n", ":1: expected 2 or 3 tab-separated columns, found 1"),
        ("甲\t乙\t1\n甲\t乙\t1\t2\n", ":2: expected 2 or 3 tab-separated columns, found 4"),
        ("甲\t \n", ":1: empty sentence"),
        ("", "the file is empty"),
    ],
)
def test_a_broken_originals_file_is_named_with_its_line(tmp_path, content, message):
    path = tmp_path / "originals.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_source_rows(path)
    assert f"{path}" in str(error.value) and message in str(error.value)


def test_originals_may_have_a_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "originals.tsv"
    path.write_bytes("\ufeff怎么\t如何\t1\r\n".encode())
    assert read_source_rows(path) == SourceRows(frozenset({"怎么"}), frozenset({"如何"}))


def random_rows(pairs, seed=0):
    chance = random.Random(seed)
    return [
        Rationale(
            p.id,
            chance.randint(0, 1),
            *(tuple(chance.sample(range(len(w)), max(1, len(w) * 7 // 10))) for w in (p.words_q, p.words_t)),
        )
        for p in pairs
    ]


def random_pairs(n):
    texts = ["".join(text) for text in random_texts(2 * n, 7)]
    return [pair(i, texts[2 * i], texts[2 * i + 1]) for i in range(n)]


def test_clean_puts_shared_words_with_content_first_the_rarest_leading_and_drops_what_says_little():
    pairs = [pair(1, "怎么开通花呗", "花呗如何关闭？")]
    # 呗 says little by the list, 花 is shared; 开 通 are the model's own choice, 怎 么 say little
    row = Rationale(1, 0, (3, 0, 2, 5, 4, 1), (6, 4, 0, 5))
    assert refine_clean(pairs, [row]) == [Rationale(1, 0, (4, 3, 2), (0, 4, 5))]


def test_clean_keeps_the_order_of_importance_where_it_is_asked_to():
    pairs = [pair(1, "苹果香蕉", "香蕉苹果")]
    row = Rationale(1, 1, (3, 0, 1), (0, 2, 1))
    stable, important = (refine_clean(pairs, [row], order)[0] for order in ("stable", "importance"))
    assert important.words_q == (3, 0, 1) and important.words_t == (0, 2, 1)
    words = (
        [pairs[0].words_q[place] for place in stable.words_q],
        [pairs[0].words_t[place] for place in stable.words_t],
    )
    assert words[0] == words[1], "both sides name the shared words in one order"


def test_clean_is_aware_of_the_label():
    pairs = [pair(1, "苹果三斤不甜", "苹果两斤梨脆")]
    row = Rationale(1, 0, (5, 2, 4, 0), (5, 4, 2, 0))
    # label 0: shared words, then the numbers and negations that the other sentence lacks, then the rest
    assert refine_clean(pairs, [row])[0].words_q == (3, 0, 1, 2)
    row = Rationale(1, 0, (5, 2, 4, 0, 1, 3), (5, 4, 2, 0, 1, 3))
    assert refine_clean(pairs, [row])[0].words_q == (3, 0, 1, 2, 4, 5)
    # label 1: of what only one sentence has, the more important half
    assert refine_clean(pairs, [replace(row, label=1)])[0].words_q == (3, 0, 1, 5, 2)


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("3", "三", True),
        ("三", "two", False),
        ("购买", "买", True),
        ("women", "woman", True),
        ("cat", "dog", False),
        ("苹果", "青苹", True),
        ("什么", "怎么", False),
        ("钱", "钱", False),
        ("", "钱", False),
    ],
)
def test_near_matches(one, other, near):
    assert nearly_match(one, other) is nearly_match(other, one) is near


@pytest.mark.parametrize("order", ORDERS)
def test_clean_repeats_nothing_is_never_longer_and_does_not_look_at_other_rows(order):
    pairs = random_pairs(50)
    raw = random_rows(pairs)
    refined = refine_clean(pairs, raw, order)
    for before, after in zip(raw, refined, strict=True):
        assert (before.id, before.label) == (after.id, after.label)
        for chosen, raw_side in ((after.words_q, before.words_q), (after.words_t, before.words_t)):
            assert 0 < len(chosen) == len(set(chosen)) <= len(raw_side)
    assert refine_clean(pairs[::-1], raw[::-1], order) == refined[::-1]
    assert [refine_clean([p], [r], order)[0] for p, r in zip(pairs, raw, strict=True)] == refined
    repeated = [replace(row, words_q=row.words_q * 2) for row in raw]
    assert refine_clean(pairs, repeated, order) == refined


def test_clean_keeps_the_raw_choice_where_no_word_says_anything():
    assert refine_clean([pair(1, "怎么了", "为什么呢")], [Rationale(1, 1, (2, 0, 0), (1,))]) == [
        Rationale(1, 1, (2, 0), (1,))
    ]
