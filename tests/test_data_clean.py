"""Cleaning: each step changes what it names and nothing else, and nothing when it is applied again."""

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from final_project.data.quality.clean import STEPS, Cleaner
from final_project.data.records import Pair

REMAINS = ("tags", "entities", "control", "space")
EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def cleaned(text, names=tuple(STEPS)):
    return Cleaner(names)(Pair(text, "乙")).sentence1


@pytest.mark.parametrize(
    ("step", "raw", "clean"),
    [
        ("nfkc", "ＱＱ，①㎡ｶﾞ e\u0301", "QQ,1m2ガ é"),
        ("nfkc", "怎么“去”北京。", "怎么“去”北京。"),
        ("half_width", "ＱＱ！\u3000（１）～", "QQ! (1)~"),
        ("half_width", "ｶﾞ、①。￥…—“”", "ｶﾞ、①。￥…—“”"),
        ("control", "零\u200b宽\x07\ufeff，\u202e方\u2066向\u061c", "零宽，方向"),
        ("control", "制\t表\n换\u3000行\xa0", "制\t表\n换\u3000行\xa0"),
        ("entities", "A&amp;B&nbsp;好&#33;&#x4e00;&frac12;", "A&B\xa0好!一½"),
        ("entities", "R&D; &x &amp &notit; &;", "R&D; &x &amp &notit; &;"),
        ("entities", "&amp;amp;lt;p&amp;gt;", "<p>"),
        ("tags", "<p>怎么<br/>去</P>", " 怎么 去 "),
        ("tags", "1<2 《<书名>》 <p", "1<2 《<书名>》 <p"),
        ("tags", '<a href="x">去</a><<b>i>', " 去 < i>"),
        ("simplified", "怎麼開發軟體，乾燥", "怎么开发软体，干燥"),
        ("simplified", "乾隆的乾坤", "乾隆的乾坤"),
        ("space", "\u3000全角  空格\t\n", "全角 空格"),
    ],
)
def test_a_step_changes_what_it_names_and_nothing_else(step, raw, clean):
    assert STEPS[step](raw) == clean


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("<p>怎么  去<br/>北京</P> ", "怎么 去 北京"),
        ("A&amp;B&nbsp;好&#33;", "A&B 好!"),
        ("1<2 <书名> R&D; &x", "1<2 <书名> R&D; &x"),
        ("零\u200b宽\x07\ufeff", "零宽"),
        ("&lt;p&gt;去&lt;/p&gt;", "去"),
        ("<\u200bp>去", "去"),
        ("<br>", "<br>"),
    ],
)
def test_cleaning_removes_remains_and_nothing_else(raw, clean):
    assert cleaned(raw, REMAINS) == clean


def test_the_steps_are_applied_in_one_order_whatever_the_recipe_says():
    assert list(Cleaner(["space", "tags", "nfkc"]).steps) == list(Cleaner(["nfkc", "space", "tags"]).steps)
    assert list(Cleaner(["nfkc", "space", "tags"]).steps) == ["nfkc", "tags", "space"]


def test_no_steps_leave_every_byte():
    pair = Pair(" <p>Ａ&amp;\u200b ", "\u3000", None)
    assert Cleaner([])(pair) == pair


def test_a_step_that_leaves_work_for_an_earlier_one_gets_it_done():
    assert cleaned("&#65313;＜ｂ＞好&amp;＃33；", ["nfkc", "entities", "tags", "space"]) == "A 好!"


def test_the_rows_that_each_step_changed_are_counted_once():
    cleaner = Cleaner(REMAINS)
    rows = [Pair("<p>甲 ", " 乙<br>", 1), Pair("丙", "丁&amp;", 0), Pair("戊", "己", None)]
    assert [cleaner(row) for row in rows] == [Pair("甲", "乙", 1), Pair("丙", "丁&", 0), Pair("戊", "己", None)]
    assert cleaner.changed == {"control": 0, "entities": 1, "tags": 1, "space": 1}


def test_a_sentence_that_would_vanish_stays_as_it_was_and_counts_as_unchanged():
    cleaner = Cleaner(["tags", "control"])
    assert cleaner(Pair("<br>", "\u200b<p></p>", 1)) == Pair("<br>", "\u200b<p></p>", 1)
    assert cleaner(Pair("<br>", "甲<p>", 1)) == Pair("<br>", "甲 ", 1)
    assert cleaner.changed == {"control": 0, "tags": 1}


@pytest.mark.stage
@pytest.mark.parametrize("step", STEPS)
def test_every_character_of_unicode_is_left_alone_the_second_time(step):
    apply = STEPS[step]
    for character in EVERY_CHARACTER:
        once = apply(character)
        assert once == character or apply(once) == once, f"U+{ord(character):04X}"


# Text in which remains are likely, beside any other.
REMAINS_LIKE = [
    "<",
    "</",
    "p",
    "br",
    " ",
    ">",
    "/>",
    "&",
    "amp",
    "lt",
    "gt",
    "#",
    "38",
    "x3c",
    ";",
    "＆",
    "＜",
    "＞",
    "\u200b",
]
TRADITIONAL = [*"乾隆年間瞭解麼么麽薴苧着覆藉鍾畫縣的發裏", "＃", "\u0301"]
raw_text = st.one_of(
    st.text(), st.lists(st.sampled_from(REMAINS_LIKE)).map("".join), st.lists(st.sampled_from(TRADITIONAL)).map("".join)
)


@settings(max_examples=400, deadline=None)
@given(raw_text)
@example("&am<b>p;")
@example("<p <b>>")
@example("&amp;#38;lt;p>")
@example("乾縣薴")
def test_each_step_changes_nothing_the_second_time(text):
    for name, step in STEPS.items():
        once = step(text)
        assert step(once) == once, name


@pytest.mark.stage
@settings(max_examples=400, deadline=None)
@given(raw_text, st.sets(st.sampled_from(list(STEPS))))
@example("&#xFF1C;p>去", set(STEPS))
@example("e\u200b\u0301", set(STEPS))
def test_all_steps_change_nothing_the_second_time(text, names):
    once = cleaned(text, names)
    assert cleaned(once, names) == once
    assert once.strip() or once == text
