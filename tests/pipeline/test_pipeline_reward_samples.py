"""What a reward is checked on: the rows' prompts, and the model that tuning would begin with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.config import load
from assay.errors import DataError
from assay.pipeline.progress import PlainProgress
from assay.pipeline.reward_samples import choose_prompts, load_start, open_scratch_job

RECIPE = """
base: {base}
data: {{train: rows.jsonl, validation_ratio: 0.2, test_ratio: 0.2}}
method: {method}
objective: {{type: grpo, grader: {{type: length, max: 3}}, max_new_tokens: {tokens}}}
"""


def write(folder: Path, base: Path, *, method: str = "lora", tokens: int = 8) -> Path:
    rows = [{"instruction": f"Say {n}.", "answer": n} for n in range(30)]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(base=base, method=method, tokens=tokens))
    return path


def test_prompts_are_drawn_by_the_seed_and_keep_their_items(
    small_base: Path, tmp_path: Path
) -> None:
    loaded = load(write(tmp_path, small_base))
    with open_scratch_job(loaded, PlainProgress()) as job:
        scratch = job.run.path
        first, again = choose_prompts(job, 6), choose_prompts(job, 6)
        assert len(choose_prompts(job, 99)) == 18
    assert not scratch.exists()
    assert [one.input_ids for one in first] == [one.input_ids for one in again]
    for one in first:
        assert one.asked is not None
        assert one.asked.messages[-1]["content"] == f"Say {one.asked.item['answer']}."


def test_the_model_is_the_one_that_tuning_goes_on_from(small_base: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(small_base)
    config = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    loaded = load(write(tmp_path, small_base, method="{type: lora, start_from: adapter}"))
    ids = torch.tensor([[5, 6, 7, 8]])
    with open_scratch_job(loaded, PlainProgress()) as job, torch.no_grad():
        own = load_start(job).model(ids).logits
    plain = AutoModelForCausalLM.from_pretrained(small_base).eval()
    with torch.no_grad():
        before = plain(ids).logits
        after = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()(ids).logits
    assert torch.allclose(own, after, atol=1e-5)
    assert not torch.allclose(own, before, atol=1e-3)


def test_prompts_that_leave_no_room_are_refused(small_base: Path, tmp_path: Path) -> None:
    loaded = load(write(tmp_path, small_base, tokens=511))
    with (
        open_scratch_job(loaded, PlainProgress()) as job,
        pytest.raises(DataError, match="tokens"),
    ):
        choose_prompts(job, 4)
