"""Routes requests for `auto`: facts, decision, the model behind it; and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assay.chat import render_prompt
from assay.chat.messages import message_text
from assay.chat.user_turn import UserTurn, as_turn, find_user_turn
from assay.serve.auth import Principal
from assay.serve.errors import ApiError, refuse
from assay.serve.inference.inference import Inference, ServedModel, list_route_headers
from assay.serve.router.decide import Decision, Facts, Reading, decide
from assay.serve.router.log import RoutingLog
from assay.serve.router.rules import Policy
from assay.serve.router.scoring import Scorer, open_released

LABEL_HEADER, LABEL_KEY = "x-assay-privacy", "privacy"


@dataclass(frozen=True)
class Routed:
    """Where a request goes: to `model` here, or, where there is none, to a remote one of `name`."""

    decision: Decision
    name: str
    model: ServedModel | None
    headers: Mapping[str, str]
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request as the router sees it."""

    turn: UserTurn
    text: str
    facts: Facts
    prompt: Sequence[Mapping[str, Any]] | str


@dataclass(frozen=True)
class Router:
    """Decides by `policy`, over the models of `inference`, whose base answers as `base_name`.

    Without `log` nothing is recorded.
    """

    inference: Inference
    policy: Policy
    base_name: str
    log: RoutingLog | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    def route(self, asked: Asked, principal: Principal, *, request_id: str = "") -> Routed:
        """Decide, record, and open what was decided for.

        Raises:
            ApiError: 403 where the policy refuses, 503 where the model it leads to is not served.
        """
        began = time.perf_counter()
        models: dict[str, ServedModel] = {}
        decision = decide(self.policy, asked.facts, self._reader(asked.turn, principal, models))
        if self.log is not None:
            self.log.write(
                asked.facts,
                decision,
                request_id=request_id,
                seconds=time.perf_counter() - began,
                prompt=asked.prompt if self.policy.log_prompts else None,
            )
        fields = describe_route(decision)
        headers = list_route_headers(fields)
        if decision.kind == "refuse":
            raise ApiError(403, self.policy.refusal, code="router_refused", headers=headers)
        if decision.kind == "remote":
            remote = self.policy.remotes[decision.to]
            headers = {**headers, "x-assay-model": remote.model}
            told = {"x_assay": {"model": remote.model, "route": fields}}
            return Routed(decision, decision.to, None, headers, told)
        model = replace(self._open(decision, models, principal), route=fields)
        return Routed(decision, decision.to, model, model.headers, model.fields)

    def _reader(self, turn: UserTurn, principal: Principal, models: dict[str, ServedModel]) -> Any:
        """Readings of the policy's models; those that are served are put into `models`."""
        scorer = Scorer(self.inference, self.policy)

        def read(names: Sequence[str]) -> Mapping[str, Reading]:
            readings, found = scorer.read(names, turn, principal)
            models.update(found)
            return readings

        return read

    def _open(
        self, decision: Decision, models: Mapping[str, ServedModel], principal: Principal
    ) -> ServedModel:
        if decision.kind == "base":
            return self.inference.catalog.open(self.base_name, principal)
        if decision.to in models:
            return models[decision.to]
        rule = self.policy.models[decision.to]
        found = open_released(self.inference, rule.model, principal)
        if isinstance(found, str):
            told = f"The router leads to {decision.to}, which is not served ({found})."
            raise ApiError(503, told, code="route_unavailable")
        return found

    def read_chat(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]],
        *,
        project: str,
        label: str,
    ) -> Asked:
        """What a conversation is to the router.

        Raises:
            ApiError: 400, the base has no chat template.
            UsageError: messages that the base's template refuses.
        """
        tokenizer = self.inference.base.tokenizer
        if not tokenizer.has_template:
            told = "The base has no chat template; ask by completions."
            raise refuse(told, param="model", code="no_chat_template")
        turn = find_user_turn(tokenizer, messages, tools=tools or None)
        is_last = messages[-1].get("role") == "user"
        whole = (
            turn.input_ids if is_last else render_prompt(tokenizer, messages, tools=tools or None)
        )
        said = [one for one in messages if one.get("role") == "user"] or list(messages)
        text = message_text(said[-1])
        facts = self._build_facts(text, len(whole), project, label, num_tools=len(tools))
        return Asked(turn, text, facts, messages)

    def read_text(self, prompt: str | Sequence[int], *, project: str, label: str) -> Asked:
        """What a plain prompt, as text or tokens, is to the router."""
        tokenizer = self.inference.base.tokenizer
        if isinstance(prompt, str):
            text, ids = prompt, [*tokenizer.prefix_ids, *tokenizer.encode(prompt)]
        else:
            text, ids = tokenizer.decode(prompt), list(prompt)
        facts = self._build_facts(text, len(ids), project, label, num_tools=0)
        return Asked(as_turn(ids), text, facts, text)

    def _build_facts(
        self, text: str, num_tokens: int, project: str, label: str, *, num_tools: int
    ) -> Facts:
        language = detect(text) if self.policy.needs_language else ""
        return Facts(project, label, language, num_tokens, num_tools)

    def choose_label(self, header: str | None, metadata: Mapping[str, str] | None) -> str:
        """The request's privacy label, from its header or metadata, else the policy's default.

        Raises:
            ApiError: 400, a label that the policy does not know, or two that differ.
        """
        given = [one for one in (header, (metadata or {}).get(LABEL_KEY)) if one]
        if len(set(given)) > 1:
            told = f"The header {LABEL_HEADER} and metadata.{LABEL_KEY} differ."
            raise refuse(told, param=f"metadata.{LABEL_KEY}")
        label = given[0] if given else self.policy.default_label or ""
        if label and label not in self.policy.labels:
            known = ", ".join(self.policy.labels) or "none"
            told = f"The privacy label {label!r} is not known here; known: {known}."
            raise refuse(told, param=f"metadata.{LABEL_KEY}", code="unknown_label")
        return label


def detect(text: str) -> str:
    """The language of a text as an ISO 639 code; "" where it has no words."""
    from assay.data.curate.detectors.form_language import detect_language

    return detect_language(text)[0]


def describe_route(decision: Decision) -> dict[str, Any]:
    """What an answer says of its route, by names of the policy."""
    scores = {
        name: {
            "model": one.model or None,
            "p_value": one.p_value,
            "score": one.score,
            "obstacle": one.obstacle or None,
        }
        for name, one in decision.readings.items()
    }
    rule = decision.rule or None
    return {"to": decision.to, "reason": decision.reason, "rule": rule, "scores": scores}
