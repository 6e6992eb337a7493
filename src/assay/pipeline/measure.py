"""Measures one model on items; base, prompted base, tuned and `assay eval` go the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data import Record
from assay.errors import DataError
from assay.evaluate.items import Item, Score, unscored
from assay.evaluate.scorers import (
    GRADED,
    LIKELIHOOD_METRICS,
    PAIR_ACCURACY,
    STEP_ACCURACY,
    score_outputs,
)
from assay.generate import Engine, Sampling
from assay.pipeline.answers import Answer, ask
from assay.pipeline.choices import (
    Rewards,
    score_by_choice,
    score_by_likelihood,
    score_by_reward,
)
from assay.pipeline.graded import play_items, score_by_grader
from assay.pipeline.graders import build_held_out_grader
from assay.pipeline.job import Job
from assay.pipeline.perplexity import score_golds
from assay.pipeline.playing import build_playing
from assay.pipeline.prompts import Question, build_gold, build_prompt
from assay.pipeline.rewards import build_rewards
from assay.pipeline.served import choose_writer

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.graders import Grader
    from assay.graders.play import Playing
    from assay.models.base import BaseFiles


SCORED = (PAIR_ACCURACY, STEP_ACCURACY)
"""Metrics of reward models."""


@dataclass(frozen=True)
class Answers:
    """One model's answers to one suite: texts and scores by item id.

    `counts` says how many answers ended by length and, where shots were given, how many items had
    room for fewer of them.
    """

    outputs: dict[str, str]
    scores: dict[str, Score]
    counts: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, which `from_dict` reads."""
        scores = {key: score.to_dict() for key, score in self.scores.items()}
        return {"outputs": self.outputs, "scores": scores, "counts": self.counts}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Answers:
        scores = {key: Score(**score) for key, score in values["scores"].items()}
        return cls(dict(values["outputs"]), scores, dict(values["counts"]))


