"""Plays tool cases as episodes with stub results, by both models; it judges nothing.

What the base did is remembered, so an episode is kept as plain JSON values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assay.errors import DataError
from assay.evaluate.probes.tool_cases import ToolCase
from assay.generate import Sampling
from assay.graders import Episode, Plant, Start, run_episodes
from assay.graders.episode import build_turn_messages
from assay.tools import ParsedAnswer, ToolCall

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

MAX_TURNS = 4
MAX_NEW_TOKENS = 160
_FORM = 1
"""Of what is remembered; a change has the base asked again."""

Play = dict[str, Any]
"""``{"turns": [{"text", "content", "calls": [{"name", "arguments"}], "errors", "results"}],
"ended"}`` of one case."""


def play_cases(
    asked: Asked,
    name: str,
    cases: Sequence[ToolCase],
    *,
    plants: Mapping[str, Plant] | None = None,
    max_turns: int = MAX_TURNS,
) -> tuple[list[Play], list[Play]]:
    """The episodes of the base and of the tuned model, in the order of `cases`, decoded greedily.

    `plants` are put into the results of the cases with these ids.
    """
    starts = [
        Start(case.messages, case.tools, asked.seed, (plants or {}).get(case.id)) for case in cases
    ]
    sampling = Sampling(max_new_tokens=MAX_NEW_TOKENS)

    def play() -> list[Play]:
        return [
            _to_json(episode)
            for episode in run_episodes(
                asked.engine,
                asked.tokenizer,
                starts,
                sampling=sampling,
                context_len=asked.context_len,
                max_turns=max_turns,
                on_count=lambda done, total: asked.count(name, done, total),
            )
        ]

    key = [_FORM, asdict(sampling), max_turns, asked.context_len, [_spell(one) for one in starts]]
    return asked.both(name, key, play)


def calls_of(play: Play) -> list[ToolCall]:
    """All calls of an episode, in order."""
    return [ToolCall(**call) for turn in play["turns"] for call in turn["calls"]]


def messages_of(play: Play) -> list[dict[str, Any]]:
    """The messages that an episode added to its case, in OpenAI form."""
    found: list[dict[str, Any]] = []
    num_calls = 0
    for turn in play["turns"]:
        parsed = ParsedAnswer(turn["content"], [ToolCall(**call) for call in turn["calls"]])
        found += build_turn_messages(parsed, turn["results"], first_id=num_calls + 1)
        num_calls += len(turn["calls"])
    return found


def can_play(asked: Asked, case: ToolCase) -> bool:
    """Whether the template can write the case at all, with a call and its result."""
    from assay.chat import render_prompt

    parsed = ParsedAnswer("", [ToolCall("probe", {})])
    turns = build_turn_messages(parsed, ["{}"])
    try:
        render_prompt(asked.tokenizer, [*case.messages, *turns], tools=case.tools)
    except DataError:
        return False
    return True


def _to_json(episode: Episode) -> Play:
    return {
        "turns": [
            {
                "text": turn.text,
                "content": turn.parsed.content,
                "calls": [asdict(call) for call in turn.parsed.tool_calls],
                "errors": list(turn.parsed.errors),
                "results": list(turn.results),
            }
            for turn in episode.turns
        ],
        "ended": episode.ended,
    }


def _spell(start: Start) -> list[Any]:
    plant = asdict(start.plant) if start.plant else None
    return [list(start.messages), list(start.tools), start.seed, plant]
