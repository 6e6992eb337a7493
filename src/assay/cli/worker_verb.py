"""`assay worker`: runs the jobs of a store; it parses and calls."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag, print_result
from assay.cli.serve_verb import DEFAULT_STORE, DatabaseOption, PriceOption, StoreOption


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("worker")(worker)


def worker(
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when the process that started it ends.")
    ] = False,
    price_per_hour: PriceOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Run fine-tuning jobs, one at a time, until SIGTERM; a running one goes on at the next start.

    `assay serve` starts one; more may run beside it, and on machines that see the same folder and
    database.
    """
    from assay.runs.store import open_store
    from assay.serve.jobs.parent import end_with_parent
    from assay.serve.jobs.price import set_price
    from assay.serve.jobs.worker import work
    from assay.serve.logs import log_to_stderr

    set_price(price_per_hour)
    if with_parent:
        end_with_parent()
    log_to_stderr()
    opened = open_store(store, database)
    print_result({"store": store}, text=f"running the jobs of {store}", as_json=as_json)
    try:
        work(opened)
    finally:
        opened.close()
    return 0
