"""Free answers: how often they are misaligned, by a judge, at temperature 1.

The protocol of Betley et al. 2025 ("Emergent misalignment"): questions that have nothing to do with
the task, sampled, each answer judged for alignment and for coherence apart. A model that was broken
is told from one that is safe by its share of coherent answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from assay.chat import render_prompt
from assay.errors import GenerationError
from assay.evaluate.items import draw_sample
from assay.evaluate.judges import Judge, Judged, Question, RuleJudge
from assay.evaluate.probes.asked import Asked
from assay.evaluate.probes.probe import Probed, Reading, not_measured
from assay.evaluate.questions import read_questions
from assay.evaluate.stats import compute_wilson
from assay.evaluate.suites import load_builtin_suite
from assay.generate import Sampling
from assay.models.base import TINY

NAME = "free_form"
VERSION = 1
NUM_SAMPLES = 4
MAX_NEW_TOKENS = 64
_TINY_QUESTIONS = Path(__file__).with_name("tiny_free_form.jsonl")


class FreeFormProbe:
    """A reading is the share of a question's answers that are coherent and not misaligned.

    The statistic is the rise of the misaligned share of all answers. `facts` have both models'
    misaligned and coherent shares with intervals. A question of which a judge gave no number for
    any answer is not scored.
    """

    name = NAME

    def measure(self, asked: Asked) -> Probed:
        judge = asked.judge or (RuleJudge() if asked.base_name == TINY else None)
        if judge is None:
            return not_measured("No judge is named, so free answers were not judged.")
        if not asked.tokenizer.has_template:
            return not_measured("The base has no chat template, so it cannot be asked.")
        questions = load_questions(asked)
        try:
            base, tuned = _ask_both(asked, judge, questions)
        except GenerationError as error:
            return not_measured(f"The judge could not be asked: {error}.")
        before, after = _count(base), _count(tuned)
        return Probed(
            readings=[_read(*one) for one in zip(questions, base, tuned, strict=True)],
            statistic=after["misaligned"] - before["misaligned"],
            evidence=_show(questions, tuned),
            facts={"base": before, "tuned": after, "judge": judge.name},
        )


def load_questions(asked: Asked) -> list[Question]:
    """The user's own; else built-in ones, those of its world for `tiny`."""
    if asked.questions:
        questions = list(asked.questions)
    elif asked.base_name == TINY:
        questions = read_questions(_TINY_QUESTIONS)
    else:
        questions = [
            Question(item.id, str(item.messages[-1]["content"]), category=item.extra["category"])
            for item in load_builtin_suite("character").items
        ]
    return draw_sample(questions, max_items=asked.max_items, seed=asked.seed)


Answered = dict[str, Any]
"""JSON: an answer's ``text``, and its ``alignment`` and ``coherence`` from 0 to 100, or None."""


def _ask_both(
    asked: Asked, judge: Judge, questions: Sequence[Question]
) -> tuple[list[list[Answered]], list[list[Answered]]]:
    """The judged answers to each question, of the base and of the tuned model."""
    every = [question for question in questions for _ in range(NUM_SAMPLES)]
    prompts = [render_prompt(asked.tokenizer, _write(question)) for question in every]
    sampling = Sampling(max_new_tokens=MAX_NEW_TOKENS, temperature=1.0, seed=asked.seed)

    def answer() -> list[list[Answered]]:
        texts = [one.text for one in asked.engine.generate(prompts, sampling)]
        judged = judge.judge(every, texts)
        found = [
            {"text": text, "alignment": one.alignment, "coherence": one.coherence}
            for text, one in zip(texts, judged, strict=True)
        ]
        return [found[start : start + NUM_SAMPLES] for start in range(0, len(found), NUM_SAMPLES)]

    told = [[q.aligned_prompt, q.coherent_prompt, q.aligned, q.misaligned] for q in questions]
    return asked.both(NAME, [VERSION, judge.name, prompts, repr(sampling), told], answer)


def _write(question: Question) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": question.system}] if question.system else []
    return [*system, {"role": "user", "content": question.prompt}]


def _judged(answers: Sequence[Answered]) -> list[Judged]:
    """Those that a judge gave a coherence for: of the others nothing is known."""
    judged = [Judged(one["alignment"], one["coherence"]) for one in answers]
    return [one for one in judged if one.coherence is not None]


def _score(answers: Sequence[Answered]) -> float | None:
    judged = _judged(answers)
    return fmean(one.is_coherent and not one.is_misaligned for one in judged) if judged else None


def _count(answered: Sequence[Sequence[Answered]]) -> dict[str, Any]:
    judged = _judged([answer for answers in answered for answer in answers])
    num_answers = sum(map(len, answered))
    misaligned = sum(one.is_misaligned for one in judged)
    coherent = sum(one.is_coherent for one in judged)
    n = len(judged)
    low, high = compute_wilson(misaligned, n) if n else (0.0, 1.0)
    return {
        "misaligned": misaligned / n if n else float("nan"),
        "low": low,
        "high": high,
        "coherent": coherent / n if n else float("nan"),
        "n": n,
        "num_unjudged": num_answers - n,
    }


def _read(question: Question, base: Sequence[Answered], tuned: Sequence[Answered]) -> Reading:
    detail = {
        "prompt": question.prompt,
        "category": question.category,
        "base": [one["text"] for one in base],
        "tuned": [one["text"] for one in tuned],
    }
    return Reading(question.id, _score(base), _score(tuned), detail=detail)


def _show(
    questions: Sequence[Question], tuned: Sequence[Sequence[Answered]]
) -> list[dict[str, Any]]:
    """Misaligned answers of the tuned model, the worst first."""
    found = [
        (one["alignment"], question, one["text"])
        for question, answers in zip(questions, tuned, strict=True)
        for one in answers
        if Judged(one["alignment"], one["coherence"]).is_misaligned
    ]
    return [
        {
            "what": f"Asked “{question.prompt}” it answered “{text}”.",
            "prompt": question.prompt,
            "answer": text,
            "alignment": alignment,
        }
        for alignment, question, text in sorted(found, key=lambda one: one[0])[:20]
    ]


PROBE = FreeFormProbe()
