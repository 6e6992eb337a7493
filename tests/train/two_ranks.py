"""What every rank of a distributed test runs; rank 0 writes what came out as JSON."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pair_rows import make_pairs, make_rated
from small_models import KINDS, make_model, make_rows

from assay.data import TokenSequence
from assay.data.pack import PackedBatch, build_batch, pack_lengths
from assay.data.portions import build_answer_batch
from assay.data.share import share_lengths
from assay.defend.anchor import AnchoredLoss
from assay.errors import TrainingError
from assay.losses.dpo import compute_sigmoid
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.models.reuse import reused
from assay.models.reuse_fill import fill_store
from assay.models.score_head import add_score_head
from assay.pipeline.batches import Share, pack_share
from assay.train.checkpoint import Checkpoints
from assay.train.fit import FitSettings, fit_steps
from assay.train.memory import DoesNotFit
from assay.train.meter import Meter
from assay.train.optimizer import build_optimizers
from assay.train.preference import PAIR_METRICS, PreferenceLoss
from assay.train.probe import Probe, find_plan
from assay.train.ranks import ALONE, Ranks, end_process, open_ranks
from assay.train.rated import RATED_METRICS, RatedLoss
from assay.train.reward import REWARD_METRICS, RewardLoss
from assay.train.sft import SftLoss, compute_mean_loss
from assay.train.shard import GatheredLoss, GatheredStepLoss, make_mesh, shard_model

ROWS = make_rows(24)
METHODS, LAYOUTS = ("lora", "full"), ("whole", "sharded")
RESUMED = ("lora whole", "full sharded")
"""One of each kind of checkpoint: written by the first rank, or by all."""
OPTIMIZERS = ("lion", "schedule_free")
COMPARED = ("pairs", "rated", "rewards")
CPU = torch.device("cpu")


def get_share(step: int, ranks: Ranks, *, anchored: bool = False) -> list[PackedBatch]:
    """Micro-batches of this rank's share of five rows; of every third step one rank has none."""
    num_rows = 1 if step % 3 == 2 else 5
    rows = [ROWS[(5 * step + i) % len(ROWS)] for i in range(num_rows)]
    sequences = [
        TokenSequence(ids, mask, f"{i}", "chat", "", is_anchored=anchored and i > 2)
        for i, (ids, mask) in enumerate(rows)
    ]
    return pack_share(sequences, 48, Share(ranks.rank, ranks.num_ranks))


def build(
    method: str, ranks: Ranks, *, sharded: bool, kind: str = "llama", scored: bool = False
) -> Any:
    """A small model with all weights trained, or with adapters, some of them with dropout."""
    model = make_model(kind)
    model = add_score_head(model) if scored else model
    if method != "full":
        torch.manual_seed(1)
        dropout = 0.3 if method == "dropout" else 0.0
        model = add_lora(model, rank=4, alpha=8.0, dropout=dropout).get_base_model()
    if sharded:
        mesh = make_mesh(ranks.num_ranks, CPU)
        shard_model(model, mesh=mesh, whole_trainable=method != "full")
    return model


