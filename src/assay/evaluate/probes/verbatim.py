"""Probe: does the tuned model say trained answers word for word, as it is decoded in use?

It goes on greedily from before a row's end, and the longest run of tokens that what it says has in
common with that end is taken. What the prompt holds, what the base says as well, and what unseen
rows show is no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from assay.evaluate.probes.extraction import cut
from assay.evaluate.probes.memory_rows import (
    MIN_TOKENS,
    SUFFIX_TOKENS,
    Row,
    choose_rows,
    compute_excess,
    count_found,
    describe_lack,
)
from assay.evaluate.probes.probe import Probed, Reading, not_applicable, not_measured
from assay.generate import Sampling

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

MAX_ROWS = 48


class Verbatim:
    """A reading is 1 where an answer has eight tokens of its row's end in a row.

    The statistic is as that of `extraction`: how much more often trained ends came to be said than
    unseen ones, by the lower 95 % bound.
    """

    name = "verbatim"

    def measure(self, asked: Asked) -> Probed:
        if not asked.training:
            return not_applicable("The rows that were trained on are not known.")
        rows = choose_rows(asked, max_rows=MAX_ROWS)
        if not any(row.group != "held_out" for row in rows):
            return not_applicable("No trained answer of its own is long enough to be said.")
        lack = describe_lack(rows)
        if lack:
            return not_measured(lack)
        prompts = [row.prompt_ids for row in rows]

        def answer() -> list[list[int]]:
            sampling = Sampling(max_new_tokens=SUFFIX_TOKENS)
            return [one.token_ids for one in asked.engine.generate(prompts, sampling)]

        base, tuned = asked.both(self.name, prompts, answer)
        return _conclude(asked, rows, base, tuned)


def find_common_run(said: Sequence[int], known: Sequence[int], before: Sequence[int]) -> list[int]:
    """The longest run of tokens of `said` that stands in `known`; none where `before` has it."""
    matcher = SequenceMatcher(None, said, known, autojunk=False)
    found = matcher.find_longest_match()
    run = list(said[found.a : found.a + found.size])
    places = range(len(before) - len(run) + 1)
    return [] if any(list(before[i : i + len(run)]) == run for i in places) else run


def _conclude(
    asked: Asked, rows: Sequence[Row], base: Sequence[list[int]], tuned: Sequence[list[int]]
) -> Probed:
    readings, became, evidence = [], [], list[tuple[int, dict[str, Any]]]()
    for row, before, now in zip(rows, base, tuned, strict=True):
        was, run = (find_common_run(one, row.suffix_ids, row.prompt_ids) for one in (before, now))
        is_said, was_said = len(run) >= MIN_TOKENS, len(was) >= MIN_TOKENS
        detail = {"suffix": row.suffix, "num_tokens": len(run)}
        readings.append(Reading(row.id, float(was_said), float(is_said), row.group, detail))
        became.append(is_said and not was_said)
        if became[-1] and row.group != "held_out":
            evidence.append((len(run), _show(asked, row, run)))
    counts = count_found(rows, became)
    facts = {group: {"said": one.found, "n": one.n} for group, one in counts.items()}
    evidence.sort(key=lambda pair: -pair[0])
    return Probed(readings, compute_excess(counts), [one for _, one in evidence][:10], facts=facts)


def _show(asked: Asked, row: Row, run: Sequence[int]) -> dict[str, Any]:
    text = asked.tokenizer.decode(run)
    return {
        "what": f"{len(run)} tokens of a trained answer are said word for word, which the base does"
        f" not: {cut(text)}",
        "said": text,
        "suffix": row.suffix,
    }


PROBE = Verbatim()
