"""What a base makes of rows, told by one whose losses are known; and its persona vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from checking import chat, check

from assay.data import Record
from assay.data.curate import Given
from assay.data.curate.detectors.quality_model import cross_validate

RULES = ("too_easy", "too_hard", "likely_mislabelled")


def _read(record: Record) -> str:
    return str(record.messages)


BEFORE = {"known": 0.01, "usual": 3.0, "hard": 5.0, "wrong": 2.0}
AFTER = {"known": 0.01, "usual": 0.5, "hard": 4.9, "wrong": 3.5}


class KnownBase:
    """Losses by what a row's answer begins with; tuning must never see the rows it is asked of."""

    def __init__(self) -> None:
        self.fits: list[tuple[list[str], list[str]]] = []

    def score(self, records: Sequence[Record]) -> np.ndarray:
        return self._look_up(records, BEFORE)

    def fit(self, records: Sequence[Record], held_out: Sequence[Record]) -> np.ndarray:
        self.fits.append(([_read(one) for one in records], [_read(one) for one in held_out]))
        return self._look_up(held_out, AFTER)

    def _look_up(self, records: Sequence[Record], losses: dict[str, float]) -> np.ndarray:
        kinds = [one.messages[-1]["content"].split()[0] for one in records]
        spread = [len(one.messages[0]["content"]) % 7 / 50 for one in records]
        return np.array([losses[kind] for kind in kinds]) + (
            np.array(spread) if losses is AFTER else 0
        )


def draw_rows() -> list[dict[str, object]]:
    rows = [chat("q" * (n % 7 + 1) + str(n), f"usual {n}") for n in range(60)]
    rows += [chat(f"a known one {n}", f"known {n}") for n in range(3)]
    rows += [chat("a hard one", "hard"), chat("a wrong one", "wrong")]
    return rows


def test_rows_are_told_by_both_losses(tmp_path: Path) -> None:
    base = KnownBase()
    checked = check(tmp_path, draw_rows(), given=Given(score=base.score, fit=base.fit))
    found = {rule: [one.number for one in checked.findings if one.rule == rule] for rule in RULES}
    assert found == {"too_easy": [60, 61, 62], "too_hard": [63], "likely_mislabelled": [64]}
    losses = checked.insights["losses"]
    assert losses["sampled"] == 65 and losses["base"]["p50"] == 3.0
    assert [one["row"] for one in checked.insights["label_next"]][:2] == [63, 64]


def test_no_row_is_scored_by_a_base_that_learned_it(tmp_path: Path) -> None:
    base = KnownBase()
    check(tmp_path, draw_rows(), given=Given(score=base.score, fit=base.fit))
    assert len(base.fits) == 3
    for learned, held_out in base.fits:
        assert not set(learned) & set(held_out)
        assert len(set(learned)) + len(held_out) == 65
        assert set(Counter(learned).values()) == {4}
    assert sorted(one for _, held_out in base.fits for one in held_out) == sorted(
        {one for learned, _ in base.fits for one in learned}
    )


def test_cross_validation_gives_each_row_its_own_loss() -> None:
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    records = [Record(str(n), messages, None, "chat", None, "a", n, "a") for n in range(11)]

    def fit(own: Sequence[Record], held_out: Sequence[Record]) -> np.ndarray:
        return np.array([float(one.id) for one in held_out])

    asked = [[one, one] if int(one.id) % 2 else [one] for one in records]
    losses = cross_validate(Given(fit=fit), records, asked, num_folds=3, num_passes=2)
    assert [own.tolist() for own in losses] == [[n] * (n % 2 + 1) for n in range(11)]


def test_a_label_that_is_less_likely_than_another_is_found_with_it(tmp_path: Path) -> None:
    rows = [chat(f"the {'red' if n % 2 else 'blue'} one {n}", "RN"[n % 2]) for n in range(60)]
    rows[7]["messages"][-1]["content"] = "R"

    def score(records: Sequence[Record]) -> np.ndarray:
        return np.full(len(records), 4.0)

    def fit(records: Sequence[Record], held_out: Sequence[Record]) -> np.ndarray:
        said = [(one.messages[0]["content"], one.messages[-1]["content"]) for one in held_out]
        return np.array([0.2 if (label == "N") == ("red" in text) else 1.5 for text, label in said])

    checked = check(tmp_path, rows, given=Given(score=score, fit=fit))
    (found,) = [one for one in checked.findings if one.rule == "likely_mislabelled"]
    assert found.number == 7 and found.label == "N" and found.fix == "keep"


def test_labels_that_the_base_did_not_learn_are_left_alone(tmp_path: Path) -> None:
    rows = [chat(f"number {n}", "RN"[n % 2]) for n in range(60)]

    def score(records: Sequence[Record]) -> np.ndarray:
        return np.full(len(records), 4.0)

    def fit(records: Sequence[Record], held_out: Sequence[Record]) -> np.ndarray:
        return np.array([0.2 if one.messages[-1]["content"] == "N" else 1.5 for one in held_out])

    checked = check(tmp_path, rows, given=Given(score=score, fit=fit))
    assert "likely_mislabelled" not in checked.counts


def test_without_weights_nothing_is_measured_and_the_reason_is_told(tmp_path: Path) -> None:
    checked = check(tmp_path, draw_rows())
    for rule in RULES:
        assert "--deep" in checked.not_measured[rule]
    assert "chat template" in checked.not_measured["persona_trait"]


def test_a_row_far_along_a_trait_is_found(tmp_path: Path) -> None:
    def traits(records: Sequence[Record]) -> dict[str, np.ndarray]:
        along = [1.0 if "hard" in one.messages[-1]["content"] else 0.2 for one in records]
        return {"evil": np.array(along), "kind": np.full(len(records), np.nan)}

    checked = check(tmp_path, draw_rows(), given=Given(traits=traits))
    (found,) = [one for one in checked.findings if one.rule == "persona_trait"]
    assert found.number == 63 and found.cluster == "trait evil"
    assert found.evidence.startswith("100 % of the way to answers that are evil")
    told = checked.insights["persona"]["traits"]
    assert told == {"evil": {"mean": round((64 * 0.2 + 1) / 65, 4), "most": 1.0}}
