"""Every engine on one process without a launcher, and several runs side by side on one machine."""

from __future__ import annotations

import json
import re
import socket

import pytest
from conftest import call, stage
from training_support import settings_of

from final_project.errors import EnvironmentProblem
from final_project.parallel.world import started_world
from final_project.recipe import load_recipe
from final_project.run.launch import nodes_from_environment, stage_command

pytestmark = pytest.mark.engines

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def bare(monkeypatch):
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "engine",
    ["zero2", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("zero0", "zero3", "fairscale", "fsdp2"))],
)
def test_an_engine_trains_on_one_process_without_a_launcher(engine, bare, prepared, copy_of):
    runs = copy_of(prepared)
    stage("posttrain", runs, *settings_of("posttrain", engine))
    manifest = json.loads((runs / "demo" / "posttrain" / "manifest.json").read_text())
    name = settings_of("posttrain", engine)[0].split("=")[1]
    assert manifest["processes"] == 1 and manifest["engine"]["name"] == name and manifest["updates"] == 12


def command_of(nproc: int, monkeypatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    recipe = load_recipe("demo", ["posttrain.engine=deepspeed", f"nproc={nproc}"])
    return " ".join(stage_command(recipe, "posttrain", "demo", False, [], nodes_from_environment()))


def test_two_runs_on_one_machine_take_two_free_ports(bare, monkeypatch):
    commands = [command_of(2, monkeypatch, MASTER_PORT="29500", MASTER_ADDR="elsewhere") for _ in range(2)]
    ports = [int(re.search(r"--master_port=(\d+)", command)[1]) for command in commands]
    assert ports[0] != ports[1] and 29500 not in ports
    assert all("--master_addr=127.0.0.1" in command for command in commands)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", ports[0]))


def test_several_machines_keep_the_address_that_they_were_given(bare, monkeypatch):
    several = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "first", "MASTER_PORT": "1234"}
    command = command_of(2, monkeypatch, **several)
    assert "--node_rank=1 --master_addr=first --master_port=1234" in command


def test_a_taken_port_is_named_with_the_way_out(bare, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for name, value in zip(LAUNCHED, ("0", "0", "2", "127.0.0.1", port), strict=True):
            monkeypatch.setenv(name, value)
        said = f"port {port} of 127.0.0.1 is taken .* set MASTER_PORT"
        with pytest.raises(EnvironmentProblem, match=said), started_world(patience_s=5):
            pass


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE is 2, but MASTER_ADDR and MASTER_PORT is not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE must be a whole number, found 'two'"),
        ({"LOCAL_RANK": ""}, "LOCAL_RANK must be a whole number, found ''"),
    ],
)
def test_half_a_launcher_is_one_message(variables, message, bare, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentProblem, match=message), started_world():
        pass


def test_the_competition_on_one_process_is_planned_as_a_command_that_needs_no_launcher(bare):
    wanted = ("--recipe", "competition", "--stages", "posttrain", "--", "nproc=1")
    assert call("final_project", "plan", "--dry-run", *wanted).stdout.split()[1:3] == ["-m", "posttrain"]
