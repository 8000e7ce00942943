"""Own pairs: what a recipe does not name is held out of what it names, or refused; the built-in pairs take no part."""

import itertools
import json

import pytest

from final_project.cli import run_main
from final_project.commands.missing import missing_inputs
from final_project.data.files.contest import read_segmented, segmented_pair, write_segmented
from final_project.data.files.tables import read_pairs, write_pairs_csv
from final_project.data.records import Pair
from final_project.errors import DataError, ProjectError, RecipeError
from final_project.model.decision import Decision
from final_project.prepare.prepare_pairs import prepare
from final_project.recipe import load_recipe
from similarity_v0.__main__ import main as similarity_v0
from similarity_v0.export.model_card import model_card

N = {"train": 100, "dev": 10, "test": 20}
SHARES = {"dev": 0.2, "test": 0.3}


@pytest.fixture
def own(tmp_path):
    """own(name) -> the file of one split, own rows to explain, or own text."""
    for split, n_rows in N.items():
        pairs = [Pair(f"{split}的问题{k}", f"{split}的说法{k}", k % 2) for k in range(n_rows)]
        write_pairs_csv(tmp_path / f"{split}.csv", pairs)
    words = {"query": "解释一", "title": "解释二", "text_q_seg": list("解释一"), "text_t_seg": list("解释二")}
    write_segmented(tmp_path / "explain.jsonl", [segmented_pair("", 1, {"id": 5, **words})])
    (tmp_path / "text.txt").write_text("这里是一段文字。那里是另一段文字。\n", encoding="utf-8")
    return lambda name: tmp_path / {"explain": "explain.jsonl", "text": "text.txt"}.get(name, f"{name}.csv")


def recipe_of(tmp_path, own, files=(), shares=(), more=()):
    named = [f"prepare.{name}_file={own(name)}" for name in files]
    named += [f"prepare.{split}_share={SHARES[split]}" for split in shares]
    return load_recipe("demo", [f"runs_dir={tmp_path}/runs", "prepare.demo_pairs=100", *named, *more])


def sets_of(folder):
    return {split: read_pairs(folder / f"{split}.csv") for split in N}


EVERY_COMBINATION = [
    (files, shares)
    for files in itertools.chain.from_iterable(
        itertools.combinations(("train", "dev", "test", "explain"), n) for n in range(5)
    )
    for shares in ((), ("dev",), ("test",), ("dev", "test"))
]


@pytest.mark.stage
@pytest.mark.parametrize(("files", "shares"), EVERY_COMBINATION)
def test_each_combination_of_own_files_and_shares_is_held_out_or_refused(tmp_path, own, files, shares):
    """The table: train alone is enough; without it nothing of one's own is taken; a split is named once."""
    alone = [f"{name}_file" for name in files if name != "train"] if "train" not in files else []
    twice = [split for split in shares if split in files]
    if alone or twice:
        with pytest.raises(RecipeError) as caught:
            recipe_of(tmp_path, own, files, shares)
        assert not alone or f"{' and '.join(alone)}: no training pairs are named" in str(caught.value)
        assert not alone or "add prepare.train_file" in str(caught.value)
        assert all(f"{split}_file and {split}_share both say" in str(caught.value) for split in twice)
        return
    found = sets_of(folder := prepare(recipe_of(tmp_path, own, files, shares)))
    rows = read_segmented(folder / "explain.jsonl")
    if "train" not in files:  # the demo, with or without shares
        assert len(found["dev"]) == (20 if "dev" in shares else 1000)
        return
    named = {pair for split in N if split in files for pair in read_pairs(own(split))}
    assert all(pair in named for pairs in found.values() for pair in pairs), "a built-in pair is among them"
    wanted = {s: N[s] if s in files else round(100 * (SHARES[s] if s in shares else 0.1)) for s in ("dev", "test")}
    held_out = sum(wanted[split] for split in wanted if split not in files)
    assert {split: len(pairs) for split, pairs in found.items()} == wanted | {"train": 100 - held_out}
    assert len(set(itertools.chain(*found.values()))) == sum(map(len, found.values())), "a pair is on both sides"
    if "explain" in files:
        assert [row.id for row in rows] == [5]
    else:
        assert [(row.query, row.title) for row in rows] == [(p.sentence1, p.sentence2) for p in found["test"]]
    assert not (folder / "gold.jsonl").exists() and not (folder / "pair_map.jsonl").exists()
    assert all(p in {(q.sentence1, q.sentence2) for q in named} for p in text_of(folder))


def text_of(folder):
    return [tuple(line.split("\t")) for line in (folder / "text.tsv").read_text(encoding="utf-8").splitlines()]


