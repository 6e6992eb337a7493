"""How one key of a recipe is declared: meaning, unit, range, default and the default's reason.

It knows no key by name; the sections do.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

REQUIRED: Any = ...


class Section(BaseModel):
    """One closed, frozen block of a recipe: unknown keys and loose types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def setting(
    default: Any,
    meaning: str,
    *,
    reason: str = "",
    unit: str = "",
    example: str = "",
    allowed: str = "",
    factory: Any = None,
    **limits: Any,
) -> Any:
    """A pydantic field whose description, unit and reason feed the schema, `explain` and dry runs.

    `limits` are pydantic's own (`ge`, `gt`, `le`, `lt`, `min_length`, `max_length`); `factory`
    replaces `default` for lists and blocks; `example` shows a required key in messages; `allowed`
    states in words what the type alone does not.
    """
    extra = {"reason": reason, "unit": unit, "example": example, "allowed": allowed}
    described: dict[str, Any] = {
        "description": f"{meaning} Unit: {unit}." if unit else meaning,
        "json_schema_extra": {key: text for key, text in extra.items() if text},
        **limits,
    }
    if factory is not None:
        return Field(default_factory=factory, **described)
    return Field(default, **described)


def get_note(field: FieldInfo, name: str) -> str:
    """What `setting` stored under `name` (reason, unit, example or allowed), else an empty text."""
    extra = field.json_schema_extra
    return str(extra.get(name, "")) if isinstance(extra, dict) else ""
