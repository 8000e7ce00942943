"""Prepare with several corpora: what joins the text, what must not, what is held out, and what each policy does."""

import json
import tarfile
from pathlib import Path

import datasets
import pytest

from final_project.data.corpora import inventory
from final_project.data.files.lines import read_lines
from final_project.data.files.tables import read_pairs
from final_project.data.quality.fingerprints import normal_form
from final_project.data.records import Pair
from final_project.errors import ArtifactError, DataError, ProjectError
from final_project.prepare.inputs import find_inputs
from final_project.prepare.prepare_pairs import prepare
from final_project.recipe import load_recipe

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora.tar.xz"

TRAIN = [
    ("怎么去北京", "去北京怎么走", 1),
    ("去北京怎么走", "怎么去北京？", 0),
    ("去北京怎么走", "怎么去北京", 1),  # the first row, turned round
    ("借钱要多久", "还钱要多久", 0),
    ("借钱要多久", "还钱要 多久", 1),  # contradicts the row before
    ("dev 的甲", "dev 的乙", 1),  # a dev pair, turned round
    ("dev 的甲", "没见过的", 0),
]
DEV = [("dev 的乙", "DEV 的甲", 1), ("天气好吗", "今天几号", 0)]
TEST = [("test的甲", "test的乙", 1), ("一二三", "四五六", 0)]
THS = [(1, "买股票", "怎样买股票"), (0, "卖股票", "怎样买股票"), (0, "股票", "test的甲"), (1, "怎样买股票", "买股票")]


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "CHECKOUT_CORPORA", tmp_path / "none")
    for name, rows in (("LCQMC/train", TRAIN), ("LCQMC/dev", DEV), ("LCQMC/test", TEST), ("THS2021/train", THS)):
        write(tmp_path / "data" / f"{name}.tsv", rows)
    return tmp_path / "data"


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")


def run(data, *overrides, corpus="LCQMC"):
    """(folder, statistics) of a run of the stage."""
    own = (f"runs_dir={data.parent}/runs", f"prepare.data_dir={data}", f"prepare.corpus={corpus}")
    folder = prepare(load_recipe("demo", [*own, *overrides]))
    return folder, json.loads((folder / "statistics.json").read_text(encoding="utf-8"))


def text_of(folder):
    return [tuple(line.split("\t")) for line in (folder / "text.tsv").read_text(encoding="utf-8").splitlines()]


def test_other_corpora_join_the_text_without_what_will_be_scored(data):
    folder, facts = run(data, "prepare.text_corpora=[THS2021]")
    assert text_of(folder) == [row[:2] for row in TRAIN[:5]] + [row[1:] for row in (THS[0], THS[1], THS[3])]
    assert len(read_pairs(folder / "train.csv")) == len(TRAIN)
    assert facts["text"]["left_out"] == {"dev": 2, "test": 1, "explain": 0}
    assert facts["corpora"]["THS2021"]["left_out"] == {"dev": 0, "test": 1, "explain": 0}
    assert facts["shared_sentences"]["names"] == ["LCQMC", "THS2021", "dev", "test", "explain"]


def test_the_collection_is_opened_by_memory_map_and_knows_its_corpora_and_labels(data):
    folder, facts = run(data, "prepare.text_corpora=[THS2021]")
    opened = datasets.Dataset.from_file(str(folder / "collection.arrow"))
    assert list(zip(opened["sentence1"], opened["sentence2"], strict=True)) == text_of(folder)
    assert opened["corpus"] == ["LCQMC"] * 5 + ["THS2021"] * 3
    assert opened["label"] == [row[2] for row in TRAIN[:5]] + [1, 0, 1]
    assert json.loads((folder / "manifest.json").read_text())["rows"]["collection.arrow"] == len(opened)
    assert facts["text"]["rows"] == len(opened)


def test_all_means_every_corpus_at_hand_and_a_name_must_be_there(data):
    everything, _ = run(data, "prepare.text_corpora=[all]")
    assert len(text_of(everything)) == 8
    with pytest.raises(ArtifactError, match=r"AFQMC/train[^\n]*\n[^\n]*AFQMC: "):
        run(data, "prepare.text_corpora=[AFQMC]")
    with pytest.raises(ProjectError, match="no corpus named 'THS'"):
        run(data, "prepare.text_corpora=[THS]")