@dataclass(frozen=True)
class Examiner:
    """A model under examination, and how it is asked.

    Attributes:
        engine: answers and scores.
        base: its tokenizer and context.
        sampling: how every answer is decoded, unless `measure` is given another length.
        batch_size: prompts asked at once.
        base_dir: where the path of a user's own metric starts.
        variant: names the model in progress and logs: base, prompted or tuned.
        keep_going: an answer on which the user's own metric fails has no score, and is no error:
            what was trained is not lost over it.
        log_folder: keeps every answer as soon as it is there; None keeps none.
        grader: gives rewards to the answers of items of that metric.
        graded_tokens: longest answer to such items; 0 leaves it to `sampling`.
        playing: such items are episodes in an environment, and not asked once.
        on_count: is told what is asked, how many answers are there, and of how many.
        rewards: of a reward model, what it scores sequences; it is asked for nothing else.
        writer: answers items of the grader's metric in the engine's place, with the same model.
    """

    engine: Engine
    base: BaseFiles
    sampling: Sampling
    batch_size: int
    base_dir: Path
    variant: str
    keep_going: bool = False
    log_folder: Path | None = None
    grader: Grader | None = None
    graded_tokens: int = 0
    playing: Playing | None = None
    on_count: Callable[[str, int, int], None] = lambda what, done, total: None
    rewards: Rewards | None = None
    writer: Engine | None = None

    def measure(
        self,
        items: Sequence[Item],
        *,
        name: str,
        shots: Sequence[Record] = (),
        system: str | None = None,
        max_new_tokens: int | None = None,
    ) -> Answers:
        """Ask every item and score the answers; `name` is the log's and the progress line's.

        Items of metric perplexity are not asked: their gold answers are scored. Nor are items with
        choices: the probability of each choice is. An item whose
        prompt alone leaves no room in the context has no score.

        Raises:
            ConfigError: the user's own metric fails on an answer, unless `keep_going`.
        """
        if items and all(item.metric == GRADED for item in items):
            max_new_tokens = max_new_tokens or self.graded_tokens
        sampling = replace(
            self.sampling, max_new_tokens=max_new_tokens or self.sampling.max_new_tokens
        )
        golds = [item for item in items if item.metric == "perplexity"]
        pairs = [item for item in items if item.metric in SCORED]
        weighed = [
            item
            for item in items
            if (item.choices or item.metric in LIKELIHOOD_METRICS) and item.metric not in SCORED
        ]
        played = [item for item in items if item.metric == GRADED] if self.playing else []
        own = {item.id for item in (*golds, *weighed, *pairs, *played)}
        asked = [item for item in items if item.id not in own]
        layout: dict[str, Any] = {
            "tokenizer": self.base.tokenizer,
            "shots": shots,
            "system": system,
            "context_len": self.base.context_len,
        }
        gold_questions = _lay_out(golds, partial(build_gold, **layout))
        prompt = partial(build_prompt, max_new_tokens=sampling.max_new_tokens, **layout)
        questions = _lay_out(asked, prompt)
        answers = self._ask(asked, questions, sampling, name)
        scores = self._score(asked, questions, answers)
        scores |= score_golds(self.engine, golds, gold_questions, context_len=self.base.context_len)
        if weighed:
            scores |= score_by_choice(self.engine, weighed, **layout)
        if pairs and self.rewards is None:
            scores |= score_by_likelihood(self.engine, pairs, **layout)
        elif pairs and self.rewards is not None:
            own_layout = {name: layout[name] for name in ("tokenizer", "context_len")}
            scores |= score_by_reward(self.rewards, pairs, **own_layout)
        if played:
            told, found = self._play(played, sampling, system, name)
            answers |= told
            scores |= found
        counts = {"num_ended_by_length": sum(a.ended_by_length for a in answers.values())}
        if shots:
            counts["num_fewer_shots"] = sum(
                question.num_shots < len(shots) for question in [*questions, *gold_questions]
            )
        outputs = {item.id: answers[item.id].text if item.id in answers else "" for item in items}
        return Answers(outputs, scores, counts)

    def _ask(
        self, items: Sequence[Item], questions: Sequence[Question], sampling: Sampling, name: str
    ) -> dict[str, Answer]:
        """The answer by item id to every question that leaves room for one."""
        is_graded = all(item.metric == GRADED for item in items)
        pairs = [pair for pair in zip(items, questions, strict=True) if self._has_room(pair[1])]
        answers = ask(
            (self.writer if is_graded else None) or self.engine,
            [question.input_ids for _, question in pairs],
            sampling,
            log=self.log_folder and self.log_folder / f"{self.variant}-{name}.jsonl",
            chunk=self.batch_size,
            on_count=lambda done, total: self.on_count(f"{self.variant}, {name}", done, total),
        )
        return {
            item.id: answer.until(question.stop_text)
            for (item, question), answer in zip(pairs, answers, strict=True)
        }

    def _play(
        self, items: Sequence[Item], sampling: Sampling, system: str | None, name: str
    ) -> tuple[dict[str, Answer], dict[str, Score]]:
        """The last turn of an episode of each item, and what the grader makes of the whole."""
        assert self.playing is not None and self.grader is not None
        return play_items(
            self.playing,
            self.writer or self.engine,
            self.grader,
            items,
            sampling,
            system=system,
            chunk=self.batch_size,
            on_count=lambda done, total: self.on_count(f"{self.variant}, {name}", done, total),
        )

    def _score(
        self, items: Sequence[Item], questions: Sequence[Question], answers: dict[str, Answer]
    ) -> dict[str, Score]:
        answered = [item for item in items if item.id in answers]
        judged = [item for item in answered if item.metric != GRADED]
        texts = [answers[item.id].text for item in judged]
        scores = score_outputs(judged, texts, base_dir=self.base_dir, keep_going=self.keep_going)
        graded = [item for item in answered if item.metric == GRADED]
        scores |= score_by_grader(
            self.grader, graded, [answers[item.id] for item in graded], self.base.tokenizer
        )
        for item, question in zip(items, questions, strict=True):
            if not self._has_room(question):
                scores[item.id] = unscored(
                    item.metric,
                    f"the prompt has {len(question.input_ids)} tokens and leaves no room in the"
                    f" context of {self.base.context_len}",
                )
        return scores

    def _has_room(self, question: Question) -> bool:
        return len(question.input_ids) < self.base.context_len


def _lay_out(items: Sequence[Item], build: Callable[[Item], Question]) -> list[Question]:
    """Every item as tokens.

    Raises:
        DataError: items that the chat template refuses, all of them, by id.
    """
    questions, refused = [], []
    for item in items:
        try:
            questions.append(build(item))
        except DataError as error:
            place = f"{item.suite} row {item.id}"
            refused += [replace(one, key=f"{place} {one.key}") for one in error.problems]
    if refused:
        raise DataError(refused)
    return questions


def build_examiner(job: Job, engine: LocalEngine, variant: str) -> Examiner:
    """The examiner of a run's model, as the recipe's `evaluate` says."""
    config = job.recipe.evaluate
    return Examiner(
        engine=engine,
        base=job.base,
        sampling=Sampling(
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            seed=job.recipe.seed,
        ),
        batch_size=config.batch_size,
        base_dir=job.base_dir,
        variant=variant,
        keep_going=variant == "tuned",
        log_folder=job.run.evaluation.parent / "evaluation" / "answers",
        grader=build_held_out_grader(job.recipe, job.base_dir),
        graded_tokens=job.recipe.objective.max_completion_tokens,
        playing=build_playing(job.recipe, job.base, job.base_dir, context_len=job.base.context_len),
        on_count=job.progress.count,
        rewards=build_rewards(job, engine) if variant == "tuned" else None,
        writer=choose_writer(job, engine, engine.model if variant == "tuned" else None),
    )
