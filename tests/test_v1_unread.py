"""Words that the model never read are shown as unread wherever an explanation is shown, and are no rationale."""

import json
import re
from html import escape

import httpx
import pyarrow.parquet as pq
import pytest
from test_v1_serve import GENEROUS, serving
from tiny_models import tiny_tokenizer
from v1_support import pair, run_cli, tiny_classifier, write_jsonl, write_pairs

from final_project.data.records import Rationale
from final_project.errors import DataError
from final_project.model.decision import Decision
from final_project.settings import SimilarityV1
from similarity_v1.explain.encoding import encode
from similarity_v1.explain.from_settings import build_explainer
from similarity_v1.explain.terminal import explanation_json
from similarity_v1.rationales.chains import write_clean_chain, write_published_chain
from similarity_v1.rationales.published_chain import SourceRows
from similarity_v1.rationales.selection import Selection, ranked, select
from similarity_v1.rationales.word_scores import read_scores
from similarity_v1.report import write_explanation

LONG, SHORT = "怎么开通花呗" * 10, "如何关闭"
POSITIONS = 16  # 9 of the long text are read: [CLS] 4 [SEP] 9 [SEP]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tiny_classifier(tmp_path_factory.mktemp("model"), max_positions=POSITIONS)
    Decision(0.3).save(folder)
    return folder


@pytest.fixture(scope="module")
def explanation(model):
    return build_explainer(model, SimilarityV1()).explain([(SHORT, LONG)])[0]


def test_an_explanation_says_which_words_were_not_read(explanation):
    assert explanation.truncated and explanation.unread == ((), tuple(range(9, 60)))
    assert sorted(explanation.ranked(0)) == [0, 1, 2, 3] and sorted(explanation.ranked(1)) == list(range(9))


def test_on_the_left_the_first_words_are_the_unread_ones():
    tokenizer = tiny_tokenizer("wordpiece_lower", model_max_length=POSITIONS)
    tokenizer.truncation_side = "left"
    words = [tuple(SHORT), tuple(LONG)]
    (row,) = encode(tokenizer, POSITIONS, [(SHORT, LONG)], [words], ["input_ids", "attention_mask"])
    assert row.unread == ((), tuple(range(51)))
    (row,) = encode(tokenizer, POSITIONS, [("怎\x00么", "\x00")], [[("怎", "\x00", "么"), ("\x00",)]], ["input_ids"])
    assert row.unread == ((), ()), "nothing was cut: what the tokenizer drops is not called unread"


@pytest.mark.parametrize("how", [Selection("ratio", 1.0), Selection("top_k", 3), Selection("mass", 1.0)])
def test_an_unread_word_is_chosen_only_where_a_side_has_no_other(how):
    scores = [-1.0, -2.0, 0.0, 0.0]
    assert set(select(scores, how, (2, 3))) <= {0, 1} and select(scores, how, (2, 3))
    assert select([0.0, 0.0], how, (0, 1))[:1] == (0,), "a side is never empty"
    assert select(scores, how) == ranked(scores)[: len(select(scores, how))]


@pytest.mark.stage
def test_extract_lists_no_unread_word_and_writes_which_they_are(model, tmp_path, capsys):
    pairs = [pair(1, SHORT, LONG), pair(2, SHORT, SHORT)]
    file = write_pairs(tmp_path / "pairs.jsonl", pairs)
    common = ("extract", "--model", model, "--pairs", file, "--method", "integrated_gradients", "--ratio", 1.0)
    _, _, err = run_cli(capsys, *common, "--reduce", "sum", "--output", tmp_path / "out.txt")
    assert "words cut off are not read and never chosen" in err
    first, _ = (tmp_path / "out.txt").read_text().splitlines()
    assert sorted(map(int, first.split("\t")[3].split(","))) == list(range(9))
    scores = next(tmp_path.glob("*scores.jsonl"))
    cut, whole = map(json.loads, scores.read_text().splitlines())
    assert cut["unread_t"] == list(range(9, 60)) and "unread_q" not in cut
    assert set(whole) == {"id", "label", "probability", "scores_q", "scores_t"}
    assert [row.unread_t for row in read_scores(scores, pairs)] == [tuple(range(9, 60)), ()]

    run_cli(capsys, *common, "--output", tmp_path / "rows.parquet")
    rows = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert rows[0]["unread_t"] == list(range(9, 60)) and not set(rows[0]["chosen_t"]) & set(rows[0]["unread_t"])
    write_pairs(file, pairs[1:])
    run_cli(capsys, *common, "--output", tmp_path / "rows.parquet")
    assert not {"unread_q", "unread_t"} & set(pq.read_table(tmp_path / "rows.parquet").column_names)


