"""The weight update of 2012 as a PyTorch optimiser [paper, section 5]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from alexnet_edu.errors import AlexNetError

__all__ = ["Sgd2012"]


class Sgd2012(Optimizer):
    """``v <- momentum * v - weight_decay * lr * w - lr * gradient``, then ``w <- w + v``.

    The rate stands *inside* the velocity, so a new rate acts on new gradients only; in ``torch.optim.SGD`` it
    multiplies the whole velocity, old gradients included. At a constant rate the two are the same.

    Args:
        params: parameters or parameter groups; every option can be set for each group.
        lr: the learning rate (the 2012 files' ``epsW``, ``epsB``); 0 freezes a weight [weights.cu].
        momentum: the share of the velocity that is kept (``momW``, ``momB``).
        weight_decay: the decay (``wc``), multiplied by the rate.

    Raises:
        AlexNetError: an option is negative.
    """

    def __init__(self, params: Any, lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0005) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        for name, value in options.items():
            if value < 0:
                raise AlexNetError(f"{name} must be 0 or more, not {value}.")
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Makes one update with the gradients at hand."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr = group["lr"]
            for weight in group["params"]:
                if weight.grad is None or lr == 0:
                    continue
                state = self.state[weight]
                if not state:
                    state["velocity"] = torch.zeros_like(weight)
                velocity = state["velocity"].mul_(group["momentum"])
                velocity.add_(weight, alpha=-group["weight_decay"] * lr).add_(weight.grad, alpha=-lr)
                weight.add_(velocity)
        return loss