@pytest.mark.stage
def test_plain_text_joins_the_text_without_what_will_be_scored(data):
    (data / "text" / "news").mkdir(parents=True)
    (data / "text" / "talk.txt").write_text("下雨了吗？下了。\n今天几号\t不知道。\n", encoding="utf-8")
    (data / "text" / "news" / "a.json").write_text('["北京下雨", "上海晴天"]', encoding="utf-8")
    (data / "text" / "picture.png").write_bytes(b"\0")
    folder, facts = run(data, "prepare.text_files=[all]")
    assert text_of(folder)[5:] == [("北京下雨", "上海晴天"), ("下雨了吗？", "下了。")]
    assert facts["corpora"]["plain text"]["left_out"] == {"dev": 1, "test": 0, "explain": 0}
    (data / "text" / "talk.txt").write_text("下雪了吗？没有。\n", encoding="utf-8")
    named = f"prepare.text_files=[{data}/text/talk.txt]"
    assert text_of(run(data, named)[0])[5:] == [("下雪了吗？", "没有。")]
    (data / "text" / "talk.txt").write_text("刮风了吗？没有。\n", encoding="utf-8")
    assert text_of(run(data, named)[0])[5:] == [("刮风了吗？", "没有。")]  # another content is another run


def test_plain_text_that_is_not_there_is_none_for_all_and_an_error_by_name(data):
    assert len(text_of(run(data, "prepare.text_files=[all]")[0])) == 5
    with pytest.raises(
        ArtifactError, match=r"no\.txt: named in the recipe \(prepare.text_files\), but there is no such"
    ):
        run(data, f"prepare.text_files=[{data}/no.txt]")


def test_the_splits_of_the_recipes_own_corpus_are_not_read_twice_but_its_dev_is_text_where_leaks_may_stay(data):
    folder, _ = run(data, "prepare.text_corpora=[LCQMC]", "prepare.text_leaks=keep")
    assert text_of(folder) == [row[:2] for row in TRAIN]
    assert not find_inputs(load_recipe("demo", ["prepare.corpus=LCQMC", f"prepare.data_dir={data}"]).prepare).text


@pytest.mark.parametrize(
    ("fault", "setting", "dropped"),
    [
        ("repeated", "duplicates", {2}),
        ("contradicting", "contradictions", {3, 4}),
        ("dev", "leaks", {5}),
    ],
)
def test_training_pairs_are_kept_reported_or_dropped(data, fault, setting, dropped):
    everything = [Pair(*row) for row in TRAIN]
    for policy in ("keep", "report", "drop"):
        others = [f"prepare.{name}=keep" for name in ("duplicates", "contradictions", "leaks") if name != setting]
        folder, facts = run(data, *others, f"prepare.{setting}={policy}")
        gone = dropped if policy == "drop" else set()
        assert read_pairs(folder / "train.csv") == [pair for k, pair in enumerate(everything) if k not in gone]
        assert facts["train"]["found"].get(fault) == (None if policy == "keep" else len(dropped))
        assert facts["train"]["left_out"].get(fault) == (len(dropped) if policy == "drop" else None)
        assert len(text_of(folder)) == 5  # the text has policies of its own


def test_text_is_freed_of_repeats_when_asked(data):
    folder, facts = run(data, "prepare.text_corpora=[all]", "prepare.text_duplicates=drop")
    assert len(text_of(folder)) == 8 - 3  # one turned round in LCQMC, one with another label, one turned in THS2021
    assert facts["corpora"]["LCQMC"]["left_out"]["repeated"] == 2
    assert facts["corpora"]["THS2021"]["left_out"]["repeated"] == 1


def test_near_repeats_are_found_when_asked(data):
    long = "请问从北京西站到首都机场最快的路线应该怎么走才好"
    write(data / "LCQMC" / "train.tsv", [*TRAIN[:1], (long, "另外一句话", 1), (long + "呢", "另外一句话", 1)])
    folder, facts = run(data, "prepare.near_duplicates=0.8", "prepare.duplicates=drop")
    assert facts["train"]["left_out"]["nearly repeated"] == 1
    assert [pair.sentence1 for pair in read_pairs(folder / "train.csv")] == [TRAIN[0][0], long]
    with pytest.raises(
        ProjectError, match=r"near_duplicates: 0\.1 is too low a similarity; use 0 \(off\) or at least 0\.5"
    ):
        run(data, "prepare.near_duplicates=0.1")


def test_everything_dropped_is_an_error_and_not_an_empty_file(data):
    write(data / "LCQMC" / "train.tsv", [TRAIN[5]])
    with pytest.raises(DataError, match="no training pair is left"):
        run(data, "prepare.leaks=drop")
    assert not (data.parent / "runs" / "demo" / "prepare").exists()


def test_more_sets_can_be_kept_out_and_an_absent_one_is_logged(data, caplog):
    caplog.set_level("INFO")
    row = {"id": 1, "query": "买股票", "title": "标题", "text_q_seg": list("买股票"), "text_t_seg": ["标题"]}
    (data / "sim_interpretation_A.txt").write_text(json.dumps(row) + "\n", encoding="utf-8")
    write(data.parent / "mine.tsv", [("借钱要多久", "别的")])
    keep_out = f"prepare.keep_out=[A,B,{data.parent}/mine.tsv]"
    folder, facts = run(data, "prepare.text_corpora=[THS2021]", keep_out)
    assert text_of(folder) == [row[:2] for row in TRAIN[:3]] + [THS[1][1:]]
    assert facts["text"]["left_out"] == {"dev": 2, "test": 1, "explain": 0, "contest A": 2, "mine.tsv": 2}
    assert facts["not_kept_out"] == ["B"]
    assert "B is not on this machine, so pairs that occur in it cannot be left out" in caplog.text
    with pytest.raises(ProjectError, match="no corpus named 'C'"):
        run(data, "prepare.keep_out=[C]")


