"""The server in one: the base in memory with the models of its jobs, beside files and jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from fastapi import FastAPI

from assay.errors import ConfigError, Problem
from assay.runs.store import Store
from assay.serve.app import build_app
from assay.serve.bases import EMBEDDED, Bases
from assay.serve.evals import routes as evals
from assay.serve.evals.runner import build_service as build_evals_service
from assay.serve.inference.trust import Trust
from assay.serve.lifecycle.stored_aliases import StoredAliases
from assay.serve.limits import Limits
from assay.serve.router.auto import Routing
from assay.serve.router.rules import AUTO
from assay.serve.stored_records import StoredRecords
from assay.serve.sweep import sweep_store
from assay.serve.webhooks.deliver import delivering


@contextmanager
def assembled(
    store: Store,
    bases: Bases,
    *,
    served: str = EMBEDDED,
    limits: Limits | None = None,
    allow_private: bool = False,
    trust: Trust | None = None,
    routing: Routing | None = None,
    vllm: str = "",
) -> Iterator[FastAPI]:
    """The application with inference over the base that `served` names, while the block lasts.

    The base answers under every name that the table has for it, and so does what was tuned from it.
    Without `served` nothing answers: files, jobs and graders alone. Files that have expired, and
    what a crash left of uploads and of jobs, are removed first; webhooks are told meanwhile.
    Releases are served whose signer is of `trust`: this user's own key, if nothing else is said.
    With `vllm`, the URL of a vLLM server, that one has the base in memory, and reads adapters once
    they were verified here; embeddings are then not answered.

    With `routing` the model `auto` is served, too.

    Raises:
        ConfigError: the table has no such name, or has one named auto beside a router; the router
            needs what is not there, such as the base's states where vLLM has it; or the vLLM server
            is none, or serves another base.
        GenerationError: the base cannot be served token by token.
    """
    sweep_store(store)
    trust = trust or Trust()
    if not served:
        with delivering(store, allow_private=allow_private):
            yield build_app(
                store,
                bases=bases,
                routers=[evals.build_router(None)],
                limits=limits,
                allow_private=allow_private,
                services=[build_evals_service(asks_models=False)],
                trust=trust,
            )
        return
    from assay.models.base import find_base
    from assay.serve.batches import routes as batches
    from assay.serve.batches.run import build_service
    from assay.serve.inference import chat, completions, embeddings, lora, models
    from assay.serve.inference.catalog import ReleaseCatalog
    from assay.serve.inference.inference import build_inference, build_remote
    from assay.serve.inference.vllm_server import VllmServer
    from assay.serve.responses import routes as responses
    from assay.serve.router.auto import build_auto

    local = bases.find(served)
    if local is None:
        allowed = ", ".join(bases.by_name)
        raise ConfigError(Problem(f"the model {served!r}", allowed, key="served"))
    if routing is not None and AUTO in bases.by_name:
        raise ConfigError(Problem(f"a base named {AUTO}", "another name beside a router"))
    base = find_base(local)
    names = [served, *(name for name in bases.by_name if bases.find(name) == local)]
    catalog = ReleaseCatalog(
        base,
        list(dict.fromkeys(names)),
        int(time.time()),
        StoredRecords(store),
        with_scope=routing is not None,
        trust=trust,
        aliases=StoredAliases(store),
    )
    if vllm:
        _refuse_routing(routing)
        server = VllmServer(vllm, base.tokenizer)
        catalog.load_adapter = server.load_adapter
        inference = build_remote(base, catalog, server)
    else:
        inference = build_inference(base, catalog)
    if routing is not None:
        auto = build_auto(inference, routing, base_name=served, allow_private=allow_private)
        inference = replace(inference, auto=auto)
    parts = [chat, completions, models, lora, responses, *([] if vllm else [embeddings])]
    routers = [batches.build_router(), *(one.build_router(inference) for one in parts)]
    try:
        with delivering(store, allow_private=allow_private):
            yield build_app(
                store,
                bases=bases,
                routers=[*routers, evals.build_router(inference)],
                limits=limits,
                allow_private=allow_private,
                trust=trust,
                services=[build_service(), build_evals_service(asks_models=True)],
            )
    finally:
        inference.close()


def _refuse_routing(routing: Routing | None) -> None:
    """A router reads the base's hidden states, and vLLM tells none."""
    if routing is not None:
        do = "leave out --vllm, or the router"
        raise ConfigError(Problem("a router beside vLLM", "one of the two", do=do, key="vllm"))
