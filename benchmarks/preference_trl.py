"""TRL's side of `benchmarks.preference`: one epoch of each of its trainers, and their losses."""

from __future__ import annotations

import tempfile
from typing import Any

from benchmarks.preference import (
    BATCH_SIZE,
    SHAPE,
    draw_pairs,
    draw_rated,
    make_model,
    rotate,
    start,
)

SETTINGS: dict[str, Any] = {
    "num_train_epochs": 1,
    "per_device_train_batch_size": BATCH_SIZE,
    "logging_steps": 1,
    "bf16": False,
    "use_cpu": True,
    "report_to": "none",
    "learning_rate": 1e-4,
    "gradient_checkpointing": False,
}


def run_dpo(count: int) -> list[float]:
    """One epoch of TRL's trainer, whose reference is the model without its adapter."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from assay.models.base import find_base

    class Tokenized(DPOTrainer):  # type: ignore[misc]
        """Takes rows that are tokens already."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    rows = [
        {
            "prompt_ids": p,
            "chosen_ids": c,
            "rejected_ids": r,
            "prompt": "",
            "chosen": "",
            "rejected": "",
        }
        for p, c, r in draw_pairs(count)
    ]
    trainer = Tokenized(
        make_model(),
        args=DPOConfig(
            output_dir=tempfile.mkdtemp(),
            **SETTINGS,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(find_base("tiny").folder),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
    )
    return _train(trainer)


def run_reward(count: int) -> list[float]:
    """One epoch of TRL's trainer of reward models, on whole sequences."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    from assay.models.base import find_base

    class Tokenized(RewardTrainer):  # type: ignore[misc]
        """Takes rows that are tokens already."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    rows = [{"chosen_ids": [*p, *c], "rejected_ids": [*p, *r]} for p, c, r in draw_pairs(count)]
    torch.manual_seed(0)
    trainer = Tokenized(
        LlamaForSequenceClassification(LlamaConfig(**SHAPE, num_labels=1)),
        args=RewardConfig(
            output_dir=tempfile.mkdtemp(),
            **SETTINGS,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(find_base("tiny").folder),
        peft_config=LoraConfig(
            r=16, lora_alpha=32, target_modules="all-linear", task_type="SEQ_CLS"
        ),
    )
    return _train(trainer)


def run_kto(count: int) -> list[float]:
    """One epoch of TRL's trainer, whose reference is the model without its adapter."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import KTOConfig, KTOTrainer

    from assay.models.base import find_base

    class Tokenized(KTOTrainer):  # type: ignore[misc]
        """Takes rows that are tokens already."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    rated, rows = draw_rated(count), []
    for at in range(0, len(rated), BATCH_SIZE):
        part = rated[at : at + BATCH_SIZE]
        for (prompt, own, label), other in zip(part, rotate([c for _, c, _ in part]), strict=True):
            ids = {"prompt_ids": prompt, "completion_ids": own, "KL_completion_ids": other}
            rows.append(ids | {"label": label, "prompt": "", "completion": ""})
    trainer = Tokenized(
        make_model(),
        args=KTOConfig(
            output_dir=tempfile.mkdtemp(),
            **SETTINGS,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(find_base("tiny").folder),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
    )
    return _train(trainer)


def _train(trainer: Any) -> list[float]:
    """The losses of its steps; what came before is no part of the measurement."""
    start()
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


RUNS = {"dpo": run_dpo, "kto": run_kto, "reward": run_reward}
