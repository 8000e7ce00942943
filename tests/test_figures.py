"""Every measured figure of the README and of RESULTS stands in a committed result file; and the check can fail."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from final_project.commands.corpora import as_json
from final_project.data.corpora.registry import CORPORA

SCRIPT = ROOT / "docs" / "check_figures.py"


def script(path: Path):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


check = script(SCRIPT)

RESULT = {
    "raw": {"accuracy": 0.952222, "map": 0.80649926, "pairs": 4167},
    "rows": [{"variant": "fgm", "mean": 0.73125, "to_base": -0.0034}, {"variant": "awp", "mean": 0.7291, "p": 3.2e-7}],
    "perplexity": {"500": 264.86},
    "finite": True,
    "note": "trained on 30,000 pairs",
}


@pytest.fixture
def page(tmp_path):
    """page(text): a README beside docs/results/made.json; answers with the problems found on it."""
    results = tmp_path / "docs" / "results"
    results.mkdir(parents=True)
    (results / "made.json").write_text(json.dumps(RESULT), encoding="utf-8")

    def problems(text: str) -> list[str]:
        (tmp_path / "README.md").write_text(text, encoding="utf-8")
        return list(check.find_problems(tmp_path / "README.md", tmp_path))

    problems.root = tmp_path
    return problems


MARK = "<!-- figures: docs/results/made.json -->\n"
TABLE = MARK + (
    "| | accuracy | MAP |\n|---|---|---|\n| `raw` | 0.952 | 0.806 |\n| words | | .729 |\n| fgm | 0.7313 | -0.003 |\n"
)


def test_figures_of_a_named_file_pass(page):
    text = f"# Title\n\nSome words.\n{TABLE}\n{MARK}Of 4,167 pairs 95.2 % are right; 500 updates, perplexity 265.\n"
    assert page(text) == []


def test_a_changed_figure_is_found_with_its_line(page):
    (problem,) = page("Some words.\n\n" + TABLE.replace("0.952", "0.953"))
    assert problem == "README.md:6: figure 0.953 is in none of docs/results/made.json"


def test_a_rounding_error_is_found(page):
    assert page(f"{MARK}MAP .806\n") == [] and page(f"{MARK}MAP .807\n")  # the file has .80649926
    assert page(f"{MARK}mean .7312\n") == page(f"{MARK}mean .7313\n") == []  # a tie goes either way
    assert page(f"{MARK}mean .7314\n")


def test_a_figure_without_a_source_is_found_in_every_kind_of_block(page):
    text = "# At 0.5\n\nText 12 %\nand .5\n\n- one\n    - two 1,234\n\n> quoted 3x\n\n"
    problems = page(text + "| a | 0.1 |\n|---|---|\n| b | 2e-7 |\n")
    found = [re.match(r"README.md:(\d+): figure (.+) has no source", problem).groups() for problem in problems]
    wanted = [("1", "0.5"), ("3", "12 %"), ("4", ".5"), ("7", "1,234"), ("9", "3x"), ("11", "0.1"), ("13", "2e-7")]
    assert found == wanted


def test_a_comment_holds_for_one_block_only(page):
    (problem,) = page(f"{MARK}Right: 0.952\n\nAlso 0.952\n")
    assert problem.startswith("README.md:4: figure 0.952 has no source")


def test_a_file_that_is_missing_or_unreadable_or_elsewhere_is_found(page):
    (page.root / "docs" / "results" / "broken.json").write_text('{"a": 0.5', encoding="utf-8")
    for source, said in (
        ("docs/results/none.json", "no such file"),
        ("docs/results/broken.json", "cannot be read"),
        ("runs/demo/evaluation.json", "expected a .json or .csv file below docs/results/"),
        ("docs/results/../made.json", "expected a .json or .csv file below docs/results/"),
        ("docs/results/made.txt", "expected a .json or .csv file below docs/results/"),
        ("", "names no source"),
    ):
        (problem,) = page(f"\n<!-- figures: {source} -->\nRight: 0.952\n")
        assert problem.startswith("README.md:2: ") and said in problem


def test_a_comment_without_figures_is_found(page):
    assert page(f"{MARK}No figure here.\n") == [
        "README.md:1: the comment names sources, and the block after it holds no figure"
    ]
    assert page(f"Text.\n\n{MARK}") == ["README.md:3: the comment names sources of nothing"]
    assert page(f"{MARK}\n{MARK}Right: 0.952\n") == ["README.md:1: the comment names sources of nothing"]


def test_a_setting_is_inline_code_with_its_name_and_a_bare_figure_there_is_refused(page):
    assert page("Trained with `lr 5e-4`, `torch 2.13`; `95 % intervals`, `64` tokens.\n") == []
    for bare in ("0.952", ".9", "95 %", "4,167", "2.59x", "0.95, 0.96", "1.5e-3"):
        (problem,) = page(f"Accuracy\n`{bare}` here.\n")
        assert problem.startswith(f"README.md:2: figure {bare} alone in inline code")


def test_whole_numbers_count_in_a_marked_block_only(page):
    assert page("Four GPUs, 900 pairs, 3 seeds.\n") == []
    assert page(f"{MARK}4167 pairs, accuracy 0.952\n") == []
    assert page(f"{MARK}4168 pairs, accuracy 0.952\n") == [
        "README.md:2: figure 4168 is in none of docs/results/made.json"
    ]


def test_code_addresses_versions_and_names_are_not_figures(page):
    text = "See [this](https://x.example/1.5), <http://127.0.0.1:8000>, F1, BLEU-4, bf16, Apache-2.0, 3.11.7.\n\n"
    assert page(text + "    lr=0.5\n\n```\naccuracy 0.9\n```\n<!-- 0.5 -->\n") == []


def test_figures_next_to_chinese_text_and_in_emphasis_are_read(page):
    assert page(f"{MARK}准确率0.952，共4,167对，**.806**。\n") == []
    assert len(page("准确率0.953，共4,168对，**.807**，5％，[0.1](x)，![图 0.2](x)。\n")) == 6


def test_a_sign_is_part_of_a_figure_and_a_figure_without_one_is_a_size(page):
    for right in ("-.0034", "\u2212.0034", ".0034"):
        assert page(f"{MARK}to base {right}\n") == []
    assert page(f"{MARK}to base +.0034\n")
    assert page(f"{MARK}p 3.2e-7\n") == [] and page(f"{MARK}p 3.3e-7\n")
    assert page(f"{MARK}from .729-.806\n") == []  # a range has no minus


def test_a_table_row_that_names_a_part_of_the_file_is_looked_up_there_alone(page):
    row = "| | mean |\n|---|---|\n| {} | {} |\n"
    assert page(MARK + row.format("fgm", "0.7313")) == []
    for wrong in ("fgm", "`fgm`", "attack (`fgm`)"):
        assert page(MARK + row.format(wrong, "0.7291")), "that is awp's"
    assert page(MARK + row.format("no name", "0.7291")) == []


def test_numbers_in_keys_and_texts_of_the_file_count_but_truth_values_do_not(page):
    assert page(f"{MARK}30,000 pairs, 500 updates, mean .7291\n") == []
    assert page(f"{MARK}share 1.000\n")


def test_figures_in_html_are_refused(page):
    assert page("<table><tr><td>0.5</td></tr></table>\n")
    assert page("<!-- a remark -->\n\nText.\n") == []
    assert page(f"- a list\n\n  {MARK}  0.952\n"), "a comment stands before a whole block"


def test_a_table_of_values_is_a_source_but_thousands_of_numbers_prove_nothing(page):
    results = page.root / "docs" / "results"
    (results / "table.csv").write_text("variant,mean\nfgm,0.7313\nawp,0.7291\n", encoding="utf-8")
    mark = "<!-- figures: docs/results/made.json docs/results/table.csv -->\n"
    assert page(f"{mark}| | mean |\n|---|---|\n| awp | 0.729 |\n") == []
    (results / "many.json").write_text(json.dumps([k / 10_000 for k in range(10_000)]), encoding="utf-8")
    (problem,) = page("<!-- figures: docs/results/many.json -->\nRight: 0.953\n")
    assert "more than 5000 numbers" in problem


@given(st.decimals(-9999, 9999, places=6), st.integers(1, 5), st.booleans())
def test_what_format_prints_is_found_and_its_neighbours_are_not(number, places, with_commas):
    printed = format(number, f"{',' if with_commas else ''}.{places}f")
    (figure,) = check.figures_in(printed)
    assert figure.is_rounded(number)
    away = (2 * Decimal(1).scaleb(-places)).copy_sign(number)  # towards zero its size may be right again
    assert not figure.is_rounded(number + away)


@pytest.mark.stage
def test_the_readmes_and_docs_print_no_figure_that_is_not_in_a_result_file():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.stage
def test_the_command_exits_with_2_and_lists_all_problems_of_all_pages(tmp_path):
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("One 0.1\n\nTwo 0.2\n", encoding="utf-8")
    pages = [str(tmp_path / name) for name in ("a.md", "b.md", "none.md")]
    done = subprocess.run([sys.executable, str(SCRIPT), *pages], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 5
    assert f"{pages[1]}:3: figure 0.2 has no source" in done.stderr and f"{pages[2]}: cannot be read" in done.stderr


def test_both_readmes_print_the_same_figures():
    english, chinese = (
        [figure for passage in passages_of(page) for figure in figures_of(passage) if "," in figure or "." in figure]
        for page in ("README.md", "README.zh-CN.md")
    )
    assert english == chinese and len(english) > 25


def passages_of(page: str) -> list:
    """All text of a page, in its order."""
    markdown = check.MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8"))
    return list(check.iter_passages(check.SyntaxTreeNode(markdown)))


def figures_of(passage) -> list[str]:
    return [figure.text for figure in check.figures_in(passage.text)]


def test_a_wrong_last_digit_would_be_noticed_for_most_figures_of_our_pages(tmp_path):
    """The check compares with every number of a file, so some wrong figures pass by chance; few may."""
    copy = tmp_path / "page.md"
    missed = tried = 0
    for page in check.PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        wrong, n_figures = re.subn(r"(?<=\| )(-?\d*\.\d+)(?= \|)", lambda found: other_digit(found[0]), text)
        copy.write_text(wrong, encoding="utf-8")
        tried += n_figures
        missed += n_figures - sum("is in none" in problem for problem in check.find_problems(copy))
    assert tried > 50 and missed / tried < 0.15


def other_digit(figure: str) -> str:
    return figure[:-1] + str((int(figure[-1]) + 3) % 10)


def test_the_files_that_our_pages_name_are_committed():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files", "docs/results"], cwd=ROOT, capture_output=True, text=True).stdout
    marks = [mark for page in check.PAGES for mark in check.MARK.finditer((ROOT / page).read_text(encoding="utf-8"))]
    named = {source for mark in marks for source in mark["sources"].split()}
    assert named and named <= set(tracked.split())


def test_the_counts_of_the_corpora_are_those_of_the_registry():
    known = json.loads((ROOT / "docs" / "results" / "corpora.json").read_text(encoding="utf-8"))
    assert known == json.loads(json.dumps(as_json(list(CORPORA.values()), [])))
