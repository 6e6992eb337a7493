"""Chunks of a stream joined into the completion that they were pieces of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_OWN = ("choices", "usage", "object")


def join_chunks(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole completion, as it would have been answered without a stream.

    `usage` is there where the stream told it.
    """
    whole: dict[str, Any] = {"object": "chat.completion"}
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks:
        whole |= {key: value for key, value in chunk.items() if key not in _OWN}
        usage = chunk.get("usage") or usage
        for piece in chunk["choices"]:
            _add(choices.setdefault(piece["index"], _begin(piece["index"])), piece)
    for choice in choices.values():
        message = choice["message"]
        if message.get("tool_calls") and not message["content"]:
            message["content"] = None
    return {
        **whole,
        "choices": [choices[index] for index in sorted(choices)],
        **({"usage": usage} if usage else {}),
    }


def _begin(index: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": "", "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": None}


def _add(choice: dict[str, Any], piece: Mapping[str, Any]) -> None:
    for key, value in piece.items():
        if key == "delta":
            _add_delta(choice["message"], value)
        elif key == "logprobs":
            _add_logprobs(choice, value)
        elif value is not None:
            choice[key] = value


def _add_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            _add_calls(message.setdefault(key, []), value)
        elif isinstance(value, str) and key != "role":
            message[key] = (message.get(key) or "") + value
        elif value is not None:
            message[key] = value


def _add_calls(calls: list[dict[str, Any]], pieces: Iterable[Mapping[str, Any]]) -> None:
    for piece in pieces:
        given = {key: value for key, value in piece.items() if key != "index"}
        if piece["index"] == len(calls):
            calls.append({**given, "function": dict(given["function"])})
        else:
            calls[piece["index"]]["function"]["arguments"] += given["function"]["arguments"]


def _add_logprobs(choice: dict[str, Any], value: Mapping[str, Any] | None) -> None:
    if value is None:
        return
    if choice["logprobs"] is None:
        choice["logprobs"] = {"content": [], "refusal": None}
    choice["logprobs"]["content"] += value.get("content") or []
