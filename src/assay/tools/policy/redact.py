"""Takes out of a call's texts what must not leave; it decides nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from assay.tools.calls import ToolCall
from assay.tools.policy.carried import Carried

REDACTED = "[redacted]"


def redact(
    call: ToolCall, carried: Sequence[tuple[str, Carried]], *, whole: bool = False
) -> ToolCall:
    """The call without what it carries, given by argument.

    What stands there as it is goes alone; of what is coded, or a part, the whole text goes. With
    `whole` it always does.
    """
    arguments = dict(call.arguments)
    for name, one in carried:
        arguments[name] = _change_texts(arguments[name], _build_change(one, whole))
    return ToolCall(call.name, arguments)


def _build_change(one: Carried, whole: bool) -> Callable[[str], str]:
    def change(text: str) -> str:
        if whole or one.form not in ("exact", "plain") or not one.found:
            return REDACTED
        changed = re.sub(re.escape(one.found), REDACTED, text, flags=re.I)
        return changed if changed != text else REDACTED

    return change


def _change_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _change_texts(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_change_texts(inner, change) for inner in value]
    return value
