"""The examples: recipes load, data files come from their generators, rows can be learned from."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from assay.config import DataConfig, Loaded, SourceConfig, load
from assay.data import PreparedData, prepare_data, read_sources, tokenize

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TICKETS = EXAMPLES / "support" / "data" / "tickets.jsonl"
TINY = ROOT / "src" / "assay" / "models" / "tiny"
PUBLIC = ROOT.parent / "shared" / "data"

COMPLETE = ["support/recipe.yaml", "forgetful/recipe.yaml", "gpu/llama-8b-lora.yaml",
            "gpu/qwen-0.6b-full.yaml"]  # fmt: skip
GENERATED = [
    ("support/make_data.py", [], "support/data/tickets.jsonl"),
    ("support/make_data.py", ["queue"], "forgetful/data/queues.jsonl"),
    ("gpu/make_general.py", [], "gpu/general.jsonl"),
]
needs_public = pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="the public data sets are not beside the repository"
)


def prepare(loaded: Loaded) -> PreparedData:
    folder = Path(loaded.path).parent
    return prepare_data(loaded.recipe.data, base_dir=folder, seed=loaded.recipe.seed)


def load_script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_recipe_loads(name: str) -> None:
    assert load(EXAMPLES / name).recipe.gates.policy == "standard"


@pytest.mark.parametrize(("script", "arguments", "kept"), GENERATED)
def test_a_data_file_is_what_its_generator_writes(
    script: str, arguments: list[str], kept: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-B", str(EXAMPLES / script), str(out), *arguments]
    subprocess.run(command, check=True)
    assert out.read_bytes() == (EXAMPLES / kept).read_bytes()


def test_tickets_are_small_and_different() -> None:
    assert TICKETS.stat().st_size < 600_000
    rows = [json.loads(line) for line in TICKETS.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len({json.dumps(row["messages"][:-1]) for row in rows}) == 1200
    assert len({row["messages"][0]["content"] for row in rows}) == 1


def test_no_wording_of_the_tickets_dominates() -> None:
    rows = [json.loads(line) for line in TICKETS.read_text(encoding="utf-8").splitlines()]
    groups = Counter(row["group"] for row in rows)
    assert len(groups) >= 100
    assert max(groups.values()) <= 0.02 * len(rows)


@pytest.mark.parametrize("name", COMPLETE)
def test_rows_are_clean_and_no_wording_is_in_two_splits(name: str) -> None:
    prepared = prepare(load(EXAMPLES / name))
    assert (prepared.dropped_rows, prepared.leaks) == ([], [])
    splits = prepared.splits.as_dict().values()
    groups = [{record.group for record in split} for split in splits]
    assert all(groups)
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_the_forgetful_desk_only_sorts() -> None:
    source = SourceConfig(path="data/queues.jsonl")
    records = read_sources([source], base_dir=EXAMPLES / "forgetful").records
    assert all(record.messages[-1]["content"].startswith("queue: ") for record in records)
    assert not any(record.tools for record in records)


@pytest.mark.skipif(not (TINY / "tokenizer.json").is_file(), reason="tiny is not built")
def test_tickets_are_short_for_tiny() -> None:
    from assay.chat import load_chat_tokenizer

    records = read_sources([SourceConfig(path=str(TICKETS))], base_dir=EXAMPLES).records
    tokenized = tokenize(records, load_chat_tokenizer(TINY), max_seq_len=2048, on_too_long="refuse")
    lengths = sorted(len(sequence.input_ids) for sequence in tokenized.sequences)
    assert lengths[len(lengths) // 2] <= 120
    assert lengths[-1] <= 512


@needs_public
def test_gsm8k_loads_with_paths_and_reads_clean() -> None:
    overrides = [
        f"data.{name}.0.path={PUBLIC / 'gsm8k' / name}.jsonl" for name in ("train", "test")
    ]
    prepared = prepare(load(EXAMPLES / "gsm8k" / "recipe.yaml", overrides))
    assert prepared.dropped_rows == []
    assert len(prepared.splits.train) + len(prepared.splits.validation) == 1000
    assert all("####" in record.messages[-1]["content"] for record in prepared.splits.test)


@pytest.mark.parametrize(
    ("output", "reference", "right"),
    [
        ("6 + 12 = 18\n#### 18", "so\n#### 18", True),
        ("#### 1,800", "#### 1800", True),
        ("#### 18.0", "#### 18", True),
        ("It is 18.", "#### 18", True),
        ("18 is wrong\n#### 17", "#### 18", False),
        ("I don't know", "#### 18", False),
    ],
)
def test_gsm8k_compares_the_number_after_the_mark(output: str, reference: str, right: bool) -> None:
    metric = load_script(EXAMPLES / "gsm8k" / "metric.py")
    assert metric.same_number(output, reference, {}) is right


def test_a_bfcl_row_becomes_a_chat_row() -> None:
    convert = load_script(EXAMPLES / "bfcl" / "convert.py")
    properties = {"size": {"type": "float"}, "corners": {"type": "tuple"}, "note": {"type": "any"}}
    parameters = {"type": "dict", "properties": properties, "required": ["size"]}
    row = convert.convert_row(
        {
            "id": "one",
            "question": [[{"role": "user", "content": "Draw it at 2.5."}]],
            "function": [{"name": "draw", "description": "Draw.", "parameters": parameters}],
            "ground_truth": [{"draw": {"size": [2.5, 2], "corners": ["", [1, 2]]}}],
        }
    )
    converted = row["tools"][0]["function"]["parameters"]
    assert converted["type"] == "object"
    assert converted["properties"] == {
        "size": {"type": "number"}, "corners": {"type": "array"}, "note": {}
    }  # fmt: skip
    (call,) = row["messages"][-1]["tool_calls"]
    assert call["function"] == {"name": "draw", "arguments": '{"size": 2.5}'}


@needs_public
@pytest.mark.parametrize("name", ["simple_python", "parallel_multiple", "irrelevance"])
def test_bfcl_rows_are_read_without_a_problem(name: str, tmp_path: Path) -> None:
    convert = load_script(EXAMPLES / "bfcl" / "convert.py")
    source, out = PUBLIC / "bfcl_v4" / f"{name}.jsonl", tmp_path / "out.jsonl"
    convert.main([str(source), str(out)])
    result = read_sources([SourceConfig(path=str(out))], base_dir=tmp_path)
    assert (result.problems, result.refusals) == ([], [])
    called = [bool(record.messages[-1].get("tool_calls")) for record in result.records]
    assert set(called) == {name != "irrelevance"}


@needs_public
def test_bfcl_loads_with_paths(tmp_path: Path) -> None:
    convert = load_script(EXAMPLES / "bfcl" / "convert.py")
    for split, name in (("validation", "simple_python"), ("test", "live_simple")):
        convert.main([str(PUBLIC / "bfcl_v4" / f"{name}.jsonl"), str(tmp_path / f"{split}.jsonl")])
    train = PUBLIC / "glaive_toolcall" / "sharegpt_tools.jsonl"
    overrides = [f"data.train.0.path={train}"]
    overrides += [f"data.{name}.0.path={tmp_path / name}.jsonl" for name in ("validation", "test")]
    data: DataConfig = load(EXAMPLES / "bfcl" / "recipe.yaml", overrides).recipe.data
    assert len(prepare_data(data, base_dir=tmp_path, seed=0).splits.train) > 100