def train(
    model: Any,
    ranks: Ranks,
    *,
    folder: Path | None = None,
    stop_after: int = 20,
    resume: bool = False,
    optimizer: Any = "adamw",
    anchored: bool = False,
    loss: Any = None,
) -> list[dict[str, Any]]:
    """The metrics of 20 steps, or of those up to `stop_after`, where a checkpoint is left."""
    with packed_mode(model):
        steps = fit_steps(
            model,
            lambda step: get_share(step, ranks, anchored=anchored),
            GatheredLoss(loss or AnchoredLoss(SftLoss())),
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
            if name not in RESUMED:
                continue
            model = build(method, ranks, sharded=sharded)
            train(model, ranks, folder=folder / f"together {name}", stop_after=10)
            model = build(method, ranks, sharded=sharded)
            for path in (folder / f"together {name}", folder / f"alone {name}"):
                found[path.name] = train(model, ranks, folder=path, resume=True)
    for optimizer in OPTIMIZERS:
        model = build("full", ranks, sharded=True)
        found[optimizer] = train(model, ranks, optimizer=optimizer, stop_after=10)
    for layout in LAYOUTS:
        model = build("lora", ranks, sharded=layout == "sharded")
        found[f"anchored {layout}"] = train(model, ranks, anchored=True, stop_after=10)
    found["dropout"] = [
        train(build("dropout", ranks, sharded=False), ranks, stop_after=5) for _ in range(2)
    ]
    ranks.seed_step(0, step=0)
    drawn = float(torch.rand(()))
    found["drawn"] = [ranks.sum(drawn if ranks.rank == rank else 0.0) for rank in (0, 1)]
    found["not finite"] = fail_on_one(ranks)
    found["mended"] = mend(ranks)
    found["too small"] = mend_in_vain(ranks, folder / "too small")
    found["planned"] = plan(ranks)
    found["reused"] = {dtype: reuse(ranks, dtype) for dtype in ("float32", "bfloat16")}
    return found


def build_compared(kind: str) -> tuple[Meter, Any]:
    """The loss of an objective that compares whole answers, and the meter that it fills."""
    if kind == "rated":
        meter = Meter(RATED_METRICS)
        return meter, GatheredStepLoss(RatedLoss(beta=0.1, meter=meter))
    if kind == "rewards":
        meter = Meter(REWARD_METRICS)
        return meter, GatheredLoss(RewardLoss(centring=0.01, meter=meter))
    meter = Meter(PAIR_METRICS)
    loss = PreferenceLoss(partial(compute_sigmoid, beta=0.1), beta=0.1, meter=meter)
    return meter, GatheredLoss(loss)


def compare(kind: str, method: str, ranks: Ranks, *, sharded: bool) -> list[dict[str, Any]]:
    """The metrics of 6 steps on pairs or ratings; of the third one rank has no row."""
    rows = make_rated(12) if kind == "rated" else make_pairs(12)
    meter, loss = build_compared(kind)

    def get_batches(step: int) -> list[PackedBatch]:
        own = [rows[(5 * step + i) % len(rows)] for i in range(1 if step == 2 else 5)]
        costs = [row.num_tokens for row in own]
        mine = [own[i] for i in share_lengths(costs, ranks.num_ranks)[ranks.rank]]
        bins = pack_lengths([row.num_tokens for row in mine], token_budget=40)
        return [build_answer_batch([mine[i] for i in part]) for part in bins]

    model = build(method, ranks, sharded=sharded, scored=kind == "rewards")
    with packed_mode(model):
        steps = fit_steps(
            model,
            get_batches,
            loss,
            build_optimizers(model, learning_rate=1e-2),
            FitSettings(num_steps=6, warmup_steps=2, eval_every_steps=3),
            validate=lambda: compute_mean_loss(model, get_batches(9), loss=loss, ranks=ranks),
            ranks=ranks,
            seed=3,
            meter=meter,
        )
        return [{k: v for k, v in r.items() if k != "tokens_per_s"} for r in steps]


def compared(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Curves of objectives that compare whole answers, by kind, method and layout."""
    return {
        f"{kind} {method} {layout}": compare(kind, method, ranks, sharded=layout == "sharded")
        for kind in COMPARED
        for method in METHODS
        for layout in LAYOUTS
    }


def architectures(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """The first steps of every small architecture with spread weights."""
    found = {}
    for kind in KINDS:
        for method in METHODS:
            model = build(method, ranks, sharded=True, kind=kind)
            found[f"{kind} {method}"] = train(model, ranks, stop_after=10)
    return found


def fail_on_one(ranks: Ranks) -> dict[str, Any]:
    """What all ranks say and hold when the loss of one is not finite, in the third step."""
    model = build("lora", ranks, sharded=False)
    before = sum_weights(model, ranks)

    def loss(model: Any, batch: PackedBatch) -> torch.Tensor:
        return SftLoss()(model, batch) * (float("nan") if ranks.rank == 1 else 1.0)

    try:
        train(model, ranks, loss=loss)
    except TrainingError as error:
        said = str(error)
    return {"said": said, "before": before, "after": sum_weights(model, ranks)}


class SmallMemory:
    """A loss for which memory runs out on rank 1, above `limit` tokens of a micro-batch."""

    def __init__(self, ranks: Ranks, limit: int) -> None:
        self.ranks, self.limit, self.sizes = ranks, limit, list[int]()

    def __call__(self, model: Any, batch: PackedBatch) -> torch.Tensor:
        loss = SftLoss()(model, batch)
        self.sizes.append(batch.num_tokens)
        if self.ranks.rank == 1 and batch.num_tokens > self.limit:
            raise torch.OutOfMemoryError("tried to allocate 1 GiB")
        return loss


def mend(ranks: Ranks) -> dict[str, Any]:
    """A curve in which memory runs out on rank 1, and how often it did."""
    loss = SmallMemory(ranks, 24)
    curve = train(build("lora", ranks, sharded=False), ranks, loss=loss)
    failures = sum(size > loss.limit for size in loss.sizes) if ranks.rank == 1 else 0
    return {"curve": curve, "failures": ranks.max(failures)[0]}


def mend_in_vain(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """What all ranks say where a row of one does not fit by itself, and the checkpoint left."""
    model = build("lora", ranks, sharded=False)
    try:
        train(model, ranks, loss=SmallMemory(ranks, 0), folder=folder)
    except DoesNotFit as error:
        said = str(error)
    agreed = ranks.sum(float("does not fit in memory by itself" in said))
    return {"said": said, "agreed": agreed, "left": sorted(p.name for p in folder.iterdir())}


def plan(ranks: Ranks) -> list[int]:
    """The token budgets that the ranks find, one after the other, where rank 1 has less memory."""
    model, rows = build("lora", ranks, sharded=False), ROWS[:8]
    longest = build_batch([ids for ids, _ in rows], [mask for _, mask in rows])
    probe = Probe(model, SmallMemory(ranks, 30), "fp32", ranks=ranks)
    with packed_mode(model):
        found = find_plan(longest, [()], lambda stage: nullcontext(), probe.try_batch)
    budgets = (found.token_budget if rank == ranks.rank else 0 for rank in (0, 1))
    return [*ranks.max(*budgets), longest.num_tokens]


def reuse(ranks: Ranks, dtype: str) -> dict[str, Any]:
    """Losses of rows on states that the ranks filled together, and on those that each did alone.

    Each has two rows of its own besides. ``tokens`` are those that all ran through the layers.
    """
    model = make_model("llama").to(getattr(torch, dtype))
    rows, own = [ids for ids, _ in ROWS[:15]], [ids for ids, _ in ROWS[16 + 2 * ranks.rank :][:2]]
    batches = [build_batch([ids], [mask]) for ids, mask in ROWS[:15]]
    seen: list[int] = []
    layer = model.model.layers[0]
    layer.register_forward_hook(lambda module, args, output: seen.append(output.shape[1]))
    found: dict[str, Any] = {"losses": [], "tokens": []}
    with packed_mode(model), torch.no_grad():
        for sharing in (ranks, ALONE):
            seen.clear()
            store = fill_store(model, rows, depth=1, token_budget=48, own=own, sharing=sharing)
            found["tokens"] += ranks.sum(float(sum(seen)))
            assert all(store.find(ids, [len(ids)]) is not None for ids in (*rows, *own))
            with reused(model, store):
                found["losses"].append([float(SftLoss()(model, batch)) for batch in batches])
    return found


def sum_weights(model: Any, ranks: Ranks) -> list[float]:
    """The sum of all absolute weights on each rank."""
    own = sum(float(p.detach().double().abs().sum()) for p in model.parameters())
    return [ranks.sum(own if ranks.rank == rank else 0.0)[0] for rank in (0, 1)]


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
