"""Every way to make a small model trainable, by name, and plain passes to compare with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from small_models import make_model

from assay.data.pack import PackedBatch, build_batch, pack_lengths
from assay.models.adapters import add_lora
from assay.models.methods.freeze import unfreeze
from assay.models.methods.passthrough import add_peft

Rows = list[tuple[list[int], list[float]]]


def _lora(*flavours: str) -> Callable[[Any], Any]:
    return lambda model: add_lora(model, rank=4, alpha=8.0, flavours=flavours)


def _full(model: Any) -> Any:
    return model.requires_grad_(True)


VERA_TARGETS = {"gpt2": ["c_attn"], "mamba": ["in_proj"]}
IA3_TARGETS = {"gpt2": ["c_attn", "c_fc"], "mamba": ["in_proj"], "lfm2": ["q_proj", "w1"]}


def _vera(model: Any) -> Any:
    targets = VERA_TARGETS.get(model.config.model_type, ["q_proj", "v_proj"])
    return add_peft(model, {"peft_type": "VERA", "r": 8, "target_modules": targets})


def _ia3(model: Any) -> Any:
    targets = IA3_TARGETS.get(model.config.model_type, ["k_proj", "v_proj"])
    names = [name for name, _ in model.named_modules()]
    targets += ["down_proj"] if any(name.endswith("mlp.down_proj") for name in names) else []
    feedforward = [name for name in targets if name in ("down_proj", "c_fc", "w1")]
    settings = {"target_modules": targets, "feedforward_modules": feedforward}
    return add_peft(model, {"peft_type": "IA3", **settings})


def _prompt(kind: str, **settings: Any) -> Callable[[Any], Any]:
    def put_in(model: Any) -> Any:
        heads = {"num_attention_heads": 1} if model.config.model_type == "mamba" else {}
        common = {"peft_type": kind, "num_virtual_tokens": 5}
        return add_peft(model, common | heads | settings)

    return put_in


METHODS: dict[str, Callable[[Any], Any]] = {
    "lora": _lora(),
    "rslora": _lora("rslora"),
    "dora": _lora("dora"),
    "pissa": _lora("pissa"),
    "pissa with dora and rslora": _lora("pissa", "dora", "rslora"),
    "freeze": lambda model: unfreeze(model, top_layers=1, patterns=["norm|ln_"]),
    "full": _full,
    "peft vera": _vera,
    "peft ia3": _ia3,
    "peft prompt": _prompt("PROMPT_TUNING"),
    "peft prefix": _prompt("PREFIX_TUNING"),
    "peft p-tuning": _prompt("P_TUNING", encoder_hidden_size=16),
    "peft cartridge": _prompt("CARTRIDGE"),
}
WHOLE = {"freeze", "full"}
STATES = {"peft prefix", "peft cartridge"}
VIRTUAL = {"peft prompt", "peft p-tuning", *STATES}


def apply(method: str, kind: str = "llama") -> tuple[Any, Any]:
    """What the method made of a small model (to save), and the causal model in it (to train)."""
    model = make_model(kind)
    torch.manual_seed(1)
    wrapped = METHODS[method](model)
    return wrapped, wrapped if method in WHOLE else wrapped.get_base_model()


def load_plainly(method: str, kind: str, folder: Path) -> Any:
    """What was saved, by Transformers or PEFT alone, onto the original base."""
    from peft import PeftModel

    model = make_model(kind)
    if method in WHOLE:
        return type(model).from_pretrained(folder).eval()
    return PeftModel.from_pretrained(model, folder).eval()


def batches(rows: Rows, budget: int = 10_000) -> list[PackedBatch]:
    bins = pack_lengths([len(ids) for ids, _ in rows], token_budget=budget)
    return [build_batch([rows[i][0] for i in b], [rows[i][1] for i in b]) for b in bins]


def plain_loss_sum(model: Any, rows: Rows) -> torch.Tensor:
    """Each row by itself through the plain forward pass, full logits."""
    total = torch.zeros(())
    for ids, mask in rows:
        # PEFT's own pass gives the virtual tokens' logits too, before those of the row.
        whole = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -len(ids) :]
        logits = whole[:-1].float()
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
        total = total + (each * torch.tensor(mask[1:])).sum()
    return total


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@torch.no_grad()
def logits(model: Any, rows: Rows) -> list[torch.Tensor]:
    return [model(input_ids=torch.tensor([ids])).logits[0, -len(ids) :].float() for ids, _ in rows]


def largest_gap(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))
