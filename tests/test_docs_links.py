"""The pages hold together: links lead somewhere, both READMEs have the same parts, docstrings cite real sections."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from markdown_it import MarkdownIt
from markdown_it.token import Token

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def tokens_of(page: Path) -> list[Token]:
    """A page's blocks, and what stands in their lines, in order."""
    blocks = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    return [token for block in blocks for token in (block, *(block.children or ()))]


def links_of(page: Path) -> list[str]:
    tokens = tokens_of(page)
    return [str(token.attrs[key]) for token in tokens for key in ("href", "src") if key in token.attrs]


def anchors_of(page: Path) -> set[str]:
    """The names that the code host gives to the headings of a page."""
    blocks = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    titles = [blocks[at + 1].children for at, block in enumerate(blocks) if block.type == "heading_open"]
    texts = ["".join(token.content for token in title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page):
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        if ":" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT) and target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors_of(target), f"{page.name}: {link}: there is no such heading"


def test_a_lost_link_and_a_lost_anchor_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A & B: `c_d`, 2\n\n[x](none.md) ![y](y.png)\n", encoding="utf-8")
    assert links_of(page) == ["none.md", "y.png"] and anchors_of(page) == {"a--b-c_d-2"}


def test_docstrings_cite_sections_that_exist():
    files = [path for room in ("final_project", "posttrain", "similarity_v0", "similarity_v1", "bench")
             for path in (ROOT / room).rglob("*.py")]  # fmt: skip
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    cited = re.findall(r"docs/(\w+\.md)(?:#([\w-]+))?", text)
    assert ("NUMERICS.md", "attribution") in cited
    for page, anchor in cited:
        assert (ROOT / "docs" / page).is_file(), page
        assert not anchor or anchor in anchors_of(ROOT / "docs" / page), f"{page}#{anchor}"


def test_both_readmes_have_the_same_parts_commands_and_links():
    parts = []
    for name in ("README.md", "README.zh-CN.md"):
        tokens = tokens_of(ROOT / name)
        headings = [token.tag for token in tokens if token.type == "heading_open"]
        blocks = [token.content for token in tokens if token.type == "code_block"]
        commands = [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines() if "─" not in line]
        commands = [line for line in commands if re.match(r"(bash|python|NNODES|git|source) ", line.strip())]
        links = {link for link in links_of(ROOT / name) if not link.startswith(("README", "docs/CORPORA.zh-CN"))}
        parts.append((headings, commands, links))
    assert parts[0] == parts[1]
    assert len(parts[0][1]) > 15 and len(parts[0][2]) > 20


def test_the_site_lists_every_page():
    text = re.sub(r"!ENV \[REPO_URL, \"\"\]", '""', (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = set(re.findall(r"[\w.-]+\.md", yaml.safe_dump(yaml.safe_load(text)["nav"], allow_unicode=True)))
    assert listed == {page.name if page.name != "README.md" else "index.md" for page in PAGES}
