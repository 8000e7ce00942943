"""The commands that the pages show are real: modules, scripts, recipes, commands and options."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from itertools import pairwise

import pytest
from conftest import ROOT
from test_docs_links import PAGES, tokens_of

from final_project.cli import stage_arguments
from final_project.commands.explained_pairs import COMMAND_VERBS, STAGE_VERBS, VERBS
from final_project.recipe import RECIPE_DIR

PACKAGES = ("final_project", "posttrain", "similarity_v0", "similarity_v1")
SHOWN = re.compile(r"(?:python|bash|explained-pairs) .+")


def commands_of(text: str) -> list[list[str]]:
    """Each command in words, without comments; a line that ends in a backslash goes with the next one."""
    lines = text.replace("\\\n", " ").splitlines()
    found = [match.group(0) for line in lines if (match := SHOWN.search(line.split(" #")[0]))]
    return [shlex.split(command.replace("[", " ").replace("]", " ")) for command in found]


def commands_of_page(page) -> list[list[str]]:
    kinds = ("code_block", "fence", "code_inline")
    return [words for token in tokens_of(page) if token.type in kinds for words in commands_of(token.content)]


def options_of(package: str, command: str) -> set[str]:
    """The options of `python -m PACKAGE COMMAND`; of the stage itself where command is empty."""
    if not command:
        return set(stage_arguments(package, "")._option_string_actions)
    parser = argparse.ArgumentParser()
    commands = importlib.import_module(f"{package}.__main__").COMMANDS
    assert command in commands, f"python -m {package} has no command {command}"
    importlib.import_module(commands[command][0]).add_arguments(parser)
    return set(parser._option_string_actions)


def faults_of(words: list[str]) -> list[str]:
    """What is wrong with a command; empty where it is right, or is none of ours."""
    words = words[: words.index("--")] if "--" in words else words
    program, *rest = words
    if program == "explained-pairs":
        return [] if not rest or rest[0] in VERBS or rest[0].isupper() or rest[0].startswith("-") else [rest[0]]
    if rest[:1] == ["-m"] and rest[1] in PACKAGES:
        package, rest = rest[1], rest[2:]
        command = rest.pop(0) if rest and re.fullmatch(r"[a-z]+", rest[0]) else ""
        if rest[:1] == ["COMMAND"]:
            return []
        known = options_of(package, command)
        return [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    if program == "python" and rest[0].endswith(".py"):
        return [] if re.search(r"NAME|\$", rest[0]) or (ROOT / rest[0]).is_file() else [rest[0]]
    recipes = [name for option, name in pairwise(rest) if option == "--recipe"]
    return [
        name for name in recipes if name.islower() and "/" not in name and not (RECIPE_DIR / f"{name}.yaml").is_file()
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_has_the_options_it_is_shown_with(page):
    for words in commands_of_page(page):
        assert not faults_of(words), f"{page.name}: {shlex.join(words)}"


def test_a_command_an_option_a_script_and_a_recipe_that_do_not_exist_would_be_found():
    for line in (
        "python -m similarity_v1 explain --modle DIR",
        "python -m similarity_v0 --recipes demo",
        "python bench/none.py",
        "bash run.sh --recipe none",
        "explained-pairs explian",
    ):
        assert faults_of(*commands_of(line)), line
    with pytest.raises(AssertionError, match="no command explian"):
        faults_of(*commands_of("python -m similarity_v1 explian"))


def test_the_page_of_commands_shows_every_command_and_every_verb():
    shown = commands_of_page(ROOT / "docs" / "COMMANDS.md")
    modules = {tuple(words[2:4]) for words in shown if words[:2] == ["python", "-m"]}
    for package in ("final_project", "similarity_v0", "similarity_v1"):
        for command in importlib.import_module(f"{package}.__main__").COMMANDS:
            assert (package, command) in modules, f"{package} {command}"
    text = (ROOT / "docs" / "COMMANDS.md").read_text(encoding="utf-8")
    for verb in {*COMMAND_VERBS, *STAGE_VERBS, *VERBS}:
        assert f"`{verb}`" in text, verb
