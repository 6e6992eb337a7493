"""Checks 31 to 33: graders are validated and run; what fails is told by name."""

from __future__ import annotations

from typing import Any

import openai

from assay.serve.conformance.check import check, expect, expect_equal, expect_refused
from assay.serve.conformance.session import Session

_OUTPUT, _ANSWER = "{{ sample.output_text }}", "{{ item.answer }}"
_SAME = {
    "type": "string_check",
    "name": "same",
    "input": _OUTPUT,
    "reference": _ANSWER,
    "operation": "eq",
}
_OTHER = {**_SAME, "name": "other", "operation": "ne"}
_METRICS = (
    *("fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_2"),
    *("rouge_3", "rouge_4", "rouge_5", "rouge_l"),
)
_MODEL_ERRORS = {
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
}


def _similarity(metric: str) -> dict[str, Any]:
    return {
        "type": "text_similarity",
        "name": "near",
        "input": _OUTPUT,
        "reference": _ANSWER,
        "evaluation_metric": metric,
    }


def _python(body: str) -> dict[str, Any]:
    source = f"def grade(sample, item):\n    {body}"
    return {"type": "python", "name": "own", "source": source}


def _multi(graders: Any, formula: str) -> dict[str, Any]:
    return {"type": "multi", "name": "all", "graders": graders, "calculate_output": formula}


def _judges(model: str) -> list[dict[str, Any]]:
    judge = {"model": model, "input": [{"role": "user", "content": f"Judge: {_OUTPUT}"}]}
    labels = {"labels": ["good", "bad"], "passing_labels": ["good"]}
    return [
        {"type": "score_model", "name": "score", "range": [0, 1], **judge},
        {"type": "label_model", "name": "label", **labels, **judge},
    ]


def _run(session: Session, grader: Any, sample: str, **item: Any) -> Any:
    graders = session.client().fine_tuning.alpha.graders
    return graders.run(grader=grader, model_sample=sample, item=item)


def _expect_error(found: Any, name: str) -> None:
    flags = found.metadata.errors.model_dump()
    raised = [key for key, value in flags.items() if value is True]
    expect(flags.get(name) is True, f"{name} is not told, but {', '.join(raised) or 'nothing'}.")
    expect_equal(found.reward, 0, f"The reward with {name}")


@check(31, "six types and every metric are validated and run; errors are named, and no refusals")
def check_types(session: Session) -> None:
    simple = [_SAME, _similarity("fuzzy_match"), _python("return 1.0")]
    for grader in (*simple, *_judges(session.target.model)):
        # The client's type of what comes back lacks label_model.
        is_named = grader["type"] != "label_model"
        client = session.client() if is_named else session.lenient
        found = client.fine_tuning.alpha.graders.validate(grader=grader).grader
        expect(found is not None, f"The valid grader {grader['type']} is not given back.")
        expect_equal(found.type, grader["type"], "The type")
    for metric in _METRICS:
        near = _run(session, _similarity(metric), "a cat sat on the mat", answer="a cat sat here")
        expect(0 <= near.reward <= 1, f"{metric} gives {near.reward}.")
        same = _run(session, _similarity(metric), "a b c d e f", answer="a b c d e f")
        expect(same.reward > 0.9, f"{metric} of equal texts is {same.reward}.")
    for grader in _judges(session.target.model):
        found = _run(session, grader, "x", answer="x")
        expect(0 <= found.reward <= 1, f"{grader['type']} gives {found.reward}.")
    found = _run(session, _SAME, "yes", answer="yes")
    expect_equal(found.reward, 1, "The reward of the right answer")
    raised = [key for key, value in found.metadata.errors.model_dump().items() if value is True]
    expect_equal(raised, [], "The errors of the right answer")
    _check_errors(session)


def _check_errors(session: Session) -> None:
    _expect_error(_run(session, _SAME, "x"), "invalid_variable_error")
    keyed = {**_SAME, "input": "{{ sample.output_json.key }}"}
    _expect_error(_run(session, keyed, "no json", answer="v"), "sample_parse_error")
    expect_equal(_run(session, keyed, '{"key": "v"}', answer="v").reward, 1, "A path into JSON")
    raising = _run(session, _python("raise ValueError('no')"), "x")
    _expect_error(raising, "python_grader_runtime_error")
    found = _run(session, _multi({"a": _SAME, "b": _OTHER}, "a / b"), "x", answer="x")
    _expect_error(found, "formula_parse_error")
    expect_refused(
        lambda: _run(session, {**_SAME, "operation": "equals"}, "x", answer="x"),
        openai.BadRequestError,
        "A grader that is wrong",
    )


@check(32, "multi gives one reward in all three shapes; formulas are safe", is_strict=False)
def check_multi(session: Session) -> None:
    for graders, formula in (
        ({"same": _SAME, "other": _OTHER}, "2 * same + other"),
        ([_SAME, _OTHER], "2 * same + other"),
        (_SAME, "2 * same"),
    ):
        found = _run(session, _multi(graders, formula), "yes", answer="yes")
        expect_equal(found.reward, 2, f"The reward of a {type(graders).__name__} of graders")
    pair = {"a": _SAME, "b": _OTHER}
    for formula, wanted in (
        ("min(a, b) + max(a, b)", 1),
        ("abs(b - a) + floor(1.5 * a) + ceil(a / 2)", 3),
        ("exp(b) + sqrt(4 * a) + log(a)", 3),
        ("(a + 1) ^ 2", 4),
    ):
        found = _run(session, _multi(pair, formula), "yes", answer="yes")
        expect_equal(found.reward, wanted, f"The reward by {formula}")
    expect_refused(
        lambda: _run(session, _multi({"m": _multi(pair, "a")}, "m"), "yes", answer="yes"),
        openai.BadRequestError,
        "multi within multi",
    )
    found = _run(session, _multi(pair, "a / b"), "yes", answer="yes")
    _expect_error(found, "formula_parse_error")


@check(33, "Python that loops, eats memory, asks the network, raises or gives NaN is 0")
def check_python(session: Session) -> None:
    quick = {"timeout_s": 1} if "x_assay" in session.target.job_body else {}
    for body, names in (
        ("while True: pass", {"unresponsive_reward_error"}),
        (
            "return float(len(bytearray(64 << 30)))",
            {"python_grader_runtime_error", "python_grader_server_error"},
        ),
        (
            "import urllib.request; urllib.request.urlopen('http://example.com'); return 1.0",
            {"python_grader_runtime_error"},
        ),
        ("raise RuntimeError('no')", {"python_grader_runtime_error"}),
        ("return float('nan')", {"python_grader_runtime_error"}),
    ):
        found = _run(session, {**_python(body), **quick}, "x")
        expect_equal(found.reward, 0, f"The reward of {body!r}")
        flags = {key for key, value in found.metadata.errors.model_dump().items() if value is True}
        expect(flags & names, f"{body!r} is told as {', '.join(flags) or 'nothing'}.")
    alive = _run(session, _python("return float(len(sample['output_text']))"), "four")
    expect_equal(alive.reward, 4, "The reward after all of them")
