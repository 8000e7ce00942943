"""Cleaning: each step changes what it names and nothing else, and nothing when applied again."""

import pytest

from final_project.data.clean import Cleaner
from final_project.data.pairs import Pair

REMAINS = ("tags", "entities", "control", "space")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("<p>怎么  去<br/>北京</P> ", "怎么 去 北京"),
        ("A&amp;B&nbsp;好&#33;", "A&B 好!"),
        ("1<2 <书名> R&D; &x", "1<2 <书名> R&D; &x"),
        ("零\u200b宽\x07\ufeff", "零宽"),
        ("\u3000全角空格\t", "全角空格"),
        ("<br>", "<br>"),
    ],
)
def test_cleaning_removes_remains_and_nothing_else(raw, clean):
    cleaner = Cleaner(REMAINS)
    assert cleaner(Pair(raw, clean, 1)) == Pair(clean, clean, 1)
