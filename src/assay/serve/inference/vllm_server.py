"""A vLLM server that answers in the place of a base in memory: what it serves, and its adapters.

It has the base; ours are keys, catalog, policies and the reading of answers. Its address is the
operator's, and never a client's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assay.chat import ChatTokenizer
from assay.errors import CheckpointError, ConfigError, GenerationError, Problem
from assay.runs import sha256_file

KEY_VARIABLE = "ASSAY_ENGINE_KEY"
"""Where the key is that the vLLM server asks for, if it does."""
PROBE = 'Grüße, 12 tools: {"name": "x"} <tool_call>\n'
"""What two tokenizers that are not the same seldom read alike."""
_WAIT = httpx.Timeout(600.0, connect=10.0)
_STREAMS = 512


@dataclass(frozen=True)
class RemoteAdapter:
    """An adapter by the name that the server has it under, and where it reads it from."""

    name: str
    folder: Path


class VllmServer:
    """Asks one vLLM server; `model` is the base's name there.

    Raises:
        ConfigError: an address that is none, or a server that does not answer, does not serve one
            base alone, or reads text as other tokens than `tokenizer`.
    """

    def __init__(self, url: str, tokenizer: ChatTokenizer) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(Problem(repr(url), "http://HOST:PORT/v1", key="engine_url"))
        self.url = url.rstrip("/")
        key = os.environ.get(KEY_VARIABLE, "")
        self._client = httpx.Client(
            timeout=_WAIT,
            headers={"authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=_STREAMS, max_keepalive_connections=_STREAMS),
            # No proxy and no key of the environment: it is this server that is asked.
            trust_env=False,
        )
        self.model = self._find_base()
        self._check_tokenizer(tokenizer)

    def load_adapter(self, folder: Path, name: str) -> RemoteAdapter:
        """Have the server read an adapter that was verified; under its content's own name, so that
        what it has by that name is what was verified.

        Raises:
            CheckpointError: it does not take it.
        """
        weights = folder / "adapter_model.safetensors"
        if not weights.is_file():
            raise CheckpointError(f"{folder}: no adapter of low rank")
        adapter = RemoteAdapter(f"{name}@{sha256_file(weights)[:16]}", folder.resolve())
        self.send_adapter(adapter)
        return adapter

    def send_adapter(self, adapter: RemoteAdapter) -> None:
        """Have it loaded, if it is not.

        Raises:
            CheckpointError: as `load_adapter`.
        """
        body = {"lora_name": adapter.name, "lora_path": str(adapter.folder)}
        try:
            answer = self._client.post(f"{self.url}/load_lora_adapter", json=body)
        except httpx.HTTPError as error:
            raise CheckpointError(f"vLLM does not answer ({type(error).__name__})") from error
        if answer.status_code != 200 and "been loaded" not in answer.text:
            raise CheckpointError(
                f"vLLM does not take the adapter ({answer.status_code}); it needs --enable-lora, a"
                " --max-lora-rank, VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and the same folder"
            )

    def stream(self, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """The choice's parts of a completion, as they come; closing the iterator ends it there.

        Raises:
            GenerationError: it does not answer, or with something else.
        """
        asked = {**body, "stream": True}
        try:
            with self._client.stream("POST", f"{self.url}/completions", json=asked) as response:
                if response.status_code != 200:
                    raise GenerationError(f"vLLM answered {response.status_code}")
                for line in response.iter_lines():
                    if line.startswith("data: {"):
                        yield from json.loads(line.removeprefix("data: ")).get("choices", ())
        except (httpx.HTTPError, ValueError) as error:
            raise GenerationError(f"vLLM stopped answering ({type(error).__name__})") from error

    def close(self) -> None:
        self._client.close()

    def _find_base(self) -> str:
        """The one model that is no adapter."""
        known = self._ask("GET", "/models").get("data", [])
        bases = [str(one["id"]) for one in known if not one.get("parent")]
        if len(bases) != 1:
            raise self._refuse(f"a server of {len(bases)} bases", "one that serves one")
        return bases[0]

    def _check_tokenizer(self, tokenizer: ChatTokenizer) -> None:
        asked = {"model": self.model, "prompt": PROBE, "add_special_tokens": False}
        told = self._ask("POST", "/../tokenize", json=asked).get("tokens")
        if told != tokenizer.encode(PROBE):
            raise self._refuse("another tokenizer than the base's", "the base of --model")

    def _ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        root = self.url.removesuffix("/v1") if path.startswith("/../") else self.url
        try:
            answer = self._client.request(
                method, f"{root}/{path.removeprefix('/../').lstrip('/')}", **given
            )
            answer.raise_for_status()
            return dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise self._refuse(f"no vLLM ({type(error).__name__})", "a server that runs") from error

    def _refuse(self, got: str, allowed: str) -> ConfigError:
        return ConfigError(Problem(f"{got} at {self.url}", allowed, key="engine_url"))
