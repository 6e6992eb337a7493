"""One of the processes that train a run together; the stages before and after are not its own.

``torchrun --nproc-per-node 2 -m assay.pipeline.worker RUN`` trains a run that was begun, from its
newest checkpoint; with a recipe in place of RUN the first process begins one and prepares its data,
while the others wait. What was trained is then measured by ``assay run --resume RUN``.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from assay.errors import (
    EXIT_BUG,
    EXIT_CANCELLED,
    EXIT_OK,
    AssayError,
    LostRanksError,
    Problem,
    UsageError,
)
from assay.pipeline.layout import ON_ONE, Weights, choose_layout, load_trained
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.relay import NoProgress, RelayedProgress

if TYPE_CHECKING:
    import torch

    from assay.pipeline.job import Job
    from assay.runs import RunFolder
    from assay.train.ranks import Ranks


@dataclass(frozen=True)
class Call:
    """The command line: what to train, how its weights lie, and who reads the progress."""

    target: str
    overrides: list[str]
    weights: Weights | None
    relayed: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as one of the ranks; returns the exit code and prints instead of raising."""
    call = _parse(arguments)
    rank, num_ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    _end_with_parent()
    try:
        work(call)
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_CANCELLED
    except AssayError as error:
        _tell(call, error)
        return error.exit_code
    except RuntimeError as error:
        traceback.print_exc()
        if num_ranks == 1 or not _is_lost(error):
            return EXIT_BUG
        _tell(call, LostRanksError(f"rank {rank} of {num_ranks} lost the others: {_first(error)}"))
        return LostRanksError.exit_code
    except Exception:  # the one place where anything may end: the others wait for this process
        traceback.print_exc()
        return EXIT_BUG


def work(call: Call) -> None:
    """Prepare on the first rank, join, train, and leave the weights and what training gave."""
    from assay.runs import RunFolder, write_json
    from assay.train.ranks import open_ranks

    progress: Progress = RelayedProgress(sys.stdout) if call.relayed else PlainProgress()
    device = _find_device()
    with (
        ExitStack() as held,
        open_ranks(device, lambda: str(prepare_run(call, progress, held).path)) as (ranks, path),
    ):
        run = RunFolder.open(path)
        job = _open_job(run, progress if ranks.is_first else NoProgress())
        training = _train(job, call, ranks, device)
        if ranks.is_first:
            write_json(ended_file(run), training)
            if not call.relayed:
                progress.note(f"trained; measure and judge it with: assay run --resume {run.path}")


def ended_file(run: RunFolder) -> Path:
    """Where the processes leave what training gave; the weights are the best checkpoint's."""
    return run.checkpoints / "training.json"


def prepare_run(call: Call, progress: Progress, held: ExitStack) -> RunFolder:
    """The run to train, locked while `held` lasts, its token sequences on disk.

    Raises:
        UsageError: settings for a run that has begun; a sweep.
        CheckpointError: another process writes the run, or its training has ended.
    """
    from assay.config import load
    from assay.errors import CheckpointError
    from assay.pipeline.check import load_checked, refuse_sweep
    from assay.pipeline.run import begin_run, open_job
    from assay.runs import RunFolder, read_json

    if RunFolder(Path(call.target)).exists:
        if call.overrides:
            raise UsageError(f"{' '.join(call.overrides)} for a run that has begun; leave it out")
        run = RunFolder.open(call.target)
        loaded = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder"))
        refuse_sweep(loaded)
    else:
        size = os.environ.get("WORLD_SIZE", "1")
        loaded = load_checked(call.target, [*call.overrides, f"launch.processes={size}"])
        refuse_sweep(loaded)
        run = begin_run(loaded)
    if run.writer is None or run.writer.pid != os.getppid():
        held.enter_context(run.lock())
    if ended_file(run).exists() or read_json(run.manifest).get("training"):
        raise CheckpointError(
            f"{run.path}: its training has ended; go on with: assay run --resume {run.path}"
        )
    _prepare_sequences(run, lambda: open_job(loaded, run, progress))
    return run


