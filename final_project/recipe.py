"""Recipes: YAML plus dotted overrides become one frozen `Recipe`, or one error that lists every problem.

recipe = load_recipe("demo", ["similarity_v0.epochs=1"])

A recipe may name another as its `base` and hold only what differs from that one.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from final_project.data.texts import why_unreadable
from final_project.errors import RecipeError
from final_project.places import RECIPE_DIR
from final_project.settings import Recipe
from final_project.settings.section import setting_facts

Model = TypeVar("Model", bound=BaseModel)
SWEEP_DIR = RECIPE_DIR / "sweeps"  # no recipes themselves: lists of them, or of settings to try
STAGES = ("prepare", "posttrain", "similarity_v0", "similarity_v1")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes `5e-5` for a string; people write learning rates that way, so it is a number here."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)$"), list("-+.0123456789")
)


def recipe_names() -> list[str]:
    files = (path for path in RECIPE_DIR.rglob("*.yaml") if SWEEP_DIR not in path.parents)
    return sorted(str(path.relative_to(RECIPE_DIR).with_suffix("")) for path in files)


def recipe_path(name_or_file: str) -> Path:
    """The YAML file meant by `--recipe`: a path, or the name of one in recipes/."""
    given = Path(name_or_file)
    if given.suffix in (".yaml", ".yml") or given.is_file():
        if not given.is_file():
            raise RecipeError([f"{given}: no such recipe file"])
        return given
    path = RECIPE_DIR / f"{name_or_file}.yaml"
    if not path.is_file():
        names = recipe_names()
        hint = _nearest(name_or_file, names)
        raise RecipeError([f"no recipe named {name_or_file!r}{hint}; recipes/ has {', '.join(names)}"])
    return path


def load_recipe(name_or_file: str, overrides: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Read one recipe file and lay dotted overrides (`stage.key=value`) over it.

    Raises RecipeError with all problems at once: unknown keys (with the nearest right name), wrong types,
    values out of range, combinations that cannot work; each with file and line, or the override it came from.
    """
    path = recipe_path(name_or_file)
    values, origins, problems = _read_with_base(path)
    for override in overrides:
        problems += _lay_override(override, values, origins)
    _drop_unknown_keys(values, origins, problems)
    values.setdefault("name", path.stem)
    return validated(Recipe, values, origins, path, problems)


def validated(
    model: type[Model], values: dict[str, Any], origins: dict[str, str], path: Path, problems: list[str]
) -> Model:
    """The values as a model; raises RecipeError with these problems and all that the model finds."""
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        problems = problems + [line for problem in error.errors() for line in format_problem(problem, origins, path)]
    if problems:
        raise RecipeError(problems)
    return found


def dotted_fields(model: type[BaseModel] = Recipe, prefix: str = "") -> dict[str, FieldInfo]:
    """Every setting of the model as `section.key` -> pydantic field, in order of definition."""
    fields: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields |= dotted_fields(field.annotation, f"{prefix}{name}.")
        else:
            fields[prefix + name] = field
    return fields


def describe_fields(*sections: str, common_only: bool = False) -> str:
    """Help text for the named sections (all if none is named): key, default, unit, meaning of each setting."""
    lines = []
    for key, field in dotted_fields().items():
        section = key.split(".")[0] if "." in key else ""
        if sections and section and section not in sections:
            continue
        extra = setting_facts(field)
        if common_only and not extra.get("common"):
            continue
        unit = extra.get("unit")
        kind = _kind(field.annotation)
        default = "null" if field.default is None else field.default if field.default != "" else "''"
        lines.append(f"  {key}={default}  ({kind}{', ' + unit if unit else ''})\n      {field.description}")
    return "\n".join(lines)


def _kind(annotation: Any) -> str:
    """A setting's type as `--help` shows it: int, one|other, or [one|other, ...] for a list."""
    if get_origin(annotation) is list:
        return f"[{_kind(get_args(annotation)[0])}, ...]"
    if get_origin(annotation) is dict:
        return "{name: name, ...}"
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if choices := [choice for choice in get_args(annotation) if choice != ""]:
        return "|".join(_kind(choice) for choice in choices)
    return "null" if annotation in (None, NoneType) else getattr(annotation, "__name__", str(annotation))


def _read_with_base(path: Path, above: tuple[Path, ...] = ()) -> tuple[dict, dict[str, str], list[str]]:
    """The recipe of a file, merged into the recipe that its key `base` names, which may have a base itself."""
    values, origins, problems = read_yaml(path)
    base = values.pop("base", None)
    if base is None:
        return values, origins, problems
    base_path = recipe_path(str(base))
    if base_path in (*above, path):
        raise RecipeError([f"{origins['base']}: base {base} is built on this recipe itself"])
    below, base_origins, base_problems = _read_with_base(base_path, (*above, path))
    below.pop("name", None)
    return _merge(below, values), {**base_origins, **origins}, base_problems + problems


def _merge(below: dict, above: dict) -> dict:
    """`above`, and what only `below` has; sections are merged key by key."""
    both = {key: value for key, value in below.items() if isinstance(value, dict) and isinstance(above.get(key), dict)}
    return {**below, **above, **{key: _merge(value, above[key]) for key, value in both.items()}}


