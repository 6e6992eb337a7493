"""Attention by blocks and by the varlen kernel against plain attention with a mask."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from assay.models.fast import attend as attend_module
from assay.models.fast.attend import attend
from assay.models.fast.varlen import AttentionOptions, attend_varlen, has_varlen


def plain(query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None) -> Tensor:
    length = query.shape[1]
    distance = torch.arange(length)[:, None] - torch.arange(length)
    mask = (distance >= 0) & (distance < (window or length))
    key, value = (x.repeat_interleave(len(query) // len(x), 0) for x in (key, value))
    scores = (query @ key.transpose(1, 2)) * scale
    return scores.masked_fill(~mask, float("-inf")).softmax(-1) @ value


def make(length: int, dtype: torch.dtype, heads: int = 4, key_heads: int = 2) -> list[Tensor]:
    torch.manual_seed(length)
    return [
        torch.randn(n, length, 8).to(dtype).requires_grad_() for n in (heads, key_heads, key_heads)
    ]


@pytest.mark.parametrize("window", [None, 1, 3, 50])
@pytest.mark.parametrize("length", [1, 4, 5, 17])
def test_blocks_give_what_plain_attention_gives(
    length: int, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attend_module, "BLOCK", 4)
    inputs = make(length, torch.float64)
    expected = plain(*inputs, 0.3, window)
    weights = torch.randn_like(expected)
    grads = torch.autograd.grad((expected * weights).sum(), inputs)
    found = attend(*inputs, scale=0.3, window=window)
    found_grads = torch.autograd.grad((found * weights).sum(), inputs)
    # The softmax is float32 whatever the inputs are.
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(found, expected, **close)
    for a, b in zip(found_grads, grads, strict=True):
        torch.testing.assert_close(a, b, **close)


def test_in_bfloat16_blocks_are_as_near_the_truth_as_the_fused_kernel() -> None:
    inputs = make(200, torch.bfloat16)
    truth = plain(*(x.detach().double() for x in inputs), 8**-0.5, None)
    stacked = [x.detach()[None] for x in inputs]
    fused = scaled_dot_product_attention(*stacked, is_causal=True, enable_gqa=True)[0]
    blocks = attend(*inputs, scale=8**-0.5, window=None).detach()
    error, fused_error = (float((x.double() - truth).abs().max()) for x in (blocks, fused))
    assert error <= 1.5 * fused_error < 0.01


def reference_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    borders: Tensor,
    key_borders: Tensor,
    longest: int,
    key_longest: int,
    **options: Any,
) -> Tensor:
    """What `torch.nn.attention.varlen.varlen_attn` documents, in plain PyTorch."""
    assert torch.equal(borders, key_borders)
    assert borders.dtype == torch.int32
    assert longest == key_longest == int(borders.diff().max())
    before, after = options["window_size"]
    assert after == 0, "causal"
    assert options["enable_gqa"] == (query.shape[1] != key.shape[1])
    parts = []
    for start, stop in pairwise(borders.tolist()):
        each = [x[start:stop].transpose(0, 1) for x in (query, key, value)]
        window = None if before < 0 else before + 1
        parts.append(plain(*each, options["scale"], window).transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("window", [None, 3])
def test_the_varlen_call_means_the_same_sequences_scale_and_window(window: int | None) -> None:
    lengths = [5, 1, 7]
    inputs = make(13, torch.float32)
    options = AttentionOptions(scale=0.3, dropout=0.0, window=window)
    found = attend_varlen(*inputs, lengths, options, reference_kernel)
    start = 0
    for length in lengths:
        part = [x[:, start : start + length] for x in inputs]
        expected = plain(*part, 0.3, window).transpose(0, 1)
        torch.testing.assert_close(found[start : start + length], expected)
        start += length


def test_this_pytorch_has_the_varlen_kernel_in_the_form_that_is_called() -> None:
    assert has_varlen()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: the varlen kernel is for GPUs")
def test_the_kernel_itself_on_a_gpu() -> None:
    inputs = [x.detach().cuda() for x in make(13, torch.bfloat16)]
    options = AttentionOptions(scale=0.3, dropout=0.0, window=3)
    found = attend_varlen(*inputs, [5, 8], options)
    expected = attend_varlen(*(x.float() for x in inputs), [5, 8], options, reference_kernel)
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)
