"""What a section of settings is: frozen, strict, each with its meaning, and checks of what goes together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


def setting(
    default: Any, meaning: str, unit: str = "", outcome: bool | Literal["rounding"] = True, **bounds: Any
) -> Any:
    """A recipe field with its meaning and unit; `bounds` are pydantic's (ge, le, gt, lt).

    outcome: False where what the stage writes does not depend on it, so that a change does not start it afresh;
    "rounding" where it does so by rounding alone, so that a half-done stage may go on under another value.
    """
    return Field(default, description=meaning, json_schema_extra={"unit": unit, "outcome": outcome}, **bounds)


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def conflicts(self) -> Iterator[str]:
        """Settings that do not go together, one message each."""
        yield from ()

    @model_validator(mode="after")
    def settings_go_together(self):
        if conflicts := list(self.conflicts()):
            raise ValueError("\n".join(conflicts))
        return self

    def outcome(self, up_to_rounding: bool = False) -> dict[str, Any]:
        """The settings on which what the stage writes depends, as JSON values."""
        values, without = self.model_dump(mode="json"), (False, "rounding") if up_to_rounding else (False,)
        extras = {name: field.json_schema_extra["outcome"] for name, field in type(self).model_fields.items()}
        return {name: values[name] for name, outcome in extras.items() if outcome not in without}
