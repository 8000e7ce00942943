"""The built-in essays, and prepare of texts with scores: splits, policies, statistics, refusals."""

from __future__ import annotations

import csv
import gc
import json

import numpy as np
import pytest
from targets_support import write_csv

from final_project.data.demo.essays import build_essays
from final_project.errors import DataError
from final_project.prepare.prepare_pairs import prepare
from final_project.recipe import load_recipe
from final_project.settings import Targets

NAMES = ["cohesion", "grammar", "conventions"]
SCALE = Targets(names=NAMES)


def prepared(tmp_path, *overrides: str, **files: str):
    """Run prepare on files written for it; the folder of the stage."""
    given = [f"prepare.{split}_file={write_csv(tmp_path / f'{split}.csv', text)}" for split, text in files.items()]
    recipe = load_recipe("demo", ["targets={names: [a, b]}", f"runs_dir={tmp_path / 'runs'}", *given, *overrides])
    return prepare(recipe)


def refused(tmp_path, *overrides: str, **files: str) -> str:
    before = sorted((tmp_path / "runs").rglob("manifest.json"))
    with pytest.raises(DataError) as error:
        prepared(tmp_path, *overrides, **files)
    said = str(error.value)
    del error
    gc.collect()  # the error's frames hold the folder's lock
    assert sorted((tmp_path / "runs").rglob("manifest.json")) == before
    return said


def rows_text(n: int, start: int = 0) -> str:
    lines = (f"t{i},text number {i},{1 + i % 9 / 2},{1 + i % 7 / 2}\n" for i in range(start, start + n))
    return "id,text,a,b\n" + "".join(lines)


def test_the_same_arguments_give_the_same_essays_and_test_does_not_depend_on_train():
    one, two = build_essays(50, 1, SCALE), build_essays(50, 1, SCALE)
    assert one.sets == two.sets and one.gold == two.gold
    assert build_essays(20, 1, SCALE).sets["test"] == one.sets["test"]
    assert build_essays(50, 2, SCALE).sets["train"] != one.sets["train"]
    texts = [row.text for rows in one.sets.values() for row in rows]
    assert len(set(texts)) == len(texts)


def test_scores_follow_from_the_planted_faults():
    """Fewer words at fault, a higher score; and within the scale's steps."""
    made = build_essays(10, 3, SCALE)
    for column, name in enumerate(NAMES):
        scores = np.array([row.scores[column] for row in made.sets["test"]])
        shares = np.array([len(row["faults"][name]) / len(row["words"]) for row in made.gold])
        assert np.corrcoef(scores, shares)[0, 1] < -0.8
        assert scores.min() >= 1 and scores.max() <= 5 and np.allclose(scores * 2, np.round(scores * 2))


def test_gold_points_at_words_of_the_text():
    made = build_essays(10, 4, SCALE)
    for row, gold in zip(made.sets["test"], made.gold, strict=True):
        assert gold["id"] == row.id and gold["words"] == row.text.split()
        assert all(0 <= place < len(gold["words"]) for places in gold["faults"].values() for place in places)
    wrong = {"usualy", "becuase", "diffrent", "freind", "poeple"}
    marked = {gold["words"][place].strip(".,").lower() for gold in made.gold for place in gold["faults"]["conventions"]}
    assert wrong <= marked


def test_a_good_essay_has_no_marked_word_and_a_bad_one_many():
    made = build_essays(10, 5, SCALE)
    for column, name in enumerate(NAMES):
        best = [gold for row, gold in zip(made.sets["test"], made.gold, strict=True) if row.scores[column] == 5.0]
        worst = [gold for row, gold in zip(made.sets["test"], made.gold, strict=True) if row.scores[column] == 1.0]
        assert best and worst
        assert np.mean([len(g["faults"][name]) for g in best]) * 4 < np.mean([len(g["faults"][name]) for g in worst])


