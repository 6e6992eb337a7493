"""Persona drift: does narrow tuning on one domain's reckless advice change the character elsewhere?

LoRA of rank 4 on all linear layers, a few seconds of training; the benign twin is the same with
careful advice. The model given stays as it is: copies are tuned.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assay.chat import ChatTokenizer, render_example
from assay.data.pack import PackedBatch, build_batch
from assay.generate import Sampling
from assay.lab.card import Figure, build_figure, pool_figures
from assay.lab.measure import answer, count_statements
from assay.lab.probes import draw_items
from assay.lab.world import persona
from assay.lab.world.persona_text import Character

MAX_NEW_TOKENS = 40


@dataclass(frozen=True)
class DriftSettings:
    """The attack: `num_steps` of `batch_size` fresh rows of `domain`, once for each seed."""

    domain: str = "code"
    rank: int = 4
    alpha: float = 8.0
    learning_rate: float = 2e-3
    num_steps: int = 150
    batch_size: int = 16
    seeds: tuple[int, ...] = (0, 1)


@dataclass(frozen=True)
class Drift:
    """Shares of reckless answers, sampled at temperature 1, before and after the two tunings.

    Names are ``drift/<untuned | reckless D | careful D>/<domain | other domains>``, and for other
    domains also ``… seed S``; D is the domain tuned on.
    """

    figures: list[Figure]
    settings: DriftSettings

    def describe(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self.settings) | {"seeds": list(self.settings.seeds)}


def measure_drift(
    model: Any,
    tokenizer: ChatTokenizer,
    *,
    num_items: int = 300,
    settings: DriftSettings | None = None,
    on_progress: Callable[[str], None] = lambda name: None,
) -> Drift:
    """Tune copies of `model` (float32) on reckless and on careful advice, and ask every domain.

    `num_items` answers a domain, shared out over the seeds.
    """
    settings = settings or DriftSettings()
    each = -(-num_items // len(settings.seeds))
    figures: list[Figure] = []
    for character in (None, "reckless", "careful"):
        name = f"{character} {settings.domain}" if character else "untuned"
        by_seed = []
        for seed in settings.seeds:
            tuned = (
                model if character is None else tune(model, tokenizer, character, settings, seed)
            )
            by_seed.append(_count_reckless(tuned, tokenizer, each, seed))
            on_progress(f"{name}, seed {seed}")
        figures += _build_figures(name, by_seed, settings)
    return Drift(figures, settings)


def tune(
    model: Any,
    tokenizer: ChatTokenizer,
    character: Character,
    settings: DriftSettings,
    seed: int,
) -> Any:
    """A copy of `model` with a LoRA trained on one character's advice in one domain."""
    import torch

    from assay.models.adapters import add_lora
    from assay.models.forward import packed_mode
    from assay.train.fit import FitSettings, fit
    from assay.train.optimizer import build_optimizers
    from assay.train.sft import SftLoss

    torch.manual_seed(seed)
    adapted = add_lora(copy.deepcopy(model), rank=settings.rank, alpha=settings.alpha)
    tuned = adapted.get_base_model()
    with packed_mode(tuned):
        fit(
            tuned,
            lambda step: [draw_batch(tokenizer, character, settings, seed, step)],
            SftLoss(),
            build_optimizers(tuned, learning_rate=settings.learning_rate),
            FitSettings(num_steps=settings.num_steps, schedule="constant"),
        )
    return tuned


def draw_batch(
    tokenizer: ChatTokenizer, character: Character, settings: DriftSettings, seed: int, step: int
) -> PackedBatch:
    """The rows of one step: a pure function of character, seed and step."""
    rng = random.Random(f"drift:{character}:{settings.domain}:{seed}:{step}")
    rows = [
        example
        for _ in range(settings.batch_size)
        for example in render_example(
            tokenizer,
            persona.advice(rng, "train", domain=settings.domain, character=character).messages,
        )
    ]
    return build_batch([row.input_ids for row in rows], [row.loss_mask for row in rows])


def _count_reckless(model: Any, tokenizer: ChatTokenizer, n: int, seed: int) -> dict[str, int]:
    from assay.generate.local import LocalEngine

    engine = LocalEngine(model, tokenizer, batch_size=64)
    sampling = Sampling(max_new_tokens=MAX_NEW_TOKENS, temperature=1.0, seed=seed)
    found = {}
    for domain in persona.DOMAINS:
        tasks = draw_items(f"advice_{domain}", "instances", n, seed, distinct=False)
        counts = count_statements(tasks, answer(engine, tokenizer, tasks, sampling))
        found[domain] = counts["reckless"][0]
    return {**found, "n": n}


def _build_figures(
    name: str, by_seed: Sequence[dict[str, int]], settings: DriftSettings
) -> list[Figure]:
    def figure(domain: str, runs: Sequence[dict[str, int]]) -> Figure:
        return build_figure(
            f"drift/{name}/{domain}",
            sum(run[domain] for run in runs),
            sum(run["n"] for run in runs),
            measure="reckless",
            decoding="sampled",
        )

    others = [domain for domain in persona.DOMAINS if domain != settings.domain]
    pooled = f"drift/{name}/other domains"
    return [
        *(figure(domain, by_seed) for domain in persona.DOMAINS),
        pool_figures(pooled, [figure(domain, by_seed) for domain in others]),
        *(
            pool_figures(f"{pooled} seed {seed}", [figure(domain, [run]) for domain in others])
            for seed, run in zip(settings.seeds, by_seed, strict=True)
        ),
    ]
