"""What a sweep's file holds: a base recipe, variants of its settings, seeds. Read once, checked whole.

recipe: demo                              # the base; its prepare and posttrain serve all trials
settings: {similarity_v0.epochs: 2}       # laid over the base in every trial
seeds: [1, 2, 3]                          # every variant is trained with each of them
metric: accuracy                          # of dev, by which variants are compared
grid:                                     # every combination of these values
  similarity_v0.lr: [1e-4, 3e-4]
variants:                                 # named settings, or a list of recipes built on the base
  fgm: {similarity_v0.fgm_eps: 1}
optuna:                                   # trials whose settings Optuna chooses
  trials: 20
  space:
    similarity_v0.lr: {low: 1e-5, high: 1e-3, log: true}
    similarity_v0.pool: {choices: [cls, mean]}
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from final_project import strict_json
from final_project.errors import RecipeError
from final_project.recipe import load_recipe, read_yaml, validated
from final_project.settings import Recipe

BASE = "base"
STAGE = "similarity_v0"
LONGEST_NAME = 48  # of a variant, since it names folders

Settings = dict[str, Any]
"""Dotted key -> value."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Axis(_Section):
    """What Optuna may choose for one setting: a value of choices, or a number from low to high."""

    choices: list[Any] = []
    low: float | None = None
    high: float | None = None
    log: bool = False

    @model_validator(mode="after")
    def is_one_kind(self):
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("expected either choices, or low and high")
        return self


class OptunaSearch(_Section):
    """Trials that Optuna chooses, each taken with every seed."""

    trials: int = Field(ge=1, le=100_000)
    space: dict[str, Axis] = Field(min_length=1)
    sampler: Literal["tpe", "random"] = "tpe"


class _File(_Section):
    recipe: str = ""
    settings: Settings = {}
    seeds: list[int] = []
    metric: str = "accuracy"
    grid: dict[str, list[Any]] = {}
    variants: dict[str, Settings] | list[str] = {}
    optuna: OptunaSearch | None = None


@dataclass(frozen=True)
class Trial:
    """One run of the stage: the settings of one variant, with one seed."""

    variant: str
    seed: int
    settings: Settings = field(hash=False)

    @property
    def name(self) -> str:
        return f"{self.variant}-s{self.seed}"


@dataclass(frozen=True)
class Sweep:
    """A sweep as its file describes it. recipe_name: what `--recipe` takes. overrides: what all trials share."""

    name: str
    recipe_name: str
    recipe: Recipe
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    metric: str
    variants: dict[str, Settings]
    search: OptunaSearch | None

    @property
    def folder(self) -> Path:
        return Path(self.recipe.runs_dir) / self.recipe.name / "sweeps" / self.name

    @property
    def trials(self) -> list[Trial]:
        """Seed by seed, so that a sweep that is stopped early has compared all variants with some seeds."""
        return [Trial(name, seed, chosen) for seed in self.seeds for name, chosen in self.variants.items()]

    def build_overrides(self, trial: Trial) -> list[str]:
        place = [f"runs_dir={self.folder}", f"name={trial.name}", f"seed={trial.seed}"]
        return [*self.overrides, *map(format_override, trial.settings, trial.settings.values()), *place]

    def build_recipe(self, trial: Trial) -> Recipe:
        return load_recipe(self.recipe_name, self.build_overrides(trial))


def read_sweep(path: Path, recipe_name: str = "", overrides: tuple[str, ...] = ()) -> Sweep:
    """recipe_name, where given, takes the place of the file's; overrides go over the file's settings.

    Raises RecipeError with every problem of the file and of the recipes of all its trials.
    """
    if not path.is_file():
        raise RecipeError([f"{path}: no such sweep file"])
    values, origins, problems = read_yaml(path)
    file = validated(_File, values, origins, path, [*problems, *_not_finite(values, origins)])
    name = recipe_name or file.recipe
    if not name:
        raise RecipeError([f"{path}: names no recipe: add `recipe: NAME`, or give --recipe"])
    shared = (*map(format_override, file.settings, file.settings.values()), *overrides)
    base = load_recipe(name, shared)
    variants: dict[str, Settings] = (
        {BASE: {}} | _named_variants(file.variants, name, path) | _grid_variants(file.grid, base)
    )
    sweep = Sweep(path.stem, name, base, shared, tuple(file.seeds or [base.seed]), file.metric, variants, file.optuna)
    if problems := list(_problems(sweep, path)):
        raise RecipeError(problems)
    return sweep


