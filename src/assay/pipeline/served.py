"""The vLLM server of a recipe's objective: asked whether it answers, lent to a job, left clean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from assay.config import Loaded, Recipe
from assay.config.sections.engine import EngineConfig
from assay.config.sections.rollouts import RolloutSection
from assay.errors import ConfigError, GenerationError
from assay.generate.engine import Sampling
from assay.generate.remote import Endpoint, RemoteModel
from assay.pipeline.job import Job

if TYPE_CHECKING:
    from assay.generate import Engine
    from assay.generate.swapped import SwappedEngine
    from assay.generate.vllm import VllmEngine

PLACE = "objective.engine"
FOLDER = "served"
TIMEOUT_S = 600.0
"""Of one request: a completion waits until the server has room for it."""


@dataclass
class Server:
    """A server over the job's base, and the model whose adapters it completes with, if any.

    Attributes:
        engine: completes with the base until adapters are loaded.
        folder: where adapters are left for it.
    """

    engine: VllmEngine
    folder: Path
    _swapped: SwappedEngine | None = None

    def complete_as(self, model: Any) -> SwappedEngine:
        """An engine that completes with the adapters of `model` as they are when it is asked."""
        from assay.generate.swapped import SwappedEngine

        if self._swapped is None or self._swapped.model is not model:
            self.close()
            self._swapped = SwappedEngine(self.engine, model, self.folder)
        return self._swapped

    def close(self) -> None:
        """Have the server forget what it was given. Raises as `SwappedEngine.close`."""
        swapped, self._swapped = self._swapped, None
        if swapped is not None:
            swapped.close()


def find_config(recipe: Recipe) -> EngineConfig | None:
    """The server that the recipe's objective names, if one."""
    objective = recipe.objective
    return objective.engine if isinstance(objective, RolloutSection) else None


def check_server(loaded: Loaded) -> None:
    """Refuse a server that may not be asked, before anything is spent; it is not asked yet.

    Raises:
        ConfigError: its address, host or key, where the recipe names it.
    """
    config = find_config(loaded.recipe)
    if config is None:
        return
    try:
        _connect(config)
    except ConfigError as error:
        located = [loaded.locate(replace(one, key=PLACE)) for one in error.problems]
        raise ConfigError(located) from error


@contextmanager
def serving(job: Job) -> Iterator[Job]:
    """The job with its server for a while; where the recipe names none, the job as it is.

    Raises:
        GenerationError: the server cannot be reached or answers something else.
    """
    from assay.generate.vllm import VllmEngine

    config = find_config(job.recipe)
    if config is None:
        yield job
        return
    name = f"assay-{uuid4().hex[:12]}"
    engine = VllmEngine(
        _connect(config),
        job.tokenizer,
        context_len=job.base.context_len,
        max_requests=config.max_requests,
        logprobs_mode=config.logprobs_mode,
        names=name,
    )
    engine.generate([[*job.tokenizer.encode("Hello")]], Sampling(max_new_tokens=1))
    job.progress.note(f"completions are written by {config.name} at {config.url}")
    folder = job.run.path.resolve() / FOLDER if config.folder is None else Path(config.folder)
    server = Server(engine, folder / name)
    try:
        yield replace(job, server=server)
    finally:
        _leave(server, job)


def _leave(server: Server, job: Job) -> None:
    """What was tuned and measured is not lost over a server that is gone by then."""
    try:
        server.close()
    except GenerationError as error:
        job.progress.note(f"the server keeps the last adapter: {error}")


def choose_writer(job: Job, engine: Engine, model: Any = None) -> Engine:
    """What writes completions of `model`: the job's server, else `engine`.

    Without `model` they are the base's.
    """
    if job.server is None:
        return engine
    return job.server.engine if model is None else job.server.complete_as(model)


def _connect(config: EngineConfig) -> RemoteModel:
    hosts = tuple(config.hosts)
    endpoint = Endpoint(config.url, config.name, config.key_env, hosts, timeout_s=TIMEOUT_S)
    return RemoteModel(endpoint)
