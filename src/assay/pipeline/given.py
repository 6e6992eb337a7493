"""What the rules of data may ask of a base; weights are loaded only where rules need them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.data.curate import Given, Settings, list_rules

if TYPE_CHECKING:
    from assay.models.base import BaseFiles

WEIGHTS = frozenset({"embed", "score", "fit", "traits"})
"""Needs that only a base's weights meet."""
UNASKED = (
    "a run asks the base's weights only for rules that data.rules names; "
    "`assay data check RECIPE --deep` asks for all"
)


def read_tokenizer(name: str) -> Given:
    """Tokenizer and context of a base (``tiny``, a folder or a Hub id).

    Raises:
        ConfigError: no such base.
    """
    from assay.models.base import find_base

    return _tell_tokenizer(find_base(name))


def tell_run(base: BaseFiles, settings: Settings, named: Iterable[str]) -> Given:
    """What the rules of a run may ask: the tokenizer, and what of the weights `named` rules need.

    Losses once tuned cost a minute or more on the smallest base, so no rule asks for them unnamed.
    """
    rules = list_rules()
    needs = {need for name in named if settings.is_on(name) for need in rules[name].needs}
    given = _tell_tokenizer(base)
    if not needs & WEIGHTS:
        return given
    from assay.pipeline.base_given import load_given

    asked = load_given(base)
    return replace(given, **{need: getattr(asked, need) for need in sorted(needs & WEIGHTS)})


def list_unasked(not_measured: Iterable[str]) -> dict[str, str]:
    """Why a run did not measure the rules that need weights, by name."""
    rules = list_rules()
    return {
        name: UNASKED
        for name in not_measured
        if rules[name].needs and {*rules[name].needs} <= WEIGHTS
    }


def _tell_tokenizer(base: BaseFiles) -> Given:
    return Given(tokenizer=base.tokenizer, context_len=base.context_len)
