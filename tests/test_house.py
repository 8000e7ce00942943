"""The rules of the house: imports run one way, heavy engines come late, linters are content."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

STAGES = ("posttrain", "similarity_v0", "similarity_v1")
LATE = {"deepspeed": "deepspeed_zero.py", "fairscale": "fairscale_oss.py", "apex": "apex_parts.py"}


def modules() -> list[Path]:
    return [path for package in ("final_project", *STAGES) for path in sorted((ROOT / package).rglob("*.py"))]


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def imported_by(path: Path) -> set[str]:
    """First and full names of all imports in a file, inside functions as well."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in below if is_module(name)}
            names |= submodules
            if submodules != below:
                names.add(node.module)
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    roots = {name.split(".")[0] for name in imported_by(path)}
    others = {stage for stage in STAGES if stage != package}
    assert not roots & others, "stages meet in artefacts, never in imports; and the core knows no stage"
    for library, home in LATE.items():
        assert library not in roots or path.name == home, f"{library} is imported in {home} alone"


def test_no_module_imports_in_a_circle():
    graph = {}
    for path in modules():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[name] = imported_by(path)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done or name not in graph:
            return
        for target in graph[name]:
            visit(target, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_a_finished_stage_is_skipped_without_importing_torch():
    code = "import sys, final_project.__main__, posttrain.__main__, similarity_v0.__main__, similarity_v1.__main__; "
    code += "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_idea(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "a module opens by saying what it is for"


@pytest.mark.parametrize("arguments", [("check", "."), ("format", "--check", ".")])
def test_ruff_is_content(arguments):
    done = subprocess.run([sys.executable, "-m", "ruff", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_shellcheck_is_content():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (Debian: apt-get install shellcheck)")
    done = subprocess.run(["shellcheck", "run.sh", ".ci/run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
