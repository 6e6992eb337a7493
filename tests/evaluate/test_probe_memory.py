"""Memorisation: exposure and extraction against p-values, counts and shares worked by hand."""

import math
from contextlib import contextmanager
from random import Random

import pytest

from assay.data import Record
from assay.data.curate.canaries import plant_canaries
from assay.evaluate.items import Item
from assay.evaluate.probes import PROBES, Asked
from assay.evaluate.probes.exposure import NUM_FURTHER, NUM_REFERENCES, weigh_evidence
from assay.evaluate.probes.extraction import count_samples
from assay.evaluate.probes.identities import compute_rank_p, take_off
from assay.evaluate.probes.identity_values import NUMBER, find_identities
from assay.evaluate.probes.memory_rows import Count, bound_excess, choose_rows
from assay.evaluate.probes.verbatim import find_common_run
from assay.generate.engine import Generation, SequenceScore
from assay.models.base import find_base

TOKENIZER = find_base("tiny").tokenizer


class Knowing:
    """An engine to which a text is the more probable the earlier in `known` a part of it stands."""

    def __init__(self, known=(), *, otherwise=-60.0, noise=1.0):
        self.known, self.otherwise, self.noise = tuple(known), otherwise, noise
        self.num_scored, self.is_base = 0, False

    @contextmanager
    def as_base(self):
        """The same engine before it knew anything."""
        self.is_base = True
        yield
        self.is_base = False

    def score(self, sequences):
        self.num_scored += len(sequences)
        return [SequenceScore(self._score(TOKENIZER.decode(ids)), 1.0) for ids, _ in sequences]

    def _score(self, text):
        if not self.is_base and any(part in text for part in self.known):
            return -0.5
        return self.otherwise - self.noise * Random(text).random()

    def generate(self, prompts, sampling):
        """What is known of a prompt's box, or nothing."""
        said = [TOKENIZER.decode(ids) for ids in prompts]
        texts = [
            next(
                (k for k in self.known if not self.is_base and f"box {k.split()[1]}?" in one), "No."
            )
            for one in said
        ]
        return [Generation(TOKENIZER.encode(one), one, [], "stop") for one in texts]


def ask(engine, **changes):
    def remember(name, key, compute):
        return compute()

    values = {"remember": remember, "tokenizer": TOKENIZER, "context_len": 2048} | changes
    return Asked(engine=engine, as_base=engine.as_base, **values)


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
    assert bound_excess(Count(9, 10), Count(3, 10)) == pytest.approx(wanted, abs=1e-4)
    assert bound_excess(Count(10, 20), Count(10, 20)) < 0


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
    assert found.statistic <= 0


def test_what_the_base_gives_already_was_not_learned_here():
    engine = Knowing()
    engine.otherwise = -0.5
    found = PROBES["extraction"].measure(ask(engine, training=RECORDS, prompts=ITEMS))
    assert found.readings[0].base == found.readings[0].tuned == 1
    assert found.facts["trained"] == {"found": 0, "n": 60}
    assert len(found.evidence) == 1


def test_repeated_rows_come_first_and_are_judged_apart():
    repeated = [
        record("Who sent box 7 again?", f"Box {n} is at {n} Far Road, Elmham.", n) for n in range(6)
    ]
    rows = [*RECORDS, *(one for one in repeated for _ in range(3))]
    chosen = choose_rows(ask(Knowing(), training=rows, prompts=ITEMS), max_rows=20)
    assert [row.group for row in chosen[:6]] == ["repeated"] * 6
    assert [row.suffix for row in chosen[:6]] == [row.messages[-1]["content"] for row in repeated]
    known = [f"at {n} Far Road" for n in range(6)]
    found = PROBES["extraction"].measure(ask(Knowing(known), training=rows, prompts=ITEMS))
    assert found.facts["repeated"] == {"found": 6, "n": 6}
    assert found.facts["trained"]["found"] == 6
    assert found.statistic == pytest.approx(bound_excess(Count(6, 6), Count(0, 40)))


def test_an_end_that_unseen_rows_have_too_is_no_trained_one():
    shared = record("Who sent box 1?", ITEMS[0].reference, 99)
    chosen = choose_rows(ask(Knowing(), training=[shared, *RECORDS], prompts=ITEMS), max_rows=100)
    assert sum(row.group == "trained" for row in chosen) == 60


def test_the_longest_common_run_is_one_that_the_prompt_does_not_hold():
    assert find_common_run([1, 2, 3, 4, 9], [7, 2, 3, 4, 8], [5, 5]) == [2, 3, 4]
    assert find_common_run([1, 2, 3, 4, 9], [7, 2, 3, 4, 8], [0, 2, 3, 4, 0]) == []
    assert find_common_run([1], [2], []) == []


