"""Episodes: a model, its calls, their stub results, and on, for many conversations at once.

Every turn is one batch over the conversations that still go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.chat import ChatTokenizer, render_prompt
from assay.generate import Engine, Sampling
from assay.graders.executor import Plant, run_stub
from assay.tools import ParsedAnswer, ToolCall, parse_tool_calls

Ended = Literal["answer", "unreadable", "max_turns", "no_room"]
_MIN_ROOM = 8


@dataclass(frozen=True)
class Start:
    """A conversation before its first answer; `seed` and `plant` go to the stub executor."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    seed: int = 0
    plant: Plant | None = None


@dataclass(frozen=True)
class Turn:
    """One answer of the model: its text, what could be read of it, and the results it got."""

    text: str
    parsed: ParsedAnswer
    results: tuple[str, ...] = ()


@dataclass
class Episode:
    """A conversation played to its end.

    Attributes:
        messages: the whole of it, calls and results included, in OpenAI form.
        turns: the model's answers, in order.
        ended: with an answer, with calls that cannot be read, at the limit of turns, or because
            the context has no room for another answer.
    """

    messages: list[dict[str, Any]]
    turns: list[Turn] = field(default_factory=list)
    ended: Ended = "max_turns"

    @property
    def calls(self) -> list[ToolCall]:
        """All calls, in order."""
        return [call for turn in self.turns for call in turn.parsed.tool_calls]

    @property
    def num_results(self) -> int:
        return sum(len(turn.results) for turn in self.turns)


def run_episodes(
    engine: Engine,
    tokenizer: ChatTokenizer,
    starts: Sequence[Start],
    *,
    sampling: Sampling,
    context_len: int,
    max_turns: int = 4,
    on_count: Callable[[int, int], None] = lambda done, total: None,
) -> list[Episode]:
    """Play every conversation until the model answers without a call, at most `max_turns` turns.

    Args:
        sampling: how each turn is decoded; a conversation keeps its place, so its sample does not
            depend on which others have ended.
        context_len: tokens that prompt and answer may take together.
        on_count: is told the turns done and the most there can be.

    Raises:
        DataError: the chat template refuses a conversation.
    """
    episodes = [Episode([dict(message) for message in start.messages]) for start in starts]
    active = list(range(len(starts)))
    for number in range(max_turns):
        prompts = {
            place: render_prompt(tokenizer, episodes[place].messages, tools=starts[place].tools)
            for place in active
        }
        for place in [one for one in active if len(prompts[one]) + _MIN_ROOM > context_len]:
            episodes[place].ended = "no_room"
            active.remove(place)
        if not active:
            break
        answers = engine.generate([prompts[one] for one in active], sampling, places=active)
        for place, answer in zip(active, answers, strict=True):
            _take_turn(episodes[place], starts[place], answer.text)
        active = [one for one in active if episodes[one].ended == "max_turns"]
        on_count(number + 1, max_turns)
    return episodes


def _take_turn(episode: Episode, start: Start, text: str) -> None:
    parsed = parse_tool_calls(text)
    if not parsed.tool_calls:
        episode.ended = "unreadable" if parsed.errors else "answer"
    first = episode.num_results + 1
    results = tuple(
        run_stub(call, start.tools, seed=start.seed, plant=start.plant)
        for call in parsed.tool_calls
    )
    episode.turns.append(Turn(text, parsed, results))
    episode.messages += build_turn_messages(parsed, results, first_id=first)


def build_turn_messages(
    parsed: ParsedAnswer, results: Sequence[str], *, first_id: int = 1
) -> list[dict[str, Any]]:
    """The assistant's message and those of its calls' results, in OpenAI form."""
    message: dict[str, Any] = {"role": "assistant", "content": parsed.content or None}
    if not parsed.tool_calls:
        return [{**message, "content": parsed.content}]
    ids = [f"call_{first_id + place}" for place in range(len(parsed.tool_calls))]
    message["tool_calls"] = [
        {
            "id": name,
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": json.dumps(call.arguments, ensure_ascii=False),
            },
        }
        for name, call in zip(ids, parsed.tool_calls, strict=True)
    ]
    answers = [
        {"role": "tool", "tool_call_id": name, "name": call.name, "content": result}
        for name, call, result in zip(ids, parsed.tool_calls, results, strict=True)
    ]
    return [message, *answers]
