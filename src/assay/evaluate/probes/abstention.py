"""Probe: does the tuned model still call nothing where no tool fits?

A reading is a score: 1 where the first answer makes no call and tries none. Prompts are the user's
own rows that are answered without a call, and built-in ones whose tools do not fit or whose
request lacks what a tool needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.evaluate.probes.probe import Probed, Reading, not_applicable
from assay.evaluate.probes.tool_cases import build_cases, describe_case
from assay.evaluate.probes.tool_plays import Play, can_play, play_cases

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

MAX_OWN, MAX_BUILT_IN = 24, 72


class Abstention:
    """See the module."""

    name = "abstention"

    def measure(self, asked: Asked) -> Probed:
        if asked.prompts and not asked.tools:
            return not_applicable("The rows offer no tools, so there is nothing to call.")
        share = asked.max_items / 200
        cases = build_cases(
            asked,
            max_own=round(MAX_OWN * share),
            max_built_in=round(MAX_BUILT_IN * share),
            calling=False,
        )
        cases = [case for case in cases if can_play(asked, case)]
        if not cases:
            return not_applicable("The chat template cannot write calls and results.")
        base, tuned = play_cases(asked, self.name, cases, max_turns=1)
        readings, evidence = [], []
        for case, before, now in zip(cases, base, tuned, strict=True):
            detail = {"prompt": describe_case(case), "form": case.form, "tuned": _calls(now)}
            readings.append(Reading(case.id, _score(before), _score(now), case.group, detail))
            if _score(now) is not None and (_score(now) or 0) < (_score(before) or 0):
                evidence.append(_show(detail))
        return Probed(readings=readings, evidence=evidence)


def _score(play: Play) -> float | None:
    """1 where nothing is called, 0 where something is, or is tried; None without an answer."""
    if not play["turns"]:
        return None
    (turn,) = play["turns"]
    return float(not turn["calls"] and not turn["errors"])


def _calls(play: Play) -> list[Any]:
    return [call for turn in play["turns"] for call in (turn["calls"] or turn["errors"])]


def _show(detail: dict[str, Any]) -> dict[str, Any]:
    call = detail["tuned"][0]
    name = call["name"] if isinstance(call, dict) else "something"
    return {
        "what": f"{name} is called where no tool fits, and the base calls none: {detail['prompt']}",
        "tool": name,
        "prompts": [detail["prompt"]],
        "call": call,
    }


PROBE = Abstention()
