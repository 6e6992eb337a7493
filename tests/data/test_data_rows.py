"""Rows of each format to records, and every rule that a bad row breaks, with its key."""

from __future__ import annotations

import json
from typing import Any

import pytest

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def user(text: str = "hi") -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str | None = "hello", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def call(identity: str | None, arguments: Any = "{}", name: str = "weather") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": identity, "type": "function", "function": function}


def test_chat_row_with_parallel_calls_results_developer_and_weights(read: Any) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        answer("wrong", weight=0),
        user(),
        answer(None, tool_calls=[call("x", '{"city":"Rome"}'), call("y", {"city": "Bern"})]),
        {"role": "tool", "tool_call_id": "y", "content": "cold"},
        {"role": "tool", "tool_call_id": "x", "content": "warm"},
        answer("done", weight=1, refusal=None, audio=None),
    ]
    result = read([{"messages": messages, "tools": [WEATHER], "topic": "t"}])
    assert result.problems == [] and result.refusals == []
    (record,) = result.records
    assert (record.kind, record.tools, record.extra) == ("chat", [WEATHER], {"topic": "t"})
    assert record.messages == [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "wrong", "weight": 0},
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": None,
            # Text is kept byte for byte, an object becomes text.
            "tool_calls": [call("x", '{"city":"Rome"}'), call("y", '{"city": "Bern"}')],
        },
        {"role": "tool", "content": "cold", "tool_call_id": "y"},
        {"role": "tool", "content": "warm", "tool_call_id": "x"},
        {"role": "assistant", "content": "done", "weight": 1},
    ]


def test_older_function_roles_become_tool_calls(read: Any) -> None:
    messages = [
        user(),
        answer(None, function_call={"name": "weather", "arguments": "{}"}),
        {"role": "function", "name": "weather", "content": "warm"},
        answer(),
    ]
    functions = [{"name": "weather", "parameters": {"type": "object", "properties": {}}}]
    (record,) = read([{"messages": messages, "functions": functions}]).records
    assert record.tools == [WEATHER]
    assert record.messages[1]["tool_calls"] == [call("call_1")]
    assert record.messages[2] == {
        "role": "tool",
        "content": "warm",
        "name": "weather",
        "tool_call_id": "call_1",
    }


@pytest.mark.parametrize(
    ("messages", "key", "got"),
    [
        ([{"content": "hi"}, answer()], "messages[0].role", "no role"),
        ([{"role": "User", "content": "hi"}, answer()], "messages[0].role", 'unknown role "User"'),
        ([{"role": "human", "content": "hi"}, answer()], "messages[0].role", "unknown role"),
        ([user(), answer("  ")], "messages[1].content", "an empty answer"),
        ([user(), answer(None)], "messages[1].content", "an empty answer"),
        ([user(), answer(None, tool_calls=[])], "messages[1].content", "an empty answer"),
        ([user(" "), answer()], "messages[0].content", "an empty user message"),
        ([user(), user()], "messages", "no assistant turn"),
        ([user(), answer(), user()], "messages[2].role", "a last turn by the user"),
        ([], "messages", "an empty list"),
        (["hi"], "messages[0]", "a string"),
        ({"role": "user"}, "messages", "an object"),
        ([user(), {"role": "assistant", "content": 7}], "messages[1].content", "a number"),
        ([user(), answer(weight=0.5)], "messages[1].weight", "0.5"),
        ([user(), answer(weight=True)], "messages[1].weight", "true"),
        ([{**user(), "weight": 1}, answer()], "messages[0].weight", "a weight on a user"),
        ([user(), answer(weights=0)], "messages[1].weights", "an unknown key"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, answer()],
            "messages[0].content[0]",
            'a part of type "image_url"',
        ),
        (
            [user(), answer(None, tool_calls=[call("x", "{city}")])],
            "messages[1].tool_calls[0].function.arguments",
            "text that is not JSON",
        ),
        (
            [user(), answer(None, tool_calls=[call("x", "[1]")])],
            "messages[1].tool_calls[0].function.arguments",
            "a list",
        ),
        (
            [user(), answer(None, tool_calls=[call("x", None)])],
            "messages[1].tool_calls[0].function.arguments",
            "no arguments",
        ),
        (
            [user(), answer(None, tool_calls=[call("x"), call("x")])],
            "messages[1].tool_calls",
            "two calls with the id 'x'",
        ),
        (
            [
                user(),
                answer(None, tool_calls=[call("x")]),
                {"role": "tool", "content": "r"},
                answer(),
            ],
            "messages[2].tool_call_id",
            "a tool result without a call id",
        ),
        (
            [user(), {"role": "tool", "content": "r", "tool_call_id": "z"}, answer()],
            "messages[1].tool_call_id",
            "an unknown id 'z'",
        ),
        (
            [user(), answer(None, tool_calls=[call("x", name="wether")])],
            "messages[1].tool_calls",
            "a call to 'wether'",
        ),
    ],
)
def test_bad_conversation_is_located(read: Any, messages: Any, key: str, got: str) -> None:
    good = {"messages": [user(), answer()], "tools": [WEATHER]}
    result = read([good, {"messages": messages, "tools": [WEATHER]}], format="chat")
    assert len(result.records) == 1
    assert [(problem.line, problem.key) for problem in result.problems] == [(2, key)]
    assert got in result.problems[0].got
    assert result.problems[0].allowed


