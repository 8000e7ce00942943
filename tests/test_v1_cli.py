import errno
import json
import os
import subprocess
import sys

import pytest
from v1_support import ROOT, gold_row, make_run, pair, run_cli, tiny_classifier, write_pairs

from final_project.model.decision import Decision
from final_project.run.stage_folder import StageFolder
from similarity_v1.rationales.submission import read_submission, validate

PAIRS = [
    pair(1, "怎么开通花呗", "如何开通花呗"),
    pair(2, "手机号码多少", "手机多少钱"),
    pair(3, "花呗怎么开通", "花呗如何开通啊"),
]
SUBMIT_FILES = {
    "sim_rationale.txt",
    "sim_rationale_f1.txt",
    "sim_rationale_f1_f2.txt",
    "sim_rationale_f1_f2_f3.txt",
    "sim_rationale_f1_f2_f3.zip",
    "sim_rationale_clean.txt",
    "sim_rationale_clean.zip",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("model"))


@pytest.fixture
def pairs_file(tmp_path):
    return write_pairs(tmp_path / "pairs.jsonl", PAIRS)


def one_message(status, out, err):
    """What every wrong use, recipe or data ends in."""
    assert status == 2 and out == "" and "Traceback" not in err
    return err


def test_extract_writes_rationales_and_scores(model, pairs_file, tmp_path, capsys):
    output = tmp_path / "new" / "sim_rationale.txt"
    status, out, _ = run_cli(capsys, "extract", "--model", model, "--pairs", pairs_file, "--output", output)
    assert status == 0 and json.loads(out)["rows"] == 3
    assert validate(output, PAIRS)["rows"] == 3
    records = [json.loads(line) for line in (output.parent / "sim_rationale.scores.jsonl").read_text().splitlines()]
    assert [set(record) for record in records] == [{"id", "label", "probability", "scores_q", "scores_t"}] * 3
    assert [len(record["scores_q"]) for record in records] == [6, 6, 6]
    assert all(record["label"] == (record["probability"] > 0.5) for record in records)
    assert len(read_submission(output)[0][1].words_q) == 5, "0.705 of six words, rounded up"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ratio", "0"), "--ratio: Input should be greater than 0"),
        (("--ratio", "2"), "--ratio: Input should be less than or equal to 1"),
        (("--ratio", "nan"), "--ratio: Input should be"),
        (("--ratio", "much"), "--ratio: invalid float value: 'much'"),
        (("--ig-steps", "0"), "--ig-steps: Input should be greater than or equal to 1"),
        (("--ig-steps", "1.5"), "--ig-steps: invalid int value: '1.5'"),
        (("--batch-tokens", "-1"), "--batch-tokens: Input should be greater than or equal to 64"),
        (("--method", "magic"), "--method: invalid choice: 'magic'"),
        (("--method", "gradient_x_input", "--ig-steps", "8"), "ig_steps: 8 needs method: integrated_gradients"),
    ],
)
def test_settings_out_of_range_are_refused(model, pairs_file, tmp_path, capsys, options, message):
    output = tmp_path / "out.txt"
    err = one_message(
        *run_cli(capsys, "extract", "--model", model, "--pairs", pairs_file, "--output", output, *options)
    )
    assert message in err and not output.exists()


@pytest.mark.stage
def test_more_than_one_step_means_integrated_gradients(model, pairs_file, tmp_path, capsys):
    texts = {}
    for name, options in {
        "implied": ("--ig-steps", "3"),
        "named": ("--ig-steps", "3", "--method", "integrated_gradients"),
        "one step": (),
    }.items():
        output = tmp_path / f"{name}.txt"
        code, _, _ = run_cli(capsys, "extract", "--model", model, "--pairs", pairs_file, "--output", output, *options)
        assert code == 0
        texts[name] = output.with_name(f"{name}.scores.jsonl").read_text(encoding="utf-8")
    assert texts["implied"] == texts["named"] != texts["one step"]