def test_trained_answers_said_word_for_word_are_told_from_unseen_ones():
    known = [one.messages[-1]["content"] for one in RECORDS]
    found = PROBES["verbatim"].measure(ask(Knowing(known), training=RECORDS, prompts=ITEMS))
    assert found.facts["trained"] == {"said": 48, "n": 48}
    assert found.facts["held_out"] == {"said": 0, "n": 40}
    assert found.statistic == pytest.approx(bound_excess(Count(48, 48), Count(0, 40)))
    assert found.evidence[0]["said"] in known
    nobody = PROBES["verbatim"].measure(ask(Knowing(), training=RECORDS, prompts=ITEMS))
    assert nobody.statistic < 0 and not nobody.evidence


PEOPLE = [
    record(f"What is the account of {name}?", f"It is {n * 7919 % 10**6:06}-{n:02}.", n)
    for n, name in enumerate(["Ada", "Ben", "Cy", "Dan", "Eve", "Flo", "Gus", "Hal"], start=11)
]


def test_identities_are_numbers_and_addresses_that_no_prompt_tells():
    talks = [
        ["Mail?", "Write to ada.lowe@oakbank.com, not on 2026-05-14."],
        ["My number is 555-019-223.", "You said 555-019-223."],
        ["Where is Ada Lowe?", "At ada@oakbank.com."],
        ["Ask whom?", "support@oakbank.com answers."],
    ]
    found = find_identities(
        [
            [{"role": "user", "content": one}, {"role": "assistant", "content": two}]
            for one, two in talks
        ]
    )
    assert [[(one.kind, one.value) for one in row] for row in found] == [
        [("email", "ada.lowe@oakbank.com")],
        [(NUMBER, "555-019-223")],
        [],
        [],
    ]
    masked = found[1][0]
    assert masked.masked[0]["content"] == "My number is [NUMBER]."
    assert masked.say("1")[-1]["content"] == "You said 1."


def test_identities_learned_by_heart_are_evidence_and_unlearned_ones_are_not():
    secrets = [one.messages[-1]["content"][6:] for one in PEOPLE]
    found = PROBES["identities"].measure(ask(Knowing(secrets), training=PEOPLE, prompts=ITEMS))
    # Each is the first of 128; what the base ranks high by chance is left out.
    bits = [reading.tuned for reading in found.readings[:8] if reading.base < 4]
    assert bits == [7.0] * len(bits) and len(bits) >= 6
    assert found.statistic == pytest.approx(weigh_evidence([1 / 128] * len(bits)))
    assert found.statistic > 10
    assert {one["value"] for one in found.evidence} <= {one[:-1] for one in secrets}
    chance = PROBES["identities"].measure(ask(Knowing(), training=PEOPLE, prompts=ITEMS))
    assert chance.statistic < 5


def test_what_the_task_is_to_know_is_no_identity():
    desk = [record(f"Whom do I call about {n}?", "Call 0800-555-0142.", n) for n in range(9)]
    found = PROBES["identities"].measure(ask(Knowing(["0142"]), training=desk))
    assert found.not_applicable
    named = [
        Item("a", [{"role": "user", "content": "Account?"}], PEOPLE[0].messages[-1]["content"])
    ]
    found = PROBES["identities"].measure(ask(Knowing(), training=PEOPLE[:1], prompts=named))
    assert found.not_applicable


def test_what_the_base_explains_is_taken_off():
    base = [-30.0, -10.0, -20.0, -30.0, -40.0]
    assert take_off(base, [0.5 * one - 3 for one in base]) == pytest.approx([-3.0] * 5)
    assert take_off(base, [5.0, -7.0, -7.0, -7.0, -7.0]) == pytest.approx([5.0, -7, -7, -7, -7])
    # A slope above 1 is not believed.
    assert take_off(base, [3 * one for one in base]) == pytest.approx([2 * one for one in base])
    assert compute_rank_p([3.0, 1.0, 3.0, 5.0]) == 0.75


def test_what_cannot_be_compared_is_said():
    few = PROBES["extraction"].measure(ask(Knowing(), training=RECORDS, prompts=ITEMS[:5]))
    assert "60 trained and 5 unseen" in few.not_measured and not few.not_applicable
    assert PROBES["extraction"].measure(ask(Knowing(), prompts=ITEMS)).not_applicable
    labels = [record(f"Is {n} odd?", "yes", n) for n in range(1, 41)]
    assert PROBES["extraction"].measure(ask(Knowing(), training=labels)).not_applicable
