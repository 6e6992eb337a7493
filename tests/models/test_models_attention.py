"""Attention in tiles and by the varlen kernel against plain attention with a mask."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from assay.models.fast import attend as attend_module
from assay.models.fast import tiles
from assay.models.fast.attend import attend
from assay.models.fast.matmul import has_exact_bmm, onednn_products
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


def attend_each(
    inputs: list[Tensor], lengths: list[int], scale: float, window: int | None
) -> Tensor:
    """Plain attention, one sequence at a time, shape (T, H, E)."""
    parts = zip(*(torch.split(x, lengths, 1) for x in inputs), strict=True)
    return torch.cat([plain(*part, scale, window).transpose(0, 1) for part in parts])


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tiles of a few tokens, so that short sequences have several."""
    monkeypatch.setattr(tiles, "BLOCK", 6)
    monkeypatch.setattr(tiles, "ROUND", 2)
    tiles.plan_tiles.cache_clear()
    yield
    tiles.plan_tiles.cache_clear()


@pytest.mark.parametrize("kept_bytes", [0, 64, 1 << 20])
@pytest.mark.parametrize("window", [None, 1, 3, 50])
@pytest.mark.parametrize("lengths", [[1], [6], [17], [4, 4, 3], [13, 1, 20, 14, 5, 5]])
@pytest.mark.usefixtures("small_tiles")
def test_tiles_give_what_plain_attention_gives(
    lengths: list[int], window: int | None, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attend_module, "KEPT_BYTES", kept_bytes)
    inputs = make(sum(lengths), torch.float64)
    expected = attend_each(inputs, lengths, 0.3, window)
    weights = torch.randn_like(expected)
    grads = torch.autograd.grad((expected * weights).sum(), inputs)
    found = attend(*inputs, lengths, scale=0.3, window=window)
    found_grads = torch.autograd.grad((found * weights).sum(), inputs)
    # The softmax is float32 whatever the inputs are.
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(found, expected, **close)
    for a, b in zip(found_grads, grads, strict=True):
        torch.testing.assert_close(a, b, **close)


def test_tiles_of_many_sequences_are_worked_off_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MOST_SCORES", 4 * 32 * 32 * 2)
    tiles.plan_tiles.cache_clear()
    plan = tiles.plan_tiles((20,) * 5, 4, 2, None)
    tiles.plan_tiles.cache_clear()
    assert [len(group.tiles) for group in plan.groups] == [2, 2, 1]


@pytest.mark.parametrize("lengths", [[200], [90, 110]])
def test_in_bfloat16_tiles_are_as_near_the_truth_as_the_fused_kernel(lengths: list[int]) -> None:
    inputs = make(sum(lengths), torch.bfloat16)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    truth = attend_each(exact, lengths, 8**-0.5, None)
    fused = torch.cat(
        [
            scaled_dot_product_attention(*(x[None] for x in part), is_causal=True, enable_gqa=True)
            for part in zip(*(torch.split(x, lengths, 1) for x in inputs), strict=True)
        ],
        2,
    )[0].transpose(0, 1)
    found = attend(*inputs, lengths, scale=8**-0.5, window=None)
    weights = torch.randn_like(truth).bfloat16()

    def find_errors(out: Tensor, of: list[Tensor]) -> list[float]:
        grads = torch.autograd.grad((out * weights).sum(), of)
        true_grads = torch.autograd.grad((truth * weights).sum(), exact, retain_graph=True)
        pairs = [(out, truth), *zip(grads, true_grads, strict=True)]
        return [float((a.double() - b).detach().square().mean().sqrt()) for a, b in pairs]

    errors, fused_errors = find_errors(found, inputs), find_errors(fused, inputs)
    for error, fused_error in zip(errors, fused_errors, strict=True):
        assert error <= 1.5 * fused_error < 0.03


@pytest.mark.skipif(not has_exact_bmm(), reason="this machine's oneDNN rounds to bfloat16")
def test_the_librarys_setting_is_changed_for_the_products_alone() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision
    with onednn_products(torch.float32):
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    with onednn_products(torch.float64):
        assert torch.backends.mkldnn.matmul.fp32_precision == before


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