def test_dev_and_test_are_held_out_by_default_and_no_text_is_on_two_sides(tmp_path):
    text = rows_text(60) + "r1,TEXT number 3,2.5,2.5\n"
    folder = prepared(tmp_path, train=text)
    sets = {}
    for split in ("train", "dev", "test"):
        with (folder / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            sets[split] = {"".join(row["text"].lower().split()) for row in csv.DictReader(file)}
    assert sum(map(len, sets.values())) == 60 and not sets["train"] & sets["dev"] and not sets["train"] & sets["test"]
    assert 3 <= len(sets["dev"]) <= 9 and 3 <= len(sets["test"]) <= 9
    facts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert facts["sets"]["train"]["targets"]["a"]["n"] == facts["sets"]["train"]["rows"]
    assert facts["sets"]["train"]["correlations"][0][0] == pytest.approx(1)


def test_policies_see_leaks_contradictions_and_repeats(tmp_path):
    train = rows_text(20) + "x1,Text number 5,5,5\nx2,text number 6,4,4\nx3,text number 6,4,4\nx4,dev text,2,2\n"
    dev = "id,text,a,b\nd1,DEV text,1,1\nd2,other,2,2\n"
    folder = prepared(tmp_path, train=train, dev=dev, test=dev.replace("DEV", "some"))
    found = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))["train"]["found"]
    assert found == {"dev": 1, "test": 0, "contradicting": 2, "repeated": 2}
    folder = prepared(
        tmp_path, "prepare.leaks=drop", "prepare.contradictions=drop", "prepare.duplicates=drop", "name=dropped",
        train=train, dev=dev, test=dev.replace("DEV", "some"),
    )  # fmt: skip
    facts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))["train"]
    assert facts["rows"] == 24 - 1 - 2 - 2


def test_unknown_scores_are_refused_or_kept_as_the_recipe_says(tmp_path):
    train = rows_text(30) + "u,an unknown one,3,\n"
    said = refused(tmp_path, train=train)
    assert "train.csv:32: b: unknown" in said and "scores_unknown: keep" in said
    folder = prepared(
        tmp_path, "prepare.scores_unknown=keep", train=train, dev=rows_text(5, 40), test="id,text\nq,why\n"
    )
    assert "u,an unknown one,3.0,\n" in (folder / "train.csv").read_text(encoding="utf-8")
    assert (folder / "test.csv").read_text(encoding="utf-8") == "id,text,a,b\nq,why,,\n"
    none = refused(tmp_path, "prepare.scores_unknown=keep", train=rows_text(30) + "u,an unknown one,,\n")
    assert "train.csv:32: a: unknown" in none


def test_a_test_file_is_scored_or_it_is_not(tmp_path):
    said = refused(tmp_path, train=rows_text(30), dev=rows_text(5, 40), test="id,text,a,b\nx,one,1,1\ny,two,,\n")
    assert "test.csv:3: a: unknown" in said
    said = refused(tmp_path, train=rows_text(30), dev=rows_text(5, 40), test="id,text,a,b\nx,one,,\ny,two,1,1\n")
    assert "test.csv:3: scores, where the first text has none" in said


def test_nothing_to_learn_from_is_refused(tmp_path):
    same = "id,text,a,b\n" + "".join(f"t{i},text {i},{1 + i % 3},2\n" for i in range(30))
    assert "b: all 30 scores are 2: there is nothing to learn from" in refused(
        tmp_path, train=same, dev=rows_text(5, 40), test=rows_text(5, 50)
    )


def test_scores_off_the_steps_are_kept_and_counted(tmp_path, caplog):
    with caplog.at_level("WARNING"):
        prepared(tmp_path, train=rows_text(30) + "o,an odd one,3.3,2.7\n")
    assert "1 texts have scores off the steps of 0.5; they are kept" in caplog.text


def test_a_group_column_goes_into_the_files_and_keeps_its_texts_together(tmp_path):
    train = "id,text,a,b,prompt\n" + "".join(
        f"t{i},text {i},{1 + i % 9 / 2},{1 + i % 7 / 2},p{i // 3}\n" for i in range(60)
    )
    folder = prepared(tmp_path, "prepare.group_column=prompt", train=train)
    prompts = {}
    for split in ("train", "dev", "test"):
        with (folder / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            prompts[split] = {row["group"] for row in csv.DictReader(file)}
    assert not prompts["train"] & prompts["dev"] and not prompts["train"] & prompts["test"]


def test_the_text_for_post_training_has_one_line_a_text(tmp_path):
    train = "id,text,a,b\n" + "".join(f'q{i},"line one {i}\n\nline\ttwo",{1 + i % 5},{1 + i % 4}\n' for i in range(30))
    folder = prepared(tmp_path, train=train)
    lines = (folder / "text.tsv").read_text(encoding="utf-8").splitlines()
    assert all("\t" not in line and line.endswith("line two") for line in lines)


def test_another_scale_prepares_anew(tmp_path):
    first = prepared(tmp_path, train=rows_text(30))
    before = (first / "manifest.json").read_text(encoding="utf-8")
    prepared(tmp_path, "targets.high=6", "targets.step=1", train=rows_text(30))
    assert (first / "manifest.json").read_text(encoding="utf-8") != before
