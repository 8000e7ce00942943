"""bench/quality/rationale_methods.py resumes where it was interrupted, and measures what it says."""

import importlib
import json
import sys

import pytest
from conftest import ROOT
from v1_support import pair, tiny_classifier, write_pairs

from final_project.cli import run_main

pytestmark = pytest.mark.stage

PAIRS = [
    pair(1, "怎么开通花呗", "如何关闭花呗"),
    pair(2, "手机号码是多少", "号码是多少"),
    pair(3, "好看吗", "好看的吗"),
]
CALL = ("--methods", "random", "attention", "--rows", 4)


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(ROOT))
    yield importlib.import_module("bench.quality.rationale_methods")
    sys.path.remove(str(ROOT))


@pytest.fixture
def call(bench, tmp_path):
    model = tiny_classifier(tmp_path / "model")
    pairs = write_pairs(tmp_path / "pairs.jsonl", PAIRS)
    (tmp_path / "map.jsonl").write_text('{"ori": 1, "disturb": 2}\n')
    given = ("--model", model, "--pairs", pairs, "--pair-map", tmp_path / "map.jsonl", "--output", tmp_path / "o.json")
    return lambda *more: run_main(bench.main, [str(x) for x in (*given, *more)])


def test_finished_methods_are_not_run_again_and_the_rest_is(bench, call, tmp_path, capsys, monkeypatch):
    assert call(*CALL, "--minutes", 0) == 0
    assert json.loads((tmp_path / "o.json").read_text())["not_run"] == ["gradient_x_input", "random", "attention"]

    run, measure = [], bench.Bench.measure
    monkeypatch.setattr(bench.Bench, "measure", lambda self, method: (run.append(method), measure(self, method))[1])
    assert call("--methods", "random", "--rows", 4) == 0 and call(*CALL) == 0
    assert run == ["gradient_x_input", "random", "attention"]
    found = json.loads((tmp_path / "o.json").read_text())
    assert json.loads(capsys.readouterr().out.split("\n}\n")[-2] + "}") == found
    assert {row["method"] for row in found["table"]} == set(found["time"]) == set(run) and found["not_run"] == []
    assert {"map", "sufficiency", "comprehensiveness", "own_words"} <= set(found["table"][0])
    assert found["overlap"]["random"]["attention"] == found["overlap"]["attention"]["random"] <= 1

    assert call(*CALL, "--ratio", 0.5) == 2 and "move it away" in capsys.readouterr().err


def test_a_method_that_fails_costs_the_others_nothing_and_is_tried_again(bench, call, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setitem(bench.OPTIONS, "random", {"seed": "no seed", "strange": 1})
        assert call(*CALL) == 1
        found = json.loads((tmp_path / "o.json").read_text())
        assert "no option 'strange'" in found["failed"]["random"] and "attention" in found["time"]
    assert call(*CALL) == 0
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["failed"] == {} and "random" in found["time"]