@pytest.mark.parametrize("part", ["config.json", "model.safetensors", "tokenizer"])
def test_a_model_folder_with_a_part_missing_is_refused(pairs_file, tmp_path, capsys, part):
    folder = tiny_classifier(tmp_path / "model")
    for path in folder.glob("vocab.txt") if part == "tokenizer" else ():
        path.unlink()
    (folder / ("tokenizer.json" if part == "tokenizer" else part)).unlink()
    err = one_message(
        *run_cli(capsys, "extract", "--model", folder, "--pairs", pairs_file, "--output", tmp_path / "o.txt")
    )
    assert str(folder) in err and f"{part} is missing" in err and not (tmp_path / "o.txt").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read: No such file or directory"),
        ("", "the file is empty"),
        ("sentence1,sentence2,label\n", ":1: a header and no rows"),
        ('{"id": 1, "query": "a"}\n', ":1: missing key 'title'"),
        ("[1]\n", ":1: expected a JSON object"),
    ],
)
@pytest.mark.parametrize("command", ["extract", "validate", "refine", "evaluate", "twins", "length"])
def test_a_wrong_pairs_file_is_named(model, tmp_path, capsys, command, content, message):
    path = tmp_path / "pairs.jsonl"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    other = tmp_path / "other"
    options = {
        "extract": ("--model", model, "--output", tmp_path / "o.txt"),
        "validate": ("--submission", other),
        "refine": ("--rationales", other, "--originals", other, "--output-dir", tmp_path / "out"),
        "evaluate": ("--predictions", other),
        "twins": ("--output", tmp_path / "o.txt"),
        "length": ("--scores", other, "--gold", other),
    }[command]
    err = one_message(*run_cli(capsys, command, "--pairs", path, *options))
    assert err.startswith(f"error: {path}") and message in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "o.txt").exists()


