"""Items and their events of a response, from what came to its choice; no model is asked."""

from typing import Any

from assay.serve.inference.choices import Delta
from assay.serve.responses.output import Output


def call(name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"index": 0, "id": f"call_{name}", "type": "function", "function": function}


def entry(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -1.0, "bytes": list(token.encode()), "top_logprobs": []}


def play(output: Output, *deltas: Delta, is_cut: bool = False) -> list[dict[str, Any]]:
    events = [event for delta in deltas for event in output.take(delta)]
    return [*events, *output.end(is_cut=is_cut)]


def test_reasoning_text_and_calls_are_items_in_their_order() -> None:
    output = Output()
    events = play(
        output,
        Delta(reasoning="Let me "),
        Delta(reasoning="see.", content="I "),
        Delta(content="look."),
        Delta(tool_calls=[call("a", "{}"), call("b", '{"x": 1}')]),
        Delta(content="Done."),
    )
    assert [item["type"] for item in output.items] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
        "message",
    ]
    assert [item["status"] for item in output.items] == ["completed"] * 5
    assert output.items[0]["content"] == [{"type": "reasoning_text", "text": "Let me see."}]
    assert output.items[1]["content"][0]["text"] == "I look."
    assert [item.get("arguments") for item in output.items[2:4]] == ["{}", '{"x": 1}']
    added = [one for one in events if one["type"] == "response.output_item.added"]
    done = [one for one in events if one["type"] == "response.output_item.done"]
    assert [one["output_index"] for one in added] == list(range(5))
    assert [one["item"] for one in done] == output.items
    assert all(one["item"]["status"] == "in_progress" for one in added)
    assert added[2]["item"]["arguments"] == ""
    texts: dict[str, str] = {}
    for one in events:
        if one["type"].endswith(".delta"):
            texts[one["item_id"]] = texts.get(one["item_id"], "") + one["delta"]
    assert list(texts.values()) == ["Let me see.", "I look.", "{}", '{"x": 1}', "Done."]


def test_no_item_is_told_of_before_it_was_added_or_after_it_was_done() -> None:
    events = play(Output(), Delta(content="a", tool_calls=[call("f", "{}")]), Delta(reasoning="b"))
    alive: set[str] = set()
    for event in events:
        if event["type"] == "response.output_item.added":
            assert not alive
            alive.add(event["item"]["id"])
        elif event["type"] == "response.output_item.done":
            alive.remove(event["item"]["id"])
        else:
            assert event["item_id"] in alive
    assert not alive


def test_an_empty_answer_is_an_empty_message() -> None:
    output = Output()
    play(output, Delta(finish_reason="stop"))
    (item,) = output.items
    assert (item["type"], item["content"][0]["text"], item["status"]) == (
        "message",
        "",
        "completed",
    )


def test_a_cut_ends_what_was_begun_and_not_what_was_done() -> None:
    output = Output()
    play(output, Delta(tool_calls=[call("a", "{}")]), Delta(content="And"), is_cut=True)
    assert [item["status"] for item in output.items] == ["completed", "incomplete"]
    called = Output()
    play(called, Delta(tool_calls=[call("a", "{}")]), is_cut=True)
    assert [item["status"] for item in called.items] == ["completed"]


def test_log_probabilities_stand_with_their_text_alone() -> None:
    output = Output(with_logprobs=True)
    events = play(
        output,
        Delta(logprobs=[entry("I")]),
        Delta(content="I am", logprobs=[entry(" am")]),
        Delta(logprobs=[entry("{}")], tool_calls=[call("a", "{}")]),
    )
    told = [e["logprobs"] for e in events if e["type"] == "response.output_text.delta"]
    assert [[one["token"] for one in part] for part in told] == [["I", " am"]]
    assert [one["token"] for one in output.items[0]["content"][0]["logprobs"]] == ["I", " am"]


def test_what_was_denied_is_told_as_a_refusal() -> None:
    output = Output()
    events = play(output, Delta(content="I call. "), Delta(refusal="No.", finish_reason="stop"))
    assert [item["content"][0] for item in output.items] == [
        {"type": "output_text", "text": "I call. ", "annotations": []},
        {"type": "refusal", "refusal": "No."},
    ]
    told = [one for one in events if one["type"].startswith("response.refusal")]
    assert [one.get("delta", one.get("refusal")) for one in told] == ["No.", "No."]
