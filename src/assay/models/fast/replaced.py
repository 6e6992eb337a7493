"""Forward passes that stand in for a module's own: which of them compute the same, and which not.

Whoever runs a model's weights without its modules (`assay.generate.lean`) must know whether some
module computes what its weights do not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

Forward = TypeVar("Forward", bound=Callable[..., Any])
_MARK = "_computes_the_same"


def mark_same(forward: Forward) -> Forward:
    """`forward`, which computes what the module's own pass does."""
    setattr(forward, _MARK, True)
    return forward


def is_changed(module: nn.Module) -> bool:
    """Whether a hook or a forward pass of another kind changes what `module` computes."""
    forward = vars(module).get("forward")
    replaced = forward is not None and not getattr(forward, _MARK, False)
    return replaced or bool(module._forward_hooks or module._forward_pre_hooks)
