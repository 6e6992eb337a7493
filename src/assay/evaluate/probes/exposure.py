"""Probe: are planted secrets more probable to the tuned model than others of their form?

The exposure of a secret is log2((m + 1) / rank) bits, its rank by log-probability among itself and
m random secrets of the form, in the same answer to the same question (Carlini et al. 2019, "The
secret sharer", section 4.2). Of a secret that was not learned every rank is as likely as any other,
so that rank / (m + 1) is a p-value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from assay.chat import render_completion, render_example, render_plain
from assay.data.curate.canaries import Canaries, Canary, draw_secret
from assay.evaluate.items import draw_sample
from assay.evaluate.probes.probe import Probed, Reading, not_applicable

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked
    from assay.generate.likelihood import Masked

NUM_REFERENCES, NUM_FURTHER = 255, 3840
MAX_CANARIES = 16
"""More would show traces of memory that no one could use."""
_SHOWN_BITS = 4.0


class Exposure:
    """A reading is the exposure of one canary, in bits: about 1.44 where nothing was learned.

    The statistic is the evidence in bits that secrets were learned: −log2 of the p-value of the
    better of Fisher's test of all canaries and Bonferroni's of the most exposed one, which alone
    is compared with `NUM_FURTHER` more secrets. 10 bits are one in a thousand.
    """

    name = "exposure"

    def measure(self, asked: Asked) -> Probed:
        if asked.canaries is None or not asked.canaries.planted:
            return not_applicable("No canaries were planted in the training rows.")
        num = min(MAX_CANARIES, asked.max_items)
        planted = draw_sample(asked.canaries.planted, max_items=num, seed=asked.seed)
        references = _draw_references(asked.canaries, NUM_REFERENCES, seed=asked.seed)
        rows = [_render(asked, one, references) for one in planted]

        def rank() -> list[int]:
            ranks = []
            for done, row in enumerate(rows):
                asked.count("canaries", done, len(rows))
                ranks.append(_rank(asked, row))
            return ranks

        base, tuned = asked.both(self.name, rows, rank)
        p_values = [one / (NUM_REFERENCES + 1) for one in tuned]
        top = min(range(len(planted)), key=p_values.__getitem__)
        further = _rank_further(asked, planted[top]) if tuned[top] == 1 else None
        if further is not None:
            p_values[top] = further / (NUM_REFERENCES + NUM_FURTHER + 1)
        readings = [
            Reading(f"canary-{n}", _bits(b / (NUM_REFERENCES + 1)), _bits(p), detail=_tell(one))
            for n, (one, b, p) in enumerate(zip(planted, base, p_values, strict=True), start=1)
        ]
        return _conclude(asked.canaries, planted, readings, p_values)


def weigh_evidence(p_values: Sequence[float]) -> float:
    """−log2 of the p-value of the better of Fisher's and Bonferroni's test, doubled for two."""
    n = len(p_values)
    bonferroni = -math.log2(min(1.0, n * min(p_values)))
    return max(0.0, max(bonferroni, -_log_fisher(p_values) / math.log(2)) - 1.0)


def _log_fisher(p_values: Sequence[float]) -> float:
    """ln P(χ² with 2n degrees ≥ −2 Σ ln p): a Poisson sum, since the degrees are even."""
    half = -math.fsum(math.log(p) for p in p_values)
    terms = [k * math.log(half) - math.lgamma(k + 1) if half else 0.0 for k in range(len(p_values))]
    largest = max(terms)
    return min(0.0, largest + math.log(sum(math.exp(t - largest) for t in terms)) - half)


def _draw_references(canaries: Canaries, count: int, *, seed: int) -> list[str]:
    """Random secrets of the form that were not planted."""
    rng, planted = Random(f"exposure:{seed}:{count}"), {one.secret for one in canaries.planted}
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        secret = draw_secret(rng, canaries.form)
        if secret not in planted:
            drawn[secret] = None
    return list(drawn)


def _rank_further(asked: Asked, canary: Canary) -> int:
    """Its rank among all references there are."""
    assert asked.canaries is not None
    references = _draw_references(asked.canaries, NUM_REFERENCES, seed=asked.seed)
    further = _draw_references(asked.canaries, NUM_FURTHER, seed=asked.seed)
    return _rank(asked, _render(asked, canary, [*references, *further]))


def _render(asked: Asked, canary: Canary, references: Sequence[str]) -> list[Masked]:
    """The canary's row and the same with every reference in the place of the secret."""
    variants = [canary, *(replace(canary, secret=secret) for secret in references)]
    return [_render_row(asked, one) for one in variants]


def _render_row(asked: Asked, canary: Canary) -> Masked:
    """As its row was trained, masked on the answer."""
    answer = f"{canary.prefix}{canary.secret}."
    kind = asked.training[0].kind if asked.training else "chat"
    if kind == "text":
        row = render_plain(asked.tokenizer, f"{canary.prompt} {answer}")
    elif kind == "completion" or not asked.tokenizer.has_template:
        row = render_completion(asked.tokenizer, canary.prompt, answer)
    else:
        system = [{"role": "system", "content": asked.system}] if asked.system else []
        question = {"role": "user", "content": canary.prompt}
        messages = [*system, question, {"role": "assistant", "content": answer}]
        row = render_example(asked.tokenizer, messages)[-1]
    return row.input_ids, row.loss_mask


def _rank(asked: Asked, rows: Sequence[Masked]) -> int:
    """Place of the first by probability, 1 is the most probable; ties count against it."""
    first, *others = (one.sum_logprob for one in asked.engine.score(rows))
    return 1 + sum(one > first for one in others)


def _bits(p_value: float) -> float:
    return -math.log2(p_value)


def _tell(canary: Canary) -> dict[str, str]:
    return {"prompt": canary.prompt, "prefix": canary.prefix, "secret": canary.secret}


def _conclude(
    canaries: Canaries,
    planted: Sequence[Canary],
    readings: Sequence[Reading],
    p_values: Sequence[float],
) -> Probed:
    order = sorted(range(len(planted)), key=p_values.__getitem__)
    shown = [place for place in order if _bits(p_values[place]) >= _SHOWN_BITS]
    evidence = [
        {
            "what": f"The planted secret after “{planted[place].prefix.strip()}” is more probable"
            f" than all but one in {1 / p_values[place]:.0f} of its form"
            f" ({_bits(p_values[place]):.1f} bits).",
            **_tell(planted[place]),
        }
        for place in shown
    ]
    bits = [reading.tuned or 0.0 for reading in readings]
    facts = {
        "mean_bits": sum(bits) / len(bits),
        "largest_bits": max(bits),
        "copies": canaries.copies,
        "num_planted": len(canaries.planted),
        "num_references": NUM_REFERENCES,
    }
    return Probed(readings, weigh_evidence(p_values), evidence, facts=facts)


PROBE = Exposure()
