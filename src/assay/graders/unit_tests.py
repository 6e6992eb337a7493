"""Grader `unit_tests`: runs the code of a completion against tests, in the sandbox."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.graders.grade import EachGrader, GradeFailure, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.pattern import OUTPUT
from assay.graders.python import check_fences, read_limits
from assay.graders.spec import SpecReader
from assay.graders.template import Template, look_up, render_template
from assay.sandbox.client import Sandbox

_FENCED = re.compile(r"^```[ \t]*([\w+-]*)[^\n]*\n(.*?)^```", re.M | re.S)
_PYTHON = ("", "python", "python3", "py")


@dataclass(frozen=True)
class Case:
    """What a program reads, and what it must print (but for space at the ends of lines)."""

    stdin: str
    expected: str


def build_unit_tests(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `tests` or `cases`, `score` ("all" or "share"), `input`, `timeout_s`, `memory_mb`.

    `tests` are Python sources (a list of templates, or one template, such as
    ``{{ item.tests }}``, that may lead to a list); each runs after the code, in a process of its
    own, and passes where nothing is raised. `cases` are ``{input, output}``: what the program
    reads and must print. The code is the last fenced block of the input, else all of it. Code
    that fails, loops or crashes is wrong and no failure of the grader.
    """
    text = spec.read_template("input", OUTPUT)
    kinds = [kind for kind in ("tests", "cases") if spec.spec.get(kind) is not None]
    spec.asked |= {"tests", "cases"}
    if len(kinds) != 1:
        got = "tests and cases" if kinds else "neither tests nor cases"
        spec.note("tests", got, "one of tests and cases")
        kinds = ["tests"]
    templates = _read_templates(spec, kinds[0])
    is_share = spec.read_text("score", "all", choices=("all", "share")) == "share"
    check_fences(spec, kinds[0])
    sandbox = Sandbox(limits=read_limits(spec))

    def score(sample: Sample, item: Item) -> float:
        code = extract_code(render_template(text, sample, item))
        given = [one for template in templates for one in _fill_in(template, sample, item)]
        if not given:
            raise GradeFailure("other_error", f"no {kinds[0]} to run")
        passed = [_passes(sandbox, code, one) for one in map(_read_test, given)]
        return sum(passed) / len(passed) if is_share else float(all(passed))

    return EachGrader(name, score)


def extract_code(text: str) -> str:
    """The last fenced block of Python (or of no named language), else the whole text."""
    blocks = [code for name, code in _FENCED.findall(text) if name.lower() in _PYTHON]
    return str(blocks[-1]) if blocks else text


def _read_templates(spec: SpecReader, kind: str) -> list[Template | Case]:
    given = spec.spec.get(kind)
    listed = given if isinstance(given, list | tuple) else [given]
    read: list[Template | Case] = []
    for place, one in enumerate(listed):
        if isinstance(one, str):
            read.append(spec.compile(f"{kind}.{place}", one))
        elif kind == "cases" and _is_case(one):
            read.append(Case(str(one["input"]), str(one["output"])))
        elif one is not None:
            spec.note(f"{kind}.{place}", f"{one!r}", "{input, output}, or a template")
    return read


def _fill_in(template: Template | Case, sample: Sample, item: Item) -> Sequence[Any]:
    """What a template gives: of one path alone its value, and where that is a list, its parts."""
    if isinstance(template, Case):
        return [template]
    if len(template.parts) != 1 or not template.paths:
        return [render_template(template, sample, item)]
    value = look_up(template.paths[0], sample, item)
    return value if isinstance(value, list | tuple) else [value]


def _read_test(given: Any) -> str | Case:
    """Raises GradeFailure where an item's test is none."""
    if isinstance(given, Case):
        return given
    if _is_case(given):
        return Case(str(given["input"]), str(given["output"]))
    try:
        ast.parse(given)
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise GradeFailure("other_error", f"a test that is no Python: {error}") from None
    return str(given)


def _is_case(given: Any) -> bool:
    return isinstance(given, Mapping) and {"input", "output"} <= given.keys()


def _passes(sandbox: Sandbox, code: str, test: str | Case) -> bool:
    if isinstance(test, str):
        return sandbox.run([code, test]).kind == "finished"
    reply = sandbox.run([code], stdin=test.stdin)
    return reply.kind == "finished" and _trim(reply.output) == _trim(test.expected)


def _trim(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
