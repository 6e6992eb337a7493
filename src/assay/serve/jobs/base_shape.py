"""The size of a base by its files alone: its configuration, and the headers of its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import assay

_MOST_HEADER = 100 << 20
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1, "F8_E4M3": 1, "F8_E5M2": 1}


@dataclass(frozen=True)
class BaseShape:
    """What decides how much memory a base takes.

    Attributes:
        num_params: of all weights; `file_bytes` as they lie on disk.
        matrices: rows and columns of the layers' two-dimensional weights, by the last part of the
            module's name.
        num_layers, hidden, inner, kv: layers, and the widths of the stream, of the middle of the
            feed-forward part, and of keys or values.
        vocab: tokens.
    """

    num_params: int
    file_bytes: int
    matrices: tuple[tuple[str, int, int], ...]
    num_layers: int
    hidden: int
    inner: int
    kv: int
    vocab: int


def find_local_folder(base: str) -> Path | None:
    """Where the files of a base lie on this machine; None where they are still to be fetched."""
    if base == "tiny":
        return Path(assay.__file__).parent / "models" / "tiny"
    if Path(base).is_dir():
        return Path(base)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(base, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def read_shape(folder: Path) -> BaseShape | None:
    """The shape of a base; None where its files do not tell it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = [one for path in folder.glob("*.safetensors") for one in _read_header(path)]
        text = config.get("text_config") or config
        hidden, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
        head = int(text.get("head_dim") or hidden // heads)
        return BaseShape(
            num_params=sum(math.prod(shape) for _, shape, _ in tensors),
            file_bytes=sum(math.prod(shape) * _BYTES.get(kind, 4) for _, shape, kind in tensors),
            matrices=tuple(
                (name.split(".")[-2], shape[0], shape[1])
                for name, shape, _ in tensors
                if len(shape) == 2 and ".layers." in name
            ),
            num_layers=int(text["num_hidden_layers"]),
            hidden=hidden,
            inner=int(text["intermediate_size"]),
            kv=int(text.get("num_key_value_heads") or heads) * head,
            vocab=int(text["vocab_size"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_header(path: Path) -> Iterator[tuple[str, list[int], str]]:
    """Name, shape and kind of each tensor: eight bytes of length, then JSON (safetensors)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MOST_HEADER:
            raise ValueError("a header that is too long")
        header: dict[str, Any] = json.loads(file.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            yield name, [int(size) for size in entry["shape"]], str(entry["dtype"])
