"""Runs Unsloth's CPU path: its patched model under the `SFTTrainer` that it patches, too.

``default`` is what its own examples set, but for checkpointing, which is off, as it is faster here.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")

import unsloth  # noqa: I001  it must be the first, so that it can patch the others
import torch
from datasets import Dataset
from meter import Meter, read_rows, read_spec
from trl import SFTConfig, SFTTrainer


def load_subject(spec: dict[str, Any]) -> Any:
    """Unsloth's model with the start that every trainer begins from; the tokenizer beside it."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[spec["precision"]]
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        spec["model"],
        max_seq_length=4096,
        dtype=dtype,
        load_in_4bit=spec["method"] == "qlora",
        full_finetuning=spec["method"] == "full",
    )
    if spec["method"] == "full":
        return model, tokenizer
    model = unsloth.FastLanguageModel.get_peft_model(
        model,
        r=spec["rank"],
        lora_alpha=spec["alpha"],
        lora_dropout=0,
        bias="none",
        target_modules=spec["target_modules"],
        use_gradient_checkpointing=False,
        random_state=0,
    )
    load_start(spec, model)
    return model, tokenizer


@torch.no_grad()
def load_start(spec: dict[str, Any], model: Any) -> None:
    from safetensors.torch import load_file

    start = load_file(f"{spec['adapter']}/adapter_model.safetensors")
    parameters = dict(model.named_parameters())
    for name, tensor in start.items():
        parameters[name.replace(".weight", ".default.weight")].copy_(tensor)


def main() -> None:
    spec = read_spec()
    meter = Meter(spec)
    model, tokenizer = load_subject(spec)
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(read_rows(spec)),
        args=SFTConfig(
            output_dir=spec["output"],
            max_steps=spec["num_steps"],
            per_device_train_batch_size=spec["batch_size"],
            gradient_accumulation_steps=1,
            learning_rate=spec["learning_rate"],
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=spec["max_grad_norm"],
            optim="adamw_torch_fused",
            max_length=None,
            packing=False,
            bf16=False,
            gradient_checkpointing=False,
            train_sampling_strategy="sequential",
            dataset_kwargs={"skip_prepare_dataset": True},
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            seed=0,
        ),
    )
    trainer.data_collator = meter.watch_collator(trainer.data_collator)
    torch.set_num_threads(1)
    trainer.train()
    meter.print_result("unsloth", "unsloth_zoo", "trl", "transformers", "peft")


if __name__ == "__main__":
    main()
