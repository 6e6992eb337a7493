"""Readings of scope: one pass of the base over a prompt, and each adapter's score of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from assay.chat.user_turn import UserTurn
from assay.evaluate.scope import Scope
from assay.serve.auth import Principal
from assay.serve.errors import ApiError
from assay.serve.inference.inference import Inference, ServedModel
from assay.serve.inference.scheduler import Overloaded
from assay.serve.router.decide import Reading
from assay.serve.router.rules import Policy

if TYPE_CHECKING:
    from assay.generate.prompt_reading import PromptReading
    from assay.models.low_rank import LowRank

NOT_RELEASED, NO_SCOPE, TOO_LONG = "not_released", "no_scope", "too_long"


@dataclass(frozen=True)
class Scorer:
    """Reads prompts for the models of a policy."""

    inference: Inference
    policy: Policy

    def read(
        self, names: Sequence[str], turn: UserTurn, principal: Principal
    ) -> tuple[dict[str, Reading], dict[str, ServedModel]]:
        """Readings by the policy's names, and the models of those that are served.

        Raises:
            ApiError: 503 where the server is shutting down.
        """
        readings: dict[str, Reading] = {}
        models: dict[str, ServedModel] = {}
        scoped: dict[str, tuple[ServedModel, Scope]] = {}
        for name in names:
            asked = self.policy.models[name].model
            found = open_released(self.inference, asked, principal)
            if isinstance(found, str):
                readings[name] = Reading(asked, obstacle=found)
                continue
            models[name] = found
            is_long = len(turn.input_ids) >= self.inference.base.context_len
            if found.scope is None or is_long:
                obstacle = TOO_LONG if is_long else NO_SCOPE
                readings[name] = Reading(asked, found.id, obstacle=obstacle)
            else:
                scoped[name] = (found, found.scope)
        if scoped:
            readings |= self._score(scoped, turn, principal)
        # In the order of the policy, by which ties are settled.
        return {name: readings[name] for name in names}, models

    def _score(
        self, scoped: Mapping[str, tuple[ServedModel, Scope]], turn: UserTurn, principal: Principal
    ) -> dict[str, Reading]:
        needing = [
            model.adapter for model, scope in scoped.values() if scope.needs_ratio and model.adapter
        ]
        layers = sorted({layer for _, scope in scoped.values() for layer in scope.layers})
        found = self._run(turn, layers, list({id(one): one for one in needing}.values()), principal)
        by_mask = found.means_BD.numpy().reshape(2, len(layers), -1)
        ratios = _compute_ratios(needing, found)
        readings = {}
        for name, (model, scope) in scoped.items():
            places = [layers.index(layer) for layer in scope.layers]
            states_1BD = by_mask[:, places].reshape(1, 2 * len(places), -1)
            ratio = ratios.get(id(model.adapter))
            score = float(scope.score(states_1BD, None if ratio is None else np.array([ratio]))[0])
            readings[name] = Reading(
                asked=self.policy.models[name].model,
                model=model.id,
                score=score,
                p_value=scope.compute_p_value(score),
                level=scope.level,
                num_held_out=len(scope.calibration),
                obstacle=scope.find_obstacle(self.policy.models[name].level),
            )
        return readings

    def _run(
        self,
        turn: UserTurn,
        layers: Sequence[int],
        adapters: Sequence[LowRank],
        principal: Principal,
    ) -> PromptReading:
        from assay.generate.live import LiveBatch

        batch = self.inference.batch
        assert isinstance(batch, LiveBatch), "no router is built beside vLLM"
        work = partial(
            batch.read,
            turn.input_ids,
            layers=layers,
            masks=[turn.mask, [1.0] * len(turn.input_ids)],
            adapters=adapters,
            owner=principal.id,
        )
        try:
            return self.inference.scheduler.call(work).result()
        except (Overloaded, CancelledError) as error:
            told = "The server is shutting down."
            raise ApiError(503, told, code="shutting_down") from error


def open_released(inference: Inference, asked: str, principal: Principal) -> ServedModel | str:
    """A released model by its name or alias; or why a router does not send anything to it.

    Held models that are served all the same, and checkpoints, answer by their names alone.
    """
    try:
        found = inference.catalog.open(asked, principal)
    except ApiError as error:
        return error.code
    return found if found.state == "released" and found.adapter is not None else NOT_RELEASED


def _compute_ratios(adapters: Sequence[LowRank], found: PromptReading) -> dict[int, float]:
    """Of each adapter's identity the log-likelihood of the turn, base minus tuned, for a token."""
    once = list(dict.fromkeys(id(one) for one in adapters))
    if not once:
        return {}
    base, *tuned = found.logprobs
    num = max(1, found.num_scored)
    return {key: (base - own) / num for key, own in zip(once, tuned, strict=True)}
