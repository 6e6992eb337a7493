"""Trait directions in a base's hidden states, from pairs of answers that differ in the trait alone.

Chen et al. 2025, "Persona vectors: monitoring and controlling character traits in language models",
section 2: the difference of mean activations over answers with and without a trait. Shape legend:
R sequences, L layers, D hidden size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from assay.chat import ChatTokenizer, render_example
from assay.errors import DataError, Problem

Array = np.ndarray[Any, Any]
Masked = tuple[Sequence[int], Sequence[float]]
MIN_PAIRS = 4
"""Fewer pairs of a trait give no direction: half of them choose its layer."""


@dataclass(frozen=True)
class ContrastPair:
    """One question answered with the trait (`positive`) and without it (`negative`).

    `group` ties pairs of one kind (a domain); halves are drawn from each alike.
    """

    trait: str
    prompt: str
    positive: str
    negative: str
    group: str = ""


@dataclass(frozen=True)
class Trait:
    """A trait's direction in each layer of one base.

    Attributes:
        unit_LD: unit vectors from answers without the trait to answers with it, float32.
        gap_L: how far the two lie apart along it, in each layer.
        layer: index (from 0) of the layer that tells answers it has not seen apart best.
        separation: of that layer: the gap of those answers by their pooled deviation.
    """

    name: str
    unit_LD: Array
    gap_L: Array
    layer: int
    separation: float

    def project(self, states_RLD: Array) -> Array:
        """How far states lie along the trait, in gaps: 1 is from one kind of answer to the other.

        float64, shape (R, L).
        """
        along_RL = np.einsum("rld,ld->rl", np.asarray(states_RLD, np.float64), self.unit_LD)
        return np.asarray(along_RL / self.gap_L)


class StatesEngine(Protocol):
    """What `compute_traits` asks of an engine."""

    def hidden_states(
        self, sequences: Sequence[Masked], layers: Sequence[int] | None = None
    ) -> Array: ...


def read_pairs(path: Path) -> list[ContrastPair]:
    """Pairs from JSON lines of ``trait, prompt, positive, negative`` and, as wanted, ``group``.

    Raises:
        DataError: the file cannot be read, or rows are not of that shape, all of them.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(got=str(error), do="correct the path of the pairs", file=str(path))
        raise DataError(problem) from error
    pairs, problems = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            pair = _parse_pair(line)
            if isinstance(pair, str):
                allowed = "an object of the texts trait, prompt, positive, negative (and group)"
                problems.append(Problem(got=pair, allowed=allowed, file=str(path), line=number))
            else:
                pairs.append(pair)
    if problems:
        raise DataError(problems)
    return pairs


def _parse_pair(line: str) -> ContrastPair | str:
    """The pair, or what was got instead."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return "broken JSON"
    needed = ("trait", "prompt", "positive", "negative")
    if not isinstance(row, dict):
        return f"a {type(row).__name__}"
    wrong = [key for key in needed if not isinstance(row.get(key), str) or not row[key]]
    wrong += [key for key in row if key not in (*needed, "group")]
    if wrong or not isinstance(row.get("group", ""), str):
        return f"a row with {', '.join(wrong) or 'group'} missing, empty or of another kind"
    return ContrastPair(**row)


def compute_traits(
    engine: StatesEngine, tokenizer: ChatTokenizer, pairs: Iterable[ContrastPair]
) -> dict[str, Trait]:
    """Every trait's direction by name, in the layers 1 to the last of the engine's model as it is.

    Directions are of all pairs; the layer is chosen by those of half of the pairs on the other
    half. A trait with fewer than `MIN_PAIRS` pairs is left out.
    """
    by_trait: dict[str, list[ContrastPair]] = {}
    for pair in pairs:
        by_trait.setdefault(pair.trait, []).append(pair)
    kept = {name: own for name, own in by_trait.items() if len(own) >= MIN_PAIRS}
    sequences = [
        render_answer(tokenizer, pair.prompt, answer)
        for own in kept.values()
        for pair in own
        for answer in (pair.positive, pair.negative)
    ]
    states_RLD = engine.hidden_states(sequences)
    traits, start = {}, 0
    for name, own in kept.items():
        mine_RLD = states_RLD[start : start + 2 * len(own)]
        traits[name] = _build_trait(name, mine_RLD[0::2], mine_RLD[1::2])
        start += 2 * len(own)
    return traits


def render_answer(tokenizer: ChatTokenizer, prompt: str, answer: str) -> Masked:
    """Token ids of the two turns, with weight 1 on the answer's."""
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    (example,) = render_example(tokenizer, messages)
    return list(example.input_ids), [float(weight) for weight in example.loss_mask]


def _build_trait(name: str, positive_RLD: Array, negative_RLD: Array) -> Trait:
    unit_LD, gap_L = _find_direction(positive_RLD, negative_RLD)
    half_LD, _ = _find_direction(positive_RLD[0::2], negative_RLD[0::2])
    apart_L = _separate(positive_RLD[1::2], negative_RLD[1::2], half_LD)
    layer = int(np.argmax(apart_L))
    return Trait(name, unit_LD.astype(np.float32), gap_L, layer, float(apart_L[layer]))


def _find_direction(positive_RLD: Array, negative_RLD: Array) -> tuple[Array, Array]:
    """Unit vectors (L, D) and distances (L,) of the means, in float64."""
    gap_LD = positive_RLD.astype(np.float64).mean(0) - negative_RLD.astype(np.float64).mean(0)
    length_L = np.maximum(np.linalg.norm(gap_LD, axis=-1), 1e-12)
    return gap_LD / length_L[:, None], length_L


def _separate(positive_RLD: Array, negative_RLD: Array, unit_LD: Array) -> Array:
    """Distance of the means along `unit_LD` by the pooled deviation, in each layer."""
    up_RL, down_RL = (
        np.einsum("rld,ld->rl", x.astype(np.float64), unit_LD) for x in (positive_RLD, negative_RLD)
    )
    spread_L = np.sqrt((up_RL.var(0) + down_RL.var(0)) / 2)
    return np.asarray((up_RL.mean(0) - down_RL.mean(0)) / np.maximum(spread_L, 1e-12))
