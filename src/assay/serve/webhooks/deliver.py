"""Tells endpoints what happened: takes deliveries from the outbox and sends them, until stopped.

It runs in a thread beside the server, with a loop of its own. Bodies of answers are not read, and
what is logged of an endpoint is its id.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from sqlalchemy.exc import SQLAlchemyError

from assay.runs.store import Store
from assay.runs.store.webhooks import Delivery, end_delivery, take_deliveries
from assay.serve.outbound import AddressRefused, open_async_client
from assay.serve.webhooks.sign import build_headers

log = logging.getLogger("assay.serve")
TIMEOUT_S = 10.0
"""Of one telling, from the name's resolution to the status of the answer."""
_AT_ONCE = 16
_TAKEN_S = 60.0


@dataclass(frozen=True)
class Answered:
    """The status of an endpoint's answer; None and the reason where there was none."""

    status: int | None
    reason: str = ""

    @property
    def is_good(self) -> bool:
        """A redirection is no success: it is not followed."""
        return self.status is not None and 200 <= self.status < 300


async def send(client: httpx.AsyncClient, url: str, body: str, headers: dict[str, str]) -> Answered:
    """Send one event."""
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            client.stream("POST", url, content=body.encode(), headers=headers) as answer,
        ):
            return Answered(answer.status_code)
    except AddressRefused:
        return Answered(None, "its address may not be reached")
    except (httpx.HTTPError, TimeoutError) as error:
        return Answered(None, type(error).__name__)


@contextmanager
def delivering(store: Store, *, allow_private: bool, idle_s: float = 1.0) -> Iterator[None]:
    """Tell what is in the outbox, and what comes into it, while the block lasts."""
    stopping = threading.Event()

    def run() -> None:
        asyncio.run(_deliver(store, stopping, allow_private=allow_private, idle_s=idle_s))

    thread = threading.Thread(target=run, name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


async def _deliver(
    store: Store, stopping: threading.Event, *, allow_private: bool, idle_s: float
) -> None:
    async with open_async_client(allow_private=allow_private, timeout_s=TIMEOUT_S) as client:
        while not stopping.is_set():
            try:
                taken = take_deliveries(store, for_s=_TAKEN_S, limit=_AT_ONCE)
            except SQLAlchemyError:
                log.exception("webhooks: the database does not answer")
                taken = []
            tellings = (_tell(store, client, one) for one in taken)
            for failure in await asyncio.gather(*tellings, return_exceptions=True):
                if isinstance(failure, BaseException):
                    # It was not noted as told, so it is taken again.
                    log.error("webhooks: a delivery failed", exc_info=failure)
            if not taken:
                await asyncio.to_thread(stopping.wait, idle_s)


async def _tell(store: Store, client: httpx.AsyncClient, delivery: Delivery) -> None:
    headers = build_headers(delivery.event_id, int(time.time()), delivery.body, delivery.secrets)
    answered = await send(client, delivery.url, delivery.body, headers)
    if not answered.is_good:
        told = answered.reason or f"it answered {answered.status}"
        ended = ", and is not told again" if delivery.is_last else ""
        log.warning(
            f"webhook {delivery.endpoint_id} was not told {delivery.event_id} at attempt"
            f" {delivery.attempt}: {told}{ended}"
        )
    end_delivery(store, delivery, told=answered.is_good)
