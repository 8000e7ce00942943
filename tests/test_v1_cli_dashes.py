"""Texts and settings that begin with a dash: taken behind --, and the error says so where it is missing."""

import pytest
from v1_support import run_cli, tiny_classifier

from final_project.__main__ import main as final_project
from final_project.cli import run_main
from posttrain.__main__ import main as posttrain
from similarity_v0.__main__ import main as similarity_v0

BEHIND = "write an argument that begins with a dash after --, as in: -- {}"


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (("-5度冷吗", "今天冷吗"), "-5度冷吗"),
        (("今天冷吗", "-5度冷吗"), "-5度冷吗"),
        (("-5度冷吗", "-3度冷吗"), "-5度冷吗"),
        (("-5度冷吗",), "-5度冷吗"),
        (("--什么", "什么"), "--什么"),
        (("-hello", "hello"), "-hello"),
    ],
)
def test_a_text_that_begins_with_a_dash_is_named_with_the_way_to_give_it(tmp_path, capsys, texts, named):
    status, out, err = run_cli(capsys, "explain", "--model", tmp_path, *texts)
    assert (status, out) == (2, "") and BEHIND.format(named) in err


def test_behind_the_dashes_such_texts_are_explained(tmp_path, capsys):
    folder = tiny_classifier(tmp_path)
    status, out, _ = run_cli(capsys, "explain", "--model", folder, "--", "-怎么开通", "--花呗")
    assert status == 0 and "-" in out


def run(capsys, main, *arguments):
    try:
        status = run_main(main, arguments)
    except SystemExit as exit_:
        status = exit_.code
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("main", "arguments", "setting"),
    [
        (similarity_v0, ("--recipe", "demo", "--similarity_v0.epochs=1"), "similarity_v0.epochs=1"),
        (similarity_v0, ("-similarity_v0.epochs=1",), "similarity_v0.epochs=1"),
        (posttrain, ("--posttrain.epochs=1",), "posttrain.epochs=1"),
        (final_project, ("prepare", "--prepare.corpus=x"), "prepare.corpus=x"),
        (final_project, ("doctor", "--nproc=2"), "nproc=2"),
        (final_project, ("plan", "--stages", "prepare", "--nproc=2"), "nproc=2"),
        (similarity_v0, ("sweep", "--seed=3"), "seed=3"),
    ],
)
def test_a_setting_given_as_an_option_is_named_with_the_way_to_give_it(capsys, main, arguments, setting):
    status, err = run(capsys, main, *arguments)
    assert status == 2 and f"write settings without dashes, after --, as in: -- {setting}" in err


def test_other_mistakes_have_their_own_hints_or_none(capsys):
    status, _, err = run_cli(capsys, "explain", "--modle", "DIR", "怎么", "如何")
    assert status == 2 and "did you mean --model?" in err and "behind" not in err
    status, err = run(capsys, similarity_v0, "predict", "--model", "-dir", "--input", "a", "--output", "b")
    assert status == 2 and "join a value that begins with a dash to its option: --OPTION=-dir" in err
    status, _, err = run_cli(capsys, "explain", "怎么", "如何")
    assert status == 2 and err.rstrip().endswith("required: --model")
