"""What every rank of a distributed test runs; rank 0 writes what came out as JSON."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from small_models import make_model, make_rows

from assay.data.pack import PackedBatch, build_batch
from assay.data.share import build_filler, share_lengths
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.checkpoint import Checkpoints
from assay.train.fit import FitSettings, fit_steps
from assay.train.optimizer import build_optimizers
from assay.train.ranks import Ranks, end_process, open_ranks
from assay.train.sft import SftLoss, compute_mean_loss
from assay.train.shard import GatheredLoss, make_mesh, shard_model

ROWS = make_rows(24)
METHODS, LAYOUTS = ("lora", "full"), ("whole", "sharded")
OPTIMIZERS = ("lion", "schedule_free")
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
        mesh = make_mesh(ranks.num_ranks, CPU)
        shard_model(model, mesh=mesh, whole_trainable=method == "lora")
    return model


def train(
    model: Any,
    ranks: Ranks,
    *,
    folder: Path | None = None,
    stop_after: int = 20,
    resume: bool = False,
    optimizer: Any = "adamw",
) -> list[dict[str, Any]]:
    """The metrics of 20 steps, or of those up to `stop_after`, where a checkpoint is left."""
    with packed_mode(model):
        steps = fit_steps(
            model,
            lambda step: get_share(step, ranks),
            GatheredLoss(SftLoss()),
            build_optimizers(model, name=optimizer, learning_rate=1e-2),
            FitSettings(num_steps=20, warmup_steps=2, eval_every_steps=10),
            validate=lambda: compute_mean_loss(model, get_share(99, ranks), ranks=ranks),
            checkpoints=Checkpoints(folder, ranks=ranks) if folder else None,
            resume=resume,
            ranks=ranks,
            seed=3,
        )
        with closing(steps):
            records = []
            for record in steps:
                records.append({k: v for k, v in record.items() if k != "tokens_per_s"})
                if record["step"] == stop_after:
                    break
    return records


def together(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Every curve on these ranks; ``resumed`` goes on from checkpoints that one process left."""
    found: dict[str, Any] = {}
    for method in METHODS:
        for layout in LAYOUTS:
            name, sharded = f"{method} {layout}", layout == "sharded"
            found[name] = train(build(method, ranks, sharded=sharded), ranks)
            model = build(method, ranks, sharded=sharded)
            train(model, ranks, folder=folder / f"together {name}", stop_after=10)
            model = build(method, ranks, sharded=sharded)
            for path in (folder / f"together {name}", folder / f"alone {name}"):
                found[path.name] = train(model, ranks, folder=path, resume=True)
    for optimizer in OPTIMIZERS:
        model = build("full", ranks, sharded=True)
        found[optimizer] = train(model, ranks, optimizer=optimizer)
    return found


def main(arguments: Sequence[str]) -> None:
    torch.set_num_threads(1)
    name, folder = arguments[0], Path(arguments[1])
    with open_ranks(CPU, lambda: "") as (ranks, _):
        found = globals()[name](ranks, folder)
        if ranks.is_first:
            (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    end_process(0)


if __name__ == "__main__":
    assert "RANK" in os.environ
    main(sys.argv[1:])
