"""vLLM as an engine: a server's completions and log-probabilities over its HTTP interface.

Prompts go as token ids, each as a request of its own with its own seed, as many at a time as are
allowed; the server batches them, and computes common beginnings once. Its sampling is not ours: a
sample depends on seed and place, on the server's version, and, as its sums are rounded by batch,
rarely on its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeVar

from assay.chat import ChatTokenizer
from assay.errors import GenerationError
from assay.generate.engine import (
    Drawn,
    Generation,
    Progress,
    Sampling,
    SequenceScore,
    check_prompts,
    compute_seed,
)
from assay.generate.remote import RemoteModel, read_json
from assay.generate.stops import cut_at_stop

LogprobsMode = Literal["raw_logprobs", "processed_logprobs"]
"""The server's ``--logprobs-mode``: of the model, or of what it samples from."""
NEUTRAL: Mapping[str, float] = {
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Settings that a server takes from the model's generation_config.json where they are not sent."""
Result = TypeVar("Result")


class VllmEngine:
    """Completes and scores with what a vLLM server has loaded.

    Args:
        remote: the server's endpoint, down to ``/v1``, and the name of the base there.
        tokenizer: the base's own.
        context_len: tokens that prompt and completion may take together; None for no limit.
        max_requests: under way at a time.
        logprobs_mode: as the server was started.
        names: what the names of its adapters there begin with; others may ask the same server.
    """

    def __init__(
        self,
        remote: RemoteModel,
        tokenizer: ChatTokenizer,
        *,
        context_len: int | None = None,
        max_requests: int = 64,
        logprobs_mode: LogprobsMode = "raw_logprobs",
        names: str = "assay",
    ) -> None:
        self.tokenizer = tokenizer
        self.context_len = context_len
        self._remote = remote
        self._max_requests = max_requests
        self._logprobs_mode = logprobs_mode
        self._adapter: str | None = None
        self._names = (f"{names}-{number}" for number in count(1))

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Progress | None = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        """See `Engine`. `sampled_logprobs` are empty where the server's mode does not tell them.

        Raises:
            GenerationError: a prompt is empty or leaves no room in the context, or the server
                cannot be reached, refuses, or answers something else.
        """
        check_prompts(prompts, sampling, self.context_len)
        places = range(len(prompts)) if places is None else places
        asked = list(zip(prompts, places, strict=True))
        return self._run(asked, lambda one: self._complete(one[0], one[1], sampling), on_progress)

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[str]:
        """The completion's text, in one piece."""
        yield self.generate([prompt], sampling)[0].text

    def score(
        self, sequences: Sequence[tuple[Sequence[int], Sequence[float]]]
    ) -> list[SequenceScore]:
        """See `Engine`.

        Raises:
            GenerationError: the server's mode does not tell the model's own log-probabilities, or
                as `generate`.
        """
        if self._logprobs_mode != "raw_logprobs":
            raise GenerationError("scores need a server with --logprobs-mode raw_logprobs")
        return self._run(sequences, lambda one: self._score(*one), None)

    def load_adapter(self, folder: Path) -> None:
        """Complete and score with the LoRA adapter in `folder`, in place of the one before.

        The server reads the folder itself. Each adapter has a name of its own there, so that
        nothing that was computed with another is used again.

        Raises:
            GenerationError: the server does not take it.
        """
        name = next(self._names)
        try:
            self._remote.send("load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        except GenerationError as error:
            raise GenerationError(
                f"{error}; adapters are loaded by a server with --enable-lora and"
                " VLLM_ALLOW_RUNTIME_LORA_UPDATING=True that sees the same folder"
            ) from error
        before, self._adapter = self._adapter, name
        if before is not None:
            self._remote.send("unload_lora_adapter", {"lora_name": before})

    def unload_adapter(self) -> None:
        """Complete and score with the base, and let the server forget the adapter, if any.

        Raises:
            GenerationError: the server does not.
        """
        before, self._adapter = self._adapter, None
        if before is not None:
            self._remote.send("unload_lora_adapter", {"lora_name": before})

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        """The server's base for a while."""
        before, self._adapter = self._adapter, None
        try:
            yield
        finally:
            self._adapter = before

    def _run(
        self,
        asked: Sequence[Any],
        ask: Callable[[Any], Result],
        on_progress: Progress | None,
    ) -> list[Result]:
        """The results in order; the first failure is raised, and what has not begun is left."""
        with ThreadPoolExecutor(self._max_requests) as pool:
            futures = [pool.submit(ask, one) for one in asked]
            try:
                for number, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    if on_progress:
                        on_progress(number, len(asked))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _complete(self, prompt: Sequence[int], place: int, sampling: Sampling) -> Generation:
        room = (self.context_len or 1 << 30) - len(prompt)
        max_tokens = min(sampling.max_new_tokens, room)
        if max_tokens <= 0:
            return Generation([], "", [], "length")
        stop_ids = sampling.stop_ids or self.tokenizer.eos_ids
        asked: dict[str, Any] = {
            **NEUTRAL,
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": compute_seed(sampling, place),
            "stop": list(sampling.stop),
            # What ends a completion is said here alone, not by the server's configuration.
            "ignore_eos": True,
            "stop_token_ids": list(stop_ids),
            "logprobs": 1,
            "return_token_ids": True,
        }
        if sampling.json_schema is not None:
            asked["structured_outputs"] = {"json": dict(sampling.json_schema)}
        choice = self._ask(prompt, asked)
        return self._read(choice, sampling, stop_ids)

    def _ask(self, prompt: Sequence[int], asked: Mapping[str, Any]) -> Mapping[str, Any]:
        endpoint = self._remote.endpoint
        model = self._adapter or endpoint.model
        body = self._remote.send("completions", {"model": model, "prompt": list(prompt), **asked})
        content = read_json(body, endpoint)
        try:
            (choice,) = content["choices"]
            return dict(choice)
        except (KeyError, TypeError, ValueError) as error:
            raise self._fail("an answer that is no completion") from error

    def _read(
        self, choice: Mapping[str, Any], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Generation:
        try:
            ids = [int(token_id) for token_id in choice["token_ids"]]
            told = [float(value) for value in choice["logprobs"]["token_logprobs"]]
            reason = choice["finish_reason"]
        except (KeyError, TypeError, ValueError) as error:
            raise self._fail(
                "a completion without token_ids and logprobs; vLLM tells them from 0.10.2 on"
            ) from error
        if len(ids) != len(told) or reason not in ("stop", "length"):
            raise self._fail(f"a completion of {len(ids)} tokens that ended by {reason!r}")
        logprobs, sampled = self._sort_out(told, sampling)
        stop_token = None
        if reason == "stop" and ids and ids[-1] in stop_ids:
            logprob, sampled_logprob = ((one or [math.nan])[-1] for one in (logprobs, sampled))
            stop_token = Drawn(ids[-1], logprob, sampled_logprob)
            ids, logprobs, sampled = ids[:-1], logprobs[:-1], sampled[:-1]
        text = cut_at_stop(ids, sampling.stop, self.tokenizer.decode)
        if text is None:
            text = self.tokenizer.decode(ids)
        return Generation(ids, text, logprobs, reason, sampled, stop_token)

    def _sort_out(self, told: list[float], sampling: Sampling) -> tuple[list[float], list[float]]:
        """Log-probabilities at temperature 1 and of what was sampled from; empty where unknown."""
        is_plain = sampling.temperature == sampling.top_p == 1 and sampling.json_schema is None
        if is_plain:
            return told, told
        if self._logprobs_mode == "processed_logprobs":
            return [], told
        return told, [0.0] * len(told) if sampling.temperature == 0 else []

    def _score(self, ids: Sequence[int], mask: Sequence[float]) -> SequenceScore:
        asked = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 1}
        choice = self._ask(ids, asked)
        total = weight = 0.0
        try:
            found = choice["prompt_logprobs"]
            for place in range(1, len(ids)):
                if mask[place] > 0:
                    logprob = float(found[place][str(ids[place])]["logprob"])
                    total += float(mask[place]) * logprob
                    weight += float(mask[place])
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise self._fail("an answer without prompt_logprobs") from error
        return SequenceScore(total, weight)

    def _fail(self, reason: str) -> GenerationError:
        endpoint = self._remote.endpoint
        return GenerationError(f"{endpoint.base_url} ({endpoint.model}): {reason}")
