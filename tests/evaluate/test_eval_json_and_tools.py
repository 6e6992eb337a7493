"""JSON answers, tool calls and a user's own function."""

import json

import pytest

from assay.errors import ConfigError, EvaluationError
from assay.evaluate.items import Item
from assay.evaluate.scorers import (
    build_scorer,
    score_json_fields,
    score_json_valid,
    score_outputs,
    score_tool_call,
)

PROMPT = [{"role": "user", "content": "?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "track",
            "description": "Track an order",
            "parameters": {
                "type": "object",
                "properties": {"order": {"type": "integer"}},
                "required": ["order"],
            },
        },
    }
]


def called(*calls):
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"c{i}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for i, (name, arguments) in enumerate(calls)
        ],
    }


def written(name, arguments):
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ('{"a": 1}', True),
        ("[]", True),
        ("12", True),
        ('{"a": NaN}', False),
        ("{'a': 1}", False),
        ("", False),
        ('```json\n{"a": 1}\n```', False),
        ('Here: {"a": 1}', False),
        ('<think>{</think>{"a": 1}', True),
    ],
)
def test_json_valid(output, right):
    assert score_json_valid(output, Item("1", PROMPT)).correct is right


@pytest.mark.parametrize(
    ("output", "value", "correct"),
    [
        ('{"name": "ada", "address": {"city": "Rome", "zip": "1"}}', 1.0, True),
        ('{"address": {"zip": "1", "city": "Rome"}, "name": "Ada"}', 1.0, True),
        ('{"name": "Ada", "address": {"city": "Oslo", "zip": "1"}}', 2 / 3, False),
        ('{"name": "Ada"}', 1 / 3, False),
        # Three right of four: the invented field counts.
        ('{"name": "Ada", "address": {"city": "Rome", "zip": "1"}, "age": 3}', 3 / 4, False),
        ('```json\n{"name": "Ada", "address": {"city": "Rome", "zip": "1"}}\n```', 1.0, True),
        ("Ada", 0.0, False),
        ('["Ada"]', 0.0, False),
    ],
)
def test_json_fields_by_hand(output, value, correct):
    gold = '{"name": "Ada", "address": {"city": "Rome", "zip": "1"}}'
    score = score_json_fields(output, Item("1", PROMPT, gold))
    assert score.value == pytest.approx(value)
    assert score.correct is correct


@pytest.mark.parametrize(
    ("gold", "said", "same"),
    [
        ("1", "1.0", True),
        ("1", "true", False),
        ("0", "false", False),
        ('"1"', "1", False),
        ("null", "null", True),
        ("[1, 2]", "[2, 1]", False),
        ('[{"x": "A"}]', '[{"x": "a"}]', True),
        ("{}", "{}", True),
        ("{}", "[]", False),
    ],
)
def test_json_values_compare_by_kind(gold, said, same):
    item = Item("1", PROMPT, f'{{"k": {gold}}}')
    assert score_json_fields(f'{{"k": {said}}}', item).correct is same


def test_json_fields_needs_an_object_as_reference():
    assert not score_json_fields("{}", Item("1", PROMPT, "[1]")).scored


@pytest.mark.parametrize(
    ("output", "names", "correct"),
    [
        (written("track", {"order": 7}), True, True),
        ("Let me look. " + written("track", {"order": 7}), True, True),
        (written("track", {"order": 8}), True, False),
        (written("cancel", {"order": 7}), False, False),
        (written("track", {"order": 7}) + written("track", {"order": 7}), False, False),
        ("Your order 7 is on its way.", False, False),
        (written("track", {"order": 7}) + "<tool_call>{broken</tool_call>", True, False),
    ],
)
def test_tool_call(output, names, correct):
    item = Item("1", PROMPT, called(("track", {"order": 7})), tools=TOOLS)
    score = score_tool_call(output, item)
    assert score.detail["names"] is names
    assert score.correct is correct


def test_parallel_calls_have_no_order_unless_asked():
    gold = called(("track", {"order": 1}), ("track", {"order": 2}))
    swapped = written("track", {"order": 2}) + written("track", {"order": 1})
    assert score_tool_call(swapped, Item("1", PROMPT, gold)).correct is True
    ordered = Item("1", PROMPT, gold, options={"ordered": True})
    assert score_tool_call(swapped, ordered).correct is False


