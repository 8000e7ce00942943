"""The package and its one command: what a wheel holds, and that nothing depends on the checkout's folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT, environment

from final_project.commands import explained_pairs
from final_project.recipe import STAGES

pytestmark = pytest.mark.stage


def door(*arguments: str, cwd=None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "final_project.commands.explained_pairs", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True)


def test_every_verb_is_listed_and_known_to_the_package_that_runs_it(tmp_path):
    listed = door("--help", cwd=tmp_path).stdout
    for verb in explained_pairs.VERBS:
        assert f"\n  {verb} " in listed
    for verb in explained_pairs.COMMAND_VERBS:
        done = door(verb, "--help", cwd=tmp_path)
        assert done.returncode == 0 and "usage:" in done.stdout, verb


def test_a_misspelt_verb_exits_with_2_and_names_the_nearest_one():
    done = door("explian")
    assert done.returncode == 2 and "did you mean explain?" in done.stderr and "Traceback" not in done.stderr


def test_wrong_stages_and_settings_end_with_2(tmp_path):
    assert "no stage 'preapre'" in door("run", "preapre", cwd=tmp_path).stderr
    done = door("run", "--", "similarity_v0.epoch=1", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean similarity_v0.epochs?" in done.stderr


def test_a_dry_run_from_any_folder_prints_one_command_a_stage(tmp_path):
    done = door("demo", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == len(STAGES)
    assert list(tmp_path.iterdir()) == []


def test_a_stage_runs_below_the_current_folder(tmp_path):
    done = door("demo", "prepare", "--", "prepare.demo_pairs=400", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "demo" / "prepare" / "manifest.json").is_file()


def test_a_wheel_holds_code_recipes_templates_and_engine_settings_and_nothing_else(tmp_path):
    pytest.importorskip("build", reason="the package build is not installed (pip install build)")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "-o", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "final_project", "posttrain", "similarity_v0", "similarity_v1",
    }  # fmt: skip
    assert "final_project/recipes/demo.yaml" in names and "posttrain/ds_config/zero3.json" in names
    for file in ROOT.glob("similarity_v1/**/*"):
        if file.suffix in (".j2", ".js", ".css"):
            assert str(file.relative_to(ROOT)) in names
