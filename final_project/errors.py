"""Errors, typed by who must act. Each message says where, what, and what to do; none is shown with a traceback."""

from __future__ import annotations

from pathlib import Path


class ProjectError(Exception):
    """A problem that the user can fix. The command line prints it as one message and ends with `exit_status`."""

    exit_status = 2


class RecipeError(ProjectError):
    """The recipe or an override is wrong. `problems` lists every fault found, not only the first."""

    def __init__(self, problems: list[str]):
        self.problems = problems
        super().__init__("\n".join(problems))


class DataError(ProjectError):
    """An input file is not what it should be. The message starts with `file:line`."""

    def __init__(self, path: str | Path, what: str, line: int | None = None):
        where = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {what}")


class UsageError(ProjectError):
    """A command or a function is used wrongly: an unknown name, options that exclude each other."""


class CallError(UsageError, DataError, ValueError):
    """A Python call was given a wrong row. The message starts with the row's number, from 0."""


class ArtifactError(ProjectError):
    """A stage's folder or file is missing, stale or cannot be written."""


class TrainingError(ProjectError):
    """Training cannot continue with these settings on this data: the loss or the gradient is not finite."""


class EnvironmentProblem(ProjectError):
    """This machine lacks something the recipe asks for: a device, a package, a compiler."""

    exit_status = 1


def first_line(error: Exception) -> str:
    """A library's error in one line, for a message of ours: its type and the first line of what it says."""
    message = str(error).strip()
    return f"{type(error).__name__}: {message.splitlines()[0] if message else 'no message'}"
