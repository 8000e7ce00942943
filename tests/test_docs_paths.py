"""Files, folders and modules that the pages name as code are there."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT
from test_docs_links import PAGES, tokens_of

ROOMS = ("final_project", "posttrain", "similarity_v0", "similarity_v1", "bench", "docs", "recipes", "tests")
IN_A_ROOM = re.compile(rf"({'|'.join(ROOMS)})/[\w./*-]*")
PLACEHOLDER = re.compile(r"NAME|FILE|_\*|_$|atec")  # atec: what ADDING_A_CORPUS.md adds


def is_there(code: str) -> bool:
    """A whole path, or the end of one: `tricks/fgm.py`."""
    code = code.rstrip("/")
    below = [path for room in ROOMS for path in (ROOT / room).rglob(code.rpartition("/")[2])]
    return code in ROOMS or any(f"/{path.relative_to(ROOT).as_posix()}".endswith(f"/{code}") for path in below)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page):
    codes = {token.content for token in tokens_of(page) if token.type == "code_inline"}
    named = {code for code in codes if IN_A_ROOM.fullmatch(code) or re.fullmatch(r"\w[\w./-]*\.py", code)}
    missing = {code for code in named if "*" not in code and not PLACEHOLDER.search(code) and not is_there(code)}
    assert missing <= {"create_pretraining_data.py"}, "BERT's own is the only file that is not ours"


def test_every_module_that_a_page_runs_is_there():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    modules = set(re.findall(r"-m ((?:final_project|posttrain|similarity_v0|similarity_v1)[\w.]*)", text))
    assert len(modules) > 4
    for module in modules:
        place = ROOT.joinpath(*module.split("."))
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module
