"""Methods on small models of many architectures: loss, gradients and files as in plain PEFT."""

from pathlib import Path

import pytest
import torch
from methods import METHODS, STATES, apply, largest_gap, load_plainly, logits
from small_models import KINDS, STATEFUL, make_model, make_rows
from test_train_methods import check_gradients, check_resumption, save, train

from assay.errors import ConfigError
from assay.models.forward import is_packable

OTHERS = [kind for kind in KINDS if kind != "llama"]
FAST = ("lora", "dora", "full")
PRODUCT = [
    pytest.param(kind, method, marks=[] if method in FAST else [pytest.mark.slow])
    for kind in OTHERS
    for method in METHODS
    if not (kind in STATEFUL and method in STATES)
]


@pytest.mark.parametrize(("kind", "method"), PRODUCT)
def test_every_method_is_exact_on_every_architecture(
    kind: str, method: str, tmp_path: Path
) -> None:
    check_gradients(method, kind)
    check_resumption(method, kind, tmp_path / "checkpoints")
    rows = make_rows(3, seed=9)
    wrapped, model = apply(method, kind)
    train(model, 2)
    expected = logits(wrapped, rows)
    assert largest_gap(expected, logits(make_model(kind), rows)) > 1e-5
    save(method, wrapped, tmp_path / "saved")
    reloaded = load_plainly(method, kind, tmp_path / "saved")
    assert largest_gap(logits(reloaded, rows), expected) == 0


@pytest.mark.parametrize("kind", STATEFUL)
@pytest.mark.parametrize("method", sorted(STATES))
def test_keys_and_values_are_refused_where_layers_carry_state(kind: str, method: str) -> None:
    with pytest.raises(ConfigError, match="layers that carry state have not"):
        apply(method, kind)


def test_layers_that_carry_state_are_known() -> None:
    assert tuple(kind for kind in KINDS if not is_packable(make_model(kind))) == STATEFUL


def test_a_long_memory_would_leak_if_it_were_packed() -> None:
    """What the one-sequence pass is for: Mamba's state of one sequence reaches the next."""
    model = make_model("mamba").eval()
    (first, _), (second, _) = make_rows(2)
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([second])).logits[0]
        joined = model(input_ids=torch.tensor([first + second])).logits[0, len(first) :]
    assert float((alone - joined).abs().max()) > 0.01