def test_where_gold_makes_no_call_abstaining_is_right():
    item = Item("1", PROMPT, "Hello!", tools=TOOLS)
    assert score_tool_call("Hi there.", item).correct is True
    assert score_tool_call(written("track", {"order": 7}), item).correct is False


def test_a_call_against_the_schema_is_told():
    item = Item("1", PROMPT, called(("track", {"order": 7})), tools=TOOLS)
    score = score_tool_call(written("track", {"order": "seven"}), item)
    assert score.correct is False
    assert len(score.detail["invalid"]) == 1


def test_an_unreadable_gold_call_leaves_the_item_unscored():
    gold = called(("track", {}))
    gold["tool_calls"][0]["function"]["arguments"] = "{broken"
    score = score_tool_call("x", Item("1", PROMPT, gold))
    assert not score.scored
    assert "cannot be read" in score.unscored_reason


METRIC = """
def share(output, reference, item):
    return min(1.0, len(output) / len(reference))

def seen(output, reference, item):
    return item["extra"]["want"] == output

def none(output, reference, item):
    return None

def boom(output, reference, item):
    raise KeyError("colour")

def big(output, reference, item):
    return 2

def text(output, reference, item):
    return "good"

def leave(output, reference, item):
    raise SystemExit(3)

def two(output, reference):
    return 1
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "metric.py").write_text(METRIC)
    return tmp_path


def one(folder, name, output="ab", **values):
    item = Item("row-3", PROMPT, "abcd", metric=f"metric.py:{name}", suite="desk", **values)
    return score_outputs([item], [output], base_dir=folder)["row-3"]


def test_a_users_function_scores(folder):
    assert one(folder, "share").value == 0.5
    assert one(folder, "share").correct is False
    assert one(folder, "share", output="abcde").correct is True
    assert one(folder, "seen", extra={"want": "ab"}).value == 1.0
    assert one(folder, "none").unscored_reason == "the function returned None"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("boom", "KeyError: 'colour' for"),
        ("leave", "SystemExit: 3 for"),
        ("big", "2.0 for"),
        ("text", "'good', no number, for"),
    ],
)
def test_a_users_failing_function_names_file_function_and_row(folder, name, what):
    with pytest.raises(ConfigError) as caught:
        one(folder, name)
    assert str(caught.value).startswith(f"metric.py {name}: got {what} row row-3 of suite desk, ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["boom", "leave", "big", "text", "two", "absent"])
def test_after_training_a_failing_function_costs_its_score_alone(folder, name):
    items = [Item("a", PROMPT, "yes", metric="exact")]
    items += [Item(key, PROMPT, "yes", metric=f"metric.py:{name}") for key in "bc"]
    scores = score_outputs(items, ["yes"] * 3, base_dir=folder, keep_going=True)
    assert scores["a"].value == 1.0
    assert all(scores[key].failed and not scores[key].scored for key in "bc")
    assert "metric.py" in scores["b"].unscored_reason and name in scores["b"].unscored_reason


@pytest.mark.parametrize(
    "spec", ["absent.py:f", "metric.py:absent", "exactt", "broken.py:f", "metric.py:two"]
)
def test_unusable_metrics_are_the_users_error(folder, spec):
    (folder / "broken.py").write_text("def f(:\n")
    with pytest.raises(ConfigError) as caught:
        build_scorer(spec, base_dir=folder)
    assert len(caught.value.problems) == 1


def test_a_near_metric_name_is_offered():
    with pytest.raises(ConfigError, match="do write exact"):
        build_scorer("exactt")


def test_perplexity_and_auto_score_no_text():
    for name in ("perplexity", "auto"):
        with pytest.raises(EvaluationError, match="does not score"):
            build_scorer(name)


def test_outputs_must_match_items():
    item = Item("1", PROMPT, "a", metric="exact")
    with pytest.raises(EvaluationError, match="1 items have 2 outputs"):
        score_outputs([item], ["a", "b"])
    with pytest.raises(EvaluationError, match="same id"):
        score_outputs([item, item], ["a", "b"])
