"""`assay serve`: the server on a port; it parses and calls."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.output import JsonFlag

if TYPE_CHECKING:
    from assay.serve.router.auto import Routing

StoreOption = Annotated[
    str, typer.Option("--store", help="Folder of the server's files, jobs and database.")
]
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="ASSAY_DATABASE",
        help="URL of a PostgreSQL database.  [default: SQLite in the store's folder]",
    ),
]
PriceOption = Annotated[
    float | None,
    typer.Option(
        "--price-per-hour",
        envvar="ASSAY_PRICE_PER_HOUR",
        min=0,
        help="What an hour of this machine costs, for the estimates of jobs.",
    ),
]
DEFAULT_STORE = "assay-store"
_DAY_S = 86_400.0


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("serve")(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    models: Annotated[
        str,
        typer.Option(
            help="JSON file of names and the local bases they stand for.  [default: tiny, also "
            "under the names of OpenAI's models]"
        ),
    ] = "",
    served: Annotated[
        str, typer.Option("--model", help="Which of them is held in memory, and answers.")
    ] = "tiny",
    inference: Annotated[
        bool, typer.Option(help="Answer by a model; without, files, jobs and graders alone.")
    ] = True,
    vllm: Annotated[
        str,
        typer.Option(
            help="URL of a vLLM server (http://HOST:PORT/v1) that has --model in memory and answers"
            " in its place; its key in ASSAY_ENGINE_KEY."
        ),
    ] = "",
    worker: Annotated[
        bool, typer.Option(help="Run jobs, too, in a worker's process beside the server.")
    ] = True,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private-addresses",
            help="Let requests of the server's own (webhooks) go to loopback and private networks.",
        ),
    ] = False,
    keep_completions: Annotated[
        float,
        typer.Option(
            min=0,
            max=3650,
            help="Days for which completions with `store: true` are kept; 0 refuses it.",
        ),
    ] = 30.0,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="PEM file of a further key whose releases are served, beside this user's own;"
            " repeatable.",
        ),
    ] = None,
    price_per_hour: PriceOption = None,
    router: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy by which the model `auto` is chosen."),
    ] = None,
    router_log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where its decisions are recorded.  [default: routing.jsonl in the store]",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Serve OpenAI's interface: point a client's base_url at it.

    The first start makes an API key and shows it once, unless ASSAY_API_KEY holds one.
    """
    from assay.runs.store import open_store
    from assay.serve.assemble import assembled
    from assay.serve.bases import read_bases
    from assay.serve.inference.trust import read_trust
    from assay.serve.jobs.price import set_price
    from assay.serve.jobs.start import worker_beside
    from assay.serve.limits import Limits
    from assay.serve.run import Address, serve, settle_keys

    routing = _read_routing(router, router_log, store=store, inference=inference)
    address, bases, trusted = Address(host, port), read_bases(models), read_trust(trust or [])
    set_price(price_per_hour)
    opened = open_store(store, database)
    try:
        shown_key = settle_keys(opened, address)
        beside = worker_beside(opened) if worker else nullcontext()
        answering = assembled(
            opened,
            bases,
            served=served if inference else "",
            limits=Limits(retention_s=keep_completions * _DAY_S),
            allow_private=allow_private,
            trust=trusted,
            routing=routing,
            vllm=vllm,
        )
        with answering as app, beside:
            serve(app, address, shown_key=shown_key, as_json=as_json)
    finally:
        opened.close()
    return 0


def _read_routing(
    policy: Path | None, log: Path | None, *, store: str, inference: bool
) -> Routing | None:
    """The router's settings.

    Raises:
        ConfigError: the policy is wrong.
        UsageError: a log without a router, or a router without models.
    """
    from assay.errors import Problem, UsageError
    from assay.serve.router.auto import Routing
    from assay.serve.router.file import load_policy

    if policy is None:
        if log is not None:
            raise UsageError(Problem("--router-log without --router", do="name a policy, too"))
        return None
    if not inference:
        raise UsageError(Problem("--router with --no-inference", do="leave one of them out"))
    return Routing(load_policy(policy), log or Path(store, "routing.jsonl"))