@pytest.mark.parametrize(
    ("tools", "key"),
    [
        ("{", "tools"),
        (7, "tools"),
        (["weather"], "tools[0]"),
        ([{"type": "function", "function": {}}], "tools[0].function.name"),
        ([{"type": "retrieval", "function": {"name": "x"}}], "tools[0].type"),
        ([{"name": "x", "parameters": []}], "tools[0].function.parameters"),
        ([WEATHER, WEATHER], "tools"),
    ],
)
def test_tools_that_are_no_valid_list_are_located(read: Any, tools: Any, key: str) -> None:
    result = read([{"messages": [user(), answer()], "tools": tools}])
    assert [problem.key for problem in result.problems] == [key]


def test_one_row_reports_all_its_problems(read: Any) -> None:
    messages = [{"content": "hi"}, answer(""), {"role": "judge", "content": "x"}]
    result = read([{"messages": messages}])
    assert [problem.key for problem in result.problems] == [
        "messages[0].role",
        "messages[1].content",
        "messages[2].role",
    ]
    assert result.num_bad_rows == 1


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_kept_under_one_name(read: Any, key: str) -> None:
    (record,) = read([{"messages": [user(), answer(**{key: "so"})]}]).records
    assert record.messages[1] == answer(reasoning_content="so")


def test_foreign_message_keys_are_left_out_and_counted(read: Any) -> None:
    result = read([{"messages": [{**user(), "timestamp": 1}, answer(timestamp=2)]}])
    assert result.counts[0].ignored_keys == {"timestamp": 2}
    assert result.records[0].messages == [user(), answer()]


def test_sharegpt_with_tools_parallel_calls_and_a_spoken_call(read: Any) -> None:
    calls = [{"name": "weather", "arguments": {"city": c}} for c in ("Rome", "Bern")]
    turns = [
        {"from": "human", "value": "Weather?"},
        {"from": "gpt", "value": "One moment."},
        {"from": "function_call", "value": json.dumps(calls)},
        {"from": "observation", "value": '["warm", {"t": 3}]'},
        {"from": "gpt", "value": "Warm, and 3."},
        {"from": "human", "value": "Again"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": "{}"}'},
        {"from": "tool", "value": "mild"},
        {"from": "gpt", "value": "Mild."},
    ]
    row = {"conversations": turns, "system": "Help.", "tools": json.dumps([WEATHER["function"]])}
    result = read([row])
    assert result.problems == []
    (record,) = result.records
    assert (result.counts[0].format, record.tools) == ("sharegpt", [WEATHER])
    assert record.messages == [
        {"role": "system", "content": "Help."},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "One moment.",
            "tool_calls": [call("call_1", '{"city": "Rome"}'), call("call_2", '{"city": "Bern"}')],
        },
        {"role": "tool", "content": "warm", "tool_call_id": "call_1"},
        {"role": "tool", "content": '{"t": 3}', "tool_call_id": "call_2"},
        {"role": "assistant", "content": "Warm, and 3."},
        {"role": "user", "content": "Again"},
        {"role": "assistant", "content": None, "tool_calls": [call("call_3")]},
        {"role": "tool", "content": "mild", "tool_call_id": "call_3"},
        {"role": "assistant", "content": "Mild."},
    ]


def test_observations_one_by_one_answer_parallel_calls_in_order(read: Any) -> None:
    calls = [{"name": "weather", "arguments": {}}] * 2
    turns = [
        {"from": "human", "value": "?"},
        {"from": "function_call", "value": json.dumps(calls)},
        {"from": "observation", "value": "one"},
        {"from": "observation", "value": "two"},
        {"from": "gpt", "value": "done"},
    ]
    (record,) = read([{"conversations": turns}]).records
    results = [message for message in record.messages if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in results] == ["call_1", "call_2"]


