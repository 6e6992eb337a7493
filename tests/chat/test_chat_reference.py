"""Rendering, token for token, against Transformers' own `apply_chat_template`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from assay.chat import ChatTokenizer, load_chat_tokenizer, render_example, render_prompt
from assay.chat import render_text as render
from assay.errors import DataError

Load = Callable[[str], ChatTokenizer]
Folder = Callable[[str], Path]

ASK = {"role": "user", "content": "What is the capital of France?"}
ANSWER = {"role": "assistant", "content": "Paris."}
SYSTEM = {"role": "system", "content": "You are a helpful désk. 你好 <b>&</b>"}
AGAIN = {"role": "user", "content": "  And of Spain? 🙂\n"}
ANSWER_2 = {"role": "assistant", "content": "Madrid, I think."}
THOUGHT = {**ANSWER, "reasoning_content": "Easy.\nIt is Paris."}
THOUGHT_2 = {**ANSWER_2, "thinking": "Spain is next door."}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "1",
            "type": "function",
            "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2}},
        }
    ],
}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "18 degrees"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city, <now> & later.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
]

PLAIN: list[list[dict[str, Any]]] = [[ASK], [ASK, ANSWER], [ASK, ANSWER, AGAIN, ANSWER_2]]
WITH_SYSTEM = [[SYSTEM, *turns] for turns in PLAIN]
WITH_TOOLS: list[list[dict[str, Any]]] = [
    [SYSTEM, ASK, CALL],
    [SYSTEM, ASK, CALL, RESULT, ANSWER],
    [SYSTEM, ASK, CALL, RESULT, ANSWER, AGAIN, ANSWER_2],
]
WITH_THOUGHT: list[list[dict[str, Any]]] = [
    [ASK, THOUGHT],
    [ASK, THOUGHT, AGAIN, THOUGHT_2],
    [SYSTEM, ASK, {**CALL, "reasoning": "Look."}, RESULT, THOUGHT, AGAIN],
]
CONVERSATIONS = {
    "chatml": PLAIN + WITH_SYSTEM,
    "llama3": PLAIN + WITH_SYSTEM + WITH_TOOLS,
    "gemma": PLAIN,
    "mistral": PLAIN + WITH_SYSTEM,
    "thinker": PLAIN + WITH_SYSTEM + WITH_TOOLS + WITH_THOUGHT,
    "tiny": PLAIN + WITH_SYSTEM + WITH_TOOLS + WITH_THOUGHT,
}


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("tools", [None, TOOLS])
@pytest.mark.parametrize("prompt", [False, True])
def test_same_tokens_as_transformers(
    name: str, tools: Any, prompt: bool, load_family: Load, family_folder: Folder
) -> None:
    reference = AutoTokenizer.from_pretrained(family_folder(name))
    for messages in CONVERSATIONS[name]:
        expected = reference.apply_chat_template(
            messages, tools=tools, add_generation_prompt=prompt, return_dict=True
        )["input_ids"]
        text = render(load_family(name), messages, tools=tools, add_generation_prompt=prompt)
        assert load_family(name).encode(text) == expected
        if prompt:
            assert render_prompt(load_family(name), messages, tools=tools) == expected


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_example_tokens_are_the_reference_tokens(
    name: str, load_family: Load, family_folder: Folder
) -> None:
    reference = AutoTokenizer.from_pretrained(family_folder(name))
    for messages in CONVERSATIONS[name]:
        if messages[-1]["role"] != "assistant":
            continue
        example = render_example(load_family(name), messages)[-1]
        expected = reference.apply_chat_template(messages, return_dict=True)["input_ids"]
        assert example.input_ids == expected
        assert example.boundary == "exact"
        assert example.stop_trained


def test_tiny_mask_is_the_mask_of_its_generation_markers(
    load_family: Load, family_folder: Folder
) -> None:
    reference = AutoTokenizer.from_pretrained(family_folder("tiny"))
    for messages in CONVERSATIONS["tiny"]:
        if messages[-1]["role"] != "assistant":
            continue
        expected = reference.apply_chat_template(
            messages, tools=TOOLS, return_dict=True, return_assistant_tokens_mask=True
        )
        (example,) = render_example(load_family("tiny"), messages, tools=TOOLS)
        assert example.input_ids == expected["input_ids"]
        assert example.loss_mask == expected["assistant_masks"]


def test_tiny_takes_arguments_as_text_or_object_alike(family_folder: Folder) -> None:
    reference = AutoTokenizer.from_pretrained(family_folder("tiny"))
    function = {"name": "get_weather", "arguments": '{"city": "Köln", "days": 2}'}
    as_text = {"role": "assistant", "tool_calls": [{"function": function}]}
    assert reference.apply_chat_template([ASK, as_text]) == reference.apply_chat_template(
        [ASK, CALL]
    )


@pytest.mark.parametrize("name", ["thinker", "llama3"])
def test_arguments_as_text_reach_any_template_as_object(name: str, load_family: Load) -> None:
    function = {"name": "get_weather", "arguments": '{"city":"K\\u00f6ln","days":2}'}
    as_text = {"role": "assistant", "content": None, "tool_calls": [{"function": function}]}
    tokenizer = load_family(name)
    assert render(tokenizer, [ASK, as_text]) == render(tokenizer, [ASK, CALL])


@pytest.mark.parametrize(
    ("name", "messages", "words"),
    [
        ("gemma", [SYSTEM, ASK, ANSWER], "no system role here"),
        ("mistral", [ASK, AGAIN, ANSWER], "must take turns"),
        ("tiny", [{"role": "judge", "content": "x"}, ANSWER], "judge"),
    ],
)
def test_refusals_of_a_template_are_quoted(
    name: str, messages: Any, words: str, load_family: Load, family_folder: Folder
) -> None:
    with pytest.raises(DataError, match=words):
        render(load_family(name), messages)


def test_template_kwargs_and_named_templates(family_folder: Folder, tmp_path: Path) -> None:
    folder = tmp_path / "named"
    folder.mkdir()
    source = family_folder("chatml")
    (folder / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    templates = [
        {"name": "default", "template": "plain {{ mood }}"},
        {"name": "tool_use", "template": "tools {{ tools | length }}"},
    ]
    config = {"eos_token": "<|im_end|>", "chat_template": templates}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = load_chat_tokenizer(folder)
    assert render(tokenizer, [ASK], mood="calm") == "plain calm"
    assert render(tokenizer, [ASK], tools=[]) == "tools 0"
    reference = AutoTokenizer.from_pretrained(folder)
    for tools in (None, [], TOOLS):
        expected = reference.apply_chat_template([ASK], tools=tools, tokenize=False, mood="calm")
        assert render(tokenizer, [ASK], tools=tools, mood="calm") == expected
