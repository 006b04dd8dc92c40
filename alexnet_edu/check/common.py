"""What the checks of several notebooks and problem sets share."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from alexnet_edu.check import Hint, expect

__all__ = ["ByHand", "alike", "differs", "number", "unlike"]


def alike(got: Tensor, other: Tensor, *, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether two tensors of one shape hold the same numbers, also where their dtypes differ."""
    return torch.allclose(got.detach().double(), other.detach().double(), rtol=rtol, atol=atol)


def unlike(got: object, right: Tensor, mistake: Tensor, hint: str, *, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    """Raises ``Hint`` where the answer is the one that a known mistake gives, and that is not the right one."""
    if isinstance(got, Tensor) and got.shape == mistake.shape:
        same_as_right = mistake.shape == right.shape and alike(mistake, right, rtol=rtol, atol=atol)
        expect(same_as_right or not alike(got, mistake, rtol=rtol, atol=atol), hint)


def number(got: object) -> float:
    """The answer as a number, also where it is a tensor with one value; anything else raises ``Hint``."""
    if isinstance(got, Tensor) and got.numel() == 1:
        return float(got)
    expect(isinstance(got, float | int), f"a number is wanted, not {type(got).__name__}.")
    return float(got)  # type: ignore[arg-type]


def differs(got: float, right: float, mistake: float, hint: str, *, tolerance: float = 1e-3) -> None:
    """As ``unlike``, for numbers; ``tolerance`` is relative."""
    is_mistake, same_as_right = (math.isclose(mistake, value, rel_tol=tolerance) for value in (got, right))
    expect(same_as_right or not is_mistake, hint)


class ByHand(TorchFunctionMode):
    """While active, raises ``Hint`` when PyTorch's own version of what is to be written is called.

    Args:
        names: parts of the names of PyTorch's functions.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        called = getattr(func, "__name__", "")
        if any(name in called for name in self.names):
            raise Hint(f"PyTorch's {called.strip('_')} is what yours is compared with; write it without.")
        return func(*args, **(kwargs or {}))
