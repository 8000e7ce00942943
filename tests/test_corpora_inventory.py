"""Which raw files lie on disk, whether their counts agree with the published ones, and the command that says so."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.commands import corpora as listing
from final_project.commands.corpora import as_json
from final_project.data.corpora import inventory
from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.inventory import data_folders, find_part, find_parts, missing_parts, places
from final_project.data.corpora.registry import CORPORA
from final_project.data.corpora.stock import Tally, take_stock
from final_project.data.files.tables import iter_pairs
from final_project.errors import DataError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora.tar.xz"
TRAIN = Part("train", "train", ("train.tsv", "train.txt"), (2, 1))
DEV = Part("dev", "dev", ("dev.tsv",), (1, 1))
TEST = Part("test", "test", ("test.tsv",), merged=False)


def a_corpus(*parts: Part, name: str = "Tiny", counts: tuple[int, int] = (3, 2)) -> Corpus:
    return Corpus(
        name=name,
        folders=(name.lower(), f"{name.lower()}_mirror"),
        parts=parts,
        read=iter_pairs,
        counts=counts,
        raw_format="two sentences and a label",
        label_rule="1 is 1",
        licence="made up here",
        source="this file",
        citation="none",
    )


def write(path, positive: int = 2, negative: int = 1):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"第{k}句甲\t第{k}句乙\t{int(k < positive)}\n" for k in range(positive + negative)]
    path.write_text("".join(rows), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def checkout_corpora(monkeypatch, tmp_path):
    """Whatever lies in the corpora/ of this checkout must not decide what the tests find."""
    monkeypatch.setattr(inventory, "CHECKOUT_CORPORA", tmp_path / "checkout" / "corpora")
    return tmp_path / "checkout" / "corpora"


@pytest.mark.parametrize(
    "place", ["Tiny/train.tsv", "tiny/train.txt", "corpora/tiny_mirror/train.tsv", "corpora/Tiny/train.txt"]
)
def test_a_part_is_found_under_every_name_of_its_folder_and_file(tmp_path, place):
    path = write(tmp_path / "data" / place)
    assert find_part(a_corpus(TRAIN), TRAIN, data_folders(tmp_path / "data")) == path


def test_the_checkouts_own_corpora_fill_the_gaps_of_the_data_folder(tmp_path, checkout_corpora):
    write(checkout_corpora / "tiny" / "train.tsv", 5, 5)
    dev = write(checkout_corpora / "tiny" / "dev.tsv", 1, 1)
    train = write(tmp_path / "data" / "tiny" / "train.tsv")
    assert find_parts(a_corpus(TRAIN, DEV), data_folders(tmp_path / "data")) == {"train": train, "dev": dev}


def test_a_part_that_is_not_there_is_none(tmp_path):
    assert find_part(a_corpus(TRAIN), TRAIN, data_folders(tmp_path)) is None


def test_two_files_that_differ_are_refused_with_both_names(tmp_path):
    one, other = write(tmp_path / "Tiny" / "train.tsv"), write(tmp_path / "corpora" / "tiny" / "train.txt", 3, 0)
    with pytest.raises(DataError) as error:
        find_part(a_corpus(TRAIN), TRAIN, data_folders(tmp_path))
    assert str(one) in str(error.value) and str(other) in str(error.value) and "remove one" in str(error.value)


def test_two_files_of_the_same_content_count_as_one(tmp_path):
    one = write(tmp_path / "Tiny" / "train.tsv")
    write(tmp_path / "tiny" / "train.txt")
    (tmp_path / "tiny" / "train.tsv").symlink_to(one)
    assert find_part(a_corpus(TRAIN), TRAIN, data_folders(tmp_path)) == one


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "tiny" / "train.tsv").mkdir(parents=True)
    with pytest.raises(DataError, match=r"train\.tsv: expected a file .*found a folder"):
        find_part(a_corpus(TRAIN), TRAIN, data_folders(tmp_path))


def test_a_part_inside_a_larger_one_is_read_only_where_all_larger_ones_are_absent(tmp_path):
    parts = (
        Part("50k", "train", ("50k.tsv",)),
        Part("10k", "train", ("10k.tsv",), inside="50k"),
        Part("3k", "train", ("3k.tsv",), inside="10k"),
    )
    corpus, folders = a_corpus(*parts), data_folders(tmp_path)
    write(tmp_path / "tiny" / "3k.tsv")
    assert list(find_parts(corpus, folders)) == ["3k"]
    write(tmp_path / "tiny" / "50k.tsv")
    assert list(find_parts(corpus, folders)) == ["50k"], "the part between them being absent"
    write(tmp_path / "tiny" / "10k.tsv")
    assert list(find_parts(corpus, folders)) == ["50k"]


@pytest.mark.parametrize("place", ["Tiny.tsv", "corpora/Tiny.csv", "Tiny/Tiny.txt", "corpora/tiny_mirror/Tiny.tsv"])
def test_the_collections_own_file_replaces_the_parts(tmp_path, place):
    path, folders = write(tmp_path / place), data_folders(tmp_path)
    test = write(tmp_path / "tiny" / "test.tsv")
    corpus = a_corpus(TRAIN, DEV, TEST)
    assert find_parts(corpus, folders) == {"test": test, "collection": path}
    assert missing_parts(corpus, folders) == []
    train = write(tmp_path / "tiny" / "train.tsv")
    assert find_parts(corpus, folders) == {"train": train, "test": test}


def test_missing_are_the_parts_that_the_collection_took_in_and_no_parts_inside_others(tmp_path):
    corpus = a_corpus(TRAIN, DEV, TEST, Part("small", "train", ("small.tsv",), inside="train"))
    write(tmp_path / "tiny" / "small.tsv")
    assert missing_parts(corpus, data_folders(tmp_path)) == [TRAIN, DEV]


def test_pieces_that_make_up_a_larger_part_are_missing_one_by_one(tmp_path):
    whole = Part("both", "train", ("both.tsv",))
    pieces = (replace(TRAIN, inside="both"), replace(DEV, inside="both"))
    corpus, folders = a_corpus(whole, *pieces), data_folders(tmp_path)
    assert missing_parts(corpus, folders) == list(pieces)
    write(tmp_path / "tiny" / "dev.tsv", 1, 1)
    assert missing_parts(corpus, folders) == [pieces[0]]
    write(tmp_path / "tiny" / "train.tsv")
    assert missing_parts(corpus, folders) == []
    assert str(stock_of(corpus, tmp_path)) == "agrees"
    both = write(tmp_path / "tiny" / "both.tsv", 3, 2)
    assert find_parts(corpus, folders) == {"both": both}
    assert str(stock_of(corpus, tmp_path)) == "agrees"


def test_the_first_of_the_places_is_the_releases_own(tmp_path):
    assert places(a_corpus(TRAIN), TRAIN, tmp_path)[0] == tmp_path / "Tiny" / "train.tsv"


def stock_of(corpus, tmp_path):
    return take_stock(corpus, data_folders(tmp_path))


def test_a_corpus_with_all_its_pairs_agrees(tmp_path):
    corpus = a_corpus(TRAIN, DEV, TEST)
    train, dev = write(tmp_path / "tiny" / "train.tsv"), write(tmp_path / "tiny" / "dev.tsv", 1, 1)
    stock = stock_of(corpus, tmp_path)
    assert (str(stock), stock.total, stock.missing) == ("agrees", Tally(3, 2), [])
    assert stock.files == {"train": train, "dev": dev}
    assert stock.tallies == {"train": Tally(2, 1), "dev": Tally(1, 1)}


def test_pairs_that_the_collection_left_out_are_counted_but_not_added(tmp_path):
    write(tmp_path / "tiny" / "train.tsv")
    write(tmp_path / "tiny" / "dev.tsv", 1, 1)
    write(tmp_path / "tiny" / "test.tsv", 7, 0)
    stock = stock_of(a_corpus(TRAIN, DEV, TEST), tmp_path)
    assert (str(stock), stock.total, stock.tallies["test"]) == ("agrees", Tally(3, 2), Tally(7, 0))


def test_the_collections_own_file_is_held_to_the_counts_of_the_whole(tmp_path):
    write(tmp_path / "Tiny.tsv", 3, 2)
    assert str(stock_of(a_corpus(TRAIN, DEV), tmp_path)) == "agrees"
    write(tmp_path / "Tiny.tsv", 3, 1)
    assert str(stock_of(a_corpus(TRAIN, DEV), tmp_path)) == "differs (found 3/1, published 3/2)"


def test_a_corpus_without_some_of_its_parts_is_incomplete(tmp_path):
    write(tmp_path / "tiny" / "train.tsv")
    stock = stock_of(a_corpus(TRAIN, DEV), tmp_path)
    assert (str(stock), stock.total, stock.missing) == ("incomplete", Tally(2, 1), [DEV])


def test_a_part_with_other_counts_differs_though_others_are_missing(tmp_path):
    write(tmp_path / "tiny" / "train.tsv", 1_000, 1)
    assert str(stock_of(a_corpus(TRAIN, DEV), tmp_path)) == "differs (found 1,000/1, published 2/1)"


def test_a_part_without_its_labels_leaves_the_corpus_incomplete(tmp_path):
    write(tmp_path / "tiny" / "train.tsv")
    (tmp_path / "tiny" / "dev.tsv").write_text("第一句\t第二句\n第三句\t第四句\n", encoding="utf-8")
    stock = stock_of(a_corpus(TRAIN, DEV), tmp_path)
    assert (str(stock), stock.tallies["dev"]) == ("incomplete (no labels in dev)", Tally(unlabelled=2))


def test_a_corpus_of_which_nothing_was_taken_in_is_absent(tmp_path):
    assert str(stock_of(a_corpus(TRAIN), tmp_path)) == "absent"
    write(tmp_path / "tiny" / "test.tsv")
    assert str(stock_of(a_corpus(TRAIN, TEST), tmp_path)) == "absent"


def test_a_fault_in_a_file_is_the_corpuss_answer(tmp_path):
    path = write(tmp_path / "tiny" / "train.tsv")
    path.write_text(path.read_text(encoding="utf-8") + "只有一列\n", encoding="utf-8")
    stock = stock_of(a_corpus(TRAIN), tmp_path)
    assert stock.state == "faulty"
    assert stock.remark.startswith(f"{path}:4: expected 3 tab-separated columns, found 1")


@pytest.fixture
def two_corpora(monkeypatch):
    registered = {"Tiny": a_corpus(TRAIN, DEV), "Little": a_corpus(TRAIN, name="Little", counts=(2, 1))}
    monkeypatch.setattr(listing, "CORPORA", registered)
    return registered


def run(*arguments) -> int:
    return run_main(main, ["corpora", *map(str, arguments)])


def test_json_says_what_is_known_and_found_of_every_corpus(tmp_path, two_corpora, capsys):
    path = write(tmp_path / "little" / "train.tsv")
    write(tmp_path / "tiny" / "dev.tsv", 1, 1)
    assert run("--json", "--data", tmp_path) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    little, tiny = answer["corpora"]["Little"], answer["corpora"]["Tiny"]
    assert (little["state"], little["missing"]) == ("agrees", [])
    assert little["files"]["train"] == {"path": str(path), "found": {"positive": 2, "negative": 1, "unlabelled": 0}}
    assert little["found"] == little["published"] == {"pairs": 3, "positive": 2, "negative": 1}
    assert little["licence"] == "made up here"
    assert (tiny["state"], tiny["missing"]) == ("incomplete", ["train"])
    assert answer["totals"]["published"] == {"pairs": 8, "positive": 5, "negative": 3}
    assert answer["totals"]["found"] == {"pairs": 5, "positive": 3, "negative": 2}
    assert [line for line in err.splitlines() if line] == ["corpora: Tiny: incomplete", "corpora: Little: agrees"]


def test_json_without_a_data_folder_says_what_is_known_alone(two_corpora, capsys):
    assert run("--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["corpora"]["Tiny"]["parts"]["train"]["published"] == {"pairs": 3, "positive": 2, "negative": 1}
    assert "state" not in answer["corpora"]["Tiny"] and "found" not in answer["totals"]


def test_a_faulty_file_is_shown_the_others_are_counted_and_the_command_fails(tmp_path, two_corpora, capsys):
    (tmp_path / "tiny" / "train.tsv").mkdir(parents=True)
    write(tmp_path / "little" / "train.tsv")
    assert run("--data", tmp_path) == 2
    shown = " ".join(capsys.readouterr().out.split())
    assert "faulty" in shown and "found a folder" in shown and "agrees" in shown
    assert "found: 3 pairs, 2 positive, 1 negative" in shown


def test_the_table_names_every_corpus_and_ends_with_the_sum(two_corpora, capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[-1] == "2 corpora: 8 pairs, 5 positive, 3 negative"
    for said in ("Tiny", "Little", "train.tsv (train.txt); dev.tsv", "made up here"):
        assert any(said in line for line in lines)


def test_markdown_is_one_table_with_one_line_a_corpus(two_corpora, capsys):
    assert run("--markdown") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 + 1
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "nowhere"), "nowhere: expected a folder, found nothing"),
        (("--markdown", "--data", "."), "no --data"),
    ],
)
def test_wrong_use_is_one_message(arguments, said, capsys):
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert (out, said in err, len(err.splitlines())) == ("", True, 1)


def test_the_published_counts_add_up_to_the_collection():
    totals = as_json(list(CORPORA.values()))["totals"]["published"]
    assert totals == {"pairs": 2_412_728, "positive": 1_225_715, "negative": 1_187_013}


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
def test_the_counts_of_the_parts_add_up_to_those_of_the_corpus(corpus):
    whole = [part.counts for part in corpus.parts if part.merged and not part.inside]
    if None in whole:
        assert corpus.name == "SOHU_2021", "the counts of its six kinds are not published"
    else:
        assert tuple(map(sum, zip(*whole, strict=True))) == corpus.counts


@pytest.mark.stage
@pytest.mark.skipif(not SHARED.is_file(), reason=f"{SHARED} is not at hand")
def test_the_counts_of_every_corpus_found_agree_with_the_published_ones(tmp_path):
    subprocess.run(["tar", "-xJf", SHARED, "-C", tmp_path], check=True)
    states = {name: str(take_stock(corpus, data_folders(tmp_path))) for name, corpus in CORPORA.items()}
    whole = {"DIAC2019", "AFQMC", "THS2021", "CHIP2019", "COVID19", "XF2021", "Chinese-STS-B"}
    none = {"CCKS2018_Task3", "PKU_Paraphrase_Bank"}
    for name, state in states.items():
        assert state == ("agrees" if name in whole else "absent" if name in none else "incomplete"), name