def read_yaml(path: Path) -> tuple[dict, dict[str, str], list[str]]:
    """The file's values, the place of each dotted key (`file:line`), and what is wrong with the file itself."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_Loader)
        values = yaml.load(text, Loader=_Loader) or {}
    except UnicodeDecodeError as error:
        raise RecipeError([f"{path}: not UTF-8: {error.reason} at byte {error.start}"]) from error
    except OSError as error:
        raise RecipeError([f"{path}: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise RecipeError([f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}"]) from error
    if not isinstance(values, dict):
        raise RecipeError([f"{path}:1: expected `key: value` lines, found a {type(values).__name__}"])
    origins: dict[str, str] = {}
    problems: list[str] = []
    if node is not None:
        _note_origins(node, "", path, origins, problems)
    return values, origins, problems


def _note_origins(node: yaml.Node, prefix: str, path: Path, origins: dict, problems: list[str]) -> None:
    for key_node, value_node in node.value:
        key = prefix + str(key_node.value)
        where = f"{path}:{key_node.start_mark.line + 1}"
        if key in origins:
            problems.append(f"{where}: {key} is given twice; the first is at {origins[key]}")
        origins[key] = where
        if isinstance(value_node, yaml.MappingNode):
            _note_origins(value_node, f"{key}.", path, origins, problems)
        for scalar in value_node.value if isinstance(value_node, yaml.SequenceNode) else (value_node,):
            if isinstance(scalar, yaml.ScalarNode) and (fault := why_unreadable(scalar.value)):
                problems.append(f"{where}: {key} {fault}")


def _lay_override(override: str, values: dict, origins: dict[str, str]) -> list[str]:
    """Set one `key.path=value` in place; returns the problems found."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        return [f"override {override!r}: expected key.path=value"]
    if fault := why_unreadable(override):
        return [f"override {override!r} {fault}"]
    try:
        value = yaml.load(text, Loader=_Loader) if text else ""
    except yaml.YAMLError:
        value = text
    *sections, leaf = key.split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            return [f"override {override!r}: {section} is a value, not a section"]
    target[leaf] = value
    for replaced in [known for known in origins if known.startswith(f"{key}.")]:
        del origins[replaced]
    origins[key] = f"override {override!r}"
    return []


def _drop_unknown_keys(values: dict, origins: dict[str, str], problems: list[str]) -> None:
    known = set(dotted_fields())
    sections = {key[:end] for key in known for end in range(len(key)) if key[end] == "."}

    def walk(mapping: dict, prefix: str) -> None:
        for name in list(mapping):
            key = f"{prefix}{name}"
            if key in sections and (isinstance(mapping[name], dict) or mapping[name] is None):
                mapping[name] = mapping[name] or {}
                walk(mapping[name], f"{key}.")
            elif key not in known and key not in sections:
                del mapping[name]
                hint = _nearest(key, sorted(known | sections))
                problems.append(f"{find_origin(key, origins) or 'recipe'}: unknown key {key}{hint}")

    walk(values, "")


def _nearest(word: str, candidates: list[str]) -> str:
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.5)
    if not close:
        leaf = word.rsplit(".", 1)[-1]
        close = [c for c in candidates if c.rsplit(".", 1)[-1] == leaf][:1]
    return f"; did you mean {close[0]}?" if close else ""


def format_problem(problem: ErrorDetails, origins: dict[str, str], path: Path) -> list[str]:
    """One line for a wrong value; one for each conflict between settings of a section, with the origin of each."""
    key = ".".join(str(part) for part in problem["loc"])
    messages = problem["msg"].removeprefix("Value error, ").split("\n")
    label = f"{key}: " if key else ""
    if isinstance(problem["input"], (dict, BaseModel)) and problem["type"] == "value_error":
        return [f"{_origins_of_conflict(message, key, origins, path)}: {label}{message}" for message in messages]
    found = "" if isinstance(problem["input"], (dict, BaseModel)) else f", found {problem['input']!r}"
    return [f"{find_origin(key, origins) or path}: {label}{messages[0]}{found}"]


def find_origin(key: str, origins: dict[str, str]) -> str:
    """Where a dotted key was set: the origin of its longest known prefix, so that an element of a list has its list's;
    empty if it was set nowhere."""
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return origins.get(key, "")


def _origins_of_conflict(message: str, section: str, origins: dict[str, str], path: Path) -> str:
    """Where each setting was set that the message names as `name: value`; overrides first, defaults last."""
    prefix = f"{section}." if section else ""
    keys = [prefix + name for name in re.findall(r"([\w.]+):(?= )", message)]
    if not keys:  # a message that names its settings in other words
        keys = [prefix + word for word in re.findall(r"[\w.]+", message)]
    places = {key: _set_at(key, origins) for key in keys if key in dotted_fields()}
    found = sorted({*places.values()} - {""}, key=lambda place: (not place.startswith("override "), place))
    if not found:
        return find_origin(section, origins) or str(path)
    defaults = [key.removeprefix(prefix) for key, place in places.items() if not place]
    return ", ".join(found) + (f" (default: {', '.join(defaults)})" if defaults else "")


def _set_at(key: str, origins: dict[str, str]) -> str:
    """Where a setting got its value: its own line, or an override of it or of its whole section; empty: a default."""
    place = find_origin(key, origins)
    return place if key in origins or place.startswith("override ") else ""