def _prepare_sequences(run: RunFolder, open_it: Any) -> None:
    from assay.pipeline.prepare import prepare
    from assay.pipeline.tokens import has_sequences, select_sequences, store_sequences

    if not has_sequences(run):
        store_sequences(run, select_sequences(prepare(open_it())))


def _open_job(run: RunFolder, progress: Progress) -> Job:
    """The run's job; that its base is still the same was checked where the run was prepared."""
    from assay.config import load
    from assay.pipeline.job import Job
    from assay.pipeline.monitor import choose_monitor
    from assay.pipeline.subject import find_recipe_base
    from assay.runs import read_json

    loaded = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder"))
    base = find_recipe_base(loaded, run, verify=False)
    monitor = choose_monitor(loaded.recipe)
    return Job(loaded.recipe, loaded.base_dir, run, base, progress, monitor=monitor)


def _train(job: Job, call: Call, ranks: Ranks, device: torch.device) -> dict[str, Any]:
    from assay.pipeline.batches import Share, build_rows
    from assay.pipeline.tokens import read_sequences
    from assay.pipeline.tune import tune
    from assay.train.checkpoint import Checkpoints

    if ranks.num_ranks == 1:
        layout = ON_ONE
    else:
        choose = partial(choose_layout, job, device=device, num_local=ranks.num_local)
        layout = choose(asked=call.weights)
        if ranks.any(layout.is_spread) and not layout.is_spread:
            spread = choose(asked="spread")
            layout = replace(spread, reason="weights spread: another process has less memory")
        job.progress.note(f"{ranks.num_ranks} processes, {layout.reason}")
    share = Share(ranks.rank, ranks.num_ranks)
    rows = build_rows(job, read_sequences(job.run), share)
    model = load_trained(job, layout, device, ranks)
    training = tune(job, rows, model, resume=True, ranks=ranks)
    checkpoints = Checkpoints(job.run.checkpoints, ranks=ranks)
    if not checkpoints.has_best:
        checkpoints.save_best(model)
    return training.to_dict()


def _find_device() -> torch.device:
    """This rank's GPU where there are GPUs, else the CPU.

    Raises:
        UsageError: this machine has fewer GPUs than processes.
    """
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    number, num_devices = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= num_devices:
        raise UsageError(
            Problem(
                got=f"process {number + 1} of a machine with {num_devices} GPUs",
                allowed="one process for each GPU",
                do=f"start {num_devices} processes on it",
                key="LOCAL_RANK",
            )
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def _parse(arguments: Sequence[str] | None) -> Call:
    parser = argparse.ArgumentParser("python -m assay.pipeline.worker", description=__doc__)
    parser.add_argument("target", metavar="RUN_OR_RECIPE")
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*")
    parser.add_argument("--weights", choices=get_args(Weights), help="default: by their size")
    parser.add_argument("--relayed", action="store_true", help="progress as JSON lines on stdout")
    found = parser.parse_args(arguments)
    return Call(found.target, found.overrides, found.weights, found.relayed)


def _end_with_parent() -> None:
    """End this process when its parent has ended: nobody would ever stop it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(EXIT_BUG)

    threading.Thread(target=watch, daemon=True).start()


def _first(error: Exception) -> str:
    """What happened, without gloo's advice."""
    return str(error).strip().splitlines()[0].split(" This is typically")[0]


def _is_lost(error: RuntimeError) -> bool:
    """Whether a collective failed because another rank is gone or hangs."""
    text = str(error).lower()
    return any(sign in text for sign in ("connection", "timed out", "gloo", "nccl"))


def _tell(call: Call, error: AssayError) -> None:
    """An error's message: to the process that launched this one, or to whoever reads stderr."""
    if call.relayed:
        RelayedProgress(sys.stdout).end(error)
    else:
        sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    from assay.train.ranks import end_process

    end_process(main())
