"""Graders `score_model` and `label_model`, from their descriptions in the published schemas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from assay.generate.remote import RemoteModel
from assay.graders.chat import read_chat
from assay.graders.grade import Grader
from assay.graders.judge import LocalJudge, Read, RemoteJudge
from assay.graders.models import Models
from assay.graders.spec import SpecReader

NUM_STEPS = 20
"""Of the range, between whose ends a model in this process chooses."""
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_PARAMETERS = {
    "seed": (-(2.0**63), 2.0**63),
    "top_p": (0.0, 1.0),
    "temperature": (0.0, 2.0),
    "max_completions_tokens": (1.0, 2.0**31),
}
_WHOLE = ("seed", "max_completions_tokens")


def build_score_model(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `model`, `input`, `range` ([0, 1]), `sampling_params`; ours `url`, `key_env`, `hosts`.

    The reward is the model's `result` within the range: beyond it, its nearer end.
    """
    low, high = _read_range(spec)

    def read(result: Any) -> float:
        if isinstance(result, bool) or not isinstance(result, int | float):
            raise ValueError(f"{result!r} is no number")
        if math.isnan(result):
            raise ValueError("a score that is not a number")
        return min(max(float(result), low), high)

    steps = [low + (high - low) * step / NUM_STEPS for step in range(NUM_STEPS + 1)]
    answers = {f"{value:.6g}": value for value in steps}
    return _build(spec, name, models, schema={"type": "number"}, read=read, answers=answers)


def build_label_model(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `model`, `input`, `labels`, `passing_labels`, `sampling_params`, and as before.

    The reward is 1 where the model chooses a passing label, else 0.
    """
    labels, passing = spec.read_texts("labels"), spec.read_texts("passing_labels")
    unknown = sorted(set(passing) - set(labels))
    if unknown:
        spec.note("passing_labels", f"passing label {unknown[0]!r}", ", ".join(labels))
    if len(set(labels)) < len(labels):
        spec.note("labels", "a label twice", "labels that differ")

    def read(result: Any) -> float:
        if result not in labels:
            raise ValueError(f"{result!r} is none of {', '.join(labels)}")
        return float(result in passing)

    answers = {label: float(label in passing) for label in labels}
    schema = {"type": "string", "enum": labels}
    return _build(spec, name, models, schema=schema, read=read, answers=answers)


def _build(
    spec: SpecReader,
    name: str,
    models: Models,
    *,
    schema: Mapping[str, Any],
    read: Read,
    answers: Mapping[str, float],
) -> Grader:
    chat, parameters = read_chat(spec), _read_parameters(spec)
    model = models.open(spec)
    if isinstance(model, RemoteModel) or model is None:
        fields = {**parameters, "response_format": _describe_format(schema)}
        return RemoteJudge(name, chat, model, fields, read)  # type: ignore[arg-type]
    for key in parameters:
        where = f"sampling_params.{key}"
        spec.note(where, f"{key} for a model in this process, which draws nothing", do="remove it")
    if not chat.is_text:
        spec.note("input", "an image or a sound for a model in this process", do="give it a url")
    return LocalJudge(name, chat, model, answers, likeliest="enum" in schema)


def _read_range(spec: SpecReader) -> tuple[float, float]:
    given = spec.read_any("range", [0, 1])
    numbers = [one for one in given if isinstance(one, int | float)] if _is_pair(given) else []
    if len(numbers) < 2 or not -math.inf < numbers[0] < numbers[1] < math.inf:
        spec.note("range", f"range {given!r}", "two numbers, the lower first")
        return 0.0, 1.0
    return float(numbers[0]), float(numbers[1])


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2


def _read_parameters(spec: SpecReader) -> dict[str, Any]:
    """What is sent of `sampling_params`: only what is given there."""
    given = spec.read_any("sampling_params", {})
    if not isinstance(given, Mapping):
        spec.note("sampling_params", f"sampling_params {given!r}", ", ".join(_PARAMETERS))
        return {}
    inner = SpecReader(given, f"{spec.place}.sampling_params", spec.problems, set())
    sent: dict[str, Any] = {}
    for key, (low, high) in _PARAMETERS.items():
        value = inner.read_number(key, None, low=low, high=high)
        if not math.isnan(value):
            sent[key] = int(value) if key in _WHOLE else value
    effort = inner.read_text("reasoning_effort", "", choices=_EFFORTS)
    if effort:
        sent["reasoning_effort"] = effort
    if "max_completions_tokens" in sent:
        sent["max_completion_tokens"] = sent.pop("max_completions_tokens")
    inner.finish()
    return sent


def _describe_format(result: Mapping[str, Any]) -> dict[str, Any]:
    step = _close({"description": {"type": "string"}, "conclusion": {"type": "string"}})
    schema = _close({"steps": {"type": "array", "items": step}, "result": dict(result)})
    return {
        "type": "json_schema",
        "json_schema": {"name": "grade", "strict": True, "schema": schema},
    }


def _close(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
