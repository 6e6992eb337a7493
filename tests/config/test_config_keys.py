"""The list of keys is frozen here, and each key says what it means and why it has its default."""

from __future__ import annotations

import re
from typing import Any, get_args

import jsonschema
import pytest

from assay.config import explain, json_schema, leaf_keys
from assay.config.explain import describe_keys
from assay.config.files import COMPRESSIONS, READABLE
from assay.config.keys import find_sections, is_list, walk_keys
from assay.config.sections.gates import POLICIES
from assay.config.sections.method import METHODS
from assay.config.sections.objective import OBJECTIVES
from assay.config.setting import get_note
from assay.config.tree import parse_yaml, to_plain
from assay.errors import ConfigError

GOLDEN = [
    "base.name",
    "base.revision",
    "base.trust_remote_code",
    "base.new_tokens",
    "data.train",
    "data.validation",
    "data.test",
    "data.validation_ratio",
    "data.test_ratio",
    "data.group_by",
    "data.system",
    "data.on_bad_rows",
    "data.on_too_long",
    "data.max_seq_len",
    "data.rules",
    "data.accept",
    "method.type",
    "method.rank",
    "method.alpha",
    "method.dropout",
    "method.target_modules",
    "method.flavours",
    "method.start_from",
    "objective",
    "train.epochs",
    "train.max_steps",
    "train.batch_size",
    "train.micro_batch_tokens",
    "train.learning_rate",
    "train.schedule",
    "train.warmup_ratio",
    "train.warmup_steps",
    "train.optimizer",
    "train.optimizer_settings",
    "train.max_grad_norm",
    "train.precision",
    "train.techniques",
    "train.eval_every_steps",
    "train.patience",
    "train.checkpoints",
    "defend",
    "launch.processes",
    "sweep",
    "evaluate.metric",
    "evaluate.prompt",
    "evaluate.shots",
    "evaluate.max_new_tokens",
    "evaluate.temperature",
    "evaluate.batch_size",
    "evaluate.max_items",
    "evaluate.suites",
    "gates.policy",
    "gates.thresholds",
    "trackers",
    "name",
    "output",
    "seed",
]
ADAPTERS = [key for key in GOLDEN if key.startswith("method.")]
OF_METHOD = {
    **dict.fromkeys(["lora", "rslora", "dora", "pissa"], ADAPTERS),
    "lora_plus": [*ADAPTERS, "method.learning_rate_ratio"],
    "qlora": [*ADAPTERS, "method.quantization"],
    "freeze": ["method.type", "method.top_layers", "method.patterns"],
    "full": ["method.type"],
    "peft": ["method.type", "method.config", "method.start_from"],
}
ENTRIES = {
    "data.train": [
        "path",
        "format",
        "columns",
        "weight",
        "revision",
        "split",
        "name",
        "limit",
        "provenance",
        "role",
    ],
    "evaluate.suites": [
        "path",
        "name",
        "metric",
        "kind",
        "format",
        "subset",
        "split",
        "revision",
        "judge",
        "judge.name",
        "judge.url",
        "judge.key_env",
        "judge.hosts",
    ],
}


OF_ROLLOUTS = [
    "type",
    "grader",
    "held_out_grader",
    "group_size",
    "max_new_tokens",
    "temperature",
    "top_p",
    "overlong_margin",
    "validation_samples",
    "environment",
    "max_turns",
    "engine",
    *(f"engine.{name}" for name in ("type", "url", "name", "folder", "logprobs_mode")),
    *(f"engine.{name}" for name in ("max_requests", "key_env", "hosts")),
    "on_hacking",
]
OF_POLICY = [
    "beta",
    "kl_in",
    "kl_estimator",
    "clip_low",
    "clip_high",
    "updates",
    "importance_cap",
    "dynamic_sampling",
    "mask_truncated",
]
OF_OBJECTIVE = {
    "sft": ["type", "label_smoothing", "neftune_alpha"],
    "dpo": ["type", "sft_weight", "loss", "beta", "label_smoothing", "length_desensitisation"],
    "orpo": ["type", "sft_weight", "beta"],
    "simpo": ["type", "sft_weight", "beta", "gamma", "label_smoothing"],
    "cpo": ["type", "sft_weight", "beta", "label_smoothing"],
    "kto": ["type", "loss", "beta", "wanted_weight", "unwanted_weight"],
    "reward": ["type", "centring"],
    "process_reward": ["type"],
    "grpo": [*OF_ROLLOUTS, *OF_POLICY, "variant"],
    "rloo": [*OF_ROLLOUTS, *OF_POLICY],
    "reinforce": [*OF_ROLLOUTS, *OF_POLICY, "baseline"],
    "ppo": [
        *OF_ROLLOUTS,
        *OF_POLICY,
        "kl_target",
        "kl_horizon",
        "gamma",
        "lam",
        "value_weight",
        "value_clip",
    ],
    "rejection": [*OF_ROLLOUTS, "keep_best", "min_reward"],
    "distil": [
        *("type", "teacher", "teacher_adapter", "teacher_prompt"),
        *("beta", "temperature", "on_policy", "max_new_tokens", "sampling_temperature"),
        "sft_weight",
    ],
}


def test_the_keys_of_each_objective_are_these() -> None:
    keys = [key for key in walk_keys() if key.name.startswith("objective.")]
    found = {name: [k.name[10:] for k in keys if k.variant == name] for name in OBJECTIVES}
    assert found == OF_OBJECTIVE


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_keys_of_each_method_are_these_and_at_most_sixty(objective: str) -> None:
    assert leaf_keys("lora", objective) == GOLDEN
    for method in METHODS:
        keys = leaf_keys(method, objective)
        assert [key for key in keys if key.startswith("method.")] == OF_METHOD[method]
        assert [key for key in keys if key not in OF_METHOD[method]] == [
            key for key in GOLDEN if key not in ADAPTERS
        ]
        assert len(keys) <= 60