def test_call_turns_that_follow_one_another_are_parallel_calls(read: Any) -> None:
    calls = [{"name": "weather", "arguments": {"city": city}} for city in ("Rome", "Bern", "Oslo")]
    turns = [
        {"from": "human", "value": "?"},
        {"from": "function_call", "value": json.dumps(calls[0])},
        {"from": "function_call", "value": json.dumps(calls[1])},
        {"from": "observation", "value": "one"},
        {"from": "observation", "value": "two"},
        {"from": "function_call", "value": json.dumps(calls[2])},
        {"from": "observation", "value": "three"},
        {"from": "gpt", "value": "done"},
    ]
    (record,) = read([{"conversations": turns}]).records
    assert record.messages[1]["tool_calls"] == [
        call("call_1", '{"city": "Rome"}'),
        call("call_2", '{"city": "Bern"}'),
    ]
    results = [message for message in record.messages if message["role"] == "tool"]
    assert [(m["tool_call_id"], m["content"]) for m in results] == [
        ("call_1", "one"),
        ("call_2", "two"),
        ("call_3", "three"),
    ]


def hermes(*calls: dict[str, Any], lead: str = "") -> dict[str, str]:
    blocks = (f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)
    return {"from": "gpt", "value": lead + "\n".join(blocks)}


def test_hermes_calls_in_text_become_calls_where_a_tool_answers(read: Any) -> None:
    rome, bern = ({"name": "weather", "arguments": {"city": city}} for city in ("Rome", "Bern"))
    results = "".join(f"<tool_response>\n{text}\n</tool_response>\n" for text in ("warm", "cold"))
    turns = [
        {"from": "human", "value": "?"},
        hermes(rome, bern, lead="<think>Two.</think>I look. "),
        {"from": "tool", "value": results},
        {"from": "gpt", "value": "Warm, cold."},
        {"from": "human", "value": "Again"},
        hermes(rome),
        {"from": "tool", "value": "<tool_response>mild</tool_response>"},
        hermes(bern),
    ]
    result = read([{"conversations": turns, "tools": [WEATHER]}])
    assert result.problems == []
    assert result.records[0].messages[1:] == [
        {
            "role": "assistant",
            "content": "<think>\nTwo.\n</think>\n\nI look.",
            "tool_calls": [call("call_1", '{"city": "Rome"}'), call("call_2", '{"city": "Bern"}')],
        },
        {"role": "tool", "content": "warm", "tool_call_id": "call_1"},
        {"role": "tool", "content": "cold", "tool_call_id": "call_2"},
        answer("Warm, cold."),
        user("Again"),
        {**answer(None), "tool_calls": [call("call_3", '{"city": "Rome"}')]},
        {"role": "tool", "content": "mild", "tool_call_id": "call_3"},
        answer(hermes(bern)["value"]),
    ]


def test_hermes_call_that_cannot_be_read_is_located(read: Any) -> None:
    turns = [
        {"from": "human", "value": "?"},
        {"from": "gpt", "value": "<tool_call>{city}</tool_call>"},
        {"from": "tool", "value": "x"},
        {"from": "gpt", "value": "done"},
    ]
    problems = read([{"conversations": turns}]).problems
    assert problems[0].key == "conversations[1].value"
    assert "broken JSON" in problems[0].got


@pytest.mark.parametrize(
    ("turn", "key", "got"),
    [
        ({"value": "x"}, "conversations[1].from", "no speaker"),
        ({"from": "bard", "value": "x"}, "conversations[1].from", 'unknown speaker "bard"'),
        ({"from": "gpt"}, "conversations[1].value", "no value"),
        ({"from": "gpt", "value": ""}, "conversations[1].content", "an empty answer"),
        ({"from": "function_call", "value": "x"}, "conversations[1].value", "not JSON"),
        ({"from": "function_call", "value": "7"}, "conversations[1].value", "7"),
        ({"from": "observation", "value": "x"}, "conversations[1].value", "without a call"),
        ({"from": "human", "value": "x"}, "conversations", "no assistant turn"),
    ],
)
def test_bad_sharegpt_turn_is_located(read: Any, turn: Any, key: str, got: str) -> None:
    turns = [{"from": "human", "value": "hi"}, turn]
    (problem,) = read([{"conversations": turns}]).problems
    assert problem.key == key
    assert got in problem.got


