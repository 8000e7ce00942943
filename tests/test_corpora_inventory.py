"""Which raw files lie on disk, whether their counts agree with the published ones, and the command that says so."""

from __future__ import annotations

import pytest

from final_project.data.corpora import inventory
from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.inventory import data_folders, find_part, find_parts, missing_parts, places
from final_project.data.tables import iter_pairs
from final_project.errors import DataError

TRAIN = Part("train", "train", ("train.tsv", "train.txt"), (2, 1))
DEV = Part("dev", "dev", ("dev.tsv",), (1, 1))
TEST = Part("test", "test", ("test.tsv",), merged=False)


def a_corpus(*parts: Part, name: str = "Tiny", counts: tuple[int, int] = (3, 2)) -> Corpus:
    return Corpus(
        name=name,
        folders=("tiny", "tiny_mirror"),
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
def test_the_collections_own_file_stands_in_for_the_parts(tmp_path, place):
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


def test_the_first_of_the_places_is_the_releases_own(tmp_path):
    assert places(a_corpus(TRAIN), TRAIN, tmp_path)[0] == tmp_path / "Tiny" / "train.tsv"
