"""State dicts as tensors and JSON: whatever an optimizer keeps comes back as it was."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from assay.train.state_tree import join_tree, split_tree

DTYPES = [torch.uint8, torch.int16, torch.int64, torch.bool, torch.bfloat16, torch.float64]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
tensors = st.builds(
    lambda dtype, size: torch.arange(size).to(dtype), st.sampled_from(DTYPES), st.integers(0, 4)
)
trees = st.recursive(
    scalars | tensors,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def is_same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(is_same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


@given(trees)
@settings(max_examples=60, deadline=None)
def test_a_state_survives_being_written(tree: Any) -> None:
    content, found = split_tree(tree, name="state")
    assert is_same(join_tree(json.loads(json.dumps(content)), found), tree)


def test_shared_memory_and_views_can_be_written(tmp_path: Path) -> None:
    table = torch.arange(12.0)
    tree = {0: {"map": table}, 1: {"map": table, "part": table[3:5], "flat": table.view(3, 4)}}
    content, found = split_tree(tree, name="state")
    save_file(found, tmp_path / "state.safetensors")
    again = join_tree(content, load_file(tmp_path / "state.safetensors"))
    assert is_same(again, tree)
    assert again[0]["map"] is again[1]["map"], "kept once"


def test_what_cannot_be_kept_is_named() -> None:
    with pytest.raises(TypeError, match=r"state\.a\.0: a set"):
        split_tree({"a": [{1}]}, name="state")
    assert math.isnan(join_tree(split_tree(math.nan)[0], {}))
