"""Which arguments lead out, by a tool's words, by formats, and by the shape of values."""

from __future__ import annotations

from typing import Any

import pytest

from assay.tools.channels import find_call_channels, find_channels, find_value_channels


def tool(name: str, description: str = "", **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


@pytest.mark.parametrize(
    ("name", "description", "channel"),
    [
        ("http_post", "Post to a server.", "network"),
        ("sendEmail", "", "message"),
        ("run_shell", "Run a command.", "code"),
        ("write_file", "Write a text to a file.", "file"),
        ("transfer_money", "Pay a person.", "payment"),
    ],
)
def test_all_arguments_of_a_tool_that_leads_out_lead_out(
    name: str, description: str, channel: str
) -> None:
    found = find_channels(tool(name, description, text={"type": "string"}))
    assert channel in found[""]
    assert channel in found["text"]


def test_one_argument_leads_out_by_its_name_or_format() -> None:
    found = find_channels(
        tool(
            "make_note",
            "Keep a note.",
            title={"type": "string"},
            webhook={"type": "string"},
            contact={"type": "string", "format": "email"},
        )
    )
    assert found[""] == found["title"] == frozenset()
    assert found["webhook"] == {"network"}
    assert found["contact"] == {"message"}


@pytest.mark.parametrize("name", ["get_weather", "lookup_order", "set_light", "book_table"])
def test_plain_tools_lead_nowhere(name: str) -> None:
    spec = tool(name, name.replace("_", " "), order_id={"type": "string"}, city={"type": "string"})
    assert set().union(*find_channels(spec).values()) == set()


@pytest.mark.parametrize(
    ("value", "channel"),
    [
        ("https://c.example/x", "network"),
        ({"to": ["ann@post.example"]}, "message"),
        ("/etc/passwd", "file"),
        ("import os; os.environ", "code"),
        ("DE89370400440532013000", "payment"),
    ],
)
def test_a_value_tells_its_channel_by_its_shape(value: Any, channel: str) -> None:
    assert channel in find_value_channels(value)
    assert find_value_channels("See you at nine, in Oslo") == frozenset()


def test_a_call_is_judged_by_schema_and_value_and_an_unknown_tool_by_its_name() -> None:
    tools = [tool("log_visit", "Log a visit.", place={"type": "string"})]
    arguments = {"place": "https://c.example/v", "extra": "x"}
    found = find_call_channels("log_visit", arguments, tools)
    assert found == {"place": {"network"}, "extra": frozenset()}
    assert find_call_channels("http_post", {"body": "x"}, tools) == {"body": {"network"}}
