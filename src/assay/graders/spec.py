"""Reads a grader's description field by field and collects everything that is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from assay.errors import Problem
from assay.graders.template import Template, TemplateError, compile_template

REQUIRED: Any = object()
"""As a default: the field must be there."""


@dataclass
class SpecReader:
    """One grader's description, where it stands, and the problems found so far.

    Reading a field never raises: where it is wrong a problem is noted and a value of the right
    type is given, so that one pass tells all problems. `finish` notes what nobody asked for.
    """

    spec: Mapping[str, Any]
    place: str
    problems: list[Problem]
    asked: set[str] = field(default_factory=lambda: {"type", "name"})

    def read_name(self, default: str) -> str:
        name = self.spec.get("name")
        if name is None:
            return default
        if not isinstance(name, str) or not name:
            self.note("name", f"name {name!r}", "a text")
            return default
        return name

    def read_text(self, key: str, default: Any = REQUIRED, *, choices: Sequence[str] = ()) -> str:
        value = self._take(key, default, "a text")
        if value is default and default is not REQUIRED:
            return str(default)
        if not isinstance(value, str):
            self._note_kind(key, value, "a text")
            return choices[0] if choices else ""
        if choices and value not in choices:
            near = get_close_matches(value, choices, n=1)
            do = f"write {near[0]}" if near else ""
            self.note(key, f"{key} {value!r}", ", ".join(choices), do)
            return choices[0]
        return value

    def read_template(self, key: str, default: Any = REQUIRED) -> Template:
        return self.compile(key, self.read_text(key, default))

    def compile(self, key: str, text: str) -> Template:
        try:
            return compile_template(text)
        except TemplateError as error:
            paths = "{{ item.column }}, {{ sample.output_text }}"
            self.note(key, str(error), paths)
            return Template(())

    def read_number(
        self, key: str, default: Any = REQUIRED, *, low: float = -math.inf, high: float = math.inf
    ) -> float:
        value = self._take(key, default, "a number")
        if value is default and default is not REQUIRED:
            return math.nan if default is None else float(default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._note_kind(key, value, "a number")
            return 0.0
        if not (math.isfinite(value) and low <= value <= high):
            self.note(key, f"{key} {value}", f"a number from {low:g} to {high:g}")
            return 0.0
        return float(value)

    def read_flag(self, key: str, default: bool) -> bool:
        value = self._take(key, default, "true or false")
        if not isinstance(value, bool):
            self._note_kind(key, value, "true or false")
            return default
        return value

    def read_texts(self, key: str, default: Any = REQUIRED) -> list[str]:
        value = self._take(key, default, "a list of texts")
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            self._note_kind(key, value, "a list of texts")
            return []
        return list(value)

    def read_any(self, key: str, default: Any = REQUIRED, *, allowed: str = "a value") -> Any:
        value = self._take(key, default, allowed)
        return None if value is REQUIRED else value

    def check(self, key: str, make: Callable[[], Any], *, allowed: str) -> Any:
        """What `make` gives of a field; a ValueError of it is noted, and None given."""
        if self.spec.get(key) is None:
            return None
        try:
            return make()
        except ValueError as error:
            self.note(key, f"{key}: {error}", allowed)
            return None

    def note(self, key: str, got: str, allowed: str = "", do: str = "") -> None:
        self.problems.append(Problem(got=got, allowed=allowed, do=do, key=f"{self.place}.{key}"))

    def finish(self) -> None:
        for key in self.spec:
            if key not in self.asked:
                near = get_close_matches(str(key), sorted(self.asked), n=1)
                do = f"write {near[0]}" if near else f"remove {key}"
                self.note(str(key), f"the field {key!r}", ", ".join(sorted(self.asked)), do)

    def _take(self, key: str, default: Any, kind: str) -> Any:
        self.asked.add(key)
        value = self.spec.get(key)
        if value is not None:
            return value
        if default is REQUIRED:
            self.note(key, f"no {key}", kind, f"add {key}")
        return default

    def _note_kind(self, key: str, value: Any, kind: str) -> None:
        if value is not REQUIRED:
            self.note(key, f"{key} {value!r}", kind)