def _not_finite(value: Any, origins: dict[str, str], key: str = "") -> Iterator[str]:
    """One message for each number of the file that is not finite; values of a list are named by the list's key."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{origins[key]}: {key}: expected a finite number, found {value}"
    for one in value if isinstance(value, list) else ():
        yield from _not_finite(one, origins, key)
    for name, one in value.items() if isinstance(value, dict) else ():
        yield from _not_finite(one, origins, f"{key}.{name}" if key else str(name))


def format_override(key: str, value: Any) -> str:
    return f"{key}={strict_json.dumps(value, key, ensure_ascii=False)}"


def difference(recipe: Recipe, base: Recipe) -> Settings:
    """The settings in which a recipe differs from another, its name aside."""
    ours, theirs = (_flat(of.model_dump(mode="json", exclude={"name"})) for of in (recipe, base))
    return {key: value for key, value in ours.items() if value != theirs[key]}


def _named_variants(given: dict[str, Settings] | list[str], base_name: str, path: Path) -> dict[str, Settings]:
    if isinstance(given, dict):
        if BASE in given:
            raise RecipeError([f"{path}: {BASE} is the recipe without changes; give the variant another name"])
        return given
    base = load_recipe(base_name)
    differences = {load_recipe(name).name: difference(load_recipe(name), base) for name in given}
    if alike := [name for name, settings in differences.items() if not settings]:
        raise RecipeError([f"{path}: recipe {name} does not differ from {base_name}" for name in alike])
    return differences


def _grid_variants(grid: dict[str, list[Any]], base: Recipe) -> dict[str, Settings]:
    """Every combination but that of the base itself."""
    if not grid:
        return {}
    own = _flat(base.model_dump(mode="json"))
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    points = [point for point in points if any(own.get(key) != value for key, value in point.items())]
    names = [point_name(point) for point in points]
    if any(len(name) > LONGEST_NAME for name in names) or len(set(names)) < len(names):
        names = [f"grid{number:03d}" for number in range(1, len(points) + 1)]
    return dict(zip(names, points, strict=True))


def point_name(settings: Settings) -> str:
    """Short and valid as a folder name: lr=0.0001_pool=mean."""
    parts = (f"{key.rsplit('.', 1)[-1]}={value}" for key, value in settings.items())
    return re.sub(r"[^\w.=+-]+", "-", "_".join(parts))


def _problems(sweep: Sweep, path: Path) -> Iterator[str]:
    if len(set(sweep.seeds)) < len(sweep.seeds):
        yield f"{path}: seeds are given twice: {list(sweep.seeds)}"
    for name, settings in sweep.variants.items():
        if re.search(r"[^\w.=+-]", name) or not re.search("[a-zA-Z]", name) or len(name) > LONGEST_NAME:
            yield f"{path}: variant {name!r}: a name is {LONGEST_NAME} letters, digits or . = + - _ at most"
        yield from (f"{path}: variant {name}: {problem}" for problem in _foreign(settings))
        try:
            sweep.build_recipe(Trial(name, sweep.seeds[0], settings))
        except RecipeError as error:
            yield from (f"{path}: variant {name}: {problem}" for problem in error.problems)
    for key, axis in sweep.search.space.items() if sweep.search else ():
        yield from (f"{path}: optuna.space: {problem}" for problem in _foreign({key: None}))
        for value in axis.choices or (axis.low, axis.high):
            try:
                sweep.build_recipe(Trial("optuna", sweep.seeds[0], {key: as_int_if_integral(value)}))
            except RecipeError as error:
                yield from (f"{path}: optuna.space: {problem}" for problem in error.problems)


def _foreign(settings: Settings) -> Iterator[str]:
    for key in settings:
        if not key.startswith(f"{STAGE}."):
            yield f"{key} is no setting of {STAGE}; all trials share what the earlier stages made"


def as_int_if_integral(value: Any) -> Any:
    """3.0 -> 3: YAML bounds of an integer setting are read as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flat(values: dict[str, Any], prefix: str = "") -> Settings:
    flat: Settings = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
