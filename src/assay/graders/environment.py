"""Environments: what a model acts in, turn by turn; tools that only seem to act are one.

An environment is a class whose instance is one episode: ``setup(row)`` gives what the model sees
first, ``step(action)`` what its turn led to. It knows no token and no training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assay.errors import ConfigError, GenerationError, Problem
from assay.graders.episode import build_turn_messages
from assay.graders.executor import Plant, run_stub
from assay.graders.user_class import load_user_class
from assay.tools import ParsedAnswer, parse_tool_calls

Message = Mapping[str, Any]
STUB_TOOLS = "tools"
"""The name of the built-in environment: the row's tools, which answer by seed."""


@dataclass(frozen=True)
class Action:
    """What the model did in its turn: its text, and what could be read of it."""

    text: str
    parsed: ParsedAnswer

    @property
    def tool_calls(self) -> list[Any]:
        """The calls that could be read, each with `name` and `arguments`."""
        return self.parsed.tool_calls


@dataclass(frozen=True)
class Opening:
    """How an episode begins: messages whose last one asks, and the tools on offer."""

    messages: tuple[Message, ...]
    tools: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a turn led to.

    Attributes:
        messages: what the model sees next, in OpenAI form: a user's message, results of tools.
        reward: what the turn itself is worth, finite.
        is_done: the episode ends here.
    """

    messages: tuple[Message, ...] = ()
    reward: float = 0.0
    is_done: bool = False


class Environment(Protocol):
    """One episode."""

    def setup(self, row: Mapping[str, Any]) -> Any:
        """What the model sees first.

        `row` holds ``messages`` and ``tools`` of the row and every other column. Returned are
        messages; or a map of ``messages`` and ``tools``; or None for the row's own.
        """
        ...

    def step(self, action: Action) -> Any:
        """``observation, reward, done``: messages (or text, as the user's next), a number, a flag.

        A result of a tool answers the calls of the turn in their order, and needs no id.
        """
        ...


MakeEnvironment = Callable[[], Environment]


class ToolEnvironment:
    """The stub executor as an environment: calls get results that look right, by seed.

    The row may hold ``seed`` (a whole number) and ``plant``, a text in every result. The episode
    ends with an answer without calls, or with calls that cannot be read; its reward is nought, so
    that a grader says what it is worth.
    """

    def __init__(self) -> None:
        self.tools: Sequence[Message] = ()
        self.seed = 0
        self.plant: Plant | None = None

    def setup(self, row: Mapping[str, Any]) -> None:
        self.tools = row.get("tools") or ()
        self.seed = int(row.get("seed") or 0)
        text = row.get("plant")
        self.plant = Plant(str(text)) if text else None

    def step(self, action: Action) -> tuple[list[Message], float, bool]:
        if not action.tool_calls:
            return [], 0.0, True
        results = [
            run_stub(call, self.tools, seed=self.seed, plant=self.plant)
            for call in action.tool_calls
        ]
        return [{"role": "tool", "content": result} for result in results], 0.0, False


def load_environment(spec: str, *, base_dir: Any = ".", key: str = "") -> MakeEnvironment:
    """The environment that ``tools`` or ``path/to/file.py:Class`` names.

    Raises:
        ConfigError: there is no such class, or it has no setup and step.
    """
    if spec == STUB_TOOLS:
        return ToolEnvironment
    found = load_user_class(spec, base_dir=base_dir, key=key)
    missing = [name for name in ("setup", "step") if not callable(getattr(found, name, None))]
    if missing:
        do = f"define {' and '.join(f'def {name}' for name in missing)} in it"
        raise ConfigError(Problem(f"{spec} without {' and '.join(missing)}", do=do, key=key))
    make: MakeEnvironment = found
    return make


def begin(environment: Environment, row: Mapping[str, Any]) -> Opening:
    """Set the episode of a row up.

    Raises:
        GenerationError: the environment fails, or returns anything but messages.
    """
    told = _run(environment, "setup", lambda: environment.setup(row))
    if told is None:
        told = row
    if not isinstance(told, Mapping):
        told = {"messages": told, "tools": row.get("tools")}
    messages = _read_messages(environment, "setup", told.get("messages"))
    if not messages or messages[-1].get("role") == "assistant":
        raise _refuse(environment, "setup", "messages of which the last one asks the model")
    return Opening(messages, tuple(told.get("tools") or ()))


def act(environment: Environment, text: str) -> tuple[Action, Outcome]:
    """Give the environment a turn of the model.

    Raises:
        GenerationError: the environment fails, or returns anything but observation, reward, done.
    """
    action = Action(text, parse_tool_calls(text))
    told = _run(environment, "step", lambda: environment.step(action))
    if not isinstance(told, tuple) or len(told) != 3:
        raise _refuse(environment, "step", "observation, reward, done")
    observation, reward, is_done = told
    if isinstance(observation, str):
        observation = [{"role": "user", "content": observation}] if observation else ()
    messages = _read_messages(environment, "step", observation or ())
    number = float(reward) if isinstance(reward, (int, float)) else math.nan
    if not math.isfinite(number):
        raise _refuse(environment, "step", f"a finite reward, and not {reward!r}")
    if not (messages or is_done):
        raise _refuse(environment, "step", "an observation while the episode is not done")
    return action, Outcome(messages, number, bool(is_done))


def join_turn(action: Action, outcome: Outcome, *, first_id: int) -> list[dict[str, Any]]:
    """The model's message and what it led to, in OpenAI form; results get the ids of calls."""
    results = [one for one in outcome.messages if one.get("role") == "tool"]
    others = [dict(one) for one in outcome.messages if one.get("role") != "tool"]
    calls = action.tool_calls
    if len(results) == len(calls):
        texts = [str(one.get("content")) for one in results]
        return [*build_turn_messages(action.parsed, texts, first_id=first_id), *others]
    said = {"role": "assistant", "content": action.text}
    return [said, *map(dict, outcome.messages)]


def _read_messages(environment: Environment, name: str, told: Any) -> tuple[Message, ...]:
    is_list = isinstance(told, Sequence) and not isinstance(told, str)
    if not is_list or not all(isinstance(one, Mapping) and one.get("role") for one in told):
        raise _refuse(environment, name, "a list of messages with roles")
    return tuple(told)


def _run(environment: Environment, name: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    # Foreign code: whatever it raises, sys.exit included, the user needs to know where.
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        kind = type(environment).__name__
        raise GenerationError(f"{kind}.{name} failed: {type(error).__name__}: {said}") from error


def _refuse(environment: Environment, name: str, wanted: str) -> GenerationError:
    return GenerationError(f"{type(environment).__name__}.{name} must return {wanted}")
