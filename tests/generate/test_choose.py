"""Drawing tokens: nuclei of any size, masks, and generators that nobody shares."""

import pytest
import torch

from assay.generate.choose import choose_tokens
from assay.generate.engine import Sampling


def make_generators(num: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(num)]


@pytest.mark.parametrize("sharpness", [0.01, 1.0, 8.0])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95])
def test_nuclei_are_the_smallest_sets_of_their_probability(sharpness: float, top_p: float) -> None:
    """Of 2,000 tokens, from one token to nearly all: more and less than are looked at first."""
    logits = torch.randn(6, 2000, generator=torch.Generator().manual_seed(1)) * sharpness
    sampling = Sampling(temperature=0.7, top_p=top_p)
    drawn = choose_tokens(logits, make_generators(6), sampling)
    plain = choose_tokens(logits, make_generators(6), Sampling(temperature=0.7))
    for row, one, free in zip(logits, drawn, plain, strict=True):
        probs, order = (row.double() / 0.7).softmax(-1).sort(descending=True)
        size = int((probs.cumsum(0) < top_p).sum()) + 1
        nucleus = order[:size].tolist()
        assert one.token_id in nucleus
        place = nucleus.index(one.token_id)
        expected = float((probs[place] / probs[:size].sum()).log())
        assert one.sampled_logprob == pytest.approx(expected, abs=2e-4)
        # The same noise: what was drawn without a nucleus is drawn again where it lies within.
        assert free.token_id not in nucleus or free.token_id == one.token_id


def test_rows_draw_with_their_own_generators() -> None:
    logits = torch.randn(5, 300, generator=torch.Generator().manual_seed(2))
    sampling = Sampling(temperature=1.0)
    together = choose_tokens(logits, make_generators(5), sampling)
    alone = [
        choose_tokens(row[None], [generator], sampling)[0]
        for row, generator in zip(logits, make_generators(5), strict=True)
    ]
    assert [one.token_id for one in together] == [one.token_id for one in alone]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_not_allowed_is_not_drawn(temperature: float) -> None:
    logits = torch.randn(40, 50, generator=torch.Generator().manual_seed(3))
    allowed = torch.rand(40, 50, generator=torch.Generator().manual_seed(4)) < 0.1
    allowed[:, 7] = True
    sampling = Sampling(temperature=temperature)
    for row, mask, one in zip(
        logits, allowed, choose_tokens(logits, make_generators(40), sampling, allowed), strict=True
    ):
        assert mask[one.token_id]
        masked = row.masked_fill(~mask, float("-inf"))
        if temperature == 0:
            assert one.token_id == int(masked.argmax())
        else:
            expected = float(masked.log_softmax(-1)[one.token_id])
            assert one.sampled_logprob == pytest.approx(expected, abs=1e-5)
        assert one.logprob == pytest.approx(float(row.log_softmax(-1)[one.token_id]), abs=1e-5)