def test_held_out_pairs_are_logged_only_if_the_recipe_did_not_ask_for_them(tmp_path, own, caplog):
    caplog.set_level("INFO")
    prepare(recipe_of(tmp_path, own, ["train"], ["dev"]))
    assert f"no test pairs are named: 0.1 of {own('train')} are held out (set prepare.test_file or" in caplog.text
    assert "no dev pairs are named" not in caplog.text
    caplog.clear()
    prepare(recipe_of(tmp_path, own, ["train", "test"]))
    assert "no dev pairs are named" in caplog.text and "no test pairs are named" not in caplog.text


@pytest.mark.parametrize("setting", ["text_files=[{text}]", "text_corpora=[all]", "contest_set=A", "contest_set=B"])
def test_own_text_and_contest_rows_without_pairs_are_refused_and_go_with_own_pairs(tmp_path, own, setting):
    setting = "prepare." + setting.format(text=own("text"))
    with pytest.raises(RecipeError, match="no training pairs are named, and the built-in ones belong to the demo"):
        recipe_of(tmp_path, own, more=[setting])
    assert recipe_of(tmp_path, own, ["train"], more=[setting]).prepare.is_own
    assert load_recipe("demo", [setting, "prepare.corpus=LCQMC"])


def test_own_text_joins_own_pairs_alone(tmp_path, own):
    folder = prepare(recipe_of(tmp_path, own, ["train"], more=[f"prepare.text_files=[{own('text')}]"]))
    text = (folder / "text.tsv").read_text(encoding="utf-8")
    assert "这里是一段文字。\t那里是另一段文字。" in text and len(text.splitlines()) == 81


def test_augmentation_of_own_pairs_sees_none_that_is_held_out(tmp_path, own):
    groups = [(f"问{k}", f"{kind}{k}", int(kind < "丙")) for k in range(40) for kind in ("一", "丁", "丙", "丁二")]
    write_pairs_csv(own("train"), [Pair(*row) for row in groups])
    found = sets_of(prepare(recipe_of(tmp_path, own, ["train"], more=["prepare.augment=true"])))
    sentences = [{s for pair in pairs for s in (pair.sentence1, pair.sentence2)} for pairs in found.values()]
    assert len(found["train"]) > 128 and sum(map(len, sentences)) == len(set.union(*sentences))


def test_a_test_without_labels_is_own_and_dev_is_held_out_of_train(tmp_path, own):
    write_pairs_csv(own("test"), [Pair(f"无标签{k}", f"另一句{k}") for k in range(7)])
    folder = prepare(recipe_of(tmp_path, own, ["train", "test"]))
    assert {name: len(pairs) for name, pairs in sets_of(folder).items()} == {"train": 90, "dev": 10, "test": 7}
    assert set(json.loads((folder / "statistics.json").read_text())["overlap_baseline"]) == {"dev_accuracy"}


def test_shares_that_leave_too_little_are_refused_those_by_default_included(tmp_path, own):
    with pytest.raises(RecipeError, match=r"dev_share: 0\.45 and test_share: 0\.1 leave less than half"):
        recipe_of(tmp_path, own, ["train"], more=["prepare.dev_share=0.45"])


def test_one_pair_cannot_be_divided_and_the_message_says_what_to_name(tmp_path, own):
    write_pairs_csv(own("train"), [Pair("你好", "您好", 1)])
    with pytest.raises(DataError, match=r"train\.csv: no test pairs can be held out: one pair .*prepare\.test_file"):
        prepare(recipe_of(tmp_path, own, ["train"]))


def test_a_corpus_without_its_dev_is_missing_files_with_the_way_out(tmp_path, own):
    settings = ["prepare.corpus=LCQMC", f"prepare.data_dir={tmp_path}/none", f"prepare.train_file={own('train')}"]
    (told,) = missing_inputs(load_recipe("demo", settings), ["prepare"])
    assert "prepare.dev_share=0.1" in told and "prepare.test_share=0.1" in told


def test_every_stage_refuses_such_a_recipe_in_one_message(tmp_path, own, capsys):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"prepare:\n  dev_file: {own('dev')}\n", encoding="utf-8")
    assert run_main(similarity_v0, ["--recipe", str(recipe)]) == 2
    said = capsys.readouterr().err
    assert f"{recipe}:2" in said or str(recipe) in said
    assert "dev_file: no training pairs are named" in said and "Traceback" not in said


def test_a_card_of_own_pairs_does_not_speak_of_the_demo(tmp_path, own):
    def data_of(recipe):
        card = model_card(recipe, {}, Decision(), {"train": 80})
        return next(line for line in card.splitlines() if line.startswith("- **Data**"))

    assert data_of(recipe_of(tmp_path, own, ["train"])) == "- **Data**: own pairs, 80 pairs of train"
    assert data_of(recipe_of(tmp_path, own)) == "- **Data**: demo, 80 pairs of train"
    card = model_card(recipe_of(tmp_path, own, ["train"]), {}, Decision(), {"train": 80})
    assert "chinese" not in card.lower() and "language:" not in card and "Trained on the user's own pairs" in card
    with pytest.raises(ProjectError):
        recipe_of(tmp_path, own, ["test"])