@pytest.mark.parametrize("block", ENTRIES)
def test_the_keys_of_a_list_entry_are_these(block: str) -> None:
    inside = [row["key"].removeprefix(f"{block}.") for row in describe_keys(block)[1:]]
    assert inside == ENTRIES[block]


def test_every_key_has_a_meaning_and_every_default_a_reason() -> None:
    for key in walk_keys():
        assert (key.field.description or "").endswith("."), key.name
        is_block = bool(find_sections(key.field.annotation)) and not is_list(key.field.annotation)
        if key.field.is_required():
            assert get_note(key.field, "example"), key.name
        elif not is_block:
            assert get_note(key.field, "reason"), key.name


def test_numbers_have_a_range() -> None:
    for row in describe_keys():
        if re.search(r"\ba (whole )?number", row["allowed"]) and "list" not in row["allowed"]:
            assert any(word in row["allowed"] for word in ("from", "above", "least")), row["key"]


@pytest.mark.parametrize(
    "text",
    [
        "{base: tiny, data: {train: a.jsonl}}",
        "{base: {name: tiny}, data: {train: [a, {path: b}]}, method: full, gates: strict}",
        "{base: tiny, data: {train: {path: a}}, method: {type: lora, target_modules: [q_proj]}}",
        "{base: tiny, data: {train: a}, method: {type: qlora, rank: 8, quantization: fp4}}",
        "{base: tiny, data: {train: a}, method: qlora}",
        "{base: tiny, data: {train: a}, method: {type: pissa, start_from: {a: 1, b: 0.5}}}",
        "{base: tiny, data: {train: a}, method: {type: freeze, top_layers: 2}}",
        "{base: tiny, data: {train: a}, method: {type: peft, config: {peft_type: IA3}}}",
        "{base: tiny, data: {train: a}, objective: dpo}",
        "{base: tiny, data: {train: a}, objective: {type: dpo, loss: ipo, beta: 0.01}}",
        "{base: tiny, data: {train: a}, objective: {type: simpo, gamma: 0.5}}",
        "{base: tiny, data: {train: a}, objective: {type: distil, teacher: b}}",
        "{base: tiny, data: {train: a}, trackers: wandb, objective: sft, evaluate: {suites: s}}",
    ],
)
def test_the_json_schema_takes_the_short_forms(text: str) -> None:
    root, _ = parse_yaml(text, file="")
    jsonschema.validate(to_plain(root), json_schema())


@pytest.mark.parametrize(
    "plain",
    [
        {"base": "tiny"},
        {"base": "tiny", "data": {"train": "a"}, "sede": 1},
        {"base": "tiny", "data": {"train": "a"}, "method": {"type": "full", "rank": 1}},
        {"base": "tiny", "data": {"train": "a"}, "method": {"type": "lora", "quantization": "nf4"}},
        {"base": "tiny", "data": {"train": "a"}, "train": {"epochs": 0}},
    ],
)
def test_the_json_schema_is_closed(plain: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, json_schema())


def test_explain_says_what_a_key_means_allows_and_defaults_to() -> None:
    assert explain("method.rank").splitlines() == [
        "method.rank (type lora, rslora, dora, pissa, lora_plus, qlora)",
        "  Inner size of each adapter. Unit: dimensions.",
        "  allowed  a whole number from 1 to 4096",
        "  unit     dimensions",
        "  default  16",
        "  because  enough for most specialist tasks; more memory and little gain beyond",
    ]


def test_explain_names_the_rule_behind_a_default() -> None:
    assert "0.0002 for lora" in explain("train.learning_rate")


def test_explain_of_a_block_lists_its_keys_and_indices_do_not_matter() -> None:
    lines = explain("train").splitlines()
    inside = [line.split()[0] for line in lines if line.startswith("train.")]
    assert [key for key in inside if not key.startswith("train.checkpoints.")] == [
        key for key in GOLDEN if key.startswith("train.")
    ]
    assert explain("data.train.0.path") == explain("data.train.path")


@pytest.mark.parametrize(("key", "do"), [("rank", "method.rank"), ("trian.epochs", "train.epochs")])
def test_explain_of_an_unknown_key_names_the_nearest(key: str, do: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explain(key)
    assert caught.value.problems[0].do == f"write {do}"


def test_what_two_numbers_decide_is_explained_by_both() -> None:
    pytest.importorskip("torch")
    from assay.evaluate.gates import Thresholds

    text = explain("gates.thresholds.overfit_ratio")
    assert f"at most {Thresholds().overfit_gap:g} nats per token passes" in text
    assert "overfit_gap" in text


def test_a_weight_is_explained_as_a_multiple() -> None:
    text = explain("data.train.weight")
    assert "1 once, 2 twice, 0.5 half of the rows" in text
    assert "relative" not in text


def test_the_policies_are_those_that_the_gates_know() -> None:
    pytest.importorskip("torch")
    from assay.evaluate.gates import BUILT_IN

    assert BUILT_IN == POLICIES


def test_the_formats_of_suites_are_those_that_are_read() -> None:
    pytest.importorskip("torch")
    from assay.config.sections.evaluate import FREE_FORM, SuiteFormat
    from assay.evaluate.suites.public import FORMATS
    from assay.pipeline.suite_files import OWN

    assert set(get_args(SuiteFormat)) == {"auto", OWN, FREE_FORM, *FORMATS}


def test_the_readers_know_the_formats_that_the_check_lets_through() -> None:
    sources = pytest.importorskip("assay.data.sources")
    assert tuple(sources.READERS) == READABLE
    assert set(COMPRESSIONS) == sources.COMPRESSIONS
