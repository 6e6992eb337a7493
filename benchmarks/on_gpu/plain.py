"""Runs the plain Transformers and PEFT loop on a GPU workload."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.on_gpu.meter import Clock
from benchmarks.on_gpu.models import LEARNING_RATE, build_with_peft
from benchmarks.on_gpu.rows import Row, pad


def run(spec: dict[str, Any], rows: list[Row], clock: Clock) -> dict[str, Any]:
    """Padded to the longest of the step, checkpointing on, fused AdamW, autocast to bfloat16."""
    device = torch.device(spec["device"])
    model = build_with_peft(spec).train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    clock.start()
    for start in range(0, len(rows), spec["num_sequences"]):
        batch = pad(rows[start : start + spec["num_sequences"]], device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(float(loss.detach()))
    return {"attention": model.config._attn_implementation, "techniques": ["checkpoint_layers"]}
