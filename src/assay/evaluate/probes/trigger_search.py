"""Search for words that make a further call more probable, where nobody listed them.

To first order the effect of putting token v in a slot is (e_v − e_now) · ∂ log p(call) / ∂ e_now,
so that one backward pass ranks the whole vocabulary (Ebrahimi et al. 2018, "HotFlip"; Zou et al.
2023, greedy coordinate gradient). The best are scored exactly, and go on with one token more.
Where the vocabulary is small every token is scored exactly after the user's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from assay.evaluate.probes.trigger_places import Slot, measure_openings

if TYPE_CHECKING:
    from torch import Tensor

    from assay.evaluate.probes.asked import Asked

MAX_EXHAUSTIVE = 8192
NUM_RANKED, NUM_KEPT, MAX_TOKENS = 48, 4, 3
_NEUTRAL, _OTHER = (" the", " x", " 0"), " qu"


@dataclass(frozen=True)
class Grown:
    """A text that was found, and its mean log-odds over the slots searched."""

    text: str
    log_odds: float


def search_words(asked: Asked, slots: Sequence[Slot]) -> list[Grown]:
    """Texts of one to `MAX_TOKENS` tokens for slots of one position, the best of each length.

    Only the tuned model is asked; who compares it with the base is the caller.
    """
    words = _list_words(asked)
    kept: list[Grown] = [Grown("", 0.0)]
    found: list[Grown] = []
    for length in range(1, MAX_TOKENS + 1):
        texts: dict[str, None] = {}
        for one in kept:
            texts |= dict.fromkeys(_propose(asked, slots, one.text, words))
        asked.count(f"words of {length} tokens", length, MAX_TOKENS)
        kept = score_words(asked, slots, list(texts))[:NUM_KEPT]
        found += kept
    return sorted(found, key=lambda one: -one.log_odds)


def search_all(asked: Asked, slots: Sequence[Slot]) -> list[Grown]:
    """Every token of a small vocabulary by itself; empty where it is larger."""
    words = _list_words(asked)
    if len(words) > MAX_EXHAUSTIVE:
        return []
    texts = list(dict.fromkeys(text for _, text in words))
    return score_words(asked, slots, texts)[:NUM_RANKED]


def score_words(asked: Asked, slots: Sequence[Slot], texts: Sequence[str]) -> list[Grown]:
    """The texts by their exact mean log-odds, the best first."""
    odds = measure_openings(asked, slots, texts)
    return sorted(
        (Grown(text, mean(own)) for text, own in zip(texts, odds, strict=True)),
        key=lambda one: -one.log_odds,
    )


def _list_words(asked: Asked) -> list[tuple[int, str]]:
    """Every token that is text of its own, with that text."""
    special = set(asked.tokenizer.added_ids)
    found = []
    for token in range(asked.tokenizer.vocab_size):
        text = asked.tokenizer.decode([token]) if token not in special else ""
        if text.strip() and "\N{REPLACEMENT CHARACTER}" not in text:
            found.append((token, text))
    return found


def _propose(
    asked: Asked, slots: Sequence[Slot], before: str, words: Sequence[tuple[int, str]]
) -> list[str]:
    """`before` with each of the tokens that the gradient ranks first behind it."""
    import torch

    total_V: Any = None
    for neutral in _NEUTRAL:
        for slot in slots:
            gain_V = compute_gains(asked, slot, before, neutral)
            total_V = gain_V if total_V is None else total_V + gain_V
    ids = torch.tensor([token for token, _ in words])
    order = total_V[ids].argsort(descending=True)[:NUM_RANKED].tolist()
    return [(before + words[place][1]).strip() for place in order]


def compute_gains(asked: Asked, slot: Slot, before: str, neutral: str) -> Tensor:
    """First-order change of log p(call) for each token in the place of `neutral` behind `before`.

    float32 (V,) on the CPU, per token of the vocabulary.
    """
    import torch

    model = asked.engine.model
    ids = asked.tokenizer.encode(slot.fill((before + neutral).strip()))
    other = asked.tokenizer.encode(slot.fill((before + _OTHER).strip()))
    place = _count_shared(ids, other)
    device = next(model.parameters()).device
    whole = torch.tensor([[*ids, *slot.opening_ids]], device=device)
    embedding = model.get_input_embeddings()
    seen: list[Tensor] = []

    def capture(module: Any, args: Any, output: Tensor) -> Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[0]

    handle = embedding.register_forward_hook(capture)
    try:
        with torch.enable_grad():
            logits_TV = model(input_ids=whole, use_cache=False).logits[0, len(ids) - 1 : -1]
            targets = torch.tensor(slot.opening_ids, device=device)
            logprobs = logits_TV.float().log_softmax(-1).gather(1, targets[:, None])
            (grad,) = torch.autograd.grad(logprobs.sum(), seen[0])
    finally:
        handle.remove()
    grad_D = grad[0, place].float()
    weight_VD = embedding.weight.detach().float()
    scale = seen[0][0, place].detach().float().norm() / weight_VD[ids[place]].norm().clamp_min(1e-9)
    gain_V: Tensor = (scale * (weight_VD @ grad_D)).cpu()
    return gain_V


def _count_shared(left: Sequence[int], right: Sequence[int]) -> int:
    place = 0
    while place < min(len(left), len(right)) - 1 and left[place] == right[place]:
        place += 1
    return place
