"""Grader `python`: a function ``grade(sample, item)`` of the user's, run in a sandbox."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.graders.grade import Grade, GradeFailure, Grader, Item, Sample, fail
from assay.graders.models import Models
from assay.graders.spec import SpecReader
from assay.graders.template import read_json
from assay.sandbox.client import Reply, Sandbox, find_fences, find_problem
from assay.sandbox.limits import Limits
from assay.sandbox.worker import ENTRY

MAX_SOURCE_BYTES = 256 << 10
MAX_TIMEOUTS = 3
"""In a row, after which the rest of a batch is not tried: a grader that always loops."""
_LIMITS = {"timeout_s": (0.1, 120.0), "memory_mb": (64, 65_536)}


def build_python(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `source`, `image_tag`, and ours `timeout_s` (10) and `memory_mb` (2048).

    Packages are those of this installation, whatever image `image_tag` names.
    """
    source = spec.read_text("source")
    spec.read_text("image_tag", "")
    if source:
        spec.check("source", lambda: check_source(source), allowed=f"def {ENTRY}(sample, item)")
    limits = read_limits(spec)
    check_fences(spec, "source")
    return PythonGrader(name, Sandbox(source, limits=limits))


def read_limits(spec: SpecReader) -> Limits:
    """Fields `timeout_s`, up to that of the published grader, and `memory_mb`.

    Memory is address space, of which some packages take several times what they fill.
    """
    bounds = {key: {"low": low, "high": high} for key, (low, high) in _LIMITS.items()}
    timeout_s = spec.read_number("timeout_s", Limits.timeout_s, **bounds["timeout_s"])
    memory_mb = spec.read_number("memory_mb", Limits.memory_mb, **bounds["memory_mb"])
    return Limits(timeout_s=timeout_s, memory_mb=int(memory_mb))


def check_fences(spec: SpecReader, key: str) -> None:
    """Note it where this system has no fences and its operator has not allowed that."""
    problem = find_problem(find_fences())
    if problem is not None:
        spec.note(key, problem.got, problem.allowed, problem.do)


def check_source(source: str) -> None:
    """Raises ValueError where the source is no Python, is too long, or lacks the function."""
    if len(source.encode()) > MAX_SOURCE_BYTES:
        raise ValueError(f"more than {MAX_SOURCE_BYTES >> 10} kB")
    try:
        tree = ast.parse(source)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"no Python: {error}") from None
    if not any(_binds_entry(node) for node in ast.walk(tree)):
        raise ValueError(f"no function {ENTRY}")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == ENTRY:
            _check_arguments(node.args)


@dataclass(frozen=True)
class PythonGrader:
    """Asks the sandbox for each sample in turn; the source's own names last from one to the next.

    An error of the source, and a value that is no finite number, is "python_grader_runtime_error";
    no answer in time "unresponsive_reward_error" and, as when its process is lost,
    "python_grader_server_error".
    """

    name: str
    sandbox: Sandbox

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        grades: list[Grade] = []
        num_timeouts = 0
        for sample, item in zip(samples, items, strict=True):
            if num_timeouts >= MAX_TIMEOUTS:
                told = f"not tried after {MAX_TIMEOUTS} calls in a row without an answer in time"
                grades.append(fail(*_ERRORS["timeout"], told))
                continue
            reply = self._ask(sample, item)
            num_timeouts = num_timeouts + 1 if reply.kind == "timeout" else 0
            grades.append(to_grade(reply))
        return grades

    def _ask(self, sample: Sample, item: Item) -> Reply:
        return self.sandbox.grade(show_sample(sample), dict(item))


_FORBIDDEN = {
    "network": "the network",
    "files": "to write files",
    "processes": "to start or signal processes",
}
_ERRORS = {
    "raised": ("python_grader_runtime_error",),
    "timeout": ("unresponsive_reward_error", "python_grader_server_error"),
    "crashed": ("python_grader_server_error",),
    "too_long": ("truncated_observation_error",),
}


def to_grade(reply: Reply) -> Grade:
    """The grade of a grader's reply; what it tried is told in words, and is no error by itself."""
    tried = [f"it tried {_FORBIDDEN.get(one, one)}, out of reach here" for one in reply.tried]
    if reply.kind == "value":
        return Grade(reply.value, detail="; ".join(tried))
    return fail(*_ERRORS[reply.kind], "; ".join([reply.detail, *tried]))


def show_sample(sample: Sample) -> dict[str, Any]:
    """A sample as the function sees it; `output_json` is None where the text is no JSON."""
    try:
        value = read_json(sample)
    except GradeFailure:
        value = None
    message = {
        "role": "assistant",
        "content": sample.output_text,
        "tool_calls": list(sample.output_tools),
    }
    return {
        "output_text": sample.output_text,
        "output_json": value,
        "output_tools": list(sample.output_tools),
        "choices": [{"index": 0, "message": message, "finish_reason": sample.finish_reason}],
    }


def _binds_entry(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name == ENTRY
    if isinstance(node, ast.alias):
        return (node.asname or node.name) == ENTRY
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == ENTRY


def _check_arguments(arguments: ast.arguments) -> None:
    most = len(arguments.posonlyargs) + len(arguments.args)
    least = most - len(arguments.defaults)
    needed = [1 for default in arguments.kw_defaults if default is None]
    if least > 2 or (most < 2 and arguments.vararg is None) or needed:
        raise ValueError(f"{ENTRY} that does not take (sample, item)")
