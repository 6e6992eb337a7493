"""Loads a base: its model, its tokenizer and template, and what identifies it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.errors import ConfigError, Problem
from assay.runs import sha256_file

if TYPE_CHECKING:
    import torch

TINY = "tiny"
WEIGHT_SUFFIXES = (".safetensors",)


@dataclass(frozen=True)
class BaseFiles:
    """A base on disk: known before any weight is loaded.

    `context_len` is in tokens; `sha256` is that of the weight files' hashes in name order.
    """

    name: str
    revision: str | None
    folder: Path
    tokenizer: ChatTokenizer
    context_len: int

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self.folder.iterdir()):
            if path.suffix in WEIGHT_SUFFIXES:
                digest.update(sha256_file(path).encode())
        return digest.hexdigest()


def tiny_folder() -> Path:
    """The embedded base's folder inside the package."""
    return Path(__file__).parent / TINY


def find_base(
    name: str, *, revision: str | None = None, trust_remote_code: bool = False
) -> BaseFiles:
    """Find `name` (``tiny``, a folder, or a Hub id, which is then downloaded or taken from cache).

    Raises:
        ConfigError: no such base, no network, a folder without safetensors weights, or a
            configuration that Transformers does not know or cannot read.
    """
    folder = tiny_folder() if name == TINY else Path(name)
    if not folder.is_dir():
        folder = _download(name, revision)
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise _base_problem(
            f"{name}, a folder without config.json or *.safetensors",
            "a Transformers folder with safetensors weights",
            "convert the weights to safetensors, or name another base",
        )
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise _base_problem(
            f"{name}, whose config.json is not usable ({str(error).strip().splitlines()[0]})",
            "an architecture that Transformers knows",
            "repair config.json, name another base, or set base.trust_remote_code if it has code"
            " of its own that you trust",
        ) from error
    config = config.get_text_config()
    return BaseFiles(
        name,
        revision,
        folder,
        load_chat_tokenizer(folder),
        int(getattr(config, "max_position_embeddings", None) or 1 << 20),
    )


def load_model(
    base: BaseFiles,
    *,
    dtype: str = "auto",
    trust_remote_code: bool = False,
    device: torch.device | None = None,
) -> Any:
    """The base's causal language model in evaluation mode, on `device` (the GPU if there is one).

    `dtype` ``auto`` is float32 on a CPU, where it is exact and float16 unusable, and bfloat16 on a
    GPU. Only safetensors are read.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()

    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = AutoModelForCausalLM.from_pretrained(
        base.folder,
        dtype=resolve_dtype(dtype, device),
        trust_remote_code=trust_remote_code,
        use_safetensors=True,
    )
    return model.to(device).eval()


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The torch dtype of ``auto``, ``fp32`` or ``bf16`` on a device."""
    import torch

    named = {"fp32": torch.float32, "bf16": torch.bfloat16}
    return named.get(dtype, torch.float32 if device.type == "cpu" else torch.bfloat16)


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.py"],
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise _base_problem(
            f"{name}, which is neither a folder nor to be had from the Hub ({reason})",
            "tiny, a folder, or a Hub id",
            "check the name, or download the model and give its folder",
        ) from error


def _base_problem(got: str, allowed: str, do: str) -> ConfigError:
    return ConfigError(Problem(got=got, allowed=allowed, do=do, key="base"))
