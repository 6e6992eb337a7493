"""Named tensors on disk as safetensors, read back into whatever layout is wanted.

Whole tensors are one file that rank 0 writes. Those that are spread over the ranks are a folder to
which every rank writes its own part (torch's distributed checkpoint in the safetensors format), and
which any number of processes reads, each what it needs.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from assay.train.ranks import Ranks, is_sharded


def save_tensors(folder: Path, name: str, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
    """Write ``name.safetensors`` into `folder`, and ``name.shards/`` for tensors that are spread.

    Collective where tensors are spread.

    Raises:
        SafetensorError, OSError: this rank cannot write.
    """
    spread = {key: tensor for key, tensor in tensors.items() if is_sharded(tensor)}
    if ranks.is_first:
        save_file({k: t for k, t in tensors.items() if k not in spread}, _file(folder, name))
    if spread:
        _save_shards(_shards(folder, name), spread)


def load_tensors(folder: Path, name: str, model: nn.Module) -> dict[str, Tensor]:
    """What `save_tensors` wrote: whole tensors on the CPU, spread ones laid out as `model` is.

    On a model that is not spread all tensors are whole.

    Raises:
        SafetensorError, OSError, ValueError: files are missing or damaged.
    """
    tensors: dict[str, Tensor] = load_file(_file(folder, name))
    shards = _shards(folder, name)
    return tensors | _load_shards(shards, model) if shards.is_dir() else tensors


def has_tensors(folder: Path, name: str) -> bool:
    """Whether `save_tensors` wrote here."""
    return _file(folder, name).is_file()


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _shards(folder: Path, name: str) -> Path:
    return folder / f"{name}.shards"


def _save_shards(folder: Path, tensors: dict[str, Tensor]) -> None:
    from torch.distributed.checkpoint import state_dict_saver
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter

    folder.mkdir(exist_ok=True)
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        state_dict_saver.save(dict(tensors), storage_writer=writer)
    except CheckpointException as error:
        # It is no Exception, and wraps what each rank met.
        raise OSError(str(error)) from error


def _load_shards(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    from torch.distributed.checkpoint import state_dict_loader
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    reader = HuggingFaceStorageReader(str(folder))
    sharded = next((p for p in model.parameters() if is_sharded(p)), None)
    described = reader.read_metadata().state_dict_metadata
    tensors = {name: _empty(known, sharded) for name, known in described.items()}
    try:
        with warnings.catch_warnings():
            # That no process group is there, where one process reads what several wrote.
            warnings.simplefilter("ignore", UserWarning)
            # Each rank reads by itself: there is nothing that they would have to agree on.
            state_dict_loader.load(tensors, storage_reader=reader, no_dist=True)
    except CheckpointException as error:
        raise ValueError(str(error)) from error
    return tensors


def _empty(known: Any, sharded: Any) -> Tensor:
    """An uninitialised tensor of a stored one's size: whole, or spread as the model's weights."""
    dtype = known.properties.dtype
    if sharded is None:
        return torch.empty(known.size, dtype=dtype)
    from torch.distributed.tensor import empty

    mesh, placements = sharded.device_mesh, sharded.placements
    return empty(known.size, dtype=dtype, device_mesh=mesh, placements=placements)
