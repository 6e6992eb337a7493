"""Says where a prompt would go, without a server: the same router over the same store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, DataError, Problem, UsageError
from assay.runs.store import Key, Store
from assay.serve.auth import Principal
from assay.serve.bases import Bases
from assay.serve.router.decide import Decision, Facts, decide, find_level, is_inside
from assay.serve.router.rules import Policy

Messages = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Request:
    """A conversation with the tools that it offers."""

    messages: Messages
    tools: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True)
class Explained:
    """A decision, what it rests on, the levels that count by name, and who is inside by them."""

    facts: Facts
    decision: Decision
    levels: dict[str, float]
    inside: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        readings = {
            name: {
                **asdict(one),
                "level": self.levels.get(name),
                "is_inside": name in self.inside,
            }
            for name, one in self.decision.readings.items()
        }
        return {
            "decision": self.decision.to_dict(),
            "facts": asdict(self.facts),
            "readings": readings,
        }


def read_prompt(given: str) -> Request:
    """A text, or what the file of that name holds: a text, or the body of a chat completion.

    Raises:
        DataError: the file cannot be read, or its `messages` are no list of objects.
    """
    # A prompt may be longer than any name of a file.
    if len(given) > 255 or not os.path.isfile(given):
        return Request([{"role": "user", "content": given}])
    try:
        text = Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        got = f"a prompt that cannot be read ({error})"
        raise DataError(Problem(got, "a file of text or JSON", file=given)) from error
    try:
        body = json.loads(text)
    except ValueError:
        return Request([{"role": "user", "content": text}])
    if not isinstance(body, dict) or "messages" not in body:
        return Request([{"role": "user", "content": text}])
    messages, tools = body["messages"], body.get("tools") or []
    if not messages or not _is_objects(messages) or not _is_objects(tools):
        allowed = "lists of objects, as in a chat completion"
        raise DataError(Problem("messages or tools of another form", allowed, file=given))
    return Request(messages, tools)


def explain_prompt(
    store: Store,
    bases: Bases,
    served: str,
    policy: Policy,
    request: Request,
    *,
    project: str,
    label: str,
) -> Explained:
    """Where `request` would go, asked by a key of `project`.

    Raises:
        ConfigError: the table has no base of that name, or that base has no chat template.
        UsageError: a label that the policy does not know.
        GenerationError: the base cannot be served token by token.
    """
    from assay.models.base import find_base
    from assay.serve.inference.catalog import ReleaseCatalog
    from assay.serve.inference.inference import build_inference
    from assay.serve.inference.trust import Trust
    from assay.serve.lifecycle.stored_aliases import StoredAliases
    from assay.serve.router.router import Router
    from assay.serve.router.scoring import Scorer
    from assay.serve.stored_records import StoredRecords

    local = bases.find(served)
    if local is None:
        raise ConfigError(Problem(f"the model {served!r}", ", ".join(bases.by_name), key="--model"))
    base, now = find_base(local), time.time()
    if not base.tokenizer.has_template:
        raise ConfigError(Problem(f"{served}, which has no chat template", key="--model"))
    if label and label not in policy.labels:
        raise UsageError(Problem(repr(label), ", ".join(policy.labels) or "none", key="--label"))
    catalog = ReleaseCatalog(
        base,
        (served,),
        int(now),
        StoredRecords(store),
        with_scope=True,
        trust=Trust(),
        aliases=StoredAliases(store),
    )
    inference = build_inference(base, catalog)
    try:
        router = Router(inference, policy, served)
        asked = router.read_chat(
            request.messages,
            request.tools,
            project=project,
            label=router.choose_label(label or None, None),
        )
        key = Key("", "", "", frozenset({"infer"}), project, now, None, None, None, None, 0)
        scorer = Scorer(inference, policy)
        decision = decide(
            policy, asked.facts, lambda names: scorer.read(names, asked.turn, Principal(key))[0]
        )
    finally:
        inference.close()
    found = {n: find_level(policy, n, one) for n, one in decision.readings.items()}
    levels = {name: level for name, level in found.items() if level is not None}
    inside = tuple(n for n, one in decision.readings.items() if is_inside(one, found[n]))
    return Explained(asked.facts, decision, levels, inside)


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