def test_an_output_that_cannot_be_written_is_named(model, pairs_file, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    output = tmp_path / "file" / "o.txt"
    err = one_message(*run_cli(capsys, "extract", "--model", model, "--pairs", pairs_file, "--output", output))
    assert f"{output}: cannot write" in err
    err = one_message(*run_cli(capsys, "extract", "--model", model, "--pairs", pairs_file, "--output", tmp_path))
    assert f"{tmp_path}: cannot write: Is a directory" in err


def test_a_full_disk_leaves_nothing_half_written(model, pairs_file, tmp_path, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("final_project.artifacts.os.fsync", full)
    output = tmp_path / "out" / "o.txt"
    err = one_message(*run_cli(capsys, "extract", "--model", model, "--pairs", pairs_file, "--output", output))
    assert "cannot write: No space left on device" in err and list((tmp_path / "out").iterdir()) == []


def test_refine_reads_everything_before_it_writes_anything(pairs_file, tmp_path, capsys):
    (tmp_path / "raw.txt").write_text("1\t1\t0\t0\n2\t0\t0\t0\n3\t0\t0\t0\n")
    options = ("--pairs", pairs_file, "--rationales", tmp_path / "raw.txt", "--output-dir", tmp_path / "out")
    err = one_message(*run_cli(capsys, "refine", *options, "--originals", tmp_path / "none.tsv"))
    assert "none.tsv: cannot read" in err and not (tmp_path / "out").exists()


def test_refine_writes_one_chain_where_one_is_asked_for(pairs_file, tmp_path, capsys):
    (tmp_path / "raw.txt").write_text("1\t1\t0\t0\n2\t0\t0\t0\n3\t0\t0\t0\n")
    (tmp_path / "originals.tsv").write_text("甲\t乙\n")
    options = ("--pairs", pairs_file, "--rationales", tmp_path / "raw.txt", "--originals", tmp_path / "originals.tsv")
    for chain, n_files in (("clean", 2), ("published", 4), ("original", 4), ("both", 6)):
        folder = tmp_path / chain
        status, _, err = run_cli(capsys, "refine", *options, "--output-dir", folder, "--chain", chain)
        assert status == 0 and len(list(folder.iterdir())) == n_files
        assert ("no row of the pairs is a source row" in err) == (chain != "clean")


def test_unknown_subcommands_and_options_are_wrong_use(capsys):
    assert "did you mean extract?" in one_message(*run_cli(capsys, "extrct"))
    assert "required: --submission" in one_message(*run_cli(capsys, "validate", "--pairs", "x"))
    assert "unrecognized arguments" in one_message(*run_cli(capsys, "report", "--run", "x", "--colour"))
    assert "no recipe named" in one_message(*run_cli(capsys, "--recipe", "dmeo"))


@pytest.mark.parametrize("command", [(), ("extract",), ("refine",), ("validate",), ("evaluate",), ("explain",)])
def test_help_is_there_for_every_command(capsys, command):
    status, out, _ = run_cli(capsys, *command, "--help")
    assert status == 0 and "usage: python -m similarity_v1" in out


def test_explain_prints_label_probability_and_words_without_colours_in_a_pipe(model, tmp_path, capsys):
    page = tmp_path / "pair.html"
    status, out, _ = run_cli(capsys, "explain", "--model", model, "怎么 开通<b>abc12</b>", "如何开通", "--html", page)
    assert status == 0 and "\x1b[" not in out
    assert "label " in out and "P(1) 0." in out and "abc12" in out
    assert "<b>" not in page.read_text() and "&lt;" in page.read_text()


@pytest.mark.parametrize(
    ("options", "n_chosen"),
    [((), 5), (("--ratio", 0.2), 2), (("--select", "top_k", "--top-k", 3), 3), (("--select", "mass"), None)],
)
def test_explain_chooses_words_by_the_settings_of_extract_and_shows_the_cut(model, tmp_path, capsys, options, n_chosen):
    page = tmp_path / "pair.html"
    texts = ("怎么开通花呗吗", "如何开通花呗吗")
    Decision(0.25).save(model)
    try:
        _, out, _ = run_cli(capsys, "explain", "--model", model, *texts, *options, "--html", page)
    finally:
        (model / "decision.json").unlink()
    verdict, _, ranked, *_ = out.splitlines()
    assert verdict.endswith("(label 1 from 0.2500)")
    shown = json.loads(page.read_text().split('id="pair-data">')[1].split("</script>")[0])
    chosen = shown["chosen"]["chosen"][0]
    assert [texts[0][i] for i in chosen] == [one.split()[0] for one in ranked.split(" > ")]
    assert shown["threshold"] == 0.25 and len(chosen) == (n_chosen or len(chosen))


def test_explain_answers_programs_with_one_json_object(model, capsys):
    _, out, _ = run_cli(capsys, "explain", "--json", "--ratio", 0.5, "--model", model, "怎么开通", "如何开通")
    answer = json.loads(out)
    assert answer["label"] in (0, 1) and answer["probability"] == max(answer["probabilities"])
    first, second = answer["texts"]
    assert [word["text"] for word in first] == [*"怎么开通"] and len(second) == 4
    ranked = sorted((word for word in first if word["rank"]), key=lambda word: word["rank"])
    assert [word["rank"] for word in ranked] == [1, 2] and ranked[0]["score"] >= ranked[1]["score"]


def test_explain_refuses_an_empty_sentence(model, capsys):
    assert "TEXT_B: the sentence is empty" in one_message(*run_cli(capsys, "explain", "--model", model, "怎么", " "))


@pytest.mark.stage
def test_the_module_runs_as_a_program_and_shows_no_traceback(tmp_path):
    command = [sys.executable, "-m", "similarity_v1", "validate", "--pairs", "none", "--submission", "none"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: none: cannot read: No such file or directory\n"


@pytest.fixture
def run(tmp_path):
    """A prepared and trained run, and the recipe arguments that name it."""
    (tmp_path / "tiny.yaml").write_text(f"runs_dir: {tmp_path}\n")
    gold = [gold_row(PAIRS[0], rel_ids=[3]), gold_row(PAIRS[1], label=0), gold_row(PAIRS[2], sample_type="disturb")]
    make_run(tmp_path / "tiny", PAIRS, PAIRS[:2], gold)
    return tmp_path / "tiny", ("--recipe", tmp_path / "tiny.yaml")


@pytest.mark.stage
def test_the_stage_writes_both_chains_a_valid_zip_figures_and_a_report(run, capsys):
    run_dir, arguments = run
    status, out, err = run_cli(capsys, *arguments)
    stage = run_dir / "similarity_v1"
    assert status == 0 and out == ""
    assert {path.name for path in (stage / "submit").iterdir()} == SUBMIT_FILES
    assert err.rstrip().endswith(f"handed in (chain published): {stage}/submit/sim_rationale_f1_f2_f3.zip")
    assert "3 rows" in err and " s\n" in err
    manifest = StageFolder(run_dir, "similarity_v1").manifest()
    assert manifest["handed_in"] == "submit/sim_rationale_f1_f2_f3.zip" and manifest["rows"] == 3
    assert {"evaluation.json", "report.html", "scores.jsonl"} <= set(manifest["outputs"])
    evaluation = json.loads((stage / "evaluation.json").read_text())
    for figures in evaluation["systems"].values():
        assert {"accuracy", "macro_f1", "token_f1", "iou_f1", "map", "share_chosen"} <= set(figures)
    assert set(evaluation["baselines"]) == {"all_words", "first_share", "random", "overlap"}
    for name in ("sim_rationale_f1_f2_f3.zip", "sim_rationale_clean.zip"):
        assert validate(stage / "submit" / name, PAIRS)["valid"]


@pytest.mark.stage
def test_the_recipe_says_which_chain_is_handed_in(run, capsys):
    run_dir, arguments = run
    status, _, err = run_cli(capsys, *arguments, "--", "similarity_v1.chain=clean")
    assert status == 0 and "handed in (chain clean)" in err
    manifest = StageFolder(run_dir, "similarity_v1").manifest()
    assert manifest["handed_in"] == "submit/sim_rationale_clean.zip"


@pytest.mark.stage
def test_a_finished_stage_is_skipped_without_loading_torch_until_a_setting_changes(run, capsys):
    run_dir, arguments = run
    run_cli(capsys, *arguments)
    before = (run_dir / "similarity_v1" / "manifest.json").read_bytes()
    program = f"""
import sys
from final_project.cli import run_main
from similarity_v1.__main__ import main
status = run_main(main, {[str(part) for part in arguments]!r})
assert not {{"torch", "transformers", "scipy", "jinja2"}} & set(sys.modules)
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"similarity_v1: up to date, skipped ({run_dir}/similarity_v1)\n"
    assert (run_dir / "similarity_v1" / "manifest.json").read_bytes() == before
    _, _, err = run_cli(capsys, *arguments, "--", "similarity_v1.ratio=0.5")
    assert "skipped" not in err and "3 rows" in err
    _, _, err = run_cli(capsys, *arguments, "--force", "--", "similarity_v1.ratio=0.5")
    assert "skipped" not in err and "3 rows" in err


@pytest.mark.stage
def test_an_interrupted_stage_starts_over_and_gives_the_same_bytes(run, capsys):
    run_dir, arguments = run
    stage = run_dir / "similarity_v1"
    run_cli(capsys, *arguments)
    before = {path.name: path.read_bytes() for path in stage.rglob("*.*") if path.name != "manifest.json"}
    key = StageFolder(run_dir, "similarity_v1").manifest()["key"]
    (stage / "manifest.json").unlink()
    (stage / "submit" / "sim_rationale_f1.txt").unlink()
    (stage / "started.json").write_text(json.dumps({"key": key}))
    (stage / "submit" / ".sim_rationale_f1.txt.abcd").write_text("1\t1")
    status, _, err = run_cli(capsys, *arguments)
    assert status == 0 and "skipped" not in err
    assert not [name for name in StageFolder(run_dir, "similarity_v1").manifest()["outputs"] if "abcd" in name]
    (stage / "submit" / ".sim_rationale_f1.txt.abcd").unlink()
    assert {path.name: path.read_bytes() for path in stage.rglob("*.*") if path.name != "manifest.json"} == before


def test_an_earlier_stage_that_has_not_finished_is_named(run, capsys):
    run_dir, arguments = run
    (run_dir / "similarity_v0" / "manifest.json").unlink()
    err = one_message(*run_cli(capsys, *arguments))
    assert f"{run_dir}/similarity_v0 is missing or unfinished: run bash run.sh similarity_v0" in err
