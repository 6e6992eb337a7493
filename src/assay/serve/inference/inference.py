"""What every route of inference shares: the base in memory, its scheduler, the models by name."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from assay.errors import GenerationError
from assay.generate.engine import Sampling
from assay.serve.auth import Principal
from assay.serve.errors import refuse
from assay.serve.inference.alias import Alias
from assay.serve.inference.chat_body import SamplingBody
from assay.serve.inference.policing import Policing
from assay.serve.inference.scheduler import Capacity, Scheduler
from assay.tools.policy import Conversation, Policy

if TYPE_CHECKING:
    from assay.evaluate.scope import Scope
    from assay.generate.live import LiveBatch, LiveRow
    from assay.generate.schema import Schema
    from assay.generate.shifts import Shifts
    from assay.models.base import BaseFiles
    from assay.serve.inference.vllm_batch import VllmBatch
    from assay.serve.inference.vllm_server import VllmServer
    from assay.serve.router.auto import Auto

PREFIX_BYTES = 256 << 20
"""Of keys and values of prompts that later ones may begin with."""


@dataclass(frozen=True)
class ServedModel:
    """A model by the name that answers bear.

    `adapter` None is the base, else what the batch takes as one; under `blocked_prompts` it must
    not answer. `policy` says what its tool calls may do; a base has none. `alias` is the name by
    which it was asked for, if by one, and `reason` why a held one is served. `scope` says what
    prompts it is for, where a router asks, and `route` why one chose it.
    """

    id: str
    created: int
    owned_by: str
    adapter: Any = None
    blocked_prompts: tuple[str, ...] = ()
    is_base: bool = False
    policy: Policy | None = None
    state: str = "released"
    alias: Alias | None = None
    reason: str = ""
    scope: Scope | None = None
    route: Mapping[str, Any] = field(default_factory=dict)

    @property
    def marks(self) -> dict[str, str]:
        """What an answer says of the model beside its name, where there is anything to say."""
        told = {} if self.state == "released" else {"state": self.state}
        return told if self.alias is None else {"alias": self.alias.name, "model": self.id, **told}

    @property
    def headers(self) -> dict[str, str]:
        """The same as headers of an answer; and what routed it here."""
        told = {f"x-assay-{name}": value for name, value in self.marks.items()}
        if self.route:
            told |= {**list_route_headers(self.route), "x-assay-model": self.id}
        return {name: _write_header(value) for name, value in told.items()}

    @property
    def fields(self) -> dict[str, Any]:
        """The same as fields of an answer's object."""
        told: dict[str, Any] = dict(self.marks)
        if self.route:
            told |= {"model": self.id, "route": dict(self.route)}
        return {"x_assay": told} if told else {}

    def police(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> Policing | None:
        """What checks the calls of an answer to `messages`, where only `tools` are on offer."""
        if self.policy is None:
            return None
        return Policing(self.id, self.policy, Conversation.read(messages, tools), self.alias)


def list_route_headers(route: Mapping[str, Any]) -> dict[str, str]:
    """What routed an answer, as its headers; `scores` are the prompt's p-values by name."""
    scores = [
        f"{name}={one['p_value']:.4f}"
        for name, one in route["scores"].items()
        if one["p_value"] is not None
    ]
    told = {"x-assay-route": route["to"], "x-assay-reason": route["reason"]}
    told |= {"x-assay-rule": route["rule"]} if route["rule"] else {}
    return told | ({"x-assay-scores": ",".join(scores)} if scores else {})


def _write_header(value: str) -> str:
    """A header's value; what no header can hold is written in percent code."""
    is_plain = value.isascii() and value.isprintable()
    return value if is_plain else quote(value)


class Catalog(Protocol):
    """The models that may be asked, by name."""

    def open(self, name: str, principal: Principal) -> ServedModel:
        """The model, loaded and checked.

        Raises:
            ApiError: 404 where there is none of that name, 403 where it may not be served.
        """
        ...

    def describe(self, name: str, principal: Principal) -> ServedModel:
        """The model, not loaded.

        Raises:
            ApiError: 404 where there is none of that name.
        """
        ...

    def list_models(self, principal: Principal) -> list[ServedModel]:
        """Aliases, all released ones, newest first, checkpoints that `principal` may use, and the
        base under its names; none is loaded."""
        ...

    def delete(self, name: str, principal: Principal) -> None:
        """Serve it no more; keys of its own project and admins may ask that.

        Raises:
            ApiError: 404 where there is none of that name, 403 where it is a base or another's.
        """
        ...

    def load_as(
        self, name: str, source: str, principal: Principal, *, in_place: bool = False
    ) -> None:
        """Load a release now, and have it answer by `name` too, until this server ends.

        Args:
            source: its own name, an alias, or the folder where its weights lie.
            in_place: takes the place of another release that was loaded by `name`.

        Raises:
            ApiError: as `open`; 400 where `name` is another model's.
        """
        ...

    def unload(self, name: str) -> None:
        """Let go of what was loaded by `name`; a release is loaded again when it is asked for.

        Raises:
            ApiError: 404 where nothing was.
        """
        ...


@dataclass(frozen=True)
class Inference:
    """A base that answers. Build it by `build_inference` or `build_remote`, and close it.

    `model` is the base in memory; None where vLLM has it, and then nothing asks for its states.
    `auto` chooses the model of requests that leave it to the server.
    """

    base: BaseFiles
    model: Any
    batch: LiveBatch | VllmBatch
    scheduler: Scheduler
    catalog: Catalog
    auto: Auto | None = None

    @property
    def fingerprint(self) -> str:
        """What answers to the same seed depend on."""
        return f"fp_{self.base.sha256[:12]}"

    def close(self) -> None:
        self.scheduler.close()

    def begin_rows(
        self,
        model: ServedModel,
        prompt: Sequence[int],
        sampling: Sampling,
        *,
        num: int,
        owner: str,
        num_top: int = 0,
        schema: Schema | None = None,
        shifts: Shifts | None = None,
        prompt_param: str = "messages",
    ) -> list[LiveRow]:
        """`num` rows of one prompt, as the choices of `LocalEngine.generate` at places 0, 1, ….

        Raises:
            ApiError: 400 where the prompt leaves no room in the context.
        """
        context_len = self.base.context_len
        if len(prompt) >= context_len:
            told = (
                f"The prompt has {len(prompt):,} tokens, and the model's context is"
                f" {context_len:,} tokens with the answer; shorten it."
            )
            raise refuse(told, param=prompt_param, code="context_length_exceeded")
        try:
            return [
                self.batch.begin(
                    prompt,
                    sampling,
                    place=place,
                    adapter=model.adapter,
                    owner=owner,
                    num_top=num_top,
                    guide=schema.begin() if schema is not None else None,
                    shifts=shifts,
                )
                for place in range(num)
            ]
        except GenerationError as error:
            raise refuse(str(error), param=prompt_param) from error


def build_inference(
    base: BaseFiles,
    catalog: Catalog,
    *,
    capacity: Capacity | None = None,
    prefix_bytes: int = PREFIX_BYTES,
) -> Inference:
    """Load `base` and start its scheduler.

    Raises:
        GenerationError: the base cannot be served token by token.
    """
    from assay.generate.live import LiveBatch
    from assay.models.base import load_model

    model = load_model(base)
    batch = LiveBatch(
        model, base.tokenizer, context_len=base.context_len, prefix_bytes=prefix_bytes
    )
    return Inference(base, model, batch, Scheduler(batch, capacity), catalog)


def build_remote(
    base: BaseFiles, catalog: Catalog, server: VllmServer, *, capacity: Capacity | None = None
) -> Inference:
    """The same with a vLLM server that has the base in memory."""
    from assay.serve.inference.vllm_batch import VllmBatch

    batch = VllmBatch(server, base.tokenizer, context_len=base.context_len)
    return Inference(base, None, batch, Scheduler(batch, capacity), catalog)


def read_sampling(body: SamplingBody, *, max_new_tokens: int | None) -> Sampling:
    """OpenAI's parameters as ours; without a seed one is drawn."""
    sampling = Sampling(
        max_new_tokens=1 << 30 if max_new_tokens is None else max_new_tokens,
        temperature=1.0 if body.temperature is None else float(body.temperature),
        seed=secrets.randbits(60) if body.seed is None else body.seed,
        stop=body.stops,
    )
    # 0 keeps the likeliest token alone; the smallest set of tokens has one at least.
    return sampling if body.top_p is None else replace(sampling, top_p=max(body.top_p, 1e-9))


def read_shifts(inference: Inference, body: SamplingBody) -> Shifts | None:
    """What penalties and `logit_bias` change; None where nothing.

    Raises:
        ApiError: 400, a token that the base does not have.
    """
    from assay.generate.shifts import Shifts

    bias = tuple((int(name), value) for name, value in (body.logit_bias or {}).items())
    num_tokens = inference.base.tokenizer.vocab_size
    odd = [token_id for token_id, _ in bias if token_id >= num_tokens]
    if odd:
        told = f"{odd[0]} is no token of the base, whose ids are from 0 to {num_tokens - 1}."
        raise refuse(told, param="logit_bias")
    shifts = Shifts(body.frequency_penalty or 0.0, body.presence_penalty or 0.0, bias)
    return None if shifts == Shifts() else shifts
