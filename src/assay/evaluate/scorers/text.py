"""Scores of free text against gold text: exact, contains, token F1; it knows no model.

Texts are compared after Unicode NFKC, with whitespace collapsed and, for exact and contains, with
case folded unless the item says ``options["casefold"] = false``; the choice is in every detail.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from assay.evaluate.items import Item, Score, reference_texts, unscored, yes_no

TOKEN_F1_CORRECT = 0.5
"""From here on an answer counts as right in a mixed suite: half its words shared, both ways."""

_ARTICLES = frozenset({"a", "an", "the"})
_WORD = re.compile(r"\w+", re.UNICODE)


def normalise(text: str, *, casefold: bool = True) -> str:
    """`text` in NFKC, stripped, each run of whitespace one space, case folded if asked."""
    collapsed = " ".join(unicodedata.normalize("NFKC", text).split())
    return collapsed.casefold() if casefold else collapsed


def strip_reasoning(output: str) -> str:
    """The answer without a leading ``<think>`` block; "" when the block never ends.

    Templates may write the opening mark into the prompt, so the closing one alone ends a block.
    """
    _, mark, after = output.partition("</think>")
    if mark:
        return after
    return "" if output.lstrip().startswith("<think>") else output


def score_exact(output: str, item: Item) -> Score:
    """Right when the normalised output equals the normalised gold text or an alternative."""
    references = reference_texts(item)
    if not references:
        return unscored("exact", "the item has no reference text")
    casefold = _casefolds(item)
    said = normalise(strip_reasoning(output), casefold=casefold)
    golds = [normalise(text, casefold=casefold) for text in references]
    return yes_no("exact", said in golds, output=said, casefold=casefold)


def score_contains(output: str, item: Item) -> Score:
    """Right when a gold text stands in the output as whole words: "25" is not in "1,250"."""
    references = reference_texts(item)
    if not references:
        return unscored("contains", "the item has no reference text")
    casefold = _casefolds(item)
    said = normalise(strip_reasoning(output), casefold=casefold)
    found = [text for text in references if _stands_in(normalise(text, casefold=casefold), said)]
    return yes_no("contains", bool(found), found=found[:1], casefold=casefold)


def score_token_f1(output: str, item: Item) -> Score:
    """Harmonic mean of word precision and recall against the nearest gold text, in [0, 1].

    Words are compared as a bag, lower case, without punctuation and English articles (the SQuAD
    measure, Rajpurkar et al. 2016, section 6.1). Two texts without a word agree with value 1.
    """
    references = reference_texts(item)
    if not references:
        return unscored("token_f1", "the item has no reference text")
    said = strip_reasoning(output)
    value = max(compute_token_f1(said, text) for text in references)
    correct = value >= TOKEN_F1_CORRECT
    return Score("token_f1", value, correct, {"correct_from": TOKEN_F1_CORRECT})


def compute_token_f1(said: str, gold: str) -> float:
    """2·shared / (words said + words of gold), counting each repeated word."""
    said_words, gold_words = _bag(said), _bag(gold)
    total = said_words.total() + gold_words.total()
    if total == 0:
        return 1.0
    return 2.0 * (said_words & gold_words).total() / total


def _bag(text: str) -> Counter[str]:
    words = _WORD.findall(normalise(text))
    return Counter(word for word in words if word not in _ARTICLES)


def _stands_in(gold: str, said: str) -> bool:
    # `\b` cannot be used: a gold text may begin or end with a sign such as "$" or "%". A digit
    # group ("1,250") or a decimal part ("25.5") continues a number, so it does not end one.
    before, after = r"(?<!\w)(?<!\d[.,])", r"(?!\w)(?![.,]\d)"
    return re.search(before + re.escape(gold) + after, said) is not None


def _casefolds(item: Item) -> bool:
    return bool(item.options.get("casefold", True))
