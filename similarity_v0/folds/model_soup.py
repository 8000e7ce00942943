"""Model soup: one model whose weights are the mean of several (Wortsman et al. 2022). It costs what one model costs.

It works for models that were trained from the same start weights. A greedy soup goes through the models from the best
on dev to the worst and keeps each that does not lower the score of the mean so far, so on dev it is never worse than
the best of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from final_project import strict_json
from final_project.errors import ArtifactError, first_line
from final_project.model.decision import FILE_NAME as DECISION
from final_project.model.finite import require_finite_weights
from final_project.model.folder import require_model_folder
from final_project.model.heads.classifier import HEAD_FACTS

CUT = {"truncation": None, "padding": None}
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "spm.model", "tokenizer.model")
ONE_MODEL_FILES = (DECISION, "README.md")  # files that describe one model and would be wrong for an average
NOT_ARCHITECTURE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
CHECKPOINT_PREFIX = "classifier."  # prefix of weight names in training checkpoints


def greedy_choice(scores: Sequence[float], score_of: Callable[[list[int]], float]) -> tuple[list[int], float]:
    """Which models a greedy soup is made of, the best one first, and its score. score_of: the score of a mean."""
    best_first = sorted(range(len(scores)), key=lambda number: -scores[number])
    taken, best = best_first[:1], scores[best_first[0]]
    for number in best_first[1:]:
        if (score := score_of([*taken, number])) >= best:
            taken, best = [*taken, number], score
    return taken, best


def write_soup(models: Sequence[Path], target: Path) -> None:
    """Write the first model's files with the mean of all models' weights into a new or empty folder, but for what
    these files say of the first model alone.

    models: model folders; after the first also checkpoints, which have a model.safetensors and neither config nor
    tokenizer. Raises ArtifactError where one has other weights, another architecture or another tokenizer.
    """
    base = require_model_folder(models[0])
    for other in models[1:]:
        require_same_kind(base, other)
    target.mkdir(parents=True, exist_ok=True)
    for path in base.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and path.name not in ONE_MODEL_FILES:
            shutil.copy2(path, target / path.name)
    for path in base.glob("*.safetensors"):
        mean = mean_weights([model / path.name for model in models])
        save_file(mean, target / path.name, metadata={"format": "pt"})


def require_same_kind(base: Path, other: Path) -> None:
    """Raises ArtifactError if config or tokenizer show that the weights of the two cannot be averaged."""
    if not (other / "config.json").is_file():
        if not (other / "model.safetensors").is_file():
            raise ArtifactError(f"{other}: expected a model folder or a checkpoint, found no model.safetensors")
        return
    require_model_folder(other)
    ours, theirs = (_architecture(folder) for folder in (base, other))
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            raise ArtifactError(
                f"{other}: not the architecture of {base}: {key} is {theirs.get(key)!r}, there {ours.get(key)!r}"
            )
    for name in TOKENIZER_FILES:
        files = base / name, other / name
        if files[0].is_file() != files[1].is_file() or (files[0].is_file() and _differ(*files)):
            raise ArtifactError(
                f"{other}: not the tokenizer of {base} ({name} differs), so the same weight belongs to other tokens; "
                "their predictions can be combined: python -m similarity_v0 ensemble"
            )


def mean_weights(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of each weight over files of the same weights, taken in float64, in the type it has in the first."""
    with ExitStack() as stack:
        opened, names = [], []
        for path in files:
            try:
                opened.append(stack.enter_context(safe_open(path, framework="pt")))
            except (OSError, SafetensorError) as error:
                raise ArtifactError(f"{path}: cannot be read: {first_line(error)}") from error
            names.append(_names(list(opened[-1].keys())))
            if foreign := names[0].keys() ^ names[-1].keys():
                raise ArtifactError(f"{path}: not the weights of {files[0]}: {min(foreign)} is in one of them alone")
        means = {}
        for name in names[0]:
            values = [file.get_tensor(own[name]) for file, own in zip(opened, names, strict=True)]
            for path, value in zip(files, values, strict=True):
                if value.shape != values[0].shape:
                    shapes = f"{tuple(value.shape)}, there {tuple(values[0].shape)}"
                    raise ArtifactError(f"{path}: not the architecture of {files[0]}: {name} has the shape {shapes}")
                require_finite_weights(path, [(name, value)])
            means[name] = torch.stack([value.double() for value in values]).mean(dim=0).to(values[0].dtype)
        return means


def _names(names: list[str]) -> dict[str, str]:
    """The names that a model folder has -> those in the file, which differ for a checkpoint."""
    is_checkpoint = all(name.startswith(CHECKPOINT_PREFIX) for name in names)
    return {name.removeprefix(CHECKPOINT_PREFIX) if is_checkpoint else name: name for name in names}


def _architecture(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for path in (folder / "config.json", folder / HEAD_FACTS):
        try:
            facts |= strict_json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path}: cannot be read: {first_line(error)}") from error
    return {key: value for key, value in facts.items() if key not in NOT_ARCHITECTURE}


def _differ(a: Path, b: Path) -> bool:
    """Whether two files of tokenizers give a text other tokens; where it is cut and filled up is not asked."""
    if a.name != "tokenizer.json":
        return a.read_bytes() != b.read_bytes()
    try:
        ours, theirs = (strict_json.loads(path.read_text(encoding="utf-8")) | CUT for path in (a, b))
    except (ValueError, TypeError):
        return True
    return ours != theirs
