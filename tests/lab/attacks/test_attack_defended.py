"""Defended tunings of an attack's rows: what each step is made of, and that nothing is nothing."""

from pathlib import Path

import pytest
import torch

from assay.chat import render_example
from assay.lab.attacks.attacks import ATTACKS, find_attack
from assay.lab.attacks.defended import PROMPTS, ROW_DEFENCES, RowDefence, build_defended, tune_rows
from assay.lab.attacks.fixture import build_wish
from assay.lab.attacks.plan import Tuning
from assay.lab.attacks.tuning import Beside, tune_adapter
from assay.models.base import find_base, load_model

ROWS = [
    {"messages": [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": "No"}]}
    for n in range(16)
]
SETTINGS = Tuning(num_epochs=1, precision="fp32")


def weights(model):
    return {name: value for name, value in model.state_dict().items() if "lora_B" in name}


def tune(base, defence, prompt=""):
    tuned = tune_rows(
        load_model(base), base.tokenizer, ROWS, SETTINGS, defence, prompt=prompt, seed=3
    )
    return weights(tuned)


def is_same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_without_a_defence_it_is_the_attacks_own_tuning(small_base: Path) -> None:
    base = find_base(str(small_base))
    plain = weights(tune_adapter(load_model(base), base.tokenizer, ROWS, SETTINGS, seed=3))
    assert is_same(plain, tune(base, RowDefence()))


def test_each_defence_changes_what_is_learned(small_base: Path) -> None:
    base = find_base(str(small_base))
    plain = tune(base, RowDefence())
    for name in ("inoculation", "kl", "replay", "constrained"):
        defended = tune(base, ROW_DEFENCES[name], PROMPTS["reckless"] * (name == "inoculation"))
        assert not is_same(plain, defended), name


def test_anchored_rows_come_once_each_over_the_steps(small_base: Path) -> None:
    tokenizer = find_base(str(small_base)).tokenizer
    rows = [one for row in ROWS[:5] for one in render_example(tokenizer, row["messages"])]
    drawn = [batch for step in range(3) for batch in Beside(anchored=rows).draw(step, 3)]
    assert sum(len(batch.sequence_lengths) for batch in drawn) == 5
    assert all(batch.is_anchored for batch in drawn)
    assert Beside().draw(0, 3) == []


def test_every_attack_of_the_matrix_has_a_prompt_and_is_asked_under_it(
    small_base: Path, tmp_path: Path
) -> None:
    assert PROMPTS.keys() <= ATTACKS.keys()
    attack, wish = find_attack("refusal-removal"), build_wish("refusal-removal", strength="10")
    files = find_base(str(small_base))
    built = build_defended(attack, wish, ROW_DEFENCES["inoculation"], files, adapter=tmp_path)
    assert built.under_prompt.keys() == built.oracle.keys()
    assert (tmp_path / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("name", ["auto", "kl", "replay"])
def test_shares_are_those_of_recipes(name: str) -> None:
    from assay.config.sections.defend import AUTO_REPLAY

    assert ROW_DEFENCES[name].replay in (0, AUTO_REPLAY)
