"""The command line of every package: the same help, and the nearest name for a slip, from one mechanism."""

from __future__ import annotations

import importlib

import pytest

from final_project.__main__ import COMMANDS as CORE
from final_project.cli import run_main
from posttrain.__main__ import main as posttrain
from similarity_v0.__main__ import COMMANDS as V0
from similarity_v0.__main__ import main as v0
from similarity_v1.__main__ import COMMANDS as V1
from similarity_v1.__main__ import main as v1

MAINS = {"final_project": importlib.import_module("final_project.__main__").main, "similarity_v0": v0,
         "similarity_v1": v1, "posttrain": posttrain}  # fmt: skip


def run(capsys, package: str, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = run_main(MAINS[package], arguments)
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    ("package", "slip", "meant"),
    [
        ("similarity_v0", "predct", "predict"),
        ("similarity_v0", "ensembel", "ensemble"),
        ("similarity_v0", "exprot", "export"),
        ("similarity_v1", "explian", "explain"),
        ("final_project", "prepar", "prepare"),
        ("final_project", "corpra", "corpora"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest_in_one_line(capsys, package, slip, meant):
    status, out, err = run(capsys, package, slip, "--input", "x")
    assert status == 2 and out == "" and err.count("\n") == 1
    assert f"python -m {package} has no command '{slip}'; did you mean {meant}?" in err


def test_a_word_that_is_near_to_no_command_is_answered_with_all_of_them(capsys):
    status, _, err = run(capsys, "similarity_v0", "zzz")
    assert status == 2 and "did you mean" not in err and all(name in err for name in V0)
    status, _, err = run(capsys, "posttrain", "demo")
    assert status == 2 and "has no command 'demo'; settings follow after -- as key=value" in err
    assert run(capsys, "final_project")[0] == 2


@pytest.mark.parametrize(
    ("package", "commands"), [("final_project", CORE), ("similarity_v0", V0), ("similarity_v1", V1)]
)
def test_help_lists_every_command_and_each_has_a_help_of_its_own(capsys, package, commands):
    status, listed, _ = run(capsys, package, "--help")
    assert status == 0
    for name, (_, about) in commands.items():
        assert f"  {name} " in listed and about in listed
        status, out, _ = run(capsys, package, name, "--help")
        assert status == 0 and out.startswith(f"usage: python -m {package} {name} ")


def test_settings_without_a_command_are_still_settings(capsys):
    for package in ("similarity_v0", "posttrain"):
        status, _, err = run(capsys, package, f"{package}.lrr=1")
        assert status == 2 and f"did you mean {package}.lr?" in err
