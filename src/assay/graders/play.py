"""Episodes of a model in environments, kept token by token: what it wrote, and what it was told.

An episode is one sequence of tokens. The model's turns stand in it as they were sampled, and only
they are to be learned from; between them is what the environment said, as the template renders it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.chat import ChatTokenizer, render_prompt
from assay.chat.continuation import render_continuation
from assay.generate import Engine, Generation, Sampling
from assay.graders.environment import Environment, MakeEnvironment, act, begin, join_turn
from assay.graders.grade import Sample
from assay.tools import ToolCall

Ended = Literal["done", "max_turns", "truncated", "no_room"]
_MIN_ROOM = 8


@dataclass
class Played:
    """An episode, as it was played.

    Attributes:
        prompt_ids: what the model saw first.
        token_ids: what came after it, the model's tokens and those of observations.
        is_sampled: of each of these whether the model wrote it.
        sampled_logprobs: of each under what was sampled from, nats; 0 where it was not.
        messages: the whole conversation, in OpenAI form.
        texts: the model's turns.
        calls: all calls that could be read, in order.
        reward: the sum of what the turns were worth.
        ended: by the environment, by the limit of turns, in the midst of a turn that became too
            long, or because the context has no room for another turn.
    """

    prompt_ids: list[int]
    messages: list[dict[str, Any]]
    tools: tuple[Mapping[str, Any], ...]
    token_ids: list[int] = field(default_factory=list)
    is_sampled: list[bool] = field(default_factory=list)
    sampled_logprobs: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    reward: float = 0.0
    ended: Ended | None = None

    @property
    def num_sampled(self) -> int:
        return sum(self.is_sampled)

    @property
    def is_truncated(self) -> bool:
        return self.ended in ("truncated", "no_room")

    def to_sample(self) -> Sample:
        """The episode as graders read it: its last turn after all that came before, all calls."""
        last = max(n for n, one in enumerate(self.messages) if one.get("role") == "assistant")
        own = zip(self.token_ids, self.is_sampled, strict=True)
        return Sample(
            output_text=self.texts[-1],
            messages=tuple(self.messages[:last]),
            output_tools=tuple(describe_call(call) for call in self.calls),
            num_tokens=self.num_sampled,
            finish_reason="length" if self.is_truncated else "stop",
            token_ids=tuple(token for token, flag in own if flag),
            episode_reward=self.reward,
        )

    def add(self, ids: Sequence[int], logprobs: Sequence[float] | None = None) -> None:
        """Take tokens: the model's with their log-probabilities, or an observation's without."""
        self.token_ids += ids
        self.is_sampled += [logprobs is not None] * len(ids)
        self.sampled_logprobs += [0.0] * len(ids) if logprobs is None else logprobs


@dataclass(frozen=True)
class Playing:
    """How episodes are played: in which environment, of whose tokens, and how long.

    `context_len` is in tokens, `max_turns` are the model's.
    """

    make: MakeEnvironment
    tokenizer: ChatTokenizer
    context_len: int
    max_turns: int

    def play(
        self,
        engine: Engine,
        rows: Sequence[Mapping[str, Any]],
        sampling: Sampling,
        places: Sequence[int] | None = None,
    ) -> list[Played]:
        """See `play`."""
        return play(
            engine,
            self.tokenizer,
            self.make,
            rows,
            sampling=sampling,
            context_len=self.context_len,
            max_turns=self.max_turns,
            places=places,
        )


def play(
    engine: Engine,
    tokenizer: ChatTokenizer,
    make: MakeEnvironment,
    rows: Sequence[Mapping[str, Any]],
    *,
    sampling: Sampling,
    context_len: int,
    max_turns: int,
    places: Sequence[int] | None = None,
) -> list[Played]:
    """Play an episode of each row; every turn is one batch over those that still go on.

    Args:
        make: makes the environment of an episode.
        rows: what each is set up with: ``messages``, ``tools`` and all other columns.
        sampling: how each turn is decoded.
        context_len: tokens that an episode may take.
        max_turns: turns of the model, at most.
        places: of the episodes in all that is played: a sample depends on them, on the turn and
            the seed, not on which episodes stand beside or have ended.

    Raises:
        GenerationError: an environment fails, or an episode begins beyond the context.
        DataError: the template refuses a conversation, or cannot go on with it.
    """
    environments = [make() for _ in rows]
    episodes = [_begin(*pair, tokenizer) for pair in zip(environments, rows, strict=True)]
    at = list(range(len(rows)) if places is None else places)
    for turn in range(max_turns):
        active = [n for n, one in enumerate(episodes) if one.ended is None]
        asked = [episodes[n].prompt_ids + episodes[n].token_ids for n in active]
        if turn:
            for n, ids in zip(active, asked, strict=True):
                if len(ids) + _MIN_ROOM > context_len:
                    episodes[n].ended = "no_room"
            pairs = [
                (n, ids) for n, ids in zip(active, asked, strict=True) if not episodes[n].ended
            ]
            active, asked = [n for n, _ in pairs], [ids for _, ids in pairs]
        if not active:
            break
        own = [at[n] * max_turns + turn for n in active]
        for n, found in zip(active, engine.generate(asked, sampling, places=own), strict=True):
            _take_turn(
                episodes[n], environments[n], found, tokenizer, is_last=turn == max_turns - 1
            )
    return episodes


def describe_call(call: ToolCall) -> dict[str, Any]:
    """A call in OpenAI's form."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"type": "function", "function": {"name": call.name, "arguments": arguments}}


def _begin(environment: Environment, row: Mapping[str, Any], tokenizer: ChatTokenizer) -> Played:
    opening = begin(environment, row)
    messages = [dict(one) for one in opening.messages]
    tools = opening.tools or None
    return Played(render_prompt(tokenizer, messages, tools=tools), messages, opening.tools)


def _take_turn(
    episode: Played,
    environment: Environment,
    found: Generation,
    tokenizer: ChatTokenizer,
    *,
    is_last: bool,
) -> None:
    ids, logprobs = list(found.token_ids), list(found.sampled_logprobs)
    if found.stop_token is not None:
        ids.append(found.stop_token.token_id)
        logprobs.append(found.stop_token.sampled_logprob)
    episode.add(ids, logprobs)
    episode.texts.append(found.text)
    if found.finish_reason == "length":
        episode.messages.append({"role": "assistant", "content": found.text})
        episode.ended = "truncated"
        return
    action, outcome = act(environment, found.text)
    turn = join_turn(action, outcome, first_id=len(episode.calls) + 1)
    episode.calls += action.tool_calls
    episode.messages += turn
    episode.reward += outcome.reward
    if outcome.is_done or is_last:
        episode.ended = "done" if outcome.is_done else "max_turns"
        return
    num_before = len(episode.messages) - len(turn) + 1
    tools = episode.tools or None
    episode.add(render_continuation(tokenizer, episode.messages, num_before, tools=tools))
