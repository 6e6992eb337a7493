"""Loads a base: its model, its tokenizer and template, and what identifies it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.errors import ConfigError, Problem
from assay.models.quantize import (
    Quantization,
    build_quantization_config,
    find_missing_package,
    keep_trainable,
)
from assay.runs import sha256_file

if TYPE_CHECKING:
    import torch

TINY = "tiny"
IDENTIFYING = ("*.safetensors", "config.json", "tokenizer.json")
"""What a base computes is decided by these files, and by its own code where that is trusted."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class BaseFiles:
    """A base on disk: known before any weight is loaded.

    `revision` is the commit of a Hub model; `context_len` is in tokens. `trust_remote_code` says
    whether Python code in `folder` may run when the model, or one tuned from it, is loaded, and
    `quantization` in how few bits its linear layers are then held, if in few. `new_token_ids` are
    of tokens that a recipe added (`assay.models.new_tokens`): their rows are made on loading.
    """

    name: str
    revision: str | None
    folder: Path
    tokenizer: ChatTokenizer
    context_len: int
    trust_remote_code: bool = False
    quantization: Quantization | None = None
    tokenizer_folder: Path | None = None
    new_token_ids: tuple[int, ...] = ()

    def with_weights_of(self, folder: Path) -> BaseFiles:
        """A whole model that was tuned from this base and saved in `folder`."""
        return replace(self, folder=folder, quantization=None, new_token_ids=())

    @property
    def tokenizer_files(self) -> Path:
        """The folder of the tokenizer's files; the base's own where no tokens were added."""
        return self.tokenizer_folder or self.folder

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the hashes, in name order, of the files that decide what it computes."""
        names = [*IDENTIFYING, *(["*.py"] if self.trust_remote_code else [])]
        digest = hashlib.sha256()
        for path in sorted(path for name in names for path in self.folder.glob(name)):
            digest.update(sha256_file(path).encode())
        return digest.hexdigest()


def tiny_folder() -> Path:
    """The embedded base's folder inside the package."""
    return Path(__file__).parent / TINY


def find_base(
    name: str,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    base_dir: Path | None = None,
) -> BaseFiles:
    """Find `name` (``tiny``, a folder, or a Hub id, which is then downloaded or taken from cache).

    A relative folder starts at `base_dir`: that of the recipe which names it, else the current one.

    Raises:
        ConfigError: no such base, no network, a folder without safetensors weights, or a
            configuration that Transformers does not know or cannot read.
    """
    folder = tiny_folder() if name == TINY else (base_dir or Path()) / os.path.expanduser(name)
    if not folder.is_dir():
        folder = _download(name, revision)
        # The Hub's cache names the folder by its commit, whatever branch or tag was asked for.
        revision = folder.name if _COMMIT.fullmatch(folder.name) else revision
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
        trust_remote_code,
    )


def load_model(
    base: BaseFiles,
    *,
    dtype: str = "auto",
    device: torch.device | None = None,
) -> Any:
    """The base's causal language model in evaluation mode, on `device` (the GPU if there is one).

    `dtype` ``auto`` is float32 on a CPU, where it is exact and float16 unusable, and bfloat16 on a
    GPU. A quantised base has its own `dtype` and takes no other. Only safetensors are read.

    Raises:
        ConfigError: the base is to be quantised and bitsandbytes is not installed.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from assay.models.new_tokens import add_rows

    logging.disable_progress_bar()

    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options: dict[str, Any] = {
        "dtype": resolve_dtype(dtype, device),
        "trust_remote_code": base.trust_remote_code,
        "use_safetensors": True,
    }
    if base.quantization is None:
        model = AutoModelForCausalLM.from_pretrained(base.folder, **options).to(device)
    else:
        missing = find_missing_package()
        if missing:
            raise ConfigError(missing)
        options["dtype"] = resolve_dtype(base.quantization.dtype, device)
        quantized = AutoModelForCausalLM.from_pretrained(
            base.folder,
            **options,
            device_map={"": device},
            quantization_config=build_quantization_config(base.quantization, options["dtype"]),
        )
        model = keep_trainable(quantized)
    if base.new_token_ids:
        model = add_rows(model, base.new_token_ids)
    return model.eval()


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
