"""`python -m benchmarks policed`: what the tool policy costs an answer of the server; no model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from assay.serve.inference.choices import Delta, PolicedStream
from assay.serve.inference.policing import Policing
from assay.tools.policy import Conversation, Policy, ToolRule

_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}
_TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": _SCHEMA}}]
_RULE = ToolRule(parameters=_SCHEMA, max_per_turn=1, max_per_conversation=1)
_POLICY = Policy(tools={"get_weather": _RULE}, max_per_turn=1, max_per_conversation=1)
_MESSAGES = [
    {"role": "system", "content": "You help with the weather. " * 20},
    {"role": "user", "content": "What is the weather in Oslo?"},
]
_CALL = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
}
_REPEATS, _ROUNDS = 7, 50


def main(arguments: Sequence[str]) -> None:
    """Print milliseconds of CPU for each kind of answer: the best of several rounds."""
    words = [f" word{number}" for number in range(64)]
    told = [
        {"token": word, "logprob": -0.1, "bytes": list(word.encode()), "top_logprobs": []}
        for word in words
    ]
    ended, called = Delta(finish_reason="stop"), Delta(finish_reason="tool_calls")
    kinds = {
        "64 tokens of text, streamed": [*map(Delta, words), ended],
        "the same with log-probabilities": [
            *(Delta(word, logprobs=[one]) for word, one in zip(words, told, strict=True)),
            ended,
        ],
        "one allowed call": [Delta(tool_calls=[_CALL]), called],
    }
    for name, deltas in kinds.items():
        print(f"{name}: {_measure(lambda deltas=deltas: _police(deltas)):.2f} ms")


def _police(deltas: Sequence[Delta]) -> None:
    stream = PolicedStream(Policing("model", _POLICY, Conversation.read(_MESSAGES, _TOOLS)))
    told = [stream.take(delta) for delta in deltas]
    assert told[-1].finish_reason == deltas[-1].finish_reason and not told[-1].decisions


def _measure(work: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.process_time()
        for _ in range(_ROUNDS):
            work()
        best = min(best, (time.process_time() - start) / _ROUNDS * 1000)
    return best
