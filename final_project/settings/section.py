"""The base class of a recipe's sections: frozen, strict, a meaning for every setting, checks of combinations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo


def setting(
    default: Any,
    meaning: str,
    unit: str = "",
    affects_result: bool | Literal["rounding"] = True,
    common: bool = False,
    **bounds: Any,
) -> Any:
    """A recipe field with its meaning and unit; `bounds` are pydantic's (ge, le, gt, lt).

    affects_result: False if what the stage writes does not depend on the setting, so that a change does not run the
    stage again; "rounding" if it depends on it by rounding alone, so that an interrupted stage may resume under another
    value. common: shown by `--help`; the others only by `--help-all`.
    """
    extra: dict[str, Any] = {"unit": unit, "affects_result": affects_result, "common": common}
    return Field(default, description=meaning, json_schema_extra=extra, **bounds)


def setting_facts(field: FieldInfo) -> dict[str, Any]:
    """Unit, affects_result and common of a field that `setting` made; empty for other fields."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _published(value: Any) -> Any:
    return "published" if value == "original" else value


ORIGINAL_MEANS_PUBLISHED = BeforeValidator(_published)
"""For settings with the choice `published`, the contest solution: `original`, its older spelling, is still read."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def conflicts(self) -> Iterator[str]:
        """One message for each combination of settings that cannot work.

        A message names the settings at fault as `name: value`, so that the error can say where each was set.
        """
        yield from ()

    @model_validator(mode="after")
    def settings_go_together(self):
        if conflicts := list(self.conflicts()):
            raise ValueError("\n".join(conflicts))
        return self

    def affecting_result(self, up_to_rounding: bool = False) -> dict[str, Any]:
        """The settings on which the stage's result depends, as JSON values; up_to_rounding: by more than rounding."""
        values, without = self.model_dump(mode="json"), (False, "rounding") if up_to_rounding else (False,)
        affects = {name: setting_facts(field)["affects_result"] for name, field in type(self).model_fields.items()}
        return {name: values[name] for name, kind in affects.items() if kind not in without}
