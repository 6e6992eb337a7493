"""What every rank of a distributed test runs; rank 0 writes what came out as JSON."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from small_models import make_model, make_rows

from assay.data.pack import PackedBatch, build_batch
from assay.data.share import build_filler, share_lengths
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.fit import FitSettings, fit
from assay.train.optimizer import build_optimizers
from assay.train.ranks import Ranks, end_process, open_ranks
from assay.train.sft import SftLoss, compute_mean_loss
from assay.train.shard import GatheredLoss, shard_model

ROWS = make_rows(24)
CPU = torch.device("cpu")


def get_share(step: int, ranks: Ranks, *, num_rows: int = 5) -> list[PackedBatch]:
    """Two micro-batches of this rank's share; a filler where it has too few rows for two."""
    rows = [ROWS[(num_rows * step + i) % len(ROWS)] for i in range(num_rows)]
    share = share_lengths([len(ids) for ids, _ in rows], ranks.num_ranks)[ranks.rank]
    parts = [[rows[i] for i in share[:2]], [rows[i] for i in share[2:]]]
    return [
        build_batch([ids for ids, _ in part], [m for _, m in part])
        if part
        else build_filler(rows[0][0])
        for part in parts
    ]


def build(method: str, ranks: Ranks, *, sharded: bool, kind: str = "llama") -> Any:
    model = make_model(kind)
    if method == "lora":
        torch.manual_seed(1)
        model = add_lora(model, rank=4, alpha=8.0).get_base_model()
    if sharded:
        shard_model(model, num_ranks=ranks.num_ranks, device=CPU, whole_trainable=method == "lora")
    return model


def train(model: Any, ranks: Ranks, *, num_steps: int = 20, **options: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    options = {"eval_every_steps": 10} | options
    fit_options = {k: options.pop(k) for k in ("checkpoints", "resume") if k in options}
    with packed_mode(model):
        fit(
            model,
            lambda step: get_share(step, ranks),
            GatheredLoss(SftLoss()),
            build_optimizers(model, learning_rate=1e-2),
            FitSettings(num_steps=num_steps, warmup_steps=2, **options),
            validate=lambda: compute_mean_loss(model, get_share(99, ranks), ranks=ranks),
            report=records.append,
            ranks=ranks,
            **fit_options,
        )
    keep = ("step", "tokens", "train/loss", "train/grad_norm", "eval/loss")
    return [{k: r[k] for k in keep if k in r} for r in records]


def curves(ranks: Ranks, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method in ("lora", "full"):
        for sharded in (False, True):
            model = build(method, ranks, sharded=sharded)
            found[f"{method} {'sharded' if sharded else 'whole'}"] = train(model, ranks)
    return found


def main(arguments: Sequence[str]) -> None:
    torch.set_num_threads(1)
    name, folder = arguments[0], Path(arguments[1])
    with open_ranks(CPU) as ranks:
        found = globals()[name](ranks, folder)
        if ranks.is_first:
            (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    end_process(0)


if __name__ == "__main__":
    assert "RANK" in os.environ
    main(sys.argv[1:])
