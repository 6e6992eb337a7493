"""Log-probabilities of tokens with gradient: as PyTorch has them, whatever is trained."""

from typing import Any

import pytest
import torch

from assay.losses import chunks
from assay.losses.token_logprobs import compute_logprobs
from assay.models.fast.head_rows import HeadRows


def draw(num: int = 37, hidden: int = 8, vocab: int = 23) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    hidden_nd = torch.randn(num, hidden, generator=generator)
    weight_vd = torch.randn(vocab, hidden, generator=generator)
    target_n = torch.randint(vocab, (num,), generator=generator)
    return hidden_nd, weight_vd, target_n


def square_of_sums(logprobs_n: torch.Tensor) -> torch.Tensor:
    """A loss whose gradient for a token depends on all others of its answer."""
    first, second = logprobs_n[:20].sum(), logprobs_n[20:].sum()
    return -torch.nn.functional.logsigmoid(0.1 * (first - second)) + 0.01 * second.square()


@pytest.mark.parametrize("chunk", [1, 7, 256])
@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("trained", ["hidden", "head", "all with bias"])
def test_value_and_gradients_equal_pytorch(chunk: int, softcap: float | None, trained: str) -> None:
    hidden, weight, target = draw()
    bias = torch.linspace(-1, 1, len(weight))
    parts = [hidden, weight, bias]
    wanted = {"hidden": [0], "head": [1], "all with bias": [0, 1, 2]}[trained]
    ours, theirs = (
        [part.clone().requires_grad_(place in wanted) for place, part in enumerate(parts)]
        for _ in range(2)
    )
    found = compute_logprobs(*ours[:2], target, softcap=softcap, bias_V=ours[2], chunk=chunk)
    logits = theirs[0] @ theirs[1].t() + theirs[2]
    if softcap:
        logits = torch.tanh(logits / softcap) * softcap
    expected = logits.log_softmax(-1).gather(1, target[:, None]).squeeze(1)
    torch.testing.assert_close(found, expected)
    square_of_sums(found).backward()
    square_of_sums(expected).backward()
    for place in wanted:
        torch.testing.assert_close(ours[place].grad, theirs[place].grad)


def test_trained_rows_of_a_frozen_head_get_their_gradient() -> None:
    hidden, weight, target = draw()
    ids = torch.tensor([2, 11])
    rows = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    ours = [part.clone().requires_grad_() for part in (hidden, rows)]
    theirs = [part.clone().requires_grad_() for part in (hidden, rows)]
    found = compute_logprobs(ours[0], weight, target, rows=HeadRows(ids, ours[1]), chunk=9)
    whole = weight.index_copy(0, ids, theirs[1])
    logprobs = (theirs[0] @ whole.t()).log_softmax(-1)
    square_of_sums(found).backward()
    square_of_sums(logprobs.gather(1, target[:, None]).squeeze(1)).backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_frozen_rows_take_part_in_the_gradient_of_hidden_states() -> None:
    hidden, weight, target = draw()
    ids, rows = torch.tensor([0, 5]), torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    ours, theirs = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    square_of_sums(compute_logprobs(ours, weight, target, rows=HeadRows(ids, rows))).backward()
    logprobs = (theirs @ weight.index_copy(0, ids, rows).t()).log_softmax(-1)
    square_of_sums(logprobs.gather(1, target[:, None]).squeeze(1)).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_frozen_head_is_read_once(monkeypatch: Any) -> None:
    """The logits are computed in the forward pass alone: as often as for a cross-entropy."""
    hidden, weight, target = draw()
    counted: list[int] = []
    plain = chunks.compute_raw_logits

    def count(hidden_cd: torch.Tensor, *rest: Any) -> torch.Tensor:
        counted.append(len(hidden_cd))
        return plain(hidden_cd, *rest)

    monkeypatch.setattr(chunks, "compute_raw_logits", count)
    square_of_sums(compute_logprobs(hidden.requires_grad_(), weight, target, chunk=10)).backward()
    assert sum(counted) == 37
    square_of_sums(compute_logprobs(hidden, weight.requires_grad_(), target, chunk=10)).backward()
    assert sum(counted) == 3 * 37


def test_without_autograd_nothing_is_kept() -> None:
    hidden, weight, target = draw()
    with torch.no_grad():
        found = compute_logprobs(hidden.requires_grad_(), weight, target)
    assert not found.requires_grad
    expected = (hidden @ weight.t()).log_softmax(-1).gather(1, target[:, None]).squeeze(1)
    torch.testing.assert_close(found, expected)
