"""Python values to Arrow arrays of a given type; it knows neither records nor files.

`pyarrow.array` asks pandas about every list that it is given, and loading pandas takes longer than
writing thousands of rows. Here values are laid out as Arrow's format has them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

# The code by which `array` knows a number of as many bits as Arrow's.
_CODES = {"int8": "b", "int32": "i", "int64": "q", "float": "f", "double": "d"}


def build_table(columns: Mapping[str, Sequence[Any]], schema: Any) -> Any:
    """A `pyarrow.Table` of `columns`, with the types of `schema` and in its order."""
    import pyarrow as pa

    arrays = [build_array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def build_array(values: Sequence[Any], kind: Any) -> Any:
    """A `pyarrow.Array` of type `kind`; None is null, and a struct lacks what a mapping lacks.

    Raises:
        TypeError, OverflowError: a value of another type, or a number that is too large.
    """
    from pyarrow import types

    if types.is_list(kind):
        return _build_lists(values, kind)
    if types.is_struct(kind):
        return _build_structs(values, kind)
    if types.is_string(kind):
        return _build_strings(values, kind)
    return _build_numbers(values, kind)


def _build_numbers(values: Sequence[Any], kind: Any) -> Any:
    import pyarrow as pa

    code, mask = _CODES[str(kind)], None
    try:
        numbers = array(code, values)
    except TypeError:  # most often there is no null: looking for one takes as long as all else
        mask = _build_mask(values)
        numbers = array(code, [0 if value is None else value for value in values])
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(numbers)])


def _build_strings(values: Sequence[str | None], kind: Any) -> Any:
    import pyarrow as pa

    texts = [b"" if value is None else value.encode() for value in values]
    buffers = [_build_mask(values), _build_offsets(texts), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _build_lists(values: Sequence[Sequence[Any] | None], kind: Any) -> Any:
    import pyarrow as pa

    lists = [() if value is None else value for value in values]
    members = build_array(list(chain.from_iterable(lists)), kind.value_type)
    buffers = [_build_mask(values), _build_offsets(lists)]
    return pa.Array.from_buffers(kind, len(values), buffers, children=[members])


def _build_structs(values: Sequence[Mapping[str, Any] | None], kind: Any) -> Any:
    import pyarrow as pa

    members = [
        build_array([None if one is None else one.get(field.name) for one in values], field.type)
        for field in kind
    ]
    return pa.Array.from_buffers(kind, len(values), [_build_mask(values)], children=members)


def _build_offsets(parts: Iterable[Sequence[Any]]) -> Any:
    import pyarrow as pa

    return pa.py_buffer(array("i", accumulate(map(len, parts), initial=0)))


def _build_mask(values: Sequence[Any]) -> Any:
    """Arrow's bitmap, a bit a value, the lowest first, 0 for null; None where nothing is null."""
    import pyarrow as pa

    if None not in values:
        return None
    bits = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        if value is not None:
            bits[index >> 3] |= 1 << (index & 7)
    return pa.py_buffer(bytes(bits))
