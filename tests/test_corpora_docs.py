"""The documents about corpora: followed, where they say how; compared with the registry, where they say what."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from final_project.commands.corpora import as_markdown
from final_project.data.corpora.registry import CORPORA

ADDING = (ROOT / "docs" / "ADDING_A_CORPUS.md").read_text(encoding="utf-8")
ATEC_FILE = Path("data/atec/atec_nlp_sim_train.csv")
REAL_ATEC = ROOT.parent / "shared" / "data" / "corpora.tar.xz"


def blocks(language: str) -> list[str]:
    """The document's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", ADDING, flags=re.DOTALL)


def apply_diff(text: str, diff: str) -> str:
    """The text with one hunk applied; its old lines must stand there exactly once."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(old) == 1, f"the registry has changed; the document still says\n{diff}"
    return text.replace(old, new)


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A copy of the package in which the document was followed."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "final_project", copy / "final_project", ignore=shutil.ignore_patterns("__pycache__"))
    named = re.findall(r"^`(final_project/\S+\.py)`:$", ADDING, flags=re.MULTILINE)
    entry, registry = (copy / name for name in named)
    assert not entry.exists()
    entry.write_text(*blocks("python"), encoding="utf-8")
    text = registry.read_text(encoding="utf-8")
    for diff in blocks("diff"):
        text = apply_diff(text, diff)
    registry.write_text(text, encoding="utf-8")
    (copy / ATEC_FILE).parent.mkdir(parents=True)
    return copy


def follow(house: Path) -> tuple[subprocess.CompletedProcess, subprocess.CompletedProcess]:
    """Run the document's two commands."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    convert, corpora = (
        subprocess.run(
            [sys.executable, *shlex.split(line)[1:]], cwd=house, env=environment, capture_output=True, text=True
        )
        for line in "".join(blocks("bash")).splitlines()
    )
    return convert, corpora


@pytest.mark.stage
def test_following_the_document_reads_a_file_of_that_format(house):
    rows = (
        "\ufeff1\t\ufeff怎么换绑手机\t换手机怎么绑定\t1\r\n2\t额度是多少\t怎么还款\t0\r\n3\t“开通”在哪\t在哪开通\t1\r\n"
    )
    (house / ATEC_FILE).write_bytes(rows.encode())
    convert, corpora = follow(house)
    answer = json.loads(convert.stdout)
    assert (answer["rows"], answer["positive"], answer["negative"]) == (3, 2, 1)
    written = (house / "atec.csv").read_text(encoding="utf-8").splitlines()
    assert written[1] == "怎么换绑手机,换手机怎么绑定,1", "neither byte order mark is part of the sentence"
    atec = json.loads(corpora.stdout)["corpora"]["ATEC"]
    assert (atec["state"], atec["remark"]) == ("differs", "found 2/1, published 8,549/30,797")


@pytest.mark.stage
def test_following_the_document_refuses_a_fault_with_its_line(house):
    (house / ATEC_FILE).write_bytes("1\t怎么换绑手机\t换手机怎么绑定\t1\r\n2\t额度是多少\t怎么还款\r\n".encode())
    convert, corpora = follow(house)
    assert (convert.returncode, corpora.returncode) == (2, 2)
    assert f"{ATEC_FILE}:2: expected 4 tab-separated columns, found 3" in convert.stderr
    assert "Traceback" not in convert.stderr + corpora.stderr
    assert json.loads(corpora.stdout)["corpora"]["ATEC"]["state"] == "faulty"


@pytest.mark.stage
@pytest.mark.skipif(not REAL_ATEC.is_file(), reason=f"{REAL_ATEC} is not at hand")
def test_following_the_document_on_the_real_file_gives_the_counts_it_states(house):
    with (house / ATEC_FILE).open("wb") as file:
        subprocess.run(["tar", "-xJOf", REAL_ATEC, "corpora/atec/atec_nlp_sim_train.csv"], stdout=file, check=True)
    convert, corpora = follow(house)
    (stated,) = blocks("json")
    assert json.loads(convert.stdout) == json.loads(stated)
    assert json.loads(corpora.stdout)["corpora"]["ATEC"]["state"] == "agrees"
    head = re.search(r"head -c (\d+) .*\n((?:    [0-9a-f]{8}: .*\n)+)", ADDING)
    shown = "".join("".join(line.split(":")[1][:41].split()) for line in head[2].splitlines())
    assert shown == (house / ATEC_FILE).read_bytes()[: int(head[1])].hex(), "the bytes that the document shows"


def table_rows(document: str) -> dict[str, list[str]]:
    """The cells of every table row that begins with a corpus's name, by that name."""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return {row[0]: row for row in cells if row[0] in CORPORA}


def first_address(source: str) -> str:
    return re.search(r"https?://[^\s;,)]+", source)[0]


def test_the_table_of_the_document_is_the_one_the_command_prints():
    document = (ROOT / "docs" / "CORPORA.md").read_text(encoding="utf-8")
    table = as_markdown(list(CORPORA.values()))
    assert table in document, "python -m final_project corpora --markdown gives the table of docs/CORPORA.md"
    assert document.count("\n| **together**") == 1


def test_the_document_has_a_note_on_every_corpus():
    document = (ROOT / "docs" / "CORPORA.md").read_text(encoding="utf-8")
    assert re.findall(r"^\*\*(\S+)\.\*\* ", document, flags=re.MULTILINE) == list(CORPORA)


def test_the_chinese_document_says_of_every_corpus_where_it_comes_from():
    rows = table_rows("docs/CORPORA.zh-CN.md")
    assert list(rows) == list(CORPORA)
    for name, (_, pairs, where, _) in rows.items():
        assert pairs == f"{sum(CORPORA[name].counts):,}"
        assert f"]({first_address(CORPORA[name].source)})" in where


def test_the_chinese_document_says_what_the_licence_of_every_corpus_allows():
    chinese = table_rows("docs/CORPORA.zh-CN.md")
    translations = {(CORPORA[name].licence, chinese[name][-1]) for name in CORPORA}
    assert len(translations) == len({licence for licence, _ in translations}), "one licence, one translation"


@pytest.mark.parametrize("readme, page", [("README.md", "CORPORA.md"), ("README.zh-CN.md", "CORPORA.zh-CN.md")])
def test_the_readme_leads_to_the_table(readme, page):
    assert f"(docs/{page})" in (ROOT / readme).read_text(encoding="utf-8")
