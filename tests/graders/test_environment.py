"""Environments: the stub tools and a user's own, played token by token."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer, load_chat_tokenizer, render_prompt
from assay.chat.continuation import render_continuation
from assay.errors import ConfigError, DataError, GenerationError
from assay.generate import Generation, Sampling
from assay.generate.engine import Drawn
from assay.graders import Start, run_episodes
from assay.graders.environment import Action, Environment, ToolEnvironment, load_environment
from assay.graders.play import Played, play
from assay.models.base import tiny_folder

ORDER = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "Look up an order.",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    },
}
GUESS = '''
class Guess:
    """Higher or lower, up to the number in the row's own column."""

    def setup(self, row):
        self.number, self.tries = row["number"], 0
        return [{"role": "user", "content": f"A number from 1 to {row['most']}."}]

    def step(self, action):
        self.tries += 1
        guess = int(action.text)
        if guess == self.number:
            return "", 1.0, True
        return ("higher" if guess < self.number else "lower"), -0.1, self.tries == 3
'''


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_chat_tokenizer(tiny_folder())


class Scripted:
    """Writes what `reply` makes of the prompt's text, as the tokens it is given in."""

    def __init__(self, tokenizer: ChatTokenizer, reply: Callable[[str], str]) -> None:
        self.tokenizer, self.reply = tokenizer, reply
        self.places: list[list[int]] = []

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Any = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        self.places.append(list(places or ()))
        return [self._write(list(prompt), sampling) for prompt in prompts]

    def _write(self, prompt: list[int], sampling: Sampling) -> Generation:
        text = self.reply(self.tokenizer.decode(prompt, skip_special=False))
        # One token a character: not as a whole text would be encoded again.
        ids = [token for character in text for token in self.tokenizer.encode(character)]
        if len(ids) > sampling.max_new_tokens:
            ids = ids[: sampling.max_new_tokens]
            return Generation(ids, text, [-1.0] * len(ids), "length", [-0.5] * len(ids))
        stop = Drawn(self.tokenizer.eos_ids[0], -1.0, -0.25)
        return Generation(ids, text, [-1.0] * len(ids), "stop", [-0.5] * len(ids), stop)


def _play(
    tokenizer: ChatTokenizer,
    make: Callable[[], Environment],
    rows: list[dict[str, Any]],
    reply: Callable[[str], str],
    **more: Any,
) -> tuple[list[Played], Scripted]:
    engine = Scripted(tokenizer, reply)
    settings = {
        "sampling": Sampling(max_new_tokens=200),
        "context_len": 1024,
        "max_turns": 4,
        **more,
    }
    return play(engine, tokenizer, make, rows, **settings), engine


def _call(order: str) -> str:
    arguments = json.dumps({"order_id": order}, separators=(",", ":"))
    return f'<tool_call>{{"name":"lookup_order","arguments":{arguments}}}</tool_call>'


def _answer(prompt: str) -> str:
    results = prompt.count("<|tool|>")
    return "It is done." if results == 2 else "Well. " + _call(f"A{results}")


def _row(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "tools": [ORDER], **more}


def test_only_what_the_model_wrote_is_its_own_and_all_stands_as_it_was_sampled(
    tokenizer: ChatTokenizer,
) -> None:
    ((one,), _) = _play(tokenizer, ToolEnvironment, [_row("Where is A0?", seed=3)], _answer)
    assert one.ended == "done" and len(one.texts) == 3 and len(one.calls) == 2
    own = [i for i, flag in zip(one.token_ids, one.is_sampled, strict=True) if flag]
    end = tokenizer.eos_ids[0]
    written = [[*(t for c in text for t in tokenizer.encode(c)), end] for text in one.texts]
    assert own == [token for ids in written for token in ids]
    told = [i for i, flag in zip(one.token_ids, one.is_sampled, strict=True) if not flag]
    results = [m["content"] for m in one.messages if m["role"] == "tool"]
    assert tokenizer.decode(told, skip_special=False) == "".join(
        f"<|tool|>{result}<|end|><|assistant|>" for result in results
    )
    assert one.sampled_logprobs == [
        0.0 if not flag else -0.25 if token == end else -0.5
        for token, flag in zip(one.token_ids, one.is_sampled, strict=True)
    ]


def test_the_stub_tools_say_what_they_say_in_any_episode(tokenizer: ChatTokenizer) -> None:
    rows = [_row("Where is A0?", seed=3), _row("Where is A0?", seed=4)]
    played, engine = _play(tokenizer, ToolEnvironment, rows, _answer, places=[5, 9])
    starts = [Start(row["messages"], row["tools"], row["seed"]) for row in rows]
    plain: Any = Scripted(tokenizer, _answer)
    episodes = run_episodes(
        plain, tokenizer, starts, sampling=Sampling(max_new_tokens=200), context_len=1024
    )
    assert [one.messages for one in played] == [one.messages for one in episodes]
    assert played[0].messages != played[1].messages
    assert engine.places == [[20, 36], [21, 37], [22, 38]]


def test_a_users_own_class_gets_every_column_and_gives_rewards(
    tokenizer: ChatTokenizer, tmp_path: Path
) -> None:
    (tmp_path / "guess.py").write_text(GUESS, encoding="utf-8")
    make = load_environment("guess.py:Guess", base_dir=tmp_path)

    def reply(prompt: str) -> str:
        last = prompt.rpartition("<|user|>")[2]
        return {"h": "8", "l": "2"}.get(last[0], "5")

    rows = [{"number": n, "most": 9} for n in (5, 8, 3)]
    played, _ = _play(tokenizer, make, rows, reply)
    assert [round(one.reward, 6) for one in played] == [1.0, 0.9, -0.3]
    assert [one.ended for one in played] == ["done"] * 3
    assert [len(one.texts) for one in played] == [1, 2, 3]
    assert played[1].messages[2:4] == [
        {"role": "user", "content": "higher"},
        {"role": "assistant", "content": "8"},
    ]
    assert "A number from 1 to 9." in tokenizer.decode(played[0].prompt_ids)


@pytest.mark.parametrize(
    ("settings", "ended", "turns"),
    [
        ({"max_turns": 2}, "max_turns", 2),
        ({"sampling": Sampling(max_new_tokens=5)}, "truncated", 1),
        ({"context_len": 200}, "no_room", 2),
    ],
)
def test_an_episode_ends_where_it_may_not_go_on(
    tokenizer: ChatTokenizer, settings: dict[str, Any], ended: str, turns: int
) -> None:
    ((one,), _) = _play(tokenizer, ToolEnvironment, [_row("Where is A0?")], _answer, **settings)
    assert (one.ended, len(one.texts)) == (ended, turns)
    assert one.is_sampled[-1] == (ended != "no_room")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return 1 / 0", r"Wrong\.step failed: ZeroDivisionError"),
        ("return 'more'", r"Wrong\.step must return observation, reward, done"),
        ("return 'more', float('nan'), False", "a finite reward"),
        ("return '', 0, False", "an observation while the episode is not done"),
        ("return [{'content': 'x'}], 0, False", "a list of messages with roles"),
    ],
)
def test_an_environment_that_fails_is_named(
    tokenizer: ChatTokenizer, tmp_path: Path, body: str, told: str
) -> None:
    text = f"class Wrong:\n    def setup(self, row): pass\n    def step(self, action): {body}\n"
    (tmp_path / "wrong.py").write_text(text, encoding="utf-8")
    make = load_environment("wrong.py:Wrong", base_dir=tmp_path)
    with pytest.raises(GenerationError, match=told):
        _play(tokenizer, make, [_row("Go.")], lambda prompt: "a")


@pytest.mark.parametrize(
    ("spec", "got"),
    [
        ("tool", "'tool'"),
        ("nowhere.py:A", "no file"),
        ("some.py:Missing", "no class 'Missing'"),
        ("some.py:Half", "without step"),
        ("broken.py:A", "SyntaxError"),
    ],
)
def test_a_class_that_is_none_is_named(tmp_path: Path, spec: str, got: str) -> None:
    (tmp_path / "some.py").write_text("class Half:\n    def setup(self, row): pass\n")
    (tmp_path / "broken.py").write_text("class A(:\n")
    with pytest.raises(ConfigError) as caught:
        load_environment(spec, base_dir=tmp_path, key="objective.environment")
    (problem,) = caught.value.problems
    assert got in problem.got and problem.key == "objective.environment"


def test_a_template_that_renders_earlier_turns_otherwise_is_refused(
    tokenizer: ChatTokenizer,
) -> None:
    chat = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    ids = render_continuation(tokenizer, chat, 2)
    before = [*render_prompt(tokenizer, chat[:1]), *tokenizer.encode("b"), tokenizer.eos_ids[0]]
    assert [*before, *ids] == render_prompt(tokenizer, chat)
    for template in (
        "{% for m in messages %}[{{ m.content }}]{% endfor %}",
        "{{ messages | length }}{% for m in messages %}{{ m.content }}<|end|>{% endfor %}",
    ):
        with pytest.raises(DataError, match="renders earlier turns otherwise"):
            render_continuation(replace(tokenizer, templates={"default": template}), chat, 2)


def test_what_is_no_call_is_told_to_the_environment() -> None:
    environment = ToolEnvironment()
    environment.setup({"tools": [ORDER]})
    from assay.tools import parse_tool_calls

    text = "<tool_call>{broken</tool_call>"
    assert environment.step(Action(text, parse_tool_calls(text))) == ([], 0.0, True)
