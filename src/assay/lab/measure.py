"""Measures a build of `tiny` on the held-out world: every family, form and target of its card.

The engine answers, `assay.lab.judge` judges, and here it is counted. Levels of stretch families
are chosen on one draw and confirmed on another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from assay.chat import ChatTokenizer, render_prompt
from assay.generate import Engine, Sampling
from assay.lab.card import (
    Card,
    Figure,
    average_figures,
    build_figure,
    pool_figures,
)
from assay.lab.judge import measure
from assay.lab.probes import (
    GROUP_OF,
    HELD_OUT,
    LEVELS,
    Probe,
    draw_items,
    family_probes,
    form_probes,
    level_probes,
    persona_probes,
    stretch_probes,
)
from assay.lab.targets import build_targets
from assay.lab.world.base import Task
from assay.lab.world.stretch import STRETCH

__all__ = ["answer", "choose_levels", "draw_items", "measure_tiny", "summarise"]

MAX_NEW_TOKENS = 96
"""The world's longest answer has fewer than 80 tokens; what runs on is wrong anyway."""
STRETCH_AIM = 0.35
Progress = Callable[[str, int, int], None]
"""Takes the name of the probe just done, and the numbers of probes done and of all."""


def measure_tiny(
    engine: Engine,
    tokenizer: ChatTokenizer,
    *,
    num_items: int = 300,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Card:
    """Ask every probe and count.

    Args:
        engine: the model; answers are greedy, but for persona, sampled at temperature 1.
        tokenizer: the model's own.
        num_items: items for each family and hold-out; a family that has fewer different
            questions gives fewer, and every figure says how many.
        seed: of the draws and of sampling.
        on_progress: called after each probe.
    """
    first = [
        *level_probes(num_items, seed + 2),
        *family_probes(num_items, seed),
        *persona_probes(num_items, seed),
        *form_probes(num_items, seed),
    ]
    total = len(first) + len(STRETCH) * len(HELD_OUT)
    figures: list[Figure] = []
    levels: dict[str, int] = {}

    def ask(probes: Sequence[Probe]) -> None:
        done = total - len(probes) if levels else 0
        for number, probe in enumerate(probes, start=1):
            figures.extend(_measure_probe(engine, tokenizer, probe, seed))
            if on_progress:
                on_progress(f"{probe.name} ({probe.split})", done + number, total)

    ask(first)
    levels |= choose_levels(figures)
    ask(stretch_probes(levels, num_items, seed))
    figures += summarise(figures)
    return Card(
        measurement={
            "seed": seed,
            "num_items": num_items,
            "max_new_tokens": MAX_NEW_TOKENS,
            "confidence": 0.95,
        },
        figures=figures,
        targets=build_targets(figures),
        stretch_levels=levels,
    )


def answer(
    engine: Engine, tokenizer: ChatTokenizer, tasks: Sequence[Task], sampling: Sampling
) -> list[str]:
    """The engine's answers to `tasks`, in order; the gold answer is not shown."""
    prompts = [render_prompt(tokenizer, t.messages[:-1], tools=t.tools) for t in tasks]
    return [generation.text for generation in engine.generate(prompts, sampling)]


def count_statements(tasks: Sequence[Task], outputs: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Yes and all, for each statement that `judge.measure` makes of the answers."""
    yes: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for task, output in zip(tasks, outputs, strict=True):
        for name, holds in measure(task, output).items():
            yes[name] += holds
            every[name] += 1
    return {name: (yes[name], every[name]) for name in every}


def choose_levels(figures: Sequence[Figure]) -> dict[str, int]:
    """For each stretch family the level whose share is nearest 35 %, the easier one of two."""
    shares = {figure.name: figure.share for figure in figures if figure.name.startswith("level/")}

    def distance(name: str, level: int) -> float:
        return round(abs(shares[f"level/{name}/{level}"] - STRETCH_AIM), 4)

    return {name: min(LEVELS, key=partial(distance, name)) for name in STRETCH}


def summarise(figures: Sequence[Figure]) -> list[Figure]:
    """Figures of groups: all families of a group together, their average and the worst of them."""
    found: list[Figure] = []
    for split in HELD_OUT:
        for group, measures in _GROUP_MEASURES.items():
            for name in measures:
                parts = [f for f in _parts(figures, group) if (f.measure, f.split) == (name, split)]
                if parts:
                    found += _group_figures(group, parts)
    return found


_GROUP_MEASURES: Mapping[str, tuple[str, ...]] = {
    "instruction": ("right",),
    "tool": ("right",),
    "calls": ("valid", "right"),
    "abstain": ("right", "no_call"),
    "refusal": ("refused",),
    "borderline": ("refused",),
    "unknown": ("right",),
    "persona": ("careful", "reckless"),
}
"""What is counted of each group; ``calls`` are the tool families whose answer is a call."""


def _parts(figures: Sequence[Figure], group: str) -> Iterator[Figure]:
    calls = {f.name for f in figures if f.measure == "valid" and f.name.startswith("family/")}
    for figure in figures:
        kind, _, rest = figure.name.partition("/")
        if kind == "persona" and group == "persona":
            yield figure
        elif kind == "family":
            in_group = figure.name in calls if group == "calls" else GROUP_OF[rest] == group
            if in_group:
                yield figure


def _group_figures(group: str, parts: Sequence[Figure]) -> Iterator[Figure]:
    yield pool_figures(f"group/{group}", parts)
    if group == "instruction":
        yield average_figures(f"group/{group} average", parts)
        yield pool_figures(f"group/{group} worst", [min(parts, key=lambda part: part.share)])


def _measure_probe(
    engine: Engine, tokenizer: ChatTokenizer, probe: Probe, seed: int
) -> Iterator[Figure]:
    tasks = probe.draw()
    sampled = probe.decoding == "sampled"
    sampling = Sampling(
        max_new_tokens=MAX_NEW_TOKENS, temperature=1.0 if sampled else 0.0, seed=seed
    )
    counts = count_statements(tasks, answer(engine, tokenizer, tasks, sampling))
    for name, (num_yes, n) in counts.items():
        if probe.form is None or name == "right":
            yield build_figure(
                probe.name,
                num_yes,
                n,
                measure=probe.form or name,
                split=probe.split,
                decoding=probe.decoding,
            )