@pytest.mark.parametrize("value, about", [("x", "list of positions"), ([True], "list of positions"), ([9], "found 9")])
def test_positions_that_are_none_are_refused_with_file_and_line(tmp_path, value, about):
    record = {"id": 1, "label": 1, "probability": 0.5, "scores_q": [0.1] * 4, "scores_t": [0.1] * 4, "unread_q": value}
    path = write_jsonl(tmp_path / "scores.jsonl", [record])
    row = pair(1, SHORT, SHORT)
    with pytest.raises(DataError, match=rf"scores.jsonl:1: unread_q.*{about}"):
        read_scores(path, [row])


@pytest.mark.stage
def test_terminal_json_notebook_and_page_mark_unread_words(model, explanation, tmp_path, capsys):
    page = tmp_path / "pair.html"
    _, out, _ = run_cli(capsys, "explain", "--model", model, SHORT, LONG, "--ratio", 1.0, "--html", page)
    assert "51 of 60 words not read by the model" in out
    assert max(len(line.split(" > ")) for line in out.splitlines()) == 9
    shown = json.loads(page.read_text().split('id="pair-data">')[1].split("</script>")[0])
    assert shown["unread"] == [[], list(range(9, 60))] and max(shown["chosen"]["chosen"][1]) == 8
    words = explanation_json(explanation, Selection("ratio", 1.0))["texts"][1]
    assert [word["read"] for word in words] == [True] * 9 + [False] * 51
    assert all((word["rank"] is not None) == word["read"] for word in words)
    in_notebook = explanation._repr_html_()
    assert in_notebook.count('title="not read"') == 51 and "not read by the model" in in_notebook
    with serving(build_explainer(model, SimilarityV1()).explain, GENEROUS) as address:
        answer = httpx.post(f"{address}/api/explain", json={"text_a": SHORT, "text_b": LONG}).json()
        schema = httpx.get(f"{address}/openapi.json").json()["components"]["schemas"]["Word"]
    assert [word["read"] for word in answer["texts"][1]] == [True] * 9 + [False] * 51
    assert {"read", "blank"} <= set(schema["required"])


@pytest.mark.stage
def test_an_improbable_label_has_the_threshold_next_to_it_everywhere(tmp_path, capsys):
    folder = tiny_classifier(tmp_path / "model")
    (plain,) = build_explainer(folder, SimilarityV1()).explain([(SHORT, SHORT)])
    p = plain.probabilities[1]
    Decision(p / 2 if p < 0.5 else (1 + p) / 2).save(folder)  # the less probable label
    sign = "≥" if p < 0.5 else "<"
    (found,) = build_explainer(folder, SimilarityV1()).explain([(SHORT, SHORT)])
    assert found.probability < 0.5
    _, out, _ = run_cli(capsys, "explain", "--model", folder, SHORT, SHORT, "--html", tmp_path / "pair.html")
    assert re.search(rf"P\(1\) {p:.4f} {sign} threshold \(label 1 from {found.threshold:.4f}\)", out)
    assert f"P(1) {p:.4f} {escape(sign)} threshold" in found._repr_html_()
    write_explanation(tmp_path / "pair.html", found, Selection("ratio", 0.5))
    shown = json.loads((tmp_path / "pair.html").read_text().split('id="pair-data">')[1].split("</script>")[0])
    assert shown["threshold"] == found.threshold and shown["probability"] < 0.5


def test_no_chain_adds_a_word_that_was_not_read(tmp_path):
    pairs = [pair(1, "怎么开通花呗", "开通花呗怎么"), pair(2, "怎么", "如何")]
    raw = [Rationale(1, 1, (0, 1, 2), (0, 1, 2)), Rationale(2, 1, (0,), (0,))]
    unread = {1: ({3, 4, 5}, {0, 1, 2, 3, 4, 5})}
    free = write_clean_chain(tmp_path, pairs, raw, "stable")
    assert set(free[0].words_q) & {3, 4, 5}, "by its rule alone the chain names them"
    held = write_clean_chain(tmp_path, pairs, raw, "stable", unread)
    assert set(held[0].words_q) <= {0, 1, 2} and held[0].words_t == free[0].words_t and held[1] == free[1]
    original, _ = write_published_chain(tmp_path, pairs, raw, SourceRows(frozenset(), frozenset()), unread)
    assert set(original[0].words_q) <= {0, 1, 2} and original[0].words_q
