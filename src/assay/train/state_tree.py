"""Any state dict as named tensors beside JSON, and back: nothing is lost and nothing is pickled."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from assay.train.ranks import is_sharded


def split_tree(value: Any, *, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """A nest of dicts, lists, tuples, tensors and plain values as JSON content and its tensors.

    Tensors are on the CPU and contiguous, and no two share memory; one that stands in several
    places is kept once. Keys may be text or integers; plain values are None, booleans, numbers and
    text, infinite and NaN included.

    Raises:
        TypeError: anything else, named by its place below `name`.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[int, str] = {}
    taken: set[int] = set()

    def walk(value: Any, place: str) -> Any:
        if isinstance(value, Tensor):
            if id(value) not in names:
                names[id(value)] = place
                tensors[place] = _detach(value, taken)
            return {"tensor": names[id(value)]}
        if isinstance(value, dict):
            return {"dict": [[key, walk(part, f"{place}.{key}")] for key, part in value.items()]}
        if isinstance(value, list | tuple):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [walk(part, f"{place}.{index}") for index, part in enumerate(value)]}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"{place}: a {type(value).__name__} cannot be kept in a checkpoint")

    return walk(value, name), tensors


def join_tree(content: Any, tensors: dict[str, Tensor]) -> Any:
    """What `split_tree` was given, from JSON content and tensors.

    Raises:
        KeyError: a tensor is missing.
    """
    if not isinstance(content, dict):
        return content
    ((kind, inner),) = content.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "dict":
        return {key: join_tree(part, tensors) for key, part in inner}
    parts = [join_tree(part, tensors) for part in inner]
    return tuple(parts) if kind == "tuple" else parts


def _detach(value: Tensor, taken: set[int]) -> Tensor:
    """`value` on the CPU; copied where its memory is `taken`, or a part of something larger.

    One that is spread over ranks stays as it is: each rank keeps its own part.
    """
    if is_sharded(value):
        return value.detach()
    storage = value.untyped_storage()
    is_own = storage.nbytes() == value.nbytes and storage.data_ptr() not in taken
    taken.add(storage.data_ptr())
    return value.detach().to("cpu", copy=not is_own).contiguous()
