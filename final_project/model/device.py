"""The device of a model: the requested one, else the first CUDA device, else the CPU."""

from __future__ import annotations

import torch

from final_project.errors import EnvironmentProblem, RecipeError, first_line


def chosen_device(wanted: str | int | torch.device | None) -> torch.device:
    """None: CUDA where there is one, else the CPU. Raises RecipeError where no device has that name, EnvironmentProblem
    where this machine lacks it."""
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError) as error:
        raise RecipeError([f"device: expected cpu, cuda or cuda:NUMBER, found {wanted!r}"]) from error
    if device.type == "meta":
        raise RecipeError(["device: expected cpu, cuda or cuda:NUMBER, found meta, which computes nothing"])
    try:
        torch.empty(0, device=device)
    except Exception as error:  # each kind of device has its own kind of error
        raise EnvironmentProblem(f"device {device}: this machine lacks it: {first_line(error)}") from error
    return device