def test_alpaca_with_input_system_and_history(read: Any) -> None:
    row = {
        "instruction": "Add.",
        "input": "1 and 2",
        "output": "3",
        "system": "Count.",
        "history": [["Hi", "Hello"]],
    }
    (record,) = read([row]).records
    assert [(m["role"], m["content"]) for m in record.messages] == [
        ("system", "Count."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Add.\n1 and 2"),
        ("assistant", "3"),
    ]


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"instruction": "a", "output": ""}, "output"),
        ({"instruction": "", "input": "", "output": "b"}, "instruction"),
        ({"instruction": "a", "output": "b", "history": [["x"]]}, "history[0]"),
        ({"instruction": ["a"], "output": "b"}, "instruction"),
        ({"instruction": "a"}, "output"),
    ],
)
def test_bad_alpaca_row_is_located(read: Any, row: dict[str, Any], key: str) -> None:
    result = read([{"instruction": "a", "output": "b"}, row])
    assert [(problem.line, problem.key) for problem in result.problems] == [(2, key)]


def test_completion_strings_are_kept_raw(read: Any) -> None:
    (record,) = read([{"prompt": "1 + 1 =", "completion": " 2", "system": "", "tools": []}]).records
    assert record.kind == "completion"
    assert [m["content"] for m in record.messages] == ["1 + 1 =", " 2"]


@pytest.mark.parametrize("column", ["system", "tools", "functions"])
def test_what_no_template_will_place_in_a_completion_is_refused(read: Any, column: str) -> None:
    (problem,) = read([{"prompt": "a", "completion": "b", column: "[1]"}]).problems
    assert problem.key == column
    assert "format: alpaca, columns: {instruction: prompt, output: completion}" in problem.do


def test_system_prompt_for_completions_is_one_refusal(read: Any) -> None:
    result = read([{"prompt": "a", "completion": "b"}] * 50, system="Count.")
    assert [problem.key for problem in result.refusals] == ["data.system"]
    assert result.problems == []
    columns = {"instruction": "prompt", "output": "completion"}
    rows = [{"prompt": "a", "completion": "b"}]
    (record,) = read(rows, system="Count.", format="alpaca", columns=columns).records
    assert record.messages[0] == {"role": "system", "content": "Count."}


def test_completion_of_messages_trains_the_completion_alone(read: Any) -> None:
    row = {"prompt": [user("a"), answer("b"), user("c")], "completion": [answer("d")]}
    (record,) = read([row], system="S").records
    assert record.kind == "chat"
    assert record.messages == [
        {"role": "system", "content": "S"},
        user("a"),
        {**answer("b"), "weight": 0},
        user("c"),
        answer("d"),
    ]


def test_text_rows(read: Any) -> None:
    result = read([{"text": "Once."}, {"text": " "}])
    assert result.records[0].kind == "text"
    assert result.records[0].messages == [answer("Once.")]
    assert [(p.line, p.got) for p in result.problems] == [(2, "an empty text")]


def test_csv_cells_hold_messages_as_json_text(read: Any) -> None:
    cell = json.dumps([user(), answer()]).replace('"', '""')
    result = read(f'messages,topic\n"{cell}",t\n"[",u\n'.encode(), name="rows.csv")
    assert result.records[0].messages == [user(), answer()]
    assert [(problem.line, problem.key) for problem in result.problems] == [(3, "messages")]


def test_system_prompt_is_added_where_there_is_none(read: Any) -> None:
    own = [{"role": "system", "content": "Own."}, user(), answer()]
    result = read([{"messages": own}, {"messages": [user(), answer()]}], system="Ours.")
    assert [record.messages[0]["content"] for record in result.records] == ["Own.", "Ours."]


def test_weight_of_a_chat_row_is_refused(read: Any) -> None:
    (problem,) = read([{"messages": [user(), answer()], "weight": 0.5}]).problems
    assert problem.key == "weight"


def test_groups_are_read_and_their_absence_located(read: Any) -> None:
    rows = [
        {"text": "a", "who": 7},
        {"text": "b", "who": "x"},
        {"text": "c"},
        {"text": "d", "who": {}},
    ]
    result = read(rows, group_by="who")
    assert [record.group for record in result.records] == ["7", "x"]
    assert [(problem.line, problem.key) for problem in result.problems] == [(3, "who"), (4, "who")]


def test_group_column_that_no_row_has_is_one_problem(read: Any) -> None:
    result = read([{"text": "a"}, {"text": "b"}], group_by="customer")
    assert [problem.key for problem in result.refusals] == ["data.group_by"]
