"""Starts the processes that train one run on this machine, watches them, and ends them together.

Each is ``python -m assay.pipeline.worker`` with the variables that torchrun would set. When one
ends early the others are stopped, and the error says which, why, and where its log is.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from assay.config import Loaded
from assay.errors import (
    AssayError,
    ConfigError,
    LostRanksError,
    Problem,
    ResourceError,
    TrainingError,
)
from assay.pipeline.progress import Progress
from assay.pipeline.relay import parse_line, rebuild_error, replay
from assay.runs import RunFolder

WORKER = ("-m", "assay.pipeline.worker")
GRACE_S = 20.0
"""How long the other ranks may take to end when one has, in seconds."""
POLL_S = 0.1

Call = tuple[str, list[Any]]


@dataclass
class Rank:
    """A running process: its number, its log, and why it ended, where it said so."""

    number: int
    process: subprocess.Popen[str]
    log: Path
    ended: AssayError | None = None

    @property
    def has_failed(self) -> bool:
        return self.process.poll() not in (None, 0)


def train_on_ranks(run: RunFolder, *, num_ranks: int, progress: Progress) -> None:
    """Train `run`, whose token sequences are on disk, on `num_ranks` processes of this machine.

    Ctrl-C reaches each of them once, so that they save a checkpoint; a second one does not wait.

    Raises:
        AssayError: what a rank raised; `ResourceError` where one was killed.
    """
    calls: queue.Queue[Call] = queue.Queue()
    with _open_store() as port:
        ranks = [_start(run, number, num_ranks, port) for number in range(num_ranks)]
        readers = [_read(rank, calls) for rank in ranks]
        try:
            failed = _watch(ranks, calls, progress)
        except KeyboardInterrupt:
            _interrupt(ranks)
            raise
        finally:
            _stop(ranks, signal.SIGKILL)
            for reader in readers:
                reader.join(GRACE_S)
    _drain(calls, progress)
    if failed:
        raise _explain(min(failed, key=_rank_of_cause), run, num_ranks)


def check_processes(loaded: Loaded) -> None:
    """Whether this machine has a device for each process.

    Raises:
        ConfigError: it has GPUs, and fewer than that.
    """
    import torch

    num_ranks = loaded.recipe.launch.processes
    num_devices = torch.cuda.device_count() if num_ranks > 1 and torch.cuda.is_available() else 0
    if 0 < num_devices < num_ranks:
        raise ConfigError(
            loaded.locate(
                Problem(
                    key="launch.processes",
                    got=f"{num_ranks} processes on a machine with {num_devices} GPUs",
                    allowed="one process for each GPU of this machine",
                    do=f"set it to {num_devices}, or start the worker with torchrun on several",
                )
            )
        )


@contextmanager
def _open_store() -> Iterator[int]:
    """The port of a store on this machine by which the ranks find one another."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield store.port
    del store


def _start(run: RunFolder, number: int, num_ranks: int, port: int) -> Rank:
    import torch

    variables = {
        "RANK": number,
        "LOCAL_RANK": number,
        "WORLD_SIZE": num_ranks,
        "LOCAL_WORLD_SIZE": num_ranks,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "TORCHELASTIC_USE_AGENT_STORE": True,
        "OMP_NUM_THREADS": max(1, torch.get_num_threads() // num_ranks),
    }
    log = run.path / "logs" / f"rank-{number}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("a", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, *WORKER, str(run.path), "--relayed"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {name: str(value) for name, value in variables.items()},
            text=True,
            # The terminal's Ctrl-C reaches this process alone, which passes it on once.
            start_new_session=True,
        )
    return Rank(number, process, log)


def _read(rank: Rank, calls: queue.Queue[Call]) -> threading.Thread:
    """Queue what a rank says; of its end only the reason is kept."""
    stream: IO[str] | None = rank.process.stdout
    assert stream is not None

    def read() -> None:
        for line in stream:
            call, arguments = parse_line(line)
            if call == "end":
                rank.ended = rebuild_error(*arguments)
            else:
                calls.put((call, arguments))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _watch(ranks: Sequence[Rank], calls: queue.Queue[Call], progress: Progress) -> list[Rank]:
    """Pass on what is said until all have ended, or one has failed and the others had their time.

    Those that failed by themselves are returned: the collectives of the others fail too where its
    connections closed, but not where they wait for something else.
    """
    give_up_at = float("inf")
    while any(rank.process.poll() is None for rank in ranks) and time.monotonic() < give_up_at:
        _drain(calls, progress)
        if give_up_at == float("inf") and any(rank.has_failed for rank in ranks):
            give_up_at = time.monotonic() + GRACE_S
        time.sleep(POLL_S)
    return [rank for rank in ranks if rank.has_failed]


def _drain(calls: queue.Queue[Call], progress: Progress) -> None:
    while not calls.empty():
        replay(*calls.get(), progress)


def _interrupt(ranks: Sequence[Rank]) -> None:
    """Ask every rank to end between two steps, and wait until all have."""
    _stop(ranks, signal.SIGINT)
    for rank in ranks:
        rank.process.wait()


def _stop(ranks: Sequence[Rank], number: int) -> None:
    for rank in ranks:
        if rank.process.poll() is None:
            rank.process.send_signal(number)


def _rank_of_cause(rank: Rank) -> tuple[int, int]:
    """Order of blame: one that was killed, one that says why, any other, one that lost another."""
    if rank.ended:
        return (3 if isinstance(rank.ended, LostRanksError) else 1), rank.number
    return (0 if rank.process.returncode < 0 else 2), rank.number


def _explain(rank: Rank, run: RunFolder, num_ranks: int) -> AssayError:
    """The error of the rank that ended first, as it was raised there, or by its exit code."""
    name, code = f"rank {rank.number} of {num_ranks}", rank.process.returncode
    after = f"its log is {rank.log}; go on with: assay run --resume {run.path}"
    if rank.ended and not isinstance(rank.ended, LostRanksError):
        return rank.ended
    if code == -signal.SIGKILL:
        return ResourceError(
            f"{name} was killed, as the system does where memory runs out; {after}"
        )
    if code < 0:
        return TrainingError(f"{name} was ended by {signal.Signals(-code).name}; {after}")
    reason = str(rank.ended) if rank.ended else f"{name} ended with exit code {code}"
    return TrainingError(f"{reason}; {after}")
