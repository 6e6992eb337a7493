"""Signed releases of adapters over a base, small and made at once; and records of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from assay.evaluate.scope import Scope, save_scope
from assay.models.base import BaseFiles, load_model
from assay.pipeline.subject import describe_base
from assay.release import SigningKey, sign_release
from assay.runs import RunFolder, write_json, write_text
from assay.serve.inference.records import TunedRecord
from assay.tools.policy import Policy, render_policy


def make_adapter(
    base: BaseFiles, folder: Path, *, seed: int, std: float = 0.05, **options: Any
) -> None:
    """A random adapter that changes what the base says; with `std` 0 it changes nothing."""
    torch.manual_seed(seed)
    given = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}
    config = LoraConfig(task_type="CAUSAL_LM", **{**given, **options})
    model = get_peft_model(load_model(base), config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=std)
    model.save_pretrained(folder)


def make_release(
    base: BaseFiles, root: Path, name: str, *, key: SigningKey, seed: int = 0, **options: Any
) -> TunedRecord:
    """A signed run with one adapter; `options` are the adapter's, `defend` of the manifest, the
    tool `policy`, or the `scope`."""
    run = RunFolder(root / f"{name.replace(':', '-')}-00000000")
    defend = options.pop("defend", {})
    policy: Policy | None = options.pop("policy", None)
    write_text(run.recipe, "base: tiny\n")
    write_json(run.manifest, {**describe_base(base), "defend": defend})
    write_json(run.verdict, {"status": "released", "headline": "", "gates": []})
    scope: Scope | None = options.pop("scope", None)
    if scope is not None:
        save_scope(scope, run.scope, run.scope_tensors)
    make_adapter(base, run.adapter, seed=seed, **options)
    if policy is not None:
        write_text(run.tool_policy, render_policy(policy))
    sign_release(run, key=key)
    return TunedRecord(name, 100 + seed, run.adapter, run.path, is_released=True)


@dataclass
class Known:
    """Records in memory."""

    records: dict[str, TunedRecord] = field(default_factory=dict)

    def add(self, record: TunedRecord) -> None:
        self.records[record.id] = record

    def find(self, name: str) -> TunedRecord | None:
        return self.records.get(name)

    def list_released(self) -> Sequence[TunedRecord]:
        return [one for one in self.records.values() if one.is_released]

    def list_checkpoints(self) -> Sequence[TunedRecord]:
        return [one for one in self.records.values() if one.is_checkpoint]

    def delete(self, name: str, project: str | None) -> bool:
        return self.records.pop(name, None) is not None
