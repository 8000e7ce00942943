"""Plain text as rows for post-training: what is a sentence, which two make a row, and what is said of broken files."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from final_project.data.files.plain_text import LONGEST, split_sentences, text_pairs
from final_project.errors import DataError


def rows_of(path, content) -> list[tuple[str, str]]:
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return [(row.sentence1, row.sentence2) for row in text_pairs(path)]


def test_neighbours_of_a_line_make_a_row_and_odd_sentences_one_with_each_other(tmp_path):
    content = "今天下雨。带伞吗？我带了。\n单独一句\n前半\t后半\n再来一句\n落单的\n"
    assert rows_of(tmp_path / "a.txt", content) == [
        ("今天下雨。", "带伞吗？"),
        ("我带了。", "单独一句"),
        ("前半", "后半"),
        ("再来一句", "落单的"),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("whole.json", {"id": 7, "text": ["买手机", {"答": "买什么"}], "url": "http://a.b", "no": None}),
        ("lines.json", '{"text": "买手机"}\n\n["买什么", 3]\n'),
        ("LINES.JSONL", '"买手机"\n"买什么"\n'),
        ("pretty.json", json.dumps({"文本": ["买手机", "买什么"]}, ensure_ascii=False, indent=1)),
    ],
)
def test_every_string_of_json_is_text_and_no_key_is(tmp_path, name, content):
    assert rows_of(tmp_path / name, content) == [("买手机", "买什么")]


@pytest.mark.parametrize("text", ["", "2014", "https://a.b/c", "好", "OK！是"])
def test_what_has_fewer_than_two_chinese_characters_is_no_sentence(text):
    assert list(split_sentences(text)) == []


def test_long_sentences_are_cut_at_commas_and_short_ones_are_not():
    part = "这是一句很长很长的话"
    assert list(split_sentences(f"{part}，{part}")) == [f"{part}，{part}"]
    assert list(split_sentences("，".join([part] * 5))) == [f"{part}，"] * 4 + [part]


@given(st.text(alphabet="天地玄黄，。？！\t\n a1：", max_size=200))
def test_no_chinese_character_of_a_sentence_is_lost_moved_or_made_up(text):
    def chinese(of: str) -> str:
        return re.sub("[^天地玄黄]", "", of)

    found = list(split_sentences(text))
    places, at = chinese(text), 0
    for sentence in found:
        at = places.index(chinese(sentence), at) + len(chinese(sentence))
        assert sentence == sentence.strip() and len(chinese(sentence)) >= 2
    left = len(places) - sum(len(chinese(sentence)) for sentence in found)
    assert left <= len(re.findall(r"[，。？！\t\n：]", text)) + 1  # single characters between two ends


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", '{"a": "买手机"}\n{"a": "买\n', r"a.json:2: broken JSON"),
        ("a.json", '{\n"a": "买手机",\n}', r"a.json:3: broken JSON"),
        ("a.json", '\n{\n\n\n"a": "买手机",\n}', r"a.json:6: broken JSON"),
        ("a.jsonl", "[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("a.txt", "\n \n", "a.txt: the file holds no text"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, name, content, said):
    with pytest.raises(DataError, match=said):
        rows_of(tmp_path / name, content)


def test_a_row_is_seldom_longer_than_post_training_reads():
    text = "第一部分说的是开头，" * 9 + "最后一部分说的是结尾。"
    assert all(len(sentence) <= LONGEST for sentence in split_sentences(text))
