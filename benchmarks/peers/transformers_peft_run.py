"""Runs the plain loop that most people start from: a Transformers model, PEFT, padded batches.

Padded to the longest of the batch, SDPA, logits of every position, fused AdamW, no checkpointing.
"""

from __future__ import annotations

from typing import Any

import peft
import torch
import transformers
from meter import Meter, read_rows, read_spec
from transformers import LlamaForCausalLM  # noqa: F401  Transformers would import it late

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def load_subject(spec: dict[str, Any]) -> Any:
    """The model with the adapter that every trainer starts from, or with all weights trainable."""
    dtype = DTYPES[spec["precision"]]
    options: dict[str, Any] = {"dtype": dtype}
    if spec["method"] == "qlora":
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        options["device_map"] = {"": "cpu"}
    model = transformers.AutoModelForCausalLM.from_pretrained(spec["model"], **options)
    if spec["method"] == "full":
        return model
    return peft.PeftModel.from_pretrained(model, spec["adapter"], is_trainable=True)


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for row in rows)

    def pad(key: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[key] + [filler] * (width - len(row[key])) for row in rows])

    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    mask = (torch.arange(width)[None] < lengths[:, None]).long()
    return {"input_ids": pad("input_ids", 0), "labels": pad("labels", -100), "attention_mask": mask}


def main() -> None:
    spec = read_spec()
    meter = Meter(spec)
    model, rows = load_subject(spec).train(), read_rows(spec)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=spec["learning_rate"], weight_decay=0.0, fused=True)
    for start in range(0, len(rows), spec["batch_size"]):
        batch = collate(rows[start : start + spec["batch_size"]])
        model(**batch, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, spec["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad()
    meter.print_result("transformers", "peft", "bitsandbytes")


if __name__ == "__main__":
    main()
