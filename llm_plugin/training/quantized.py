"""Four-bit layers that can be trained through, on a processor too."""

from __future__ import annotations

from typing import Any

__all__ = ["trained_through"]

_FAST_PATH = "support_avx512bf16_for_cpu"


def trained_through(model: Any) -> Any:
    """Keep bitsandbytes' layers on the path that has a gradient, and return the model.

    On processors with bfloat16 they repack their weights at the first pass in evaluation mode, for a kernel without a
    backward pass; layers below would then be trained on nothing. Writing a layer's state packs it back.

    Args:
        model: Any model; one without such layers is left as it is.
    """
    fast = [module for module in model.modules() if hasattr(module, _FAST_PATH)]
    for module in fast:
        setattr(module, _FAST_PATH, False)
    if fast:
        model.state_dict()
    return model
