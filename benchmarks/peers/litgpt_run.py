"""Runs LitGPT's own `finetune.lora.setup` or `finetune.full.setup`, padded to the longest row.

It has no packing for fine-tuning. Where the workload is bf16 its weights are (``bf16-true``).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from litgpt import Config
from litgpt.args import EvalArgs, TrainArgs
from litgpt.data import DataModule, get_sft_collate_fn
from litgpt.finetune import full, lora
from litgpt.utils import save_config
from meter import Meter, read_rows, read_spec
from safetensors.torch import load_file
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

LAYER_NAMES = {
    "input_layernorm": "norm_1",
    "post_attention_layernorm": "norm_2",
    "self_attn.o_proj": "attn.proj",
    "mlp.gate_proj": "mlp.fc_1",
    "mlp.up_proj": "mlp.fc_2",
    "mlp.down_proj": "mlp.proj",
}
OTHER_NAMES = {
    "model.embed_tokens.weight": "transformer.wte.weight",
    "model.norm.weight": "transformer.ln_f.weight",
    "lm_head.weight": "lm_head.weight",
}


class Rows(DataModule):  # type: ignore[misc]
    """Tokens that are already there, through LitGPT's own collator."""

    def __init__(self, rows: list[dict[str, Any]], meter: Meter) -> None:
        super().__init__()
        counts = {"raw": 0, "raw_plus_prompt_template": 0}
        self.rows = [
            {key: torch.tensor(row[key]) for key in ("input_ids", "labels")}
            | {"token_counts": {k: torch.tensor([len(row["input_ids"])]) for k in counts}}
            for row in rows
        ]
        self.meter = meter
        self.batch_size = 1
        self.prompt_style = None

    def connect(self, tokenizer: Any = None, batch_size: int = 1, **kwargs: Any) -> None:
        self.batch_size = batch_size

    def train_dataloader(self) -> Any:
        collate = self.meter.watch_collator(get_sft_collate_fn(pad_id=0, ignore_index=-100))
        return DataLoader(self.rows, batch_size=self.batch_size, collate_fn=collate)

    def val_dataloader(self) -> Any:
        shortest = min(self.rows, key=lambda row: len(row["input_ids"]))
        return DataLoader([shortest], collate_fn=get_sft_collate_fn(pad_id=0, ignore_index=-100))


def write_checkpoint(spec: dict[str, Any], folder: Path) -> None:
    """The model in LitGPT's layout, as its conversion script would leave it."""
    sizes = spec["sizes"]
    config = Config(
        name="benchmark",
        block_size=4096,
        vocab_size=sizes["vocab_size"],
        padded_vocab_size=sizes["vocab_size"],
        n_layer=sizes["num_hidden_layers"],
        n_head=sizes["num_attention_heads"],
        n_query_groups=sizes["num_key_value_heads"],
        n_embd=sizes["hidden_size"],
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        norm_eps=1e-6,
        mlp_class_name="LLaMAMLP",
        intermediate_size=sizes["intermediate_size"],
    )
    weights = load_file(Path(spec["model"]) / "model.safetensors")
    renamed = {new: weights[old] for old, new in OTHER_NAMES.items()}
    for layer in range(sizes["num_hidden_layers"]):
        old, new = f"model.layers.{layer}", f"transformer.h.{layer}"
        for theirs, ours in LAYER_NAMES.items():
            renamed[f"{new}.{ours}.weight"] = weights[f"{old}.{theirs}.weight"]
        qkv = [weights[f"{old}.self_attn.{x}_proj.weight"] for x in "qkv"]
        renamed[f"{new}.attn.qkv.weight"] = torch.cat(qkv)
    folder.mkdir()
    torch.save(renamed, folder / "lit_model.pth")
    save_config(config, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((Path(spec["model"]) / name).read_bytes())


@torch.no_grad()
def load_start(spec: dict[str, Any], model: Any) -> None:
    """Copy the start that every trainer begins from; B is zero there and in LitGPT alike."""
    start = load_file(Path(spec["adapter"]) / "adapter_model.safetensors")
    parameters = {n.removeprefix("_forward_module."): p for n, p in model.named_parameters()}
    for layer in range(spec["sizes"]["num_hidden_layers"]):
        old, new = f"base_model.model.model.layers.{layer}", f"transformer.h.{layer}"
        qkv = [start[f"{old}.self_attn.{x}_proj.lora_A.weight"] for x in "qkv"]
        parameters[f"{new}.attn.qkv.lora_A"].copy_(torch.cat(qkv))
        for theirs, ours in LAYER_NAMES.items():
            if "norm" not in theirs:
                parameters[f"{new}.{ours}.lora_A"].copy_(start[f"{old}.{theirs}.lora_A.weight"])


def fit_and_stop(spec: dict[str, Any], meter: Meter, fit: Any, **arguments: Any) -> None:
    """Their `fit` alone: what follows it saves and merges, which no other trainer is timed for."""
    if spec["method"] != "full":
        load_start(spec, arguments["model"])
    fit(**arguments)
    meter.print_result("litgpt", "lightning", "bitsandbytes")
    raise SystemExit


def main() -> None:
    spec = read_spec()
    checkpoint = Path(spec["output"]) / "checkpoint"
    write_checkpoint(spec, checkpoint)
    meter = Meter(spec)
    recipe = full if spec["method"] == "full" else lora
    recipe.fit = partial(fit_and_stop, spec, meter, recipe.fit)
    recipe.get_lr_scheduler = lambda optimizer, **_: LambdaLR(optimizer, lambda step: 1.0)
    options: dict[str, Any] = {
        "checkpoint_dir": checkpoint,
        "out_dir": Path(spec["output"]) / "out",
        "precision": "bf16-true" if spec["precision"] == "bf16" else "32-true",
        "data": Rows(read_rows(spec), meter),
        "train": TrainArgs(
            save_interval=None,
            log_interval=1,
            global_batch_size=spec["batch_size"],
            micro_batch_size=spec["batch_size"],
            lr_warmup_steps=0,
            epochs=2,
            max_steps=spec["num_steps"],
        ),
        "eval": EvalArgs(interval=1000, max_new_tokens=1, max_iters=1),
        "optimizer": {
            "class_path": "torch.optim.AdamW",
            "init_args": {"lr": spec["learning_rate"], "weight_decay": 0.0},
        },
        "seed": 0,
    }
    if recipe is lora:
        every = ("query", "key", "value", "projection", "mlp")
        options |= {f"lora_{name}": True for name in every}
        options |= {"lora_r": spec["rank"], "lora_alpha": spec["alpha"], "lora_dropout": 0.0}
    if spec["method"] == "qlora":
        options["quantize"] = "bnb.nf4-dq"
    recipe.setup(**options)


if __name__ == "__main__":
    main()
