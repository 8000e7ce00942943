"""Rows in Python: a pair where a list of pairs is expected, a dict, a data frame, a missing value; never half of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from v1_support import run_cli, tiny_classifier

from final_project.errors import CallError, DataError
from similarity_v0 import PairClassifier
from similarity_v1.explain.explainer import Explainer

PAIRS = [("怎么退货", "如何退掉商品"), ("你好", "您好")]
FRAME = pd.DataFrame(PAIRS, columns=["a", "b"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tiny_classifier(tmp_path_factory.mktemp("model"))
    (folder / "decision.json").write_text('{"threshold": 0.5}')
    return folder


@pytest.fixture(scope="module")
def predict(folder):
    return PairClassifier.load(folder, device="cpu").predict


@pytest.fixture(scope="module")
def explain(folder):
    return Explainer.from_folder(folder, device="cpu").explain


NOT_ROWS = {
    "one text": "怎么退货",
    "bytes": "怎么".encode(),
    "a dict": {"怎么": "如何", "你好": "您好"},
    "a dict of columns": {"a": ["怎么", "你好"], "b": ["如何", "您好"]},
    "a set": {("怎么", "如何")},
    "nothing": None,
    "a number": 3,
    "a data frame": FRAME,
}
NOT_PAIRS = {
    "one pair": ("你好", "您好"),
    "texts in a list": ["你好", "您好"],
    "texts in an array": np.array(["你好", "您好"]),
    "texts in a series": FRAME["a"],
    "a generator of texts": (text for text in ("你好", "您好")),
    "three texts": [("a", "b", "c")],
    "one text alone": [("a",)],
}
NOT_TEXTS = {
    "a dict as a row": [{"你好": 1, "您好": 2}],
    "a set as a row": [{"你好", "您好"}],
    "bytes as a row": [b"ab"],
    "bytes as texts": [(b"a", b"b")],
    "NaN": [("你好", float("nan"))],
    "None": [("你好", None)],
    "a number as a text": [(1, 2)],
    "nothing as a row": [None],
    "NaN from pandas": FRAME.assign(b=[None, "x"]).itertuples(index=False, name=None),
    "rows with their index": FRAME.iterrows(),
}
BAD_TEXTS = {"NUL": "a\0", "half a pair": "\ud83d", "blank": " "}


@pytest.mark.parametrize("case", [*NOT_ROWS, *NOT_PAIRS, *NOT_TEXTS])
def test_predict_refuses_what_is_no_list_of_pairs(predict, case):
    rows = {**NOT_ROWS, **NOT_PAIRS, **NOT_TEXTS}[case]
    with pytest.raises(CallError, match=r"expected (two strings|a list such as)"):
        predict(rows)


@pytest.mark.parametrize("case", [*NOT_ROWS, *NOT_TEXTS])
def test_explain_refuses_what_is_no_list_of_rows(explain, case):
    rows = {**NOT_ROWS, **NOT_TEXTS}[case]
    if case in ("NaN from pandas", "rows with their index"):
        rows = list(FRAME.assign(b=[None, "x"]).itertuples(index=False, name=None))
    with pytest.raises(CallError, match=r"expected (one text or two|a list such as)"):
        explain(rows)


def test_the_message_says_how_to_give_one_pair(predict, explain):
    with pytest.raises(CallError, match=r"pair 0: expected two strings, found the text '你好'; give \[\(a, b\)\]"):
        predict(("你好", "您好"))
    with pytest.raises(CallError, match=r"rows: expected a list such as \[text\] or \[\(text_a, text_b\)\]"):
        explain("怎么退货")
    with pytest.raises(CallError, match=r"found a table; give its rows: list\(frame"):
        predict(FRAME)
    assert issubclass(CallError, DataError) and issubclass(CallError, ValueError)


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_predict_takes_the_texts_that_a_file_may_hold(predict, case):
    with pytest.raises(CallError, match=r"pair 1: a text (holds|is empty)"):
        predict([PAIRS[0], ("a", BAD_TEXTS[case])])


def test_rows_in_any_container_give_the_same(predict, explain):
    expected = predict(PAIRS).probabilities
    words = [row.scores for row in explain(PAIRS)]
    for rows in (
        iter(PAIRS),
        map(list, PAIRS),
        np.array(PAIRS),
        np.array(PAIRS, dtype=object),
        FRAME.to_numpy(),
        pd.Series(PAIRS),
        list(FRAME.itertuples(index=False, name=None)),
        list(FRAME.itertuples(index=False)),
        [row for _, row in FRAME.iterrows()],
    ):
        rows = list(rows)
        np.testing.assert_array_equal(predict(rows).probabilities, expected)
        assert [row.scores for row in explain(rows)] == words
    assert predict(iter(())).labels.shape == (0,) and explain(()) == []


def test_words_of_a_text_are_a_list_and_no_text(explain):
    with pytest.raises(DataError, match="row 0: expected a list of words of each text, found '怎么'"):
        explain([("怎么", "如何")], [("怎么", "如何")])


@pytest.mark.parametrize(("text", "said"), [("\udcff怎么", "a byte that is not UTF-8"), ("\u3000", "is empty")])
def test_the_command_line_takes_the_same_texts(folder, capsys, text, said):
    for texts, name in ((("怎么", text), "TEXT_B"), ((text, "怎么"), "TEXT_A")):
        status, out, err = run_cli(capsys, "explain", "--model", folder, *texts)
        assert (
            status == 2
            and out == ""
            and err.count("\n") == 1
            and f"error: {name}: the sentence " in err
            and said in err
        )
