"""Who writes completions: an engine beside this process; it asks nobody."""

from __future__ import annotations

from typing import Literal

from assay.config.setting import REQUIRED, Section, setting


class EngineConfig(Section):
    """A vLLM server over the same base, which completes with the adapters that are trained."""

    type: Literal["vllm"] = setting("vllm", "What writes completions.", reason="the one there is")
    url: str = setting(
        REQUIRED,
        "Address of the server, up to and with /v1. It was started with --enable-lora, a "
        "--max-lora-rank of method.rank or more, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True.",
        example="engine: {type: vllm, url: http://localhost:8000/v1, name: Qwen/Qwen3-8B}",
        min_length=1,
    )
    name: str = setting(
        REQUIRED,
        "The base's name there; it is the recipe's base.",
        example="engine: {type: vllm, url: http://localhost:8000/v1, name: Qwen/Qwen3-8B}",
        min_length=1,
    )
    folder: str | None = setting(
        None,
        "Where adapters are left for the server, which reads them under the same path.",
        reason="the run's own folder, on one machine",
        min_length=1,
    )
    logprobs_mode: Literal["raw_logprobs", "processed_logprobs"] = setting(
        "raw_logprobs",
        "The --logprobs-mode that the server was started with: log-probabilities of the model, or "
        "of what it samples from.",
        reason="the server's own default",
    )
    max_requests: int = setting(
        64,
        "Completions that are asked for at a time; the server batches them.",
        unit="requests",
        reason="as many as fill a batch of one GPU",
        ge=1,
        le=4096,
    )
    key_env: str | None = setting(
        None,
        "Environment variable that holds the key. The key itself is stored nowhere.",
        reason="no key is sent",
        min_length=1,
    )
    hosts: list[str] = setting(
        None,
        "Hosts beside this machine that may be asked, by name: prompts go there.",
        reason="this machine alone",
        factory=list,
    )
