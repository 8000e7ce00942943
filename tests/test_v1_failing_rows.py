"""A row that the model fails on is named, and the rows beside it get their answers."""

import asyncio

import httpx
import numpy as np
import pytest
from test_v1_serve import PAIR, serving
from v1_support import pair, run_cli, tiny_classifier, write_pairs

from final_project.errors import DataError, RecipeError
from similarity_v1.explain.explainer import Explainer, RowError
from similarity_v1.serve.waiting_line import WaitingLine

BAD = "手"  # the model of these tests fails wherever this token is read
PAIRS = [("怎么开通", "如何关闭"), ("钱", "花呗"), (f"{BAD}机", "号码"), ("多少", "好看吗")]

pytestmark = pytest.mark.usefixtures("one_thread")


def fails_on(model, token_id, error=IndexError):
    """The model, failing as models do: with an error of the library, for the whole batch."""

    def check(module, arguments, named):
        if (named["input_ids"] == token_id).any():
            raise error("index out of range in self")

    model.register_forward_pre_hook(check, with_kwargs=True)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("model"))


@pytest.fixture
def explainer(folder):
    made = Explainer.from_folder(folder)
    fails_on(made.model, made.tokenizer.convert_tokens_to_ids(BAD))
    return made


@pytest.mark.parametrize("error", [IndexError, RuntimeError, AssertionError])
def test_the_row_to_blame_is_named_and_not_its_batch(folder, error):
    made = Explainer.from_folder(folder)
    fails_on(made.model, made.tokenizer.convert_tokens_to_ids(BAD), error)
    with pytest.raises(RowError, match=f"row 2: the model fails on its 7 tokens: {error.__name__}: index") as failed:
        made.explain(PAIRS)
    assert failed.value.row == 2 and isinstance(failed.value.__cause__, error)
    assert len(made.explain([row for row in PAIRS if BAD not in row[0]])) == 3


def test_a_batch_that_fails_although_no_row_does_is_explained_row_by_row(folder):
    """As where memory is enough for one row and not for all."""
    made = Explainer.from_folder(folder)
    wanted = made.explain(PAIRS)

    def check(module, arguments, named):
        if len(named["input_ids"]) > 1:
            raise MemoryError("too large")

    made.model.register_forward_pre_hook(check, with_kwargs=True)
    for found, alone in zip(made.explain(PAIRS), wanted, strict=True):
        np.testing.assert_allclose(np.concatenate(found.scores), np.concatenate(alone.scores), atol=1e-6)


def test_what_is_wrong_with_the_options_is_no_rows_fault(explainer):
    explainer.tokenizer.mask_token = None
    bare = Explainer(explainer.model, explainer.tokenizer, "leave_one_out")
    with pytest.raises(RecipeError, match="the tokenizer has no mask token"):
        bare.explain(PAIRS)


def test_extract_ends_with_the_id_of_the_row_in_one_message(folder, tmp_path, capsys, monkeypatch):
    rows = [pair(10 + number, *texts) for number, texts in enumerate(PAIRS)]
    given = ("--model", folder, "--pairs", write_pairs(tmp_path / "pairs.jsonl", rows))
    whole = Explainer.from_folder.__func__

    def failing(cls, place, *arguments, **options):
        made = whole(cls, place, *arguments, **options)
        fails_on(made.model, made.tokenizer.convert_tokens_to_ids(BAD))
        return made

    monkeypatch.setattr(Explainer, "from_folder", classmethod(failing))
    status, out, said = run_cli(capsys, "extract", *given, "--output", tmp_path / "rows.txt")
    errors = [line for line in said.splitlines() if "error" in line.lower()]
    assert status == 2 and not out and "Traceback" not in said
    assert errors == ["error: id 12: the model fails on its 7 tokens: IndexError: index out of range in self"]
    assert not (tmp_path / "rows.txt").exists()
    status, _, said = run_cli(capsys, "explain", "--model", folder, *PAIRS[2])
    assert status == 2 and "row 0: the model fails on its 7 tokens" in said and "Traceback" not in said


@pytest.mark.parametrize("error", [IndexError("no"), DataError("row", "is bad"), MemoryError()])
def test_whatever_a_row_of_a_request_raises_its_neighbours_are_asked_again(error):
    def answer_rows(rows):
        if "bad" in rows:
            raise error
        return [row.upper() for row in rows]

    async def ask():
        line = WaitingLine(answer_rows, longest=40, batch=36)
        line.start()
        rows = [f"row{number}" for number in range(35)]
        answers = await asyncio.gather(*map(line.answer, [*rows[:7], "bad", *rows[7:]]), return_exceptions=True)
        await line.stop()
        return answers

    answers = asyncio.run(ask())
    assert answers.pop(7) is error and answers == [f"ROW{number}" for number in range(35)]


@pytest.mark.stage
def test_the_local_page_answers_the_other_rows_and_reports_the_failing_one(explainer):
    with serving(explainer.explain) as address:
        answers = [
            httpx.post(f"{address}/api/explain", json={"text_a": a, "text_b": b}) for a, b in (PAIR.values(), PAIRS[2])
        ]
    assert [answer.status_code for answer in answers] == [200, 422]
    assert "the model fails on its 7 tokens" in answers[1].json()["error"] and "row" not in answers[1].json()["error"]
