"""Templates read paths, and say of each wrong one what is wrong with it."""

from __future__ import annotations

import pytest

from assay.graders.grade import GradeFailure, Sample
from assay.graders.template import TemplateError, compile_template, render_template

CALL = {"type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}
SAMPLE = Sample('{"a": [{"b": "deep"}, 2.5]}', output_tools=(CALL,))


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("no hole", "no hole"),
        ("{{item.x}}-{{  item.x  }}", "3-3"),
        ("{{ item.list[1].name }}", "Bo"),
        ("{{ item['two words'] }}", "yes"),
        ("{{ sample.output_text }}", SAMPLE.output_text),
        ("{{ sample.output_json.a[0].b }} {{ sample.output_json.a[1] }}", "deep 2.5"),
        ("{{ sample.output_tools[0].function.name }}", "find"),
        ("{{ sample.choices[0].message.tool_calls[0].function.arguments }}", '{"q": 1}'),
        ("{{ item.list }}", '[{"name": "Al"}, {"name": "Bo"}]'),
        ("{ braces } }}", "{ braces } }}"),
    ],
)
def test_paths_are_filled_in(text: str, rendered: str) -> None:
    item = {"x": 3, "list": [{"name": "Al"}, {"name": "Bo"}], "two words": "yes"}
    assert render_template(compile_template(text), SAMPLE, item) == rendered


def test_what_was_filled_in_is_not_read_again() -> None:
    template = compile_template("{{ item.x }}")
    assert render_template(template, SAMPLE, {"x": "{{ item.y }}"}) == "{{ item.y }}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ other.x }}",
        "{{ item.x + 1 }}",
        "{{ item..x }}",
        "{{ sample }}",
        "{{ sample.audio }}",
        "{{}}",
    ],
)
def test_no_other_syntax_is_taken(text: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{ item.gone }}", "invalid_variable_error"),
        ("{{ item.x[0] }}", "invalid_variable_error"),
        ("{{ sample.output_tools[1] }}", "invalid_variable_error"),
        ("{{ sample.output_json.a }}", "sample_parse_error"),
    ],
)
def test_a_path_that_leads_nowhere_fails_by_name(text: str, error: str) -> None:
    with pytest.raises(GradeFailure) as failure:
        render_template(compile_template(text), Sample("no JSON"), {"x": "text"})
    assert failure.value.error == error
