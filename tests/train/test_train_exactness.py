"""Exact tokens: packed = unpacked, 8×1 = 1×8, the core = a plain Transformers and PEFT loop."""

from pathlib import Path
from typing import Any

import pytest
import torch
from methods import batches, gradients, plain_loss_sum
from small_models import KINDS, STATEFUL, make_model, make_rows

from assay.data.pack import build_batch
from assay.errors import TrainingError
from assay.models import attention
from assay.models.adapters import add_lora
from assay.models.base import find_base, load_model
from assay.models.forward import packed_mode
from assay.models.selftest import check_isolation
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss, compute_mean_loss, neftune_noise
from assay.train.step import train_step

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"
Rows = list[tuple[list[int], list[float]]]


@pytest.fixture(params=[kind for kind in KINDS if kind not in STATEFUL])
def any_model(request: pytest.FixtureRequest) -> Any:
    return make_model(request.param)


def test_packed_loss_and_gradients_equal_unpacked(any_model: Any) -> None:
    rows = make_rows()
    plain = plain_loss_sum(any_model, rows)
    plain.backward()
    expected = gradients(any_model)
    any_model.zero_grad()
    with packed_mode(any_model):
        (batch,) = batches(rows, 10_000)
        loss = SftLoss()(any_model, batch)
        loss.backward()
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-5)
    found = gradients(any_model)
    assert found.keys() == expected.keys()
    for name, grad in found.items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_the_self_test_passes_and_catches_contamination(
    any_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequences = [ids for ids, _ in make_rows(4)]
    assert check_isolation(any_model, sequences) < 1e-4
    assert check_isolation(any_model.to(torch.bfloat16), sequences) < 1e-2
    attend = attention._attend

    def attend_across(query: Any, key: Any, value: Any, lengths: list[int], options: Any) -> Any:
        return attend(query, key, value, [sum(lengths)], options)

    monkeypatch.setattr(attention, "_attend", attend_across)
    for dtype in (torch.bfloat16, torch.float32):
        with pytest.raises(TrainingError, match="packed and separate logits"):
            check_isolation(any_model.to(dtype), sequences)


TEXTS = [
    "Hello, what can you do for me?",
    "What leaves at 11, the bus or the train?",
    "Please. " * 9,
]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_tiny_passes_the_self_test_and_trains_in_either_dtype(dtype: str) -> None:
    """In bfloat16 its logits of up to 25 differ by 0.4 between attention kernels, by rounding."""
    base = find_base("tiny")
    model = add_lora(load_model(base, dtype=dtype), rank=4, alpha=8.0).get_base_model()
    sequences = [base.tokenizer.encode(text) for text in TEXTS]
    check_isolation(model, sequences)
    batch = build_batch(sequences, [[1.0] * len(ids) for ids in sequences])
    optimizers = build_optimizers(model, learning_rate=5e-3)
    with packed_mode(model):
        losses = [
            train_step(model, [batch], SftLoss(), optimizers, max_grad_norm=1.0).loss
            for _ in range(3)
        ]
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(("scale", "leak"), [(1.3, False), (1.0, True)])
def test_tiny_with_a_leak_or_another_attention_is_caught_in_either_dtype(
    monkeypatch: pytest.MonkeyPatch, dtype: str, scale: float, leak: bool
) -> None:
    """Scores that are scaled otherwise stand for an attention that the packed one does not know."""
    base = find_base("tiny")
    model = load_model(base, dtype=dtype)
    attend = attention._attend

    def attend_otherwise(query: Any, key: Any, value: Any, lengths: list[int], by: Any) -> Any:
        return attend(query * scale, key, value, [sum(lengths)] if leak else lengths, by)

    monkeypatch.setattr(attention, "_attend", attend_otherwise)
    reason = "packed and separate logits" if leak else "with packed and with its own attention"
    with pytest.raises(TrainingError, match=reason):
        check_isolation(model, [base.tokenizer.encode(text) for text in TEXTS])


def test_eight_micro_batches_equal_one() -> None:
    rows = make_rows(8)
    results = {}
    for budget in (1, 10_000):
        model = make_model()
        optimizers = build_optimizers(model, learning_rate=1e-2)
        with packed_mode(model):
            for _ in range(3):
                step = batches(rows, budget)
                train_step(model, step, SftLoss(), optimizers, max_grad_norm=1.0)
        results[budget] = (len(step), {n: p.detach() for n, p in model.named_parameters()})
    assert results[1][0] == 8
    assert results[10_000][0] == 1
    for name, value in results[1][1].items():
        torch.testing.assert_close(value, results[10_000][1][name], rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_mean_over_supervised_tokens_of_the_step() -> None:
    model, rows = make_model(), make_rows(5)
    expected = plain_loss_sum(model, rows).item() / sum(sum(m[1:]) for _, m in rows)
    with packed_mode(model):
        mean = compute_mean_loss(model, batches(rows, 30))
        result = train_step(
            model,
            batches(rows, 30),
            SftLoss(),
            build_optimizers(model, learning_rate=1e-3),
            max_grad_norm=None,
        )
    assert mean == pytest.approx(expected, rel=1e-5)
    assert result.loss == pytest.approx(expected, rel=1e-5)


def test_trajectory_equals_a_plain_peft_loop() -> None:
    rows = make_rows(6)
    losses: dict[str, list[float]] = {"ours": [], "plain": []}
    for side in losses:
        torch.manual_seed(1)
        peft_model = add_lora(make_model(), rank=4, alpha=8.0)
        model = peft_model.get_base_model()
        weight = sum(sum(mask[1:]) for _, mask in rows)
        if side == "ours":
            optimizers = build_optimizers(model, learning_rate=5e-3)
            with packed_mode(model):
                for _ in range(5):
                    step = train_step(
                        model, batches(rows, 40), SftLoss(), optimizers, max_grad_norm=1.0
                    )
                    losses[side].append(step.loss)
            continue
        parameters = [p for p in peft_model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=5e-3, weight_decay=0.0)
        peft_model.train()
        for _ in range(5):
            loss = plain_loss_sum(peft_model, rows) / weight
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses[side].append(float(loss))
    assert losses["ours"] == pytest.approx(losses["plain"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_first_loss_equals_trl(tmp_path: Path) -> None:
    """TRL's SFTTrainer on the same tokens and labels reports the same loss for its first step."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    model, rows = make_model(), make_rows(4)
    expected = plain_loss_sum(model, rows).item() / sum(sum(m[1:]) for _, m in rows)
    labels = [[t if w else -100 for t, w in zip(*row, strict=True)] for row in rows]
    data = Dataset.from_dict({"input_ids": [ids for ids, _ in rows], "labels": labels})
    arguments = SFTConfig(
        output_dir=str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=4,
        logging_steps=1,
        bf16=False,
        use_cpu=True,
        report_to=[],
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = SFTTrainer(
        model,
        args=arguments,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(TINY),
    )
    trainer.train()
    first = next(line["loss"] for line in trainer.state.log_history if "loss" in line)
    assert first == pytest.approx(expected, rel=1e-3)


def test_neftune_noise_is_bounded_and_off_in_evaluation() -> None:
    model, rows = make_model(), make_rows(3)
    (batch,) = batches(rows, 10_000)
    seen = []
    table = model.get_input_embeddings()
    with packed_mode(model):
        clean = compute_mean_loss(model, [batch])
        with neftune_noise(model, alpha=5.0):
            hook = table.register_forward_hook(lambda m, a, out: seen.append(out.detach()))
            assert compute_mean_loss(model, [batch]) == clean
            model.train()
            SftLoss()(model, batch)
            hook.remove()
    noise = seen[-1][0] - table(torch.tensor(batch.input_ids)).detach()
    start = 0
    for length in batch.sequence_lengths:
        bound = 5.0 / (length * 32) ** 0.5
        part = noise[start : start + length].abs()
        assert 0.5 * bound < float(part.max()) <= bound
        start += length
