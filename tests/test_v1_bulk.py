"""extract on whole files: the same rows from any number of processes, after any interruption, in little memory."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, command, environment
from v1_support import CHARACTERS, pair, run_cli, tiny_classifier, write_pairs

from final_project.data.files.contest import read_segmented
from final_project.data.records import SegmentedPair
from final_project.errors import DataError
from similarity_v1.extract.shards import ShardFolder, find_shards
from similarity_v1.rationales.selection import select
from similarity_v1.rationales.submission import read_submission

OWN_TORCHRUN = "final_project.parallel.torchrun"
N_PAIRS, SHARD_ROWS = 1190, 30


def random_pairs(n_pairs: int) -> list[SegmentedPair]:
    dice = random.Random(5)

    def text() -> str:
        return "".join(dice.choices(CHARACTERS, k=dice.randint(1, 18)))

    return [pair(number, text(), text()) for number in range(1, n_pairs + 1)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", random_pairs(N_PAIRS))


def arguments(model: Path, pairs_file: Path, output: Path, *more: object) -> list[str]:
    given = ("--model", model, "--pairs", pairs_file, "--output", output, "--shard-rows", SHARD_ROWS, *more)
    return ["extract", *map(str, given)]


@pytest.fixture(scope="module")
def rows_of_one_process(model, pairs_file, tmp_path_factory) -> Path:
    """The output of an undisturbed run; its scores are beside it."""
    from final_project.cli import run_main
    from similarity_v1.__main__ import main

    output = tmp_path_factory.mktemp("one") / "rows.txt"
    assert run_main(main, arguments(model, pairs_file, output)) == 0
    return output


def scores_of(output: Path) -> Path:
    return output.with_name(f"{output.stem}.scores.jsonl")


def same_rows(output: Path, expected: Path) -> bool:
    same_scores = scores_of(output).read_bytes() == scores_of(expected).read_bytes()
    return output.read_bytes() == expected.read_bytes() and same_scores


def n_shards_done(output: Path) -> int:
    return len(list(ShardFolder(output).path.glob("*.parquet")))


def start(*given: str, nproc: int = 1) -> subprocess.Popen:
    words = [OWN_TORCHRUN if word == "torch.distributed.run" else word for word in command(*given, nproc=nproc)]
    return subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_shards(process: subprocess.Popen, output: Path, n_shards: int) -> None:
    while n_shards_done(output) < n_shards:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


@pytest.mark.engines
def test_a_lost_process_ends_both_at_once_and_the_same_command_completes_the_rows_of_one(
    model, pairs_file, tmp_path, rows_of_one_process
):
    output = tmp_path / "rows.txt"
    given = ("similarity_v1", *arguments(model, pairs_file, output))
    process = start(*given, nproc=2)
    wait_for_shards(process, output, 3)
    children = psutil.Process(process.pid).children(recursive=True)
    next(child for child in children if child.environ().get("RANK") == "1").kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 137 and not output.exists()
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert errors == ["error: process 1 was ended by SIGKILL; the same command resumes from the last checkpoint"]
    assert "Traceback" not in said
    n_kept = n_shards_done(output)
    assert n_kept >= 3

    process = start(*given, nproc=2)
    answer, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert f"resuming: {n_kept * SHARD_ROWS} of {N_PAIRS} rows were explained by an earlier call" in said
    assert json.loads(answer)["new_rows"] == N_PAIRS - n_kept * SHARD_ROWS
    assert same_rows(output, rows_of_one_process)
    assert {path.name for path in tmp_path.iterdir()} == {"rows.txt", "rows.scores.jsonl"}


@pytest.mark.stage
def test_an_extraction_killed_at_random_is_completed_to_the_same_rows(
    model, pairs_file, tmp_path, rows_of_one_process, capsys, thorough
):
    output = tmp_path / "rows.txt"
    moments = sorted(random.sample(range(1, 36), 5 if thorough else 1))
    for moment in moments:
        process = start("similarity_v1", *arguments(model, pairs_file, output))
        wait_for_shards(process, output, moment)
        process.kill()
        process.communicate()
    status, _, err = run_cli(capsys, *arguments(model, pairs_file, output))
    assert status == 0 and "rows were explained by an earlier call" in err, moments
    assert same_rows(output, rows_of_one_process), moments
    assert {path.name for path in tmp_path.iterdir()} == {"rows.txt", "rows.scores.jsonl"}


@pytest.mark.thorough
def test_ray_gives_the_rows_of_one_process(model, pairs_file, tmp_path, rows_of_one_process):
    output = tmp_path / "rows.txt"
    process = start("similarity_v1", *arguments(model, pairs_file, output, "--engine", "ray"))
    answer, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert json.loads(answer)["rows"] == N_PAIRS and same_rows(output, rows_of_one_process)
    assert not [child for child in psutil.process_iter(["name"]) if child.info["name"] == "raylet"]


@pytest.mark.engines
@pytest.mark.thorough
def test_a_fault_on_all_processes_is_reported_once(model, tmp_path):
    broken = tmp_path / "pairs.jsonl"
    broken.write_text("{\n", encoding="utf-8")
    for folder, message in ((model, f"error: {broken}:1: broken JSON"), (tmp_path, "config.json is missing")):
        process = start("similarity_v1", *arguments(folder, broken, tmp_path / "rows.txt"), nproc=2)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert message in said and said.count("\n") == 1, said
        broken.write_text(json.dumps({"id": 1, "query": "a", "title": "a", "text_q_seg": ["a"], "text_t_seg": ["a"]}))


@pytest.mark.stage
def test_parquet_holds_words_scores_and_choices_of_the_same_rows(
    model, pairs_file, tmp_path, rows_of_one_process, capsys
):
    output = tmp_path / "rows.parquet"
    status, out, _ = run_cli(capsys, *arguments(model, pairs_file, output))
    assert status == 0 and json.loads(out)["output"] == str(output)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    rows = pq.read_table(output).to_pylist()
    scores = [json.loads(line) for line in scores_of(rows_of_one_process).read_text().splitlines()]
    texts = read_submission(rows_of_one_process)
    for row, score, (_, text), given in zip(rows, scores, texts, read_segmented(pairs_file), strict=True):
        assert (row["id"], row["label"]) == (score["id"], score["label"]) == (text.id, text.label)
        assert row["probability"] == pytest.approx(score["probability"], rel=1e-8)
        assert (tuple(row["words_q"]), tuple(row["words_t"])) == (given.words_q, given.words_t)
        assert row["scores_q"] == pytest.approx(score["scores_q"], rel=1e-8)
        assert tuple(row["chosen_t"]) == text.words_t == select(row["scores_t"], 0.705)


@pytest.mark.stage
def test_the_number_of_threads_that_the_environment_suggests_changes_no_digit(
    model, pairs_file, tmp_path, rows_of_one_process, capsys
):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        run_cli(capsys, *arguments(model, pairs_file, tmp_path / "rows.txt"))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert same_rows(tmp_path / "rows.txt", rows_of_one_process)


@pytest.mark.stage
def test_a_full_disk_costs_no_finished_shard(model, pairs_file, small_disk, rows_of_one_process, capsys):
    folder = small_disk(300)
    output = folder / "rows.txt"
    status, out, err = run_cli(capsys, *arguments(model, pairs_file, output))
    assert status == 2 and out == "" and "cannot write: No space left on device" in err and "Traceback" not in err
    assert [path.name for path in folder.iterdir()] == [".rows.txt.shards"]
    assert n_shards_done(output) > 0
    small_disk(4000)
    status, _, err = run_cli(capsys, *arguments(model, pairs_file, output))
    assert status == 0 and "rows were explained by an earlier call" in err
    assert same_rows(output, rows_of_one_process)


@pytest.mark.parametrize("what", ["model", "pairs", "options"])
def test_shards_of_another_model_pairs_or_options_are_not_taken(what, model, tmp_path, small_disk, capsys):
    pairs = write_pairs(tmp_path / "pairs.jsonl", random_pairs(200))
    output = small_disk(64) / "rows.txt"
    assert run_cli(capsys, *arguments(model, pairs, output))[0] == 2 and n_shards_done(output) > 0
    small_disk(4000)
    more = ()
    if what == "model":
        model = tiny_classifier(tmp_path / "other", seed=1)
    elif what == "pairs":
        pairs = write_pairs(tmp_path / "other.jsonl", random_pairs(200)[::-1])
    else:
        more = ("--ig-steps", 2)
    status, _, err = run_cli(capsys, *arguments(model, pairs, output, *more))
    assert status == 0 and "shards of another model, pairs or options" in err and "earlier call" not in err
    run_cli(capsys, *arguments(model, pairs, tmp_path / "fresh.txt", *more))
    assert same_rows(output, tmp_path / "fresh.txt")


def test_a_second_call_on_the_same_output_waits_for_the_first(tmp_path):
    first, second = (ShardFolder(tmp_path / "rows.txt") for _ in range(2))
    first.begin("key")
    waiting = threading.Thread(target=second.begin, args=("key",))
    waiting.start()
    waiting.join(timeout=0.3)
    assert waiting.is_alive()
    first.remove()
    first.release()
    waiting.join(timeout=5)
    assert not waiting.is_alive() and second.is_held(0) and (second.path / "job.json").is_file()
    second.release()
    assert not second.is_held(0)


@pytest.mark.parametrize("n_pairs", [1, 3, 4, 5, 8])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n \n"])
def test_shards_are_read_from_their_place_whatever_lies_between_the_rows(n_pairs, ending, tmp_path):
    pairs = random_pairs(n_pairs)
    lines = write_pairs(tmp_path / "plain.jsonl", pairs).read_text(encoding="utf-8").splitlines()
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + ending.join(["", *lines]).encode())
    shards = find_shards(path, 4)
    assert [row for number in range(len(shards)) for row in shards.read(number)] == pairs
    assert [shards.rows_in(number) for number in range(len(shards))] == [4] * (n_pairs // 4) + [n_pairs % 4] * (
        n_pairs % 4 > 0
    )


def test_a_file_that_changed_under_the_work_is_named_with_its_line(tmp_path):
    path = write_pairs(tmp_path / "pairs.jsonl", random_pairs(6))
    shards = find_shards(path, 4)
    path.write_text("x" * path.stat().st_size, encoding="utf-8")
    with pytest.raises(DataError, match=f"{path}:5: broken JSON"):
        shards.read(1)


def test_ray_needs_one_process_and_its_address_needs_ray(model, pairs_file, tmp_path, capsys):
    status, _, err = run_cli(capsys, *arguments(model, pairs_file, tmp_path / "rows.txt", "--ray-address", "here"))
    assert status == 2 and "--ray-address needs --engine ray" in err and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.tsv", "pairs.jsonl"])
def test_any_file_of_pairs_is_explained_as_the_same_rows_of_the_contest_are(model, tmp_path, name):
    """A table between semicolons, a TSV in GB18030 and JSONL without words: numbered from 1, characters as words."""
    from final_project.cli import run_main
    from similarity_v1.__main__ import main

    rows = random_pairs(70)
    same = write_pairs(tmp_path / "same.jsonl", rows)
    spelled = [json.dumps({"甲": row.query, "乙": row.title}, ensure_ascii=False) for row in rows]
    text = {
        "pairs.csv": "甲;乙\n" + "".join(f"{row.query};{row.title}\n" for row in rows),
        "pairs.tsv": "甲\t乙\n" + "".join(f"{row.query}\t{row.title}\n" for row in rows),
        "pairs.jsonl": "\n".join(spelled),
    }[name]
    (tmp_path / name).write_bytes(text.encode("gb18030" if name == "pairs.tsv" else "utf-8"))
    given = ("--columns", "sentence1=甲,sentence2=乙")
    assert run_main(main, arguments(model, same, tmp_path / "same.txt")) == 0
    assert run_main(main, arguments(model, tmp_path / name, tmp_path / "own.txt", *given)) == 0
    assert same_rows(tmp_path / "own.txt", tmp_path / "same.txt")
    is_readable = name == "pairs.tsv"  # two columns without a known header are pairs, the first row as well
    assert (run_main(main, arguments(model, tmp_path / name, tmp_path / "none.txt")) == 0) == is_readable
