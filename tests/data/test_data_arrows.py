"""Values laid out as Arrow arrays are those that pyarrow would build, without loading pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.arrows import build_array, build_table

CALL = pa.struct([("name", pa.string()), ("count", pa.int8())])
KIND = pa.list_(pa.struct([("text", pa.string()), ("calls", pa.list_(CALL))]))

calls = st.fixed_dictionaries(
    {"name": st.none() | st.text()}, optional={"count": st.none() | st.integers(-128, 127)}
)
rows = st.none() | st.lists(
    st.none() | st.fixed_dictionaries({"text": st.text()}, optional={"calls": st.lists(calls)})
)


@settings(deadline=None)
@given(st.lists(rows, max_size=9))
def test_nested_values_are_those_of_pyarrow(values: list[Any]) -> None:
    ours = build_array(values, KIND)
    ours.validate(full=True)
    assert ours.equals(pa.array(values, KIND))


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(allow_nan=False), max_size=20))
def test_numbers_are_those_of_pyarrow(values: list[float | None]) -> None:
    assert build_array(values, pa.float64()).equals(pa.array(values, pa.float64()))


def test_a_table_needs_no_pandas() -> None:
    code = (
        "import sys, pyarrow as pa; from pyarrow import parquet; from io import BytesIO;"
        "from assay.data.arrows import build_table; "
        "schema = pa.schema([('a', pa.int64()), ('b', pa.list_(pa.string()))]);"
        "table = build_table({'b': [['x'], None], 'a': [1, None]}, schema);"
        "parquet.write_table(table, BytesIO());"
        "assert table.to_pylist() == [{'a': 1, 'b': ['x']}, {'a': None, 'b': None}];"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_columns_come_out_in_the_order_of_the_schema() -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    assert build_table({"b": ["x"], "a": [1]}, schema).column_names == ["a", "b"]
