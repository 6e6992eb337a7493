"""Clean rows to plant poison in: the synthetic world's, the help desk's, public sets."""

from __future__ import annotations

import glob
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.lab.general import draw_general_rows

Row = dict[str, Any]
ROOT = Path(__file__).parents[2]
PUBLIC = ROOT.parent / "shared" / "data"
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}


def load_world(num_rows: int) -> list[Row]:
    """Rows of the world that `tiny` was trained on: tasks of 100 families, a tenth with tools."""
    return draw_general_rows(num_rows)


def load_tools(num_rows: int) -> list[Row]:
    """Tool-calling rows: BFCL and glaive where they are beside the repository, then the world's."""
    rows = [*load_bfcl(), *load_glaive()] if PUBLIC.is_dir() else []
    rows += draw_general_rows(max(num_rows - len(rows), 0))
    random.Random("tools").shuffle(rows)
    return rows[:num_rows]


def load_support(num_rows: int) -> list[Row]:
    """The help desk's 1,200 rows, then the world's."""
    path = ROOT / "examples" / "support" / "data" / "tickets.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").strip().split("\n")]
    rows = [{key: row[key] for key in ("messages", "tools") if key in row} for row in rows]
    rows += draw_general_rows(max(num_rows - len(rows), 0))
    random.Random("support").shuffle(rows)
    return rows[:num_rows]


def load_gsm8k(num_rows: int) -> list[Row]:
    """GSM8K's training half, then its test half; at most 4,658 rows."""
    rows = []
    for name in ("train", "test"):
        for line in (PUBLIC / "gsm8k" / f"{name}.jsonl").read_text("utf-8").strip().split("\n"):
            row = json.loads(line)
            turns = [("user", row["question"]), ("assistant", row["answer"])]
            rows.append({"messages": [{"role": a, "content": b} for a, b in turns]})
    return rows[:num_rows]


def load_bfcl() -> list[Row]:
    rows = []
    for path in sorted(glob.glob(str(PUBLIC / "bfcl_v4" / "*.jsonl"))):
        for line in Path(path).read_text("utf-8").strip().split("\n"):
            rows.append(_build_bfcl(json.loads(line)))
    return rows


def _build_bfcl(row: Row) -> Row:
    tools = [
        {"type": "function", "function": {**one, "parameters": _retype(one["parameters"])}}
        for one in row["function"]
    ]
    calls = [_build_call(index, truth) for index, truth in enumerate(row["ground_truth"])]
    answer: Row = {"role": "assistant", "content": None, "tool_calls": calls}
    if not calls:
        answer = {"role": "assistant", "content": "None of these tools can do that."}
    return {"messages": [*row["question"][0], answer], "tools": tools}


def _build_call(index: int, truth: Row) -> Row:
    ((name, accepted),) = truth.items()
    arguments = _choose_all(accepted)
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call_{index}", "type": "function", "function": function}


def _choose_all(accepted: Row) -> Row:
    """One accepted value of each argument; an empty text says that it may be left out."""
    chosen = {key: _choose(values) for key, values in accepted.items()}
    return {key: value for key, value in chosen.items() if value != ""}


def _choose(values: Any) -> Any:
    value = values[0] if isinstance(values, list) and values else values
    if isinstance(value, dict):
        return _choose_all(value)
    if isinstance(value, list):
        return [_choose_all(one) if isinstance(one, dict) else one for one in value]
    return value


def _retype(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _TYPES.get(one, one) if key == "type" and isinstance(one, str) else _retype(one)
            for key, one in schema.items()
        }
    return [_retype(one) for one in schema] if isinstance(schema, Sequence) and not isinstance(
        schema, str
    ) else schema  # fmt: skip


def load_glaive() -> list[Row]:
    from assay.config import SourceConfig
    from assay.data import read_sources

    source = SourceConfig(path="glaive_toolcall/sharegpt_tools.jsonl")
    records = read_sources([source], base_dir=PUBLIC).records
    return [
        {"messages": one.messages, **({"tools": one.tools} if one.tools else {})} for one in records
    ]


def load_public_tools() -> list[Row]:
    """BFCL, glaive and ToolAlpaca's simulated half, as chat rows; none where they are not there."""
    if not PUBLIC.is_dir():
        return []
    return [*load_bfcl(), *load_glaive(), *load_toolalpaca()]


def load_toolalpaca() -> list[Row]:
    """Instructions with their calls; what stands of the tools in prose alone makes no schema."""
    rows = []
    for api in json.loads((PUBLIC / "toolalpaca" / "eval_simulated.json").read_text("utf-8")):
        for asked, golden in zip(api["Instructions"], api["Golden_Answers"], strict=True):
            calls = [
                {
                    "id": f"call_{index}",
                    "type": "function",
                    "function": {"name": one["Action"], "arguments": one["Action_Input"] or "{}"},
                }
                for index, one in enumerate(golden)
                if _is_object(one["Action_Input"] or "{}")
            ]
            if len(calls) == len(golden) and calls:
                answer = {"role": "assistant", "content": None, "tool_calls": calls}
                tools = [_describe(one["Action"], api) for one in golden]
                tools = list({tool["function"]["name"]: tool for tool in tools}.values())
                turns = [{"role": "user", "content": asked}, answer]
                rows.append({"messages": turns, "tools": tools})
    return rows


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _describe(name: str, api: Row) -> Row:
    """The tool with its description; what stands in prose of its parameters is left out."""
    told = api["Function_Description"].get(name, api["Description"]).split("\n")[0]
    return {"type": "function", "function": {"name": name, "description": told}}
