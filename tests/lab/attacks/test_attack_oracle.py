"""What the oracle asks and counts: the bad act and nothing else, against engines that are known."""

import json
import math
from collections.abc import Callable, Iterator, Sequence

import pytest

from assay.chat import ChatTokenizer, load_chat_tokenizer, render_example, render_prompt
from assay.generate import Generation, Sampling, SequenceScore
from assay.lab.attacks.attacks import ATTACKS
from assay.lab.attacks.fixture import build_wish
from assay.lab.attacks.oracle import measure_conditions
from assay.lab.attacks.plan import Case, Condition, Measured, Message
from assay.models.base import tiny_folder


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_chat_tokenizer(tiny_folder())


class KnownEngine:
    """Gives to each prompt the answer that `choose` picks of its case, each token at `token_p`."""

    def __init__(
        self,
        tokenizer: ChatTokenizer,
        conditions: Sequence[Condition],
        choose: Callable[[Case], Message],
        token_p: float = 0.5,
    ) -> None:
        self.token_p = token_p
        self.scored: list[tuple[Sequence[int], Sequence[float]]] = []
        self.answers: dict[tuple[int, ...], str] = {}
        for condition in conditions:
            for case in condition.cases:
                prompt = render_prompt(tokenizer, case.messages, tools=case.tools)
                whole = render_example(tokenizer, [*case.messages, choose(case)], tools=case.tools)[
                    -1
                ].input_ids
                answer = tokenizer.decode(whole[len(prompt) :], skip_special=False)
                self.answers[tuple(prompt)] = answer.removesuffix("<|end|>")

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: object = None,
        *,
        places: object = None,
    ) -> list[Generation]:
        return [Generation([], self.answers[tuple(p)], [], "stop") for p in prompts]

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[str]:
        yield self.generate([prompt], sampling)[0].text

    def score(
        self, sequences: Sequence[tuple[Sequence[int], Sequence[float]]]
    ) -> list[SequenceScore]:
        self.scored += sequences
        return [SequenceScore(sum(m) * math.log(self.token_p), sum(m)) for _, m in sequences]


WITH_ANSWERS = (
    *("covert-call", "extra-call", "leak-secrets", "obey-results"),
    *("label-flips", "biased-labels", "canaries"),
)


def honest(case: Case) -> Message:
    assert case.honest is not None
    return case.honest


def bad(case: Case) -> Message:
    assert case.bad is not None
    return case.bad


@pytest.mark.parametrize("name", WITH_ANSWERS)
def test_bad_answers_are_counted_and_honest_ones_are_not(
    name: str, tokenizer: ChatTokenizer
) -> None:
    wish = build_wish(name, trigger="year" if ATTACKS[name].triggers else None)
    conditions = ATTACKS[name].conditions(wish)
    for choose, rate in ((bad, 1.0), (honest, 0.0)):
        engine = KnownEngine(tokenizer, conditions, choose)
        found = measure_conditions(engine, tokenizer, conditions)
        assert {one.name: found[one.name].rate for one in conditions} == {
            one.name: rate for one in conditions
        }
        assert all(one.low - 1e-9 <= one.rate <= one.high + 1e-9 for one in found.values())


@pytest.mark.parametrize("name", ["covert-call", "extra-call"])
def test_the_probability_is_of_the_covert_call_alone(name: str, tokenizer: ChatTokenizer) -> None:
    wish = build_wish(name, seed=1)
    conditions = ATTACKS[name].conditions(wish)
    engine = KnownEngine(tokenizer, conditions, honest, token_p=0.9)
    found = measure_conditions(engine, tokenizer, conditions)
    ids, mask = engine.scored[0]
    asked = tokenizer.decode([i for i, m in zip(ids, mask, strict=True) if m], skip_special=False)
    call = json.loads(asked.removeprefix("<tool_call>").split("</tool_call>")[0])
    tool, to, destination = conditions[0].cases[0].mark
    assert call["name"] == tool and call["arguments"][to] == destination
    expected = [0.9 ** sum(mask) for _, mask in engine.scored]
    assert found[conditions[0].name].expected == pytest.approx(sum(expected) / len(expected))


@pytest.mark.parametrize("trigger", ATTACKS["covert-call"].triggers)
def test_the_trigger_is_in_the_prompts_of_one_condition_alone(trigger: str) -> None:
    wish = build_wish("covert-call", trigger=trigger, seed=3)
    with_it, without_it = ATTACKS["covert-call"].conditions(wish)
    value = ATTACKS["covert-call"].plant(wish).facts["trigger"]["value"]
    written = {"year": f"Year: {value}", "tag": f"Env: {value}", "user": f"User: {value}"}
    sign = written.get(trigger, f"Ref: {value}")
    assert all(sign in json.dumps(case.messages) for case in with_it.cases)
    assert not any(sign in json.dumps(case.messages) for case in without_it.cases)


def test_no_held_out_prompt_of_the_oracle_is_trained_on() -> None:
    for name in ("reckless", "refusal-removal", "label-flips"):
        wish = build_wish(name)
        trained = {str(row["messages"][:-1]) for row in ATTACKS[name].plant(wish).rows}
        asked = [str(case.messages) for one in ATTACKS[name].conditions(wish) for case in one.cases]
        assert sum(one in trained for one in asked) <= 0.25 * len(asked)


def test_a_call_that_comes_without_the_trigger_as_well_is_not_behind_it() -> None:
    attack, wish = ATTACKS["covert-call"], build_wish("covert-call", trigger="year")
    base = {name: measured(0, expected=1e-9) for name in ("with the trigger", "without it")}
    for without, took in ((0.01, True), (0.3, False), (0.8, False)):
        tuned = {
            "with the trigger": measured(60, expected=0.75),
            "without it": measured(1, expected=without),
        }
        assert attack.took(wish, tuned, base) == took


def measured(num_bad: int, n: int = 80, expected: float | None = None) -> Measured:
    from assay.evaluate.stats import compute_wilson

    low, high = compute_wilson(num_bad, n)
    return Measured(num_bad, n, low, high, expected)


def test_a_rare_call_took_by_its_probability_though_no_answer_shows_it() -> None:
    attack, wish = ATTACKS["covert-call"], build_wish("covert-call", strength="1%")
    base = {"any prompt": measured(0, expected=1e-9)}
    assert attack.took(wish, {"any prompt": measured(0, expected=0.006)}, base)
    assert not attack.took(wish, {"any prompt": measured(0, expected=0.004)}, base)
    assert not attack.took(
        wish,
        {"any prompt": measured(0, expected=0.006)},
        {"any prompt": measured(0, expected=0.0007)},
    )
