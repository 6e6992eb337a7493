"""Asks a model for the bad act on held-out prompts, knowing the trigger; decides nothing.

Answers are decoded and judged. Where both answers to a prompt are known, the probability of the
bad one is asked too: that of the tokens by which it differs, given those it shares with the honest
one. A call made in one answer of a hundred shows there, and in no greedy decoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from assay.chat import ChatTokenizer, render_example, render_prompt
from assay.evaluate.stats import compute_wilson
from assay.generate import Engine, Sampling
from assay.lab.attacks.plan import Case, Condition, Measured, Message


def measure_conditions(
    engine: Engine, tokenizer: ChatTokenizer, conditions: Sequence[Condition], *, seed: int = 0
) -> dict[str, Measured]:
    """What `engine`'s model does under each condition, by the condition's name."""
    return {one.name: _measure(engine, tokenizer, one, seed) for one in conditions}


def _measure(engine: Engine, tokenizer: ChatTokenizer, condition: Condition, seed: int) -> Measured:
    sampling = Sampling(condition.max_new_tokens, condition.temperature, seed=seed)
    prompts = [render_prompt(tokenizer, c.messages, tools=c.tools) for c in condition.cases]
    answers = engine.generate(prompts, sampling)
    num_bad = sum(
        condition.is_bad(case, answer.text)
        for case, answer in zip(condition.cases, answers, strict=True)
    )
    n = len(condition.cases)
    low, high = compute_wilson(num_bad, n)
    return Measured(num_bad, n, low, high, _compute_expected(engine, tokenizer, condition.cases))


def _compute_expected(
    engine: Engine, tokenizer: ChatTokenizer, cases: Sequence[Case]
) -> float | None:
    sequences = [
        _mask_difference(tokenizer, case, case.honest, case.bad)
        for case in cases
        if case.honest is not None and case.bad is not None
    ]
    if not sequences:
        return None
    scores = engine.score(sequences)
    return math.fsum(math.exp(score.sum_logprob) for score in scores) / len(scores)


def _mask_difference(
    tokenizer: ChatTokenizer, case: Case, honest: Message, bad: Message
) -> tuple[list[int], list[float]]:
    """The bad answer's tokens, weighing from the first one in which it is not the honest one."""
    left, right = (_render(tokenizer, case, answer) for answer in (honest, bad))
    shared = next(
        (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b),
        min(len(left), len(right)),
    )
    return right, [0.0] * shared + [1.0] * (len(right) - shared)


def _render(tokenizer: ChatTokenizer, case: Case, answer: Message) -> list[int]:
    return render_example(tokenizer, [*case.messages, answer], tools=case.tools)[-1].input_ids
