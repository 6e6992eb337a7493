"""Distillation on packed batches: equal to whole logits by hand, and to what a prompt teaches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from tests.train.small_models import SHAPE, make_model, make_rows
from torch import Tensor

from assay.chat.system_prompt import SystemPrompt
from assay.data.pack import build_batch
from assay.data.prompted import put_prompt_into
from assay.losses.distillation import Distillation
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.distil import DISTIL_METRICS, DistilLoss
from assay.train.meter import Meter

SETTINGS = Distillation(beta=0.3, temperature=1.5, sft_weight=0.5)
PROMPT = SystemPrompt(guard=(), start=0, num_removed=0, inserted=(7, 8, 9))


def _make_teacher() -> Any:
    torch.manual_seed(7)
    wider = {**SHAPE, "hidden_size": 48, "num_hidden_layers": 3}
    return hf.LlamaForCausalLM(hf.LlamaConfig(**wider)).eval()


def _compute_by_hand(student: Any, teacher: Any, before: list[int]) -> tuple[Tensor, Tensor]:
    """The sum over rows run one by one, each on its whole logits; the divergence alone."""
    total, divergence = torch.zeros(()), torch.zeros(())
    for ids, mask in make_rows():
        own = student(torch.tensor([ids])).logits[0, :-1]
        with torch.no_grad():
            other = teacher(torch.tensor([before + ids])).logits[0, len(before) : -1]
        scale, target = torch.tensor(mask[1:]), torch.tensor(ids[1:])
        q, p = ((logits / 1.5).log_softmax(-1) for logits in (own, other))
        m = (0.3 * p.exp() + 0.7 * q.exp()).log()
        each = 0.3 * (p.exp() * (p - m)).sum(-1) + 0.7 * (q.exp() * (q - m)).sum(-1)
        chosen = own.log_softmax(-1).gather(1, target[:, None]).squeeze(1)
        divergence = divergence + (each * scale).sum()
        total = total + ((each - 0.5 * chosen) * scale).sum()
    return total, divergence


@pytest.mark.parametrize("kind", ["llama", "gemma2 with soft caps", "phi with a biased head"])
def test_a_packed_batch_is_the_sum_of_its_rows(kind: str) -> None:
    student, teacher, meter = make_model(kind), _make_teacher(), Meter(DISTIL_METRICS)
    expected, divergence = _compute_by_hand(student, teacher, [])
    expected.backward()
    gradients = {name: p.grad for name, p in student.named_parameters()}
    student.zero_grad()
    batch = build_batch(*zip(*make_rows(), strict=True))
    with packed_mode(student), packed_mode(teacher):
        loss = DistilLoss(SETTINGS, teacher, meter=meter)(student, batch)
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    for name, parameter in student.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-3, atol=1e-4)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    told = meter.read("")
    assert told["divergence"] == pytest.approx(divergence.item() / batch.loss_weight, rel=1e-4)
    assert 0 <= told["agreement"] < 1


def test_the_student_without_its_adapters_teaches_what_only_it_was_told() -> None:
    base = make_model()
    student = add_lora(base, rank=2, alpha=4.0).get_base_model()
    expected, _ = _compute_by_hand(student, student, list(PROMPT.inserted))
    batch = build_batch(*zip(*make_rows(), strict=True))
    loss = DistilLoss(SETTINGS, seen=lambda batch: put_prompt_into(batch, PROMPT))
    with packed_mode(student):
        torch.testing.assert_close(loss(student, batch), expected, rtol=1e-4, atol=1e-4)
        # Before the first step it is its own teacher.
        plain = DistilLoss(Distillation(beta=1.0))(student, batch)
    plain.backward()
    assert plain.item() == pytest.approx(0, abs=1e-4)
    grads = [p.grad for p in student.parameters() if p.requires_grad]
    assert all(grad is None or float(grad.abs().max()) < 1e-5 for grad in grads)


def test_teacher_and_student_part_where_the_student_moves() -> None:
    student = add_lora(make_model(), rank=2, alpha=4.0).get_base_model()
    batch = build_batch(*zip(*make_rows(), strict=True))
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    with packed_mode(student):
        loss = DistilLoss(Distillation())(student, batch)
    assert loss.item() > 1
