"""Every method through a whole run: saved, loaded again, merged where it can be, continued."""

import json
from pathlib import Path

import pytest

from assay.pipeline import run_recipe
from assay.pipeline.subject import load_subject
from assay.runs import read_json

SHORT = ["train.max_steps=2", "evaluate.max_items=4", "evaluate.shots=[0]"]
METHODS = {
    "rslora": "adapter",
    "dora": "adapter",
    "pissa": "adapter",
    "{type: lora_plus, learning_rate_ratio: 4}": "adapter",
    "{type: dora, flavours: [rslora, pissa, lora_plus]}": "adapter",
    "freeze": "model",
    "{type: freeze, patterns: [norm]}": "model",
    "full": "model",
    "{type: peft, config: {peft_type: VERA, target_modules: [q_proj, v_proj]}}": "adapter",
    "{type: peft, config: {peft_type: IA3}}": "adapter",
    "{type: peft, config: {peft_type: LILY}}": "not mergeable",
    "{type: peft, config: {peft_type: PROMPT_TUNING, num_virtual_tokens: 8}}": "not mergeable",
    "{type: peft, config: {peft_type: PREFIX_TUNING, num_virtual_tokens: 8}}": "not mergeable",
    "{type: peft, config: {peft_type: P_TUNING, num_virtual_tokens: 8}}": "not mergeable",
}
FAST = (
    "{type: dora, flavours: [rslora, pissa, lora_plus]}",
    "freeze",
    "{type: peft, config: {peft_type: PREFIX_TUNING, num_virtual_tokens: 8}}",
)


@pytest.mark.parametrize(
    ("method", "saved"),
    [
        pytest.param(method, saved, marks=[] if method in FAST else [pytest.mark.slow])
        for method, saved in METHODS.items()
    ],
)
def test_a_run_of_every_method_keeps_its_integrity(recipe: Path, method: str, saved: str) -> None:
    text = recipe.read_text("utf-8").replace("{type: lora, rank: 4, dropout: 0.1}", method)
    recipe.write_text(text, encoding="utf-8")
    outcome = run_recipe(recipe, SHORT)
    gates = {gate["name"]: gate["outcome"] for gate in outcome.verdict["gates"]}
    assert gates["integrity/adapter_reloads"] == "pass"
    assert gates["integrity/template_unchanged"] == "pass"
    merged = "pass" if saved == "adapter" else "not_measured"
    assert gates["integrity/merged_equals_adapter"] == merged
    assert outcome.run.model.is_dir() == (saved == "model")
    training = read_json(outcome.run.manifest)["training"]
    assert 0 < training["num_trainable"] <= training["num_parameters"]


def test_new_tokens_and_a_continued_adapter_through_a_run(recipe: Path) -> None:
    """The tokenizer with the new token lies in the run, and the next run goes on from its rows."""
    rows = [{"prompt": f"{n}:", "completion": f"<n> {n % 7}"} for n in range(60)]
    (recipe.parent / "colours.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    added = "base.new_tokens=['<n>']"
    outcome = run_recipe(recipe, [*SHORT, added])
    gates = {gate["name"]: gate["outcome"] for gate in outcome.verdict["gates"]}
    checks = ("adapter_reloads", "merged_equals_adapter", "template_unchanged")
    assert [gates[f"integrity/{check}"] for check in checks] == ["pass"] * 3
    subject = load_subject(str(outcome.run.path))
    assert subject.base.new_token_ids == (4096,)
    assert subject.base.tokenizer.encode("<n>") == [4096]
    start = f"method={{start_from: {outcome.run.adapter}}}"
    second = run_recipe(recipe, [*SHORT, added, start])
    config = read_json(second.run.adapter / "adapter_config.json")
    assert config["trainable_token_indices"] == {"model.embed_tokens": [4096]}
    assert (config["r"], config["lora_dropout"]) == (4, 0.1)
