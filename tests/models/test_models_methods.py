"""Methods that do not fit a base are refused in words, all at once."""

from pathlib import Path
from typing import Any

import pytest

from assay.errors import ConfigError, Problem
from assay.models.adapters import add_lora
from assay.models.base import find_base, load_model
from assay.models.methods.freeze import unfreeze
from assay.models.methods.passthrough import add_peft
from assay.models.methods.targets import list_linear_names


@pytest.fixture()
def model(small_base: Path) -> Any:
    return load_model(find_base(str(small_base)))


def problems_of(caught: pytest.ExceptionInfo[ConfigError]) -> list[Problem]:
    return caught.value.problems


def test_freezing_names_layers_and_patterns_that_do_not_fit(model: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        unfreeze(model, top_layers=9, patterns=["norm", "nrom", "("])
    found = problems_of(caught)
    assert [problem.key for problem in found] == ["method.top_layers", *["method.patterns"] * 2]
    assert found[0].allowed == "at most 2, the base's layers"
    assert "model.embed_tokens.weight" in found[1].allowed
    assert "regular expression" in found[2].got


def test_the_smallest_layer_bounds_the_rank_of_pissa(model: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        add_lora(model, rank=17, alpha=8.0, flavours=["pissa"])
    assert problems_of(caught)[0].allowed == "at most 16"
    assert add_lora(model, rank=16, alpha=8.0, flavours=["pissa"])


def test_pissa_has_no_start_for_experts() -> None:
    import transformers as hf

    shape = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 2}
    mixture = hf.MixtralForCausalLM(hf.MixtralConfig(**shape, **heads))
    with pytest.raises(ConfigError, match="experts with pissa"):
        add_lora(mixture, rank=2, alpha=4.0, flavours=["pissa"], target_modules=["gate_up_proj"])


@pytest.mark.parametrize(
    ("settings", "key", "do"),
    [
        ({"peft_type": "IA4"}, "method.config.peft_type", "write IA3"),
        ({"peft_type": "vera"}, "method.config.peft_type", "write VERA"),
        ({"peft_type": "VERA", "rr": 4}, "method.config.rr", "write r"),
        ({"peft_type": "IA3", "base_model_name_or_path": "x"}, "method.config.", ""),
        ({"peft_type": "IA3", "target_modules": ["no_proj"]}, "method.config", "change what"),
        ({"peft_type": "MISS", "r": 4096}, "method.config", "change what"),
    ],
)
def test_what_peft_does_not_know_or_take_is_said_in_its_words(
    model: Any, settings: dict[str, Any], key: str, do: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        add_peft(model, settings)
    problem = problems_of(caught)[0]
    assert problem.key.startswith(key)
    assert problem.do.startswith(do)


def test_what_kernels_read_raw_gets_no_adapter_and_experts_can_be_named() -> None:
    import transformers as hf

    mamba = hf.MambaForCausalLM(
        hf.MambaConfig(vocab_size=61, hidden_size=32, state_size=8, num_hidden_layers=1)
    )
    assert list_linear_names(mamba) == ["backbone.layers.0.mixer.in_proj"]
    with pytest.raises(ConfigError, match="matches no linear layer"):
        add_lora(mamba, rank=4, alpha=8.0, target_modules=["dt_proj"])
    shape = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    config = hf.MixtralConfig(
        **shape, num_attention_heads=4, num_key_value_heads=2, num_local_experts=2
    )
    mixtral = hf.MixtralForCausalLM(config)
    named = add_lora(mixtral, rank=4, alpha=8.0, target_modules=["q_proj", "experts.gate_up_proj"])
    trained = {name.split(".lora_")[0] for name, p in named.named_parameters() if p.requires_grad}
    assert {name.split("layers.0.")[1] for name in trained} == {"self_attn.q_proj", "mlp.experts"}
