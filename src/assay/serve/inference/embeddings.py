"""POST /v1/embeddings: pooled hidden states of the base, as numbers or in base64."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from assay.serve.auth import Principal, limit_reached, require
from assay.serve.errors import refuse
from assay.serve.inference.chat_body import Body
from assay.serve.inference.inference import Inference
from assay.serve.inference.listening import Spending

Ids = Annotated[list[int], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]
Inputs = (
    Text
    | Annotated[list[Text], Field(min_length=1)]
    | Ids
    | Annotated[list[Ids], Field(min_length=1)]
)
Array = np.ndarray[Any, Any]
_MOST_INPUTS = 2048
_MOST_WAITING = 32
_WAIT_S = 2.0


class EmbeddingBody(Body):
    """POST /v1/embeddings."""

    model: Annotated[str, Field(min_length=1, max_length=512)]
    input: Inputs
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


def build_router(inference: Inference) -> APIRouter:
    """The route, answered by the base of `inference`; one request at a time, beside decoding."""
    router = APIRouter()
    turn = asyncio.Semaphore(1)
    waiting = 0

    @router.post("/embeddings")
    async def create_embeddings(
        body: EmbeddingBody,
        request: Request,
        principal: Annotated[Principal, Depends(require("infer"))],
    ) -> dict[str, Any]:
        """The mean of the last layer's states over each input's tokens, of length 1."""
        nonlocal waiting
        sequences = await run_in_threadpool(read_inputs, inference, body, principal)
        if waiting >= _MOST_WAITING:
            raise limit_reached("embeddings at once", _WAIT_S)
        waiting += 1
        try:
            async with turn:
                vectors_RD = await run_in_threadpool(compute_embeddings, inference, sequences)
        finally:
            waiting -= 1
        total = sum(map(len, sequences))
        usage = {"prompt_tokens": total, "total_tokens": total}
        Spending(request, principal).count(usage)
        data = [
            {"object": "embedding", "index": place, "embedding": _write(vector, body)}
            for place, vector in enumerate(vectors_RD)
        ]
        return {"object": "list", "data": data, "model": body.model, "usage": usage}

    return router


def read_inputs(
    inference: Inference, body: EmbeddingBody, principal: Principal
) -> list[Sequence[int]]:
    """Token ids of each input.

    Raises:
        ApiError: a model that is not the base, an input too long, or ids that are no tokens.
    """
    model = inference.catalog.describe(body.model, principal)
    if not model.is_base:
        told = f"{body.model} is tuned; embeddings are of the base's states. Name the base."
        raise refuse(told, param="model", code="unsupported_model")
    size = int(inference.model.config.get_text_config().hidden_size)
    if body.dimensions not in (None, size):
        told = f"The base's states have {size} dimensions, and are not cut; leave it out."
        raise refuse(told, param="dimensions")
    tokenizer = inference.base.tokenizer
    given: Any = body.input
    inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    if len(inputs) > _MOST_INPUTS:
        raise refuse(f"{len(inputs)} inputs; at most {_MOST_INPUTS} at a time.", param="input")
    sequences = [
        [*tokenizer.prefix_ids, *tokenizer.encode(one)] if isinstance(one, str) else one
        for one in inputs
    ]
    for place, ids in enumerate(sequences):
        check_ids(inference, ids, param=f"input.{place}" if len(inputs) > 1 else "input")
    return sequences


def check_ids(inference: Inference, ids: Sequence[int], *, param: str) -> None:
    """Refuse ids that are no tokens, and more of them than the context has (400)."""
    limit, num_tokens = inference.base.context_len, inference.base.tokenizer.vocab_size
    if not all(0 <= one < num_tokens for one in ids):
        raise refuse(f"Token ids are from 0 to {num_tokens - 1}.", param=param)
    if len(ids) > limit:
        told = f"{len(ids):,} tokens; the base's context is {limit:,}."
        raise refuse(told, param=param, code="context_length_exceeded")


def compute_embeddings(inference: Inference, sequences: Sequence[Sequence[int]]) -> Array:
    """Means of the last layer's states over all tokens, each of length 1: float32 (R, D)."""
    from assay.generate.states import compute_mean_states

    last = int(inference.model.config.get_text_config().num_hidden_layers)
    masked = [(list(ids), [1.0] * len(ids)) for ids in sequences]
    states_RD = compute_mean_states(inference.model, masked, [last])[:, 0]
    lengths_R1 = np.linalg.norm(states_RD, axis=-1, keepdims=True)
    return np.asarray(states_RD / np.maximum(lengths_R1, 1e-12), np.float32)


def _write(vector_D: Array, body: EmbeddingBody) -> str | list[float]:
    if body.encoding_format == "base64":
        return base64.b64encode(vector_D.astype("<f4").tobytes()).decode()
    return [float(x) for x in vector_D]
