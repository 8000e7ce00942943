"""Options as Python takes them, checked where they are declared, each problem in one sentence.

An attribution method is a dataclass that inherits `Options`: its fields are its options, with their types, and `option`
adds the bounds (method_options.py).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from numbers import Integral, Real
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from final_project.errors import RecipeError

MOST_SEEDS = 2**63 - 1


def option(default: Any, **bounds: float) -> Any:
    """A field of a method with bounds: ge, gt, le."""
    return field(default=default, metadata=bounds)


@dataclass(frozen=True)
class Options:
    """What methods inherit: raises RecipeError that lists every option that is off."""

    def __post_init__(self) -> None:
        if problems := list(self.problems()):
            raise RecipeError(problems)

    def problems(self) -> Iterator[str]:
        kinds = field_types(type(self))  # type: ignore[arg-type]  # mypy takes the instances' __hash__ for the class's
        for its_field in fields(self):
            value = getattr(self, its_field.name)
            if fault := find_problem(kinds[its_field.name], its_field.metadata, value):
                yield f"{its_field.name}: {fault}"


@cache
def field_types(options: type) -> dict[str, Any]:
    """The types of a method's fields."""
    return get_type_hints(options)


def find_problem(kind: Any, bounds: Mapping[str, float], value: Any) -> str | None:
    """What is wrong with a value; None where nothing is. kind: int, float, a Literal of words; any of them | None."""
    kinds = get_args(kind) if NoneType in get_args(kind) else (kind,)
    if value is None and NoneType in kinds:
        return None
    kind = next(one for one in kinds if one is not NoneType)
    if get_origin(kind) is Literal:
        words = get_args(kind)
        if isinstance(value, str) and value in words:
            return None
        return f"expected one of {', '.join(words)}, found {value!r}{hint(value, words)}"
    wanted, what = (Integral, "a whole number") if kind is int else (Real, "a number")
    fits = isinstance(value, wanted) and not isinstance(value, bool) and math.isfinite(value)
    if fits and all(_HOLDS[name](value, bound) for name, bound in bounds.items()):
        return None
    bounds_text = " and ".join(f"{_BOUND[name]} {bound:,}" for name, bound in bounds.items())
    return f"expected {what}{' ' if bounds_text else ''}{bounds_text}, found {value!r}"


def hint(given: Any, known: Any) -> str:
    """`; did you mean ...?` where a known name is close to the given one."""
    by_lower = {str(name).lower(): name for name in known}
    close = difflib.get_close_matches(str(given).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


_HOLDS = {"ge": lambda x, bound: x >= bound, "gt": lambda x, bound: x > bound, "le": lambda x, bound: x <= bound}
_BOUND = {"ge": "of at least", "gt": "above", "le": "at most"}
