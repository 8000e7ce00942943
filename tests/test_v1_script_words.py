"""Words by script: one rule, so that a text has the same words in prepare, extract, explain, the API and the page."""

import json

import httpx
import pytest
from test_v1_serve import GENEROUS, serving
from v1_support import CHARACTERS, run_cli, tiny_classifier

from final_project.data.files.contest import read_segmented
from final_project.data.records import Pair
from final_project.prepare.material import segment_by_script
from final_project.prepare.prepare_pairs import prepare
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV1
from final_project.text.script_words import words_by_script
from similarity_v1.evaluate.faithfulness import join_words
from similarity_v1.explain.alignment import blanks_after
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.from_settings import build_explainer
from similarity_v1.explain.segmentation import split_words

TEXTS = {
    "How do I reset my password?": "How do I reset my password ?",
    "don't stop l’été 'ok'": "don't stop l’été ' ok '",
    "Как открыть счёт?": "Как открыть счёт ?",
    "비밀번호를 어떻게 바꾸나요": "비밀번호를 어떻게 바꾸나요",
    "كيف أفتح حسابًا؟": "كيف أفتح حسابًا ؟",
    "मैं हिन्दी में": "मैं हिन्दी में",
    "naïve cafe\u0301 2024": "naïve cafe\u0301 2024",
    "iPhone手机 5G多少钱": "iPhone 手 机 5G 多 少 钱",
    "ラーメンを食べたい": "ラ ー メ ン を 食 べ た い",
    "怎么开通花呗，5.5寸？": "怎 么 开 通 花 呗 ， 5 . 5 寸 ？",
    "好👨‍👩‍👧a🏻b": "好 👨‍👩‍👧 a🏻b",
    "สวัสดี": "ส วั ส ดี",
    "user_1@mail.com": "user _ 1 @ mail . com",
}
ENGLISH = ("How do I open it?", "iPhone手机 5G怎么开通")


@pytest.mark.parametrize("text", TEXTS)
def test_words_follow_the_script(text):
    assert words_by_script(text) == tuple(TEXTS[text].split(" ")) == split_words(text, "script")


def test_chinese_rows_are_taken_apart_as_ever():
    text = "怎么 开通花呗，借呗？！“好”（的）…《〇》\u3000的"
    assert words_by_script(text) == tuple(character for character in text if not character.isspace())


def test_jieba_finds_chinese_words_and_leaves_those_of_other_scripts_whole():
    assert split_words("怎么打开手机 пароль", "jieba") == ("怎么", "打开", "手机", "пароль")
    assert split_words("비밀번호 手机", "jieba") == ("비밀번호", "手机")
    assert split_words("don't كيف", "jieba") == ("don't", "كيف")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("model"), vocabulary=CHARACTERS + "HowdIpenti?PhGн")


def test_prepare_extract_explain_the_api_and_the_page_agree_on_the_words(model, capsys):
    wanted = [list(words_by_script(text)) for text in ENGLISH]
    row = segment_by_script(1, Pair(*ENGLISH))
    assert [list(row.words_q), list(row.words_t)] == wanted

    _, out, _ = run_cli(capsys, "explain", "--json", "--model", model, *ENGLISH)
    shown = json.loads(out)["texts"]
    assert [[word["text"] for word in side] for side in shown] == wanted
    assert [word["blank"] for word in shown[0]] == [True, True, True, True, False, False]
    assert [word["blank"] for word in shown[1]] == [False, False, True, False, False, False, False, False]

    explainer = build_explainer(model, SimilarityV1())
    (found,) = explainer.explain([ENGLISH])
    assert [list(side) for side in found.words] == wanted
    assert [list(side) for side in Explainer.from_folder(model).explain([ENGLISH])[0].words] == wanted
    with serving(explainer.explain, GENEROUS) as address:
        answer = httpx.post(f"{address}/api/explain", json={"text_a": ENGLISH[0], "text_b": ENGLISH[1]}).json()
    assert [[word["text"] for word in side] for side in answer["texts"]] == wanted


def test_own_english_test_pairs_are_prepared_in_words(tmp_path):
    rows = "".join(f"How do I open box {n}?,Who can close box {n + 500},{n % 2}\n" for n in range(40))
    (tmp_path / "own.csv").write_text("sentence1,sentence2,label\n" + rows, encoding="utf-8")
    own = f"prepare: {{train_file: {tmp_path}/own.csv, dev_share: 0.2, test_share: 0.2}}\nruns_dir: {tmp_path}/runs\n"
    (tmp_path / "mine.yaml").write_text(own, encoding="utf-8")
    folder = prepare(load_recipe(str(tmp_path / "mine.yaml")))
    found = read_segmented(folder / "explain.jsonl")
    assert found and all(row.words_q[:4] == ("How", "do", "I", "open") for row in found)


def test_a_blank_stays_at_its_position_in_the_text():
    assert blanks_after("How do  I?", ("How", "do", "I", "?")) == (0, 1)
    assert blanks_after(" 怎么 开通", ("怎么", "开", "通")) == (0,)
    assert blanks_after("a b", ("a ", "b")) == (), "the word brings its own"
    assert blanks_after("", ()) == blanks_after("a", ("a",)) == ()


def test_a_terminal_shows_blanks_where_the_text_has_them(model, capsys):
    _, out, _ = run_cli(capsys, "explain", "--model", model, *ENGLISH)
    assert f"A  {ENGLISH[0]}" in out and f"B  {ENGLISH[1]}" in out


def test_chosen_kana_are_rejoined_without_blanks_and_words_with_them():
    assert join_words(tuple("ラーメン"), {0, 2}) == "ラメ"
    assert join_words(("How", "do", "I"), {0, 2}) == "How I"
