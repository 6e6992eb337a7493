"""Chunked cross-entropy: equal to PyTorch's in value and gradients, and to a number by hand."""

import math
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from assay.losses import chunk_gradients as gradients_module
from assay.losses.chunks import choose_chunk
from assay.losses.cross_entropy import compute_cross_entropy_sum, compute_token_logprobs
from assay.models.fast.head_rows import HeadRows


def draw(num: int = 37, hidden: int = 8, vocab: int = 23) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    hidden_nd = torch.randn(num, hidden, generator=generator, dtype=torch.float64)
    weight_vd = torch.randn(vocab, hidden, generator=generator, dtype=torch.float64)
    target_n = torch.randint(vocab, (num,), generator=generator)
    scale_n = torch.rand(num, generator=generator)
    return hidden_nd.float(), weight_vd.float(), target_n, scale_n


@pytest.mark.parametrize("chunk", [1, 7, 37, 256])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("biased", [False, True])
def test_value_and_gradients_equal_pytorch(
    chunk: int, smoothing: float, softcap: float | None, biased: bool
) -> None:
    hidden, weight, target, scale = draw()
    bias = [torch.linspace(-1, 1, len(weight))] if biased else []
    ours = [t.clone().requires_grad_() for t in (hidden, weight, *bias)]
    theirs = [t.clone().requires_grad_() for t in (hidden, weight, *bias)]
    loss = compute_cross_entropy_sum(
        *ours[:2],
        target,
        scale,
        label_smoothing=smoothing,
        softcap=softcap,
        bias_V=ours[2] if biased else None,
        chunk=chunk,
    )
    logits = theirs[0] @ theirs[1].t() + (theirs[2] if biased else 0.0)
    if softcap:
        logits = torch.tanh(logits / softcap) * softcap
    each = cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
    reference = (each * scale).sum()
    (loss / 3).backward()
    (reference / 3).backward()
    torch.testing.assert_close(loss, reference)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_two_classes_by_hand() -> None:
    # Logits (1, 0): p(first) = e / (e + 1), so the loss of the first class is log(1 + 1/e).
    loss = compute_cross_entropy_sum(
        torch.tensor([[1.0]]),
        torch.tensor([[1.0], [0.0]]),
        torch.tensor([0]),
        torch.tensor([2.0]),
    )
    assert float(loss) == pytest.approx(2 * math.log(1 + 1 / math.e))


def test_logprobs_are_the_log_softmax_of_the_targets() -> None:
    hidden, weight, target, _ = draw()
    expected = log_softmax(hidden @ weight.t(), -1).gather(1, target[:, None]).squeeze(1)
    torch.testing.assert_close(compute_token_logprobs(hidden, weight, target, chunk=5), expected)
    bias = torch.linspace(-1, 1, len(weight))
    expected = log_softmax(hidden @ weight.t() + bias, -1).gather(1, target[:, None]).squeeze(1)
    found = compute_token_logprobs(hidden, weight, target, bias_V=bias, chunk=5)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("chunk", [3, 256])
def test_the_heads_gradient_is_whole_over_several_blocks_of_words(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(gradients_module, "BLOCK_WORDS", {"cpu": 10})
    hidden, weight, target, scale = draw()  # 23 words: blocks of 10, 10 and 3
    ours, theirs = (weight.clone().requires_grad_() for _ in range(2))
    compute_cross_entropy_sum(hidden, ours, target, scale, chunk=chunk).backward()
    each = cross_entropy(hidden @ theirs.t(), target, reduction="none")
    (each * scale).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_no_supervised_position_gives_a_gradient_of_zeros() -> None:
    hidden, weight, target, scale = draw()
    weight.requires_grad_()
    compute_cross_entropy_sum(hidden[:0], weight, target[:0], scale[:0]).backward()
    assert torch.equal(weight.grad, torch.zeros_like(weight))


def test_a_second_pass_through_one_graph_is_refused() -> None:
    hidden, weight, target, scale = draw()
    loss = compute_cross_entropy_sum(hidden, weight.requires_grad_(), target, scale)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("softcap", [None, 3.0])
def test_trained_rows_stand_in_the_places_of_the_weights_own(
    smoothing: float, softcap: float | None
) -> None:
    """As a copy of the weight with them in their places has it, for targets among them too."""
    hidden, weight, target, scale = draw()
    ids, fresh = torch.tensor([4, 22, 0]), torch.linspace(-1, 1, 24).view(3, 8)
    target[:5] = torch.tensor([4, 22, 0, 4, 22])
    ours = [t.clone().requires_grad_() for t in (hidden, fresh)]
    theirs = [t.clone().requires_grad_() for t in (hidden, fresh)]
    options: dict[str, Any] = {"label_smoothing": smoothing, "softcap": softcap, "chunk": 7}
    rows = HeadRows(ids, ours[1])
    loss = compute_cross_entropy_sum(ours[0], weight, target, scale, rows=rows, **options)
    merged = weight.index_copy(0, ids, theirs[1])
    expected = compute_cross_entropy_sum(theirs[0], merged, target, scale, **options)
    torch.testing.assert_close(loss, expected)
    for each in (loss, expected):
        (each * 1.5).backward()  # type: ignore[no-untyped-call]
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    logprobs = compute_token_logprobs(hidden, weight, target, rows=rows, softcap=softcap)
    plain = compute_token_logprobs(hidden, merged.detach(), target, softcap=softcap)
    torch.testing.assert_close(logprobs, plain)


@pytest.mark.parametrize(
    ("num", "vocab", "hidden", "trained", "expected"),
    [
        (607, 32_000, 512, False, 203),  # three chunks of at most 256, evenly
        (607, 32_000, 512, True, 304),  # logits may take what the head's gradient does
        (607, 32_000, 64, True, 203),
        (607, 128_000, 256, False, 61),  # 32 MiB of logits are 65 positions
        (607, 128_000, 256, True, 203),
        (0, 32_000, 512, True, 1),
    ],
)
def test_chunks_are_even_and_larger_where_the_head_is_trained(
    num: int, vocab: int, hidden: int, trained: bool, expected: int
) -> None:
    weight = torch.empty(1).expand(vocab, hidden).requires_grad_(trained)
    assert choose_chunk(num, weight) == expected
