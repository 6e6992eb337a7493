"""Templates of graders: ``{{ item.x }}`` and ``{{ sample.output_json.a[0].b }}``; no other syntax.

There are paths and nothing else, so that a template cannot compute, loop or reach anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.graders.grade import GradeFailure, Item, Sample

ROOTS = ("item", "sample")
SAMPLE_FIELDS = ("output_text", "output_json", "output_tools", "choices")
_HOLE = re.compile(r"\{\{(.*?)\}\}", re.S)
_STEP = re.compile(r"""\.\s*([A-Za-z_][\w-]*)|\[\s*(\d+)\s*\]|\[\s*(?:'([^']*)'|"([^"]*)")\s*\]""")
_ROOT = re.compile(r"\s*([A-Za-z_]\w*)")


class TemplateError(ValueError):
    """A hole of a template is no path; the message says which."""


@dataclass(frozen=True)
class Path:
    """A root and the steps from there: names of an object, places in a list."""

    root: str
    steps: tuple[str | int, ...]
    text: str


@dataclass(frozen=True)
class Template:
    """Literal texts and the paths between them, in order."""

    parts: tuple[str | Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(part for part in self.parts if isinstance(part, Path))


def compile_template(text: str) -> Template:
    """Raises TemplateError where a hole is no path of `item` or `sample`."""
    parts: list[str | Path] = []
    end = 0
    for hole in _HOLE.finditer(text):
        parts += [text[end : hole.start()], _read_path(hole[1])]
        end = hole.end()
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part != ""))


def render_template(template: Template, sample: Sample, item: Item) -> str:
    """The text for one sample; JSON values that are no text are written as JSON.

    Raises:
        GradeFailure: "invalid_variable_error" where a path leads nowhere, "sample_parse_error"
            where it goes through ``sample.output_json`` of a text that is no JSON.
    """
    values = (
        part if isinstance(part, str) else _show(look_up(part, sample, item))
        for part in template.parts
    )
    return "".join(values)


def look_up(path: Path, sample: Sample, item: Item) -> Any:
    """The value at the end of a path; raises as `render_template`."""
    steps = list(path.steps)
    value = _read_sample(str(steps.pop(0)), sample) if path.root == "sample" else item
    for step in steps:
        try:
            value = _take(value, step)
        except LookupError:
            detail = f"{{{{ {path.text} }}}}: there is no {step!r}"
            raise GradeFailure("invalid_variable_error", detail) from None
    return value


def _read_path(text: str) -> Path:
    root = _ROOT.match(text)
    if root is None or root[1] not in ROOTS:
        raise TemplateError(f"{{{{{text}}}}} begins with neither item nor sample")
    steps: list[str | int] = []
    at = root.end()
    while step := _STEP.match(text, at):
        name, place, single, double = step.groups()
        steps.append(int(place) if place is not None else name or single or double or "")
        at = step.end()
    if text[at:].strip() or (root[1] == "sample" and not steps):
        raise TemplateError(f"{{{{{text}}}}} is no path such as item.answer or sample.output_text")
    if root[1] == "sample" and steps[0] not in SAMPLE_FIELDS:
        raise TemplateError(f"{{{{{text}}}}}: a sample has {', '.join(SAMPLE_FIELDS)}")
    return Path(root[1], tuple(steps), text.strip())


def _take(value: Any, step: str | int) -> Any:
    if isinstance(step, int) and isinstance(value, Sequence) and not isinstance(value, str):
        return value[step]
    if isinstance(step, str) and isinstance(value, Mapping):
        return value[step]
    raise LookupError(step)


def _read_sample(name: str, sample: Sample) -> Any:
    if name == "output_text":
        return sample.output_text
    if name == "output_tools":
        return sample.output_tools
    if name == "output_json":
        return read_json(sample)
    message = {
        "role": "assistant",
        "content": sample.output_text,
        "tool_calls": list(sample.output_tools),
    }
    return [{"index": 0, "message": message, "finish_reason": sample.finish_reason}]


def read_json(sample: Sample) -> Any:
    """The JSON value that a sample's text is. Raises GradeFailure "sample_parse_error"."""
    if sample.output_json is not None:
        return sample.output_json
    try:
        return json.loads(sample.output_text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise GradeFailure("sample_parse_error", f"the sample is no JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
