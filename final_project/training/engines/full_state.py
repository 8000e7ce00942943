"""The state of any engine as plain files: full fp32 weights and moments by the names of the model's weights.

    model.safetensors  exp_avg.safetensors  exp_avg_sq.safetensors
    engine.json        updates taken, loss scale
One weight at a time is gathered; only the first rank ever holds a full copy, and only of one of the three files. Every
rank reads the files itself, one tensor at a time, and keeps its part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from final_project.artifacts import write_json
from final_project.training.optim import MOMENTS
from final_project.training.weights import distinct_weights, expect_names, save_tensors

if TYPE_CHECKING:
    from final_project.training.engines.base import Engine

WEIGHTS_FILE = "model.safetensors"
COUNTS_FILE = "engine.json"


def gathered(
    engine: Engine, tensors: Mapping[str, torch.Tensor], whole: Callable[[torch.Tensor], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Copies of the full tensors in CPU memory of the first rank; nothing on the others. whole: a collective."""
    full = {}
    for name, tensor in tensors.items():
        value = whole(tensor)
        if engine.world.is_first:
            full[name] = value.detach().to("cpu", copy=True)
    return full


def load_weights(engine: Engine, path: Path) -> None:
    """Take up engine.full_weights() from a file. Raises ArtifactError where it holds other weights than the model."""
    with safe_open(path, framework="pt") as file:
        expect_names(path, set(file.keys()), set(distinct_weights(engine.model)))
        engine.set_weights(file.get_tensor)


def save(engine: Engine, folder: Path) -> None:
    problem = _written(engine, folder / WEIGHTS_FILE, engine.full_weights())
    for key in MOMENTS:
        moments = gathered(engine, engine.trained(), lambda weight, key=key: engine.moment(weight, key))
        problem = problem or _written(engine, folder / f"{key}.safetensors", moments)
        del moments  # before the next ones are gathered
    if problem:
        raise problem
    if engine.world.is_first:
        write_json(folder / COUNTS_FILE, {"updates": engine.n_updates, "loss_scale": engine.loss_scale.state()})


def _written(engine: Engine, path: Path, full: dict[str, torch.Tensor]) -> Exception | None:
    """Write on the first rank; what goes wrong there, a full disk as a rule, is handed back instead of raised, because
    the other ranks are on their way to the next collective and would wait in it for ever."""
    try:
        if engine.world.is_first:
            save_tensors(path, full)
    except (OSError, SafetensorError) as error:
        return error
    return None


def load(engine: Engine, folder: Path) -> None:
    counts = json.loads((folder / COUNTS_FILE).read_text(encoding="utf-8"))
    load_weights(engine, folder / WEIGHTS_FILE)
    engine.n_updates = counts["updates"]
    engine.loss_scale.restore(counts["loss_scale"])
    for state in engine.adam.state.values():
        state["step"].fill_(engine.n_updates)
    trained = engine.trained()
    for key in MOMENTS:
        path = folder / f"{key}.safetensors"
        with safe_open(path, framework="pt") as file:
            expect_names(path, set(file.keys()), set(trained))
            for name, weight in trained.items():
                engine.assign_moment(weight, key, file.get_tensor(name))
