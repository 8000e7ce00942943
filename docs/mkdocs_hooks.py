"""What the documentation site adds to the pages: those of the checkout's root, and links that leave docs/.

Pages are written for the code host, so a link may lead to any file of the checkout. On the site, links between pages
stay links; a link to another file leads to the repository where REPO_URL names it, and is plain text where not. A file
that does not exist is a warning, which `mkdocs build --strict` ends with.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks")

ROOT = Path(__file__).resolve().parent.parent
ROOT_PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "README.zh-CN.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    folder = ROOT if page.file.src_uri in ROOT_PAGES.values() else ROOT / "docs"

    def rewritten(link: re.Match) -> str:
        path, hash_sign, anchor = link["target"].partition("#")
        if not path or ":" in path:
            return link[0]
        target = (folder / path).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            log.warning("%s: a link leads to %s, which does not exist", page.file.src_uri, link["target"])
            return link[0]
        place = target.relative_to(ROOT).as_posix()
        if place in ROOT_PAGES:
            return f"{link['image']}[{link['text']}]({ROOT_PAGES[place]}{hash_sign}{anchor})"
        if place.startswith("docs/") and target.is_file() and target.suffix != ".py":
            return f"{link['image']}[{link['text']}]({place.removeprefix('docs/')}{hash_sign}{anchor})"
        return f"[{link['text']}]({config.repo_url}/blob/HEAD/{place})" if config.repo_url else link["text"]

    return LINK.sub(rewritten, markdown)