def test_numbers_are_refused_as_text_and_left_out_of_all(data):
    write(data / "GAIIC2021_Task3" / "train.tsv", [("12 23 4160", "29 23 169", 1), ("1 2", "3 4", 0)])
    with pytest.raises(DataError, match=r"train\.tsv: .*numbers"):
        run(data, "prepare.text_corpora=[GAIIC2021_Task3]")
    with pytest.raises(DataError, match=r"train\.tsv: .*numbers"):
        run(data, corpus="GAIIC2021_Task3")
    folder, facts = run(data, "prepare.text_corpora=[all]")
    assert "4160" not in (folder / "text.tsv").read_text(encoding="utf-8")
    assert "numbers" in facts["refused"]["GAIIC2021_Task3"]


def test_a_corpus_without_dev_and_test_holds_out_whole_groups(data):
    blocks = [(label, f"问题{k}", f"说法{k}之{label}{n}") for k in range(60) for n in range(2) for label in (1, 0)]
    write(data / "THS2021" / "train.tsv", blocks)
    (data / "THS2021" / "train.tsv").read_text(encoding="utf-8")
    folder, facts = run(data, "prepare.dev_share=0.1", "prepare.test_share=0.2", corpus="THS2021")
    splits = {name: read_pairs(folder / f"{name}.csv") for name in ("train", "dev", "test")}
    assert {name: len(pairs) for name, pairs in splits.items()} == {"train": 168, "dev": 24, "test": 48}
    sentences = [{side for pair in pairs for side in (pair.sentence1, pair.sentence2)} for pairs in splits.values()]
    assert sum(map(len, sentences)) == len(set.union(*sentences))
    assert all(sum(pair.label for pair in pairs) * 2 == len(pairs) for pairs in splits.values())
    assert facts["text"]["rows"] == 168
    write(data / "THS2021" / "train.tsv", [(k % 2, "同一个问题", f"说法{k}") for k in range(20)])
    with pytest.raises(DataError, match=r"train\.tsv: no test pairs can be held out: shared sentences connect all"):
        run(data, "prepare.dev_share=0.1", "prepare.test_share=0.2", corpus="THS2021")
    with pytest.raises(ProjectError, match="leave less than half"):
        run(data, "prepare.dev_share=0.3", "prepare.test_share=0.3", corpus="THS2021")
    with pytest.raises(ArtifactError, match=r"prepare\.dev_share=0\.1"):
        run(data, corpus="THS2021")


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    """The recipe lcqmc_small on every corpus at hand."""
    if not SHARED.is_file():
        pytest.skip(f"needs the real corpora: {SHARED} is not there")
    place = tmp_path_factory.mktemp("real")
    with tarfile.open(SHARED) as archive:
        archive.extractall(place / "data", filter="data")
    overrides = [f"prepare.data_dir={place}/data", f"runs_dir={place}/runs"]
    return place / "data" / "corpora", prepare(load_recipe("lcqmc_small", overrides))


@pytest.mark.stage
def test_the_real_text_holds_no_sentence_that_will_be_scored_and_says_what_was_left_out(real_run):
    data, folder = real_run
    scored = set()
    for name in ("lcqmc/dev.tsv", "lcqmc/test_unlabelled.tsv"):
        scored |= {normal_form(side) for _, line in read_lines(data / name) for side in line.split("\t")[:2]}
    for name in ("A", "B"):
        rows = map(json.loads, (data / "xinzhibei" / f"sim_interpretation_{name}.txt").read_text("utf-8").splitlines())
        scored |= {normal_form(row[side]) for row in rows for side in ("query", "title")}
    assert len(scored) > 40_000
    text = [line.split("\t") for _, line in read_lines(folder / "text.tsv")]
    assert not any(normal_form(side) in scored for row in text for side in row)
    facts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    n_read = sum(figures["rows"] for figures in facts["corpora"].values())
    assert len(text) == facts["text"]["rows"] == n_read - sum(facts["text"]["left_out"].values()) > 450_000
    assert len(facts["corpora"]) == 15  # all but PKU Paraphrase Bank, which is not at hand
    xf2021 = facts["corpora"]["XF2021"]
    assert sum(xf2021["left_out"].values()) == xf2021["rows"] == 10_000, "all of it is inside LCQMC's train"
    assert len(read_pairs(folder / "train.csv")) == 238_766
