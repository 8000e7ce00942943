"""What a plain `pip install .` can import: everything but the few modules that an extra brings the library for."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT, environment
from test_house import modules, place_of

pytestmark = pytest.mark.stage

# Import names of what the extras of pyproject.toml bring, and the [project.dependencies] do not.
EXTRAS = {
    "deepspeed", "fairscale", "lion_pytorch", "optuna", "opencc", "rensa", "onnx", "onnxscript", "onnxruntime",
    "fastapi", "uvicorn", "ray", "pytest", "hypothesis", "ruff", "nltk", "sentence_transformers", "playwright",
    "axe_playwright_python", "httpx", "build", "apex", "openpyxl", "peft", "modelscope",
}  # fmt: skip
NEEDS_AN_EXTRA = {
    "final_project.training.engines.fairscale_oss": "fairscale",  # imported when that engine is chosen
    "similarity_v1.serve.app": "fastapi",
    "similarity_v1.serve.connections": "uvicorn",
    "similarity_v1.serve.server": "uvicorn",
}
IMPORT_ALL = """
import importlib, json, sys
from importlib.machinery import PathFinder

hidden, names = json.loads(sys.argv[1])

class WithoutExtras(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else PathFinder.find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *arguments, **named):  # transformers asks for versions as well
        found = PathFinder.find_distributions(*arguments, **named)
        return (one for one in found if one.metadata["Name"].lower().replace("-", "_") not in hidden)

sys.meta_path[:] = [WithoutExtras if finder is PathFinder else finder for finder in sys.meta_path]
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = error.name or str(error)
print(json.dumps(failed))
"""


def test_all_modules_but_those_of_an_extra_import_with_the_base_dependencies(tmp_path):
    names = [place_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in modules()]
    names = [name for name in names if not name.endswith("__main__")]
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps([sorted(EXTRAS), names])]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == NEEDS_AN_EXTRA


def test_the_extras_are_those_of_pyproject():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = text.split("[project.optional-dependencies]")[1].split("[project.scripts]")[0]
    imported = {"axe-playwright-python": "axe_playwright_python", "lion-pytorch": "lion_pytorch"}
    for line in extras.splitlines():
        for word in line.split('"')[1::2]:
            name = word.split("[")[0].split("=")[0].split(">")[0]
            if name not in ("explained-pairs", "pytest-timeout", "pytest-xdist"):
                assert imported.get(name, name.replace("-", "_")) in EXTRAS, f"{name} is not blocked in the test above"
