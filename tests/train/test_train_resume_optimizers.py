"""Every optimizer goes on bit for bit, stopped and started anew after every single step."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import SHAPE, make_rows
from transformers import LlamaConfig, LlamaForCausalLM

from assay.config.optimizers import OPTIMIZER_SETTINGS
from assay.data.pack import PackedBatch, build_batch
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.checkpoint import Checkpoints, trainable_tensors
from assay.train.fit import FitSettings, fit
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss, compute_mean_loss

ROWS = make_rows(24)
NUM_STEPS = 5
WIDE = SHAPE | {"hidden_size": 64, "intermediate_size": 96, "tie_word_embeddings": True}
needs_bitsandbytes = pytest.mark.skipif(
    not find_spec("bitsandbytes"), reason="bitsandbytes, of the extra `quant`, is not installed"
)


def get_batches(step: int) -> list[PackedBatch]:
    rows = [ROWS[(3 * step + i) % len(ROWS)] for i in range(3)]
    return [build_batch([ids for ids, _ in part], [m for _, m in part]) for part in (rows, rows)]


def start_adapters() -> Any:
    """Adapters whose matrices are large enough for 8-bit state, with dropout."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**WIDE))
    return add_lora(model, rank=64, alpha=8.0, dropout=0.3).get_base_model()


def start_bfloat16() -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**WIDE)).to(torch.bfloat16)


def run(
    model: Any, folder: Path, name: Any, *, precision: str, stop_at: int = 0, resume: bool = False
) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []

    def report(record: dict[str, Any]) -> None:
        records.append({k: v for k, v in record.items() if k != "tokens_per_s"})
        if record["step"] == stop_at:
            raise KeyboardInterrupt

    torch.manual_seed(99 if resume else 5)
    settings = FitSettings(
        num_steps=NUM_STEPS,
        warmup_steps=2,
        schedule="constant" if name == "schedule_free" else "cosine",
        precision=precision,
        eval_every_steps=2,
        checkpoint_every_s=1e9,
    )
    validation = get_batches(99)
    with packed_mode(model):
        fit(
            model,
            get_batches,
            SftLoss(),
            build_optimizers(model, name=name, learning_rate=3e-3, weight_decay=0.01),
            settings,
            validate=lambda: compute_mean_loss(model, validation, precision=precision),
            report=report,
            checkpoints=Checkpoints(folder),
            resume=resume,
        )
    return records


@pytest.mark.parametrize(
    ("name", "start", "precision"),
    [
        *((name, start_adapters, "fp32") for name in OPTIMIZER_SETTINGS),
        ("adamw", start_bfloat16, "bf16"),
        ("adamw_8bit", start_bfloat16, "bf16"),
        ("schedule_free", start_bfloat16, "bf16"),
        *(
            pytest.param(name, start_bfloat16, "bf16", marks=pytest.mark.slow)
            for name in ("adafactor", "lion", "muon")
        ),
    ],
)
def test_stopped_after_every_step_equals_uninterrupted(
    tmp_path: Path, name: str, start: Any, precision: str
) -> None:
    if name == "paged_adamw_8bit":
        pytest.skip("a CPU has no memory to page from")
    if name == "adamw_8bit":
        pytest.importorskip("bitsandbytes", reason="bitsandbytes, of the extra `quant`, is missing")
    whole = start()
    expected = run(whole, tmp_path / "whole", name, precision=precision)
    parts: list[dict[str, Any]] = []
    for step in range(1, NUM_STEPS):
        with pytest.raises(KeyboardInterrupt):
            run(
                start(),
                tmp_path / "parts",
                name,
                precision=precision,
                stop_at=step,
                resume=step > 1,
            )
        assert Checkpoints(tmp_path / "parts").steps()[-1] == step
    last = start()
    parts = run(last, tmp_path / "parts", name, precision=precision, resume=True)
    assert parts == expected[-1:]
    for key, value in trainable_tensors(whole).items():
        assert torch.equal(value, trainable_tensors(last)[key]), key


@needs_bitsandbytes
def test_eight_bit_state_is_kept_in_eight_bits(tmp_path: Path) -> None:
    """The test above would say nothing of 8 bits if every tensor were below the library's limit."""
    from safetensors.torch import load_file

    run(start_adapters(), tmp_path, "adamw_8bit", precision="fp32")
    kept = load_file(tmp_path / f"step-{NUM_STEPS}" / "optimizer.safetensors")
    assert any(t.dtype == torch.uint8 and t.numel() >= 4096 for t in kept.values())
