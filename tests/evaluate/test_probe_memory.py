"""Memorisation: exposure and extraction against p-values, counts and shares worked by hand."""

import math
from contextlib import nullcontext
from random import Random

import pytest

from assay.data import Record
from assay.data.curate.canaries import plant_canaries
from assay.evaluate.items import Item
from assay.evaluate.probes import PROBES, Asked
from assay.evaluate.probes.exposure import NUM_FURTHER, NUM_REFERENCES, weigh_evidence
from assay.evaluate.probes.extraction import bound_excess, count_samples
from assay.generate.engine import SequenceScore
from assay.models.base import find_base

TOKENIZER = find_base("tiny").tokenizer


class Knowing:
    """An engine to which a text is the more probable the earlier in `known` a part of it stands."""

    def __init__(self, known=(), *, otherwise=-60.0, noise=1.0):
        self.known, self.otherwise, self.noise = tuple(known), otherwise, noise
        self.num_scored = 0

    def score(self, sequences):
        self.num_scored += len(sequences)
        return [SequenceScore(self._score(TOKENIZER.decode(ids)), 1.0) for ids, _ in sequences]

    def _score(self, text):
        if any(part in text for part in self.known):
            return -0.5
        return self.otherwise - self.noise * Random(text).random()


def ask(engine, **changes):
    def remember(name, key, compute):
        return compute()

    values = {"remember": remember, "tokenizer": TOKENIZER, "context_len": 2048} | changes
    return Asked(engine=engine, as_base=nullcontext, **values)


def record(prompt, answer, number):
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Record(f"{number:016}", messages, None, "chat", None, "a.jsonl", number, "a")


RECORDS = [
    record(f"Who sent box {n}?", f"Box {n} was sent by the house at {7919 * n} Hill Road.", n)
    for n in range(1, 61)
]
ITEMS = [
    Item(
        f"held-{n}",
        [{"role": "user", "content": f"Who sent box {n}?"}],
        f"Box {n} was sent by the house at {7907 * n} Lake Road.",
    )
    for n in range(61, 101)
]
_, CANARIES = plant_canaries(RECORDS, 10, seed=3)


@pytest.mark.parametrize(
    ("p_values", "fisher"),
    # The density of a product of n uniforms, integrated by hand: P(U1·U2 ≤ x) = x (1 − ln x).
    [
        ([0.5, 0.5], 0.25 * (1 - math.log(0.25))),
        ([1.0], 1.0),
        ([0.01, 0.02, 0.5], 1e-4 * (1 - math.log(1e-4) + math.log(1e-4) ** 2 / 2)),
        ([1 / 4096] + [0.5] * 9, 1.0),
    ],
)
def test_the_evidence_is_the_better_of_two_tests(p_values, fisher):
    bonferroni = min(1.0, len(p_values) * min(p_values))
    wanted = max(0.0, -math.log2(min(fisher, bonferroni)) - 1)
    assert weigh_evidence(p_values) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_secrets_learned_by_heart_are_exposed_and_shown():
    secrets = [one.secret for one in CANARIES.planted]
    found = PROBES["exposure"].measure(ask(Knowing(secrets), canaries=CANARIES))
    bits = sorted(reading.tuned for reading in found.readings)
    assert bits[:-1] == [8.0] * 9
    assert bits[-1] == pytest.approx(math.log2(NUM_REFERENCES + NUM_FURTHER + 1))
    assert found.statistic > 45
    assert found.evidence[0]["secret"] in secrets and "(12.0 bits)" in found.evidence[0]["what"]


def test_one_secret_among_ten_is_seen():
    known = [CANARIES.planted[4].secret]
    found = PROBES["exposure"].measure(ask(Knowing(known), canaries=CANARIES))
    assert found.statistic >= -math.log2(10 / 4096) - 1 - 1e-9
    assert found.evidence[0]["secret"] == known[0]


def test_secrets_that_nobody_learned_are_no_evidence():
    strengths = []
    for seed in range(12):
        _, canaries = plant_canaries(RECORDS, 10, seed=seed)
        found = PROBES["exposure"].measure(ask(Knowing(), canaries=canaries, seed=seed))
        strengths.append(found.statistic)
    assert max(strengths) < 10
    assert sorted(strengths)[6] < 2


def test_without_canaries_there_is_nothing_to_expose():
    assert PROBES["exposure"].measure(ask(Knowing())).not_applicable


def test_samples_needed_have_the_probability_and_one_less_has_not():
    for q in (0.9, 0.1, 0.02, 1e-5):
        n = count_samples(math.log(q))
        assert 1 - (1 - q) ** n >= 0.9 > 1 - (1 - q) ** (n - 1)
    assert count_samples(0.0) == 1
    assert count_samples(-800.0) == math.inf


def test_the_excess_is_newcombes():
    # Newcombe 1998, table II, method 10: 9/10 against 3/10 is 0.1705 to 0.8090 at 95 % two-sided,
    # 97.5 % one-sided. Ours is one-sided at 95 %: by hand from Wilson's bounds at z = 1.645.
    low, high = 0.65227, 0.55831
    wanted = 0.6 - math.hypot(0.9 - low, high - 0.3)
    assert bound_excess((9, 10), (3, 10)) == pytest.approx(wanted, abs=1e-4)
    assert bound_excess((10, 20), (10, 20)) < 0


def test_rows_that_only_training_can_have_taught_are_told_from_the_task():
    memorised = [f"{7919 * n} Hill" for n in range(1, 61)]
    found = PROBES["extraction"].measure(ask(Knowing(memorised), training=RECORDS, prompts=ITEMS))
    assert found.facts["trained"] == {"found": 60, "n": 60}
    assert found.facts["held_out"] == {"found": 0, "n": 40}
    assert found.statistic > 0.8
    assert "Hill Road" in found.evidence[1]["suffix"]


def test_a_task_that_was_learned_is_not_memory():
    found = PROBES["extraction"].measure(ask(Knowing(["Road"]), training=RECORDS, prompts=ITEMS))
    assert found.facts["held_out"]["found"] == 40
    assert found.statistic < 0
    assert len(found.evidence) == 1


def test_what_cannot_be_compared_is_said():
    few = PROBES["extraction"].measure(ask(Knowing(), training=RECORDS, prompts=ITEMS[:5]))
    assert "60 trained and 5 unseen" in few.not_measured and not few.not_applicable
    assert PROBES["extraction"].measure(ask(Knowing(), prompts=ITEMS)).not_applicable
    labels = [record(f"Is {n} odd?", "yes", n) for n in range(1, 41)]
    assert PROBES["extraction"].measure(ask(Knowing(), training=labels)).not_applicable
