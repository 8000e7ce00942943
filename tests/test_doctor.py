"""doctor: is this machine fit for the recipe?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import call

pytestmark = pytest.mark.stage


def test_doctor_prints_one_json_object_and_a_table_on_standard_error():
    done = call("final_project", "doctor", "--recipe", "demo")
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["fit"] else 1)
    assert answer["facts"]["recipe"] == "demo" and answer["facts"]["torch"]
    assert "precision" in done.stderr


def test_doctor_says_what_a_recipe_lacks(tmp_path):
    done = call("final_project", "doctor", "--recipe", "competition", "--", f"prepare.data_dir={tmp_path}")
    assert done.returncode == 1
    problems = "\n".join(json.loads(done.stdout)["problems"])
    assert "LCQMC/train" in problems and "models/chinese-roberta-wwm-ext-large" in problems
    assert "Traceback" not in done.stderr


def package(folder: Path, *modules: str) -> str:
    """A package named apex with these modules, as it would lie in site-packages; returns its import path."""
    for module in ("__init__.py", *modules):
        path = folder / "apex" / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return str(folder)


@pytest.mark.parametrize(
    ("modules", "status"),
    [
        (("views.py", "lib/libapex.py"), "unrelated"),
        (("normalization/__init__.py", "normalization/fused_layer_norm.py"), "nvidia"),
    ],
)
def test_the_unrelated_package_named_apex_is_recognised_and_refused(modules, status, tmp_path):
    done = call("final_project", "doctor", PYTHONPATH=f"{package(tmp_path, *modules)}:.")
    answer = json.loads(done.stdout)
    assert answer["facts"]["apex"] == status
    assert any("unrelated web toolkit" in problem for problem in answer["problems"]) == (status == "unrelated")
    assert done.returncode == 1 or status == "nvidia"


def test_layer_norms_stay_torchs_own_where_there_is_no_cuda_device():
    import torch
    from tiny_models import tiny_classifier

    from final_project.training.apex_parts import use_fused_layer_norms

    assert use_fused_layer_norms(tiny_classifier(), torch.device("cpu")) == 0
