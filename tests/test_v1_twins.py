import json

import pytest
from v1_support import pair, run_cli, write_pairs

from final_project.data.files.contest import read_segmented, without_spaces
from final_project.data.records import SegmentedPair
from similarity_v1.evaluate.gold import read_pair_map
from similarity_v1.evaluate.perturb import KEEPS_LABEL, KINDS, perturb_pair
from similarity_v1.rationales.lexicon import LITTLE, LOOKALIKES, SYNONYMS, is_function_word, plain_form

ROW = pair(7, "请问，怎么开通花呗的账号？", "为什么3号手机现在打不开了")
ENGLISH_WORDS = (("How", "do", "I", "buy", "a", "big", "car"), ("start", "to", "help"))
ENGLISH = SegmentedPair(3, "How do I buy a big car", "start to help", *ENGLISH_WORDS)


def twin_of(row, *kinds, n_changes=3, seed=1):
    return perturb_pair(row, 100, kinds or KEEPS_LABEL, n_changes, seed)


@pytest.mark.parametrize("seed", range(25))
def test_a_perturbed_row_is_a_row_like_any_other_whose_words_are_aligned_with_its_source_row(seed):
    twin = twin_of(ROW, *KINDS, seed=seed)
    assert twin.pair.id == 100
    sides = ((twin.pair.query, twin.pair.words_q, ROW.words_q), (twin.pair.title, twin.pair.words_t, ROW.words_t))
    for (sentence, words, given), sources, kinds in zip(sides, twin.sources, twin.kinds, strict=True):
        assert without_spaces("".join(words)) == without_spaces(sentence)
        assert len(sources) == len(words) and all(0 <= source < len(given) for source in sources if source is not None)
        kept = sum(source is not None and word == given[source] for word, source in zip(words, sources, strict=True))
        assert kept >= len(given) - 2 * len(kinds) - 4 and len(kinds) <= 3
        assert (words == given) == (not kinds)


def test_a_perturbed_row_depends_on_the_source_rows_content_and_the_seed_alone():
    again = SegmentedPair(9, ROW.query, ROW.title, ROW.words_q, ROW.words_t)
    assert perturb_pair(again, 100, KEEPS_LABEL, 3, 1) == twin_of(ROW)
    assert len({twin_of(ROW, seed=seed).pair.query for seed in range(12)}) > 3


def test_each_kind_does_what_it_says():
    synonym = twin_of(ROW, "synonym").pair.query
    assert synonym.startswith("请问，") and "怎么" not in synonym and synonym.endswith("开通花呗的账号？")
    typo = twin_of(ROW, "typo").pair
    assert sum(a != b for a, b in zip(typo.words_q, ROW.words_q, strict=True)) == 1
    assert len(twin_of(ROW, "insertion").pair.query) > len(ROW.query)
    assert twin_of(ROW, "deletion").pair.query == "请问，怎么开通花呗账号？"
    assert twin_of(ROW, "swap").pair.query == "怎么开通花呗的账号，请问？"
    number = twin_of(ROW, "number").pair
    assert number.query == ROW.query and number.title != ROW.title and "3" not in number.title
    near = twin_of(ROW, "swap_near").pair
    assert sorted(near.words_q) == sorted(ROW.words_q) and near.words_q != ROW.words_q


def test_a_character_that_is_part_of_a_longer_word_is_no_word():
    assert twin_of(pair(1, "技能", "功能"), "synonym") is None
    assert "能够" not in twin_of(pair(1, "能够开吗", "能够"), "synonym").pair.query


def test_english_words_change_as_words_and_keep_their_spaces():
    twin = twin_of(ENGLISH, "synonym", n_changes=1)
    assert twin.pair.query in ("How do I purchase a big car", "How do I buy a large car")
    assert twin.pair.words_q == tuple(twin.pair.query.split()) and twin.sources[0] == (0, 1, 2, 3, 4, 5, 6)
    assert twin_of(ENGLISH, "insertion", "deletion") is None


def test_a_row_with_nothing_to_change_has_no_perturbed_row():
    assert twin_of(pair(1, "苹果", "香蕉"), "swap", "deletion", "number") is None


def test_the_lists_of_words_are_consistent():
    words = [word for group in SYNONYMS for word in group]
    assert len(words) == len(set(words)) and all(len(group) > 1 for group in SYNONYMS)
    characters = [character for group in LOOKALIKES for character in group]
    assert len(characters) == len(set(characters))
    assert all(len(character) == 1 for character in LITTLE)
    assert (
        plain_form("Ｗｏｍｅｎ，") == "women"
        and plain_form("？！") == ""
        and is_function_word("")
        and is_function_word("怎么样")
    )
    assert not is_function_word("花呗") and is_function_word("THE".casefold())


@pytest.fixture
def pairs_file(tmp_path):
    return write_pairs(tmp_path / "pairs.jsonl", [ROW, pair(2, "苹果多少钱", "苹果贵吗"), pair(11, "苹", "果")])


def test_perturbed_rows_are_written_with_a_map_that_evaluate_reads(pairs_file, tmp_path, capsys):
    output, again = tmp_path / "new" / "twins.jsonl", tmp_path / "again.jsonl"
    asked = ("twins", "--pairs", pairs_file, "--kinds", "insertion", "synonym", "--output")
    status, out, _ = run_cli(capsys, *asked, output)
    counts = json.loads(out)
    assert status == 0 and counts["rows"] == 3 and sum(counts["changes"].values()) >= counts["twins"] == 3
    rows = read_segmented(output)
    assert [row.id for row in rows] == [7, 2, 11, 12, 13, 14] and rows[0] == ROW
    pair_map = output.with_name("twins.map.jsonl")
    assert read_pair_map(pair_map) == [(7, 12), (2, 13), (11, 14)]
    run_cli(capsys, *asked, again)
    assert again.read_bytes() == output.read_bytes()
    run_cli(capsys, *asked, again, "--seed", "3")
    assert again.read_bytes() != output.read_bytes()
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("".join(f"{row.id}\t1\t0\t0\n" for row in rows))
    status, out, _ = run_cli(
        capsys,
        "evaluate",
        "--pairs",
        output,
        "--predictions",
        chosen,
        "--pair-map",
        output.with_name("twins.map.jsonl"),
    )
    assert status == 0 and json.loads(out)["perturbed_pairs"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--kinds", "magic"), "invalid choice: 'magic'"),
        (("--changes", "0"), "expected a number from 1 on, found '0'"),
        (("--seed", "x"), "invalid int value: 'x'"),
    ],
)
def test_wrong_use_of_twins_is_reported(pairs_file, tmp_path, capsys, options, message):
    status, out, err = run_cli(capsys, "twins", "--pairs", pairs_file, "--output", tmp_path / "o", *options)
    assert status == 2 and out == "" and message in err and not (tmp_path / "o").exists()


def test_twins_leaves_nothing_where_a_file_cannot_be_written(pairs_file, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    for options in (
        ("--output", tmp_path / "file" / "o"),
        ("--output", tmp_path / "o", "--pair-map", tmp_path / "file" / "m"),
    ):
        status, _, err = run_cli(capsys, "twins", "--pairs", pairs_file, *options)
        assert status == 2 and "cannot write" in err and err.count("\n") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pairs.jsonl"]
