"""Matrix products by the fastest exact kernel of this machine; nothing here knows a layer.

Float32 products of PyTorch on a CPU are MKL's, which on processors of other makers leaves half of
AVX-512 unused: measured on an AMD EPYC (Zen 5), 108 GFLOP/s a core against oneDNN's 250. Both are
plain float32; they add in another order.

Shape legend: M rows, K inner size, N columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache
def _has_onednn() -> bool:
    """Whether oneDNN's float32 product is here and this CPU has the instructions it is for."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def uses_onednn(x: Tensor) -> bool:
    """Whether a product with `x` goes to oneDNN: a rule of dtype and machine, never of timing."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and x.numel() > 0 and _has_onednn()


@lru_cache
def has_exact_bmm() -> bool:
    """Whether `onednn_products` leaves batched float32 products as exact as they are without.

    Where the processor has tiles of bfloat16 (AMX), oneDNN rounds to them when it is let loose.
    """
    if not _has_onednn():
        return False
    x = torch.linspace(0.1, 1, 2 * 8 * 64).view(2, 8, 64)
    with _let_onednn():
        found = torch.bmm(x, x.transpose(1, 2))
    return bool((found - x.double() @ x.double().transpose(1, 2)).abs().max() < 1e-4)


@contextmanager
def onednn_products(dtype: torch.dtype) -> Iterator[None]:
    """Let oneDNN, not MKL, do batched products for a while, where that changes nothing.

    PyTorch gives it batched float32 products only together with leave to round their inputs to
    bfloat16: nothing changes where those are bfloat16 numbers, and where it makes no use of it.
    """
    serves = dtype == torch.bfloat16 and _has_onednn()
    with _let_onednn() if serves or (dtype == torch.float32 and has_exact_bmm()) else nullcontext():
        yield


@contextmanager
def _let_onednn() -> Iterator[None]:
    products = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before, products.fp32_precision = products.fp32_precision, "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before


def matmul_t(x_MK: Tensor, weight_NK: Tensor, bias_N: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``, shape (M, N), without autograd; strides may be any."""
    if uses_onednn(x_MK):
        return torch.ops.mkldnn._linear_pointwise(  # type: ignore[no-any-return]
            _to_dense(x_MK), _to_dense(weight_NK), bias_N, "none", [], ""
        )
    return torch.nn.functional.linear(x_MK, weight_NK, bias_N)


def matmul(x_MK: Tensor, weight_KN: Tensor) -> Tensor:
    """``x @ weight``, shape (M, N), without autograd; strides may be any."""
    return matmul_t(x_MK, weight_KN.t())


def add_matmul(total_MN: Tensor, x_MK: Tensor, weight_KN: Tensor) -> Tensor:
    """``total + x @ weight``, shape (M, N), without autograd; `total` may be used up."""
    if uses_onednn(x_MK):
        return torch.ops.mkldnn._linear_pointwise.binary(  # type: ignore[no-any-return]
            _to_dense(x_MK), total_MN, _to_dense(weight_KN).t(), None, "add"
        )
    return total_MN.addmm_(x_MK, weight_KN)


def compute_weight_grads(grads_MN: Sequence[Tensor], x_MK: Tensor) -> list[Tensor]:
    """``grad.T @ x``, shape (N, K), for each: of weights with a common input, from their outputs'.

    oneDNN wants its first operand by rows, so either the gradients are turned or the input and the
    results, whichever is less.
    """
    num_rows, inner = x_MK.shape
    columns = sum(grad.shape[1] for grad in grads_MN)
    if not uses_onednn(x_MK) or num_rows * columns <= inner * (num_rows + columns):
        return [matmul(grad.t(), x_MK) for grad in grads_MN]
    x_KM = x_MK.t().contiguous()
    return [matmul(x_KM, grad).t().contiguous() for grad in grads_MN]


def _to_dense(matrix: Tensor) -> Tensor:
    """`matrix`, or its copy without gaps: slices can fall to a kernel 500 times slower."""
    rows, columns = matrix.shape
    is_dense = matrix.stride() == (columns, 1) or matrix.stride() == (1, rows)
    return matrix if is_dense else matrix.contiguous()
