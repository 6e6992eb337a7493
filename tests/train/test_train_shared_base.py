"""Several adapted models on one base: each as it is by itself, and the base as it was between."""

from typing import Any

import pytest
import torch
from small_models import make_model

from assay.errors import ConfigError
from assay.models.adapters import add_lora
from assay.models.shared_base import AdaptedModel

IDS = torch.tensor([[5, 9, 7, 3]])


def adapt(model: Any, *, rank: int, dropout: float = 0.0, **more: Any) -> Any:
    torch.manual_seed(rank)
    return add_lora(model, rank=rank, alpha=8.0, dropout=dropout, **more)


def step(model: Any) -> float:
    """One step of plain gradient descent with dropout of a fixed seed."""
    torch.manual_seed(7)
    model.train()
    loss = model(input_ids=IDS, labels=IDS).loss
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter -= 0.5 * parameter.grad
                parameter.grad = None
    return float(loss.detach())


def list_tree(model: Any) -> list[Any]:
    hooks = [len(module._forward_hooks) for module in model.modules()]
    return [[id(module) for module in model.modules()], hooks, [*vars(model)]]


def test_turns_give_what_each_gives_alone() -> None:
    settings: list[dict[str, Any]] = [
        {"rank": 2, "dropout": 0.5},
        {"rank": 4, "flavours": ["dora"], "target_modules": ["q_proj"]},
    ]
    alone = []
    for setting in settings:
        model = adapt(make_model(), **setting)
        alone.append([step(model) for _ in range(3)])
    base = make_model()
    before = list_tree(base)
    adapted = [AdaptedModel(base, lambda s=setting: adapt(base, **s)) for setting in settings]
    together: list[list[float]] = [[], []]
    for _ in range(3):
        for model, losses in zip(adapted, together, strict=True):
            assert list_tree(base) == before
            with model.in_place() as wrapped:
                losses.append(step(wrapped))
    assert together == alone
    assert list_tree(base) == before


def test_modes_and_hooks_of_one_do_not_reach_the_other() -> None:
    base = make_model().eval()
    calls: list[str] = []

    def adapt_and_hook() -> Any:
        wrapped = adapt(base, rank=2)
        base.get_input_embeddings().register_forward_hook(lambda *given: calls.append("hook"))
        layer = base.model.layers[0].mlp
        layer.forward = lambda x: calls.append("forward") or type(layer).forward(layer, x)
        return wrapped

    first, second = (AdaptedModel(base, a) for a in (adapt_and_hook, lambda: adapt(base, rank=4)))
    with first.in_place():
        base.train()
        base(input_ids=IDS)
    assert calls == ["hook", "forward"]
    assert base.training
    with second.in_place():
        assert not base.training
        base(input_ids=IDS)
    with first.in_place():
        assert base.training
        base(input_ids=IDS)
    assert calls == ["hook", "forward"] * 2


def test_a_start_that_rewrites_the_base_is_refused() -> None:
    base = make_model()

    def adapt_and_write() -> Any:
        wrapped = adapt(base, rank=2)
        for layer in base.model.layers:
            layer.mlp.up_proj.base_layer.weight.data.mul_(0.5)
            layer.mlp.up_proj.base_layer.weight.data = torch.ones(48, 32)
        return wrapped

    with pytest.raises(ConfigError, match="changes 2 weights of the base"):
        AdaptedModel(base, adapt_and_write)
