"""Stage prepare: what it writes, when it is skipped, what an interruption leaves, what it keeps apart."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from final_project.artifacts import file_digest
from final_project.cli import run_main
from final_project.data.corpora import inventory
from final_project.data.files.contest import read_segmented
from final_project.data.files.tables import read_pairs
from final_project.data.records import Pair
from final_project.errors import ArtifactError, DataError, ProjectError
from final_project.prepare.prepare_pairs import prepare
from final_project.recipe import load_recipe
from final_project.run.stage_folder import StageFolder

PAIR_FILES = ("train.csv", "dev.csv", "test.csv")
FILES = (*PAIR_FILES, "text.tsv", "explain.jsonl", "originals.tsv", "statistics.json")
GOLD_FILES = ("gold.jsonl", "pair_map.jsonl")


def demo_recipe(tmp_path, *overrides):
    return load_recipe("demo", [f"runs_dir={tmp_path}/runs", "prepare.demo_pairs=400", *overrides])


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory):
    return prepare(demo_recipe(tmp_path_factory.mktemp("demo")))


def write_corpus(data_dir, test_labels=True):
    """A tiny corpus laid out as the mirrors of LCQMC have it; one training row shares a sentence with dev, one,
    but for spaces and width, with test, one with a row of contest set B."""
    folder = data_dir / "LCQMC"
    folder.mkdir(parents=True)
    train = [
        ("怎么去北京", "去北京怎么走", 1),
        ("怎么去北京", "怎么去天津", 0),
        ("怎么去北京", "北京如何去", 1),
        ("dev 的句子", "别的句子", 0),
        ("ＴＥＳＴ的　句子", "别的句子二", 0),
        ("要解释的句子", "别的句子三", 1),
        ("<p>带标签的", "带标签的&amp;", 1),
    ]
    dev = [("dev 的句子", "dev 的一句", 1), ("甲乙", "丙丁", 0)]
    test = [("test的句子", "另一句", 1), ("戊己", "庚辛", 0)]
    for name, rows in (("train", train), ("dev", dev), ("test", test)):
        cut = None if name != "test" or test_labels else 2
        text = "".join("\t".join(map(str, row[:cut])) + "\n" for row in rows)
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
    (data_dir / "xinzhibei").mkdir()
    row = {
        "id": 7,
        "query": "要解释的句子",
        "title": "标题",
        "text_q_seg": list("要解释的句子"),
        "text_t_seg": ["标题"],
    }
    (data_dir / "xinzhibei" / "sim_interpretation_B.txt").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return data_dir


def corpus_recipe(tmp_path, *overrides):
    own = (f"runs_dir={tmp_path}/runs", f"prepare.data_dir={tmp_path}/data", "prepare.corpus=LCQMC")
    return load_recipe("demo", [*own, *overrides])


def test_the_demo_writes_every_file_with_its_rows(demo_folder):
    manifest = json.loads((demo_folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["outputs"]) == {*FILES, *GOLD_FILES}
    assert {path.name for path in demo_folder.iterdir()} == {*FILES, *GOLD_FILES, "manifest.json"}
    wanted = {"train.csv": 400, "dev.csv": 1000, "test.csv": 900, "text.tsv": 400, "explain.jsonl": 900}
    wanted |= {"originals.tsv": 600, "gold.jsonl": 900, "pair_map.jsonl": 300, "statistics.json": 1}
    assert manifest["rows"] == wanted
    assert manifest["recipe"]["prepare"]["demo_pairs"] == 400
    for name in PAIR_FILES:
        assert len(read_pairs(demo_folder / name, labelled=True)) == wanted[name]
        assert b"\r" not in (demo_folder / name).read_bytes()


def test_rows_to_explain_gold_and_pair_map_belong_together(demo_folder):
    rows, test = read_segmented(demo_folder / "explain.jsonl"), read_pairs(demo_folder / "test.csv")
    gold, pair_map = lines_of(demo_folder / "gold.jsonl"), lines_of(demo_folder / "pair_map.jsonl")
    assert [row.id for row in rows] == list(range(1, 901)) == [record["sent_id"] for record in gold]
    for row, pair, record in zip(rows, test, gold, strict=True):
        assert (row.query, row.title) == (pair.sentence1, pair.sentence2)
        assert record["sent_label"] == pair.label
        assert (record["text_q_seg"], record["text_t_seg"]) == (list(row.words_q), list(row.words_t))
        assert all(0 <= place < len(row.words_q) for place in record["rationale_q_idx"][0])
        assert ("rel_ids" in record) == (record["sample_type"] == "ori")
    related = {record["sent_id"]: record["rel_ids"] for record in gold if record.get("rel_ids")}
    assert related == {entry["ori"]: [entry["disturb"]] for entry in pair_map}
    originals = [tuple(line.split("\t")) for line in (demo_folder / "originals.tsv").read_text("utf-8").splitlines()]
    kinds = {record["sent_id"]: record["sample_type"] for record in gold}
    assert originals == [(row.query, row.title) for row in rows if kinds[row.id] == "ori"]


def test_statistics_hold_the_baseline_and_no_leak_in_the_demo(demo_folder):
    facts = json.loads((demo_folder / "statistics.json").read_text(encoding="utf-8"))
    assert set(facts["overlap_baseline"]) == {"dev_accuracy", "test_accuracy"}
    assert facts["sets"]["train"]["rows"] == 400
    for name in ("train/dev", "train/test", "train/explain", "dev/test"):
        assert facts["overlaps"][name]["sharing_a_sentence"] == 0


def test_the_same_recipe_gives_the_same_bytes(demo_folder, tmp_path):
    again = prepare(demo_recipe(tmp_path))
    for name in (*FILES, *GOLD_FILES):
        assert file_digest(again / name) == file_digest(demo_folder / name)


@pytest.mark.stage
def test_a_finished_stage_is_skipped_in_one_line_until_forced_or_changed(tmp_path, caplog):
    caplog.set_level("INFO")
    folder = prepare(demo_recipe(tmp_path))
    stamp = (folder / "manifest.json").stat().st_mtime_ns
    caplog.clear()
    prepare(demo_recipe(tmp_path))
    assert [record.getMessage() for record in caplog.records] == [f"prepare: up to date, skipped ({folder})"]
    prepare(demo_recipe(tmp_path, "similarity_v0.epochs=1", "seed=5"))
    assert (folder / "manifest.json").stat().st_mtime_ns == stamp
    prepare(demo_recipe(tmp_path), force=True)
    forced = (folder / "manifest.json").stat().st_mtime_ns
    assert forced != stamp
    prepare(demo_recipe(tmp_path, "prepare.demo_seed=1"))
    assert (folder / "manifest.json").stat().st_mtime_ns != forced


def test_a_changed_input_file_runs_the_stage_again(tmp_path):
    write_corpus(tmp_path / "data")
    folder = prepare(corpus_recipe(tmp_path))
    train = tmp_path / "data" / "LCQMC" / "train.tsv"
    os.utime(train)
    stamp = (folder / "manifest.json").stat().st_mtime_ns
    assert prepare(corpus_recipe(tmp_path)) and (folder / "manifest.json").stat().st_mtime_ns == stamp
    train.write_text(train.read_text(encoding="utf-8") + "新的\t一行\t0\n", encoding="utf-8")
    prepare(corpus_recipe(tmp_path))
    assert len(read_pairs(folder / "train.csv")) == 8


def test_text_leaves_out_what_shares_a_sentence_with_held_out_rows_and_train_does_not(tmp_path):
    write_corpus(tmp_path / "data")
    folder = prepare(corpus_recipe(tmp_path, "prepare.contest_set=B"))
    facts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert facts["text"]["rows"] == 4
    assert facts["text"]["left_out"] == {"dev": 1, "test": 1, "explain": 1}
    text = (folder / "text.tsv").read_text(encoding="utf-8")
    assert text.startswith("怎么去北京\t去北京怎么走\n") and "的句子" not in text and "要解释" not in text
    assert len(read_pairs(folder / "train.csv")) == 7
    assert facts["overlaps"]["train/explain"] == {"rows": 1, "pairs": 0, "sharing_a_sentence": 1}
    assert [row.id for row in read_segmented(folder / "explain.jsonl")] == [7]
    assert (folder / "originals.tsv").read_text(encoding="utf-8") == "test的句子\t另一句\n戊己\t庚辛\n"
    assert not (folder / "gold.jsonl").exists()


def test_augmentation_and_cleaning_happen_when_asked(tmp_path):
    write_corpus(tmp_path / "data")
    folder = prepare(corpus_recipe(tmp_path, "prepare.augment=true", "prepare.clean=[space,tags,entities]"))
    train = read_pairs(folder / "train.csv")
    assert Pair("去北京怎么走", "北京如何去", 1) in train and Pair("带标签的", "带标签的&", 1) in train
    facts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert facts["augmented_rows"] == 1
    assert facts["cleaned_rows"]["train"] == {"entities": 1, "tags": 1, "space": 2}
    assert "去北京怎么走\t北京如何去" not in (folder / "text.tsv").read_text(encoding="utf-8")


def test_a_test_without_labels_has_empty_labels_and_no_baseline(tmp_path):
    write_corpus(tmp_path / "data", test_labels=False)
    folder = prepare(corpus_recipe(tmp_path))
    with (folder / "test.csv").open(encoding="utf-8", newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["", ""]
    facts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert set(facts["overlap_baseline"]) == {"dev_accuracy"}


def test_own_files_override_the_built_in_pairs(tmp_path):
    data = write_corpus(tmp_path / "data")
    own = [f"prepare.{split}_file={data}/LCQMC/{split}.tsv" for split in ("train", "test")]
    folder = prepare(demo_recipe(tmp_path, *own))
    assert len(read_pairs(folder / "train.csv")) == 6 and len(read_pairs(folder / "dev.csv")) == 1
    assert [row.query for row in read_segmented(folder / "explain.jsonl")] == ["test的句子", "戊己"]
    assert not (folder / "gold.jsonl").exists()


def test_all_missing_files_are_listed_at_once_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "CHECKOUT_CORPORA", tmp_path / "corpora")  # the checkout may hold real ones
    with pytest.raises(ArtifactError) as caught:
        prepare(corpus_recipe(tmp_path, "prepare.contest_set=B", "prepare.dev_file=own.tsv"))
    message = str(caught.value)
    for wanted in ("LCQMC/train.tsv", "own.tsv", "LCQMC/test.tsv", "sim_interpretation_B.txt", "--recipe demo"):
        assert wanted in message
    assert not (tmp_path / "runs").exists()


def test_corpora_next_to_the_data_folder_are_found_too(tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "CHECKOUT_CORPORA", tmp_path / "corpora")
    write_corpus(tmp_path / "corpora")
    folder = prepare(corpus_recipe(tmp_path, "prepare.contest_set=B"))
    assert len(read_pairs(folder / "train.csv")) == 7


def test_an_unknown_corpus_and_faulty_data_leave_the_finished_folder_alone(tmp_path):
    write_corpus(tmp_path / "data")
    folder = prepare(corpus_recipe(tmp_path))
    before = {path.name: file_digest(path) for path in folder.iterdir()}
    with pytest.raises(ProjectError, match="did you mean LCQMC"):
        prepare(corpus_recipe(tmp_path, "prepare.corpus=LCQM"))
    (tmp_path / "data" / "LCQMC" / "dev.tsv").write_text("甲\t乙\t3\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"dev\.tsv:1: label must be 0 or 1"):
        prepare(corpus_recipe(tmp_path))
    assert {path.name: file_digest(path) for path in folder.iterdir()} == before


def test_training_pairs_need_labels(tmp_path):
    write_corpus(tmp_path / "data")
    (tmp_path / "data" / "LCQMC" / "train.tsv").write_text("甲\t乙\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.tsv:1: no label"):
        prepare(corpus_recipe(tmp_path))


@pytest.mark.stage
@pytest.mark.parametrize("delay_s", [0.35, 0.8, 1.5])
def test_kill_leaves_nothing_that_looks_finished_and_the_next_call_completes(tmp_path, delay_s, demo_folder):
    overrides = [f"runs_dir={tmp_path}/runs", "prepare.demo_pairs=400"]
    command = [sys.executable, "-m", "final_project", "prepare", "--recipe", "demo", "--force", "--", *overrides]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    killed = process.wait() == -signal.SIGKILL
    stage = StageFolder(tmp_path / "runs" / "demo", "prepare")
    if killed:
        assert stage.manifest() is None or set(stage.manifest()["outputs"]) == {*FILES, *GOLD_FILES}
    folder = prepare(demo_recipe(tmp_path))
    for name in (*FILES, *GOLD_FILES):
        assert file_digest(folder / name) == file_digest(demo_folder / name)
    assert {path.name for path in folder.iterdir()} == {*FILES, *GOLD_FILES, "manifest.json"}


@pytest.mark.stage
def test_a_kill_before_the_manifest_is_not_finished(tmp_path, monkeypatch):
    """The moment that matters, made certain: everything is written, the manifest is not."""

    def die(*_args, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StageFolder, "finish", die)
        prepare(demo_recipe(tmp_path))
    stage = StageFolder(tmp_path / "runs" / "demo", "prepare")
    assert stage.manifest() is None and (stage.path / "statistics.json").is_file()
    with pytest.raises(ArtifactError, match=r"run bash run\.sh prepare"):
        stage.outputs()
    assert prepare(demo_recipe(tmp_path)) == stage.path
    assert stage.outputs()


def test_the_command_line_answers_wrong_use_without_a_traceback(tmp_path, capsys):
    from final_project.__main__ import main

    assert run_main(main, ["prepare", "--recipe", "demo", "prepare.corpus=nowhere", f"runs_dir={tmp_path}"]) == 2
    assert "no corpus named 'nowhere'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["convert"])
    assert caught.value.code == 2


@pytest.mark.stage
def test_help_and_a_skipped_stage_import_no_training_library():
    heavy = "('torch', 'transformers', 'sklearn', 'pandas', 'datasets')"
    code = f"import sys, final_project.__main__; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
