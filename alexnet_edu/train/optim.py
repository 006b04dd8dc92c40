"""Optimisers, schedules and the running average of the weights; the update of 2012 [paper, section 5]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.recipes import Recipe

__all__ = ["Sgd2012", "averaged", "optimiser_for", "schedule_for"]


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
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights and group["lr"] != 0:
                self._update(weights, group["lr"], group["momentum"], group["weight_decay"])
        return loss

    def _update(self, weights: list[Tensor], lr: float, momentum: float, decay: float) -> None:
        """All weights of a group at once: a GPU waits for few calls, not for four a weight."""
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["velocity"] = torch.zeros_like(weight)
        velocities = [self.state[weight]["velocity"] for weight in weights]
        torch._foreach_mul_(velocities, momentum)
        torch._foreach_add_(velocities, weights, alpha=-decay * lr)
        torch._foreach_add_(velocities, [w.grad for w in weights if w.grad is not None], alpha=-lr)
        torch._foreach_add_(weights, velocities)


def optimiser_for(network: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser for all weights of ``network`` that learn.

    Weights decay, and those of conv1 may have a decay of their own. Biases and batch norm never decay and have
    a rate of their own. The last layer's rate is multiplied by ``recipe.head_rate``.
    """
    groups = _groups(network, recipe)
    if recipe.optimiser == "sgd2012":
        return Sgd2012(groups, recipe.lr, recipe.momentum)
    return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=True)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Weights of conv1, other weights, biases; then the last layer's two where its rate differs."""
    *_, head = (name for name, _ in network.named_children())
    apart = recipe.head_rate != 1
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    body = [(name, p) for name, p in named if not (apart and name.startswith(f"{head}."))]
    last = [p for name, p in named if apart and name.startswith(f"{head}.")]
    first = [p for name, p in body if p.ndim > 1 and name.startswith("conv1.")]
    others = [p for name, p in body if p.ndim > 1 and not name.startswith("conv1.")]
    decay, rate = recipe.weight_decay, recipe.lr * recipe.bias_rate
    groups: list[dict[str, Any]] = [
        {"params": first, "weight_decay": decay if recipe.conv1_weight_decay is None else recipe.conv1_weight_decay},
        {"params": others, "weight_decay": decay},
        {"params": [p for _, p in body if p.ndim == 1], "weight_decay": 0.0, "lr": rate},
    ]
    if apart:
        weights, biases = [p for p in last if p.ndim > 1], [p for p in last if p.ndim == 1]
        groups.append({"params": weights, "weight_decay": decay, "lr": recipe.lr * recipe.head_rate})
        groups.append({"params": biases, "weight_decay": 0.0, "lr": rate * recipe.head_rate})
    return groups


def schedule_for(optimiser: Optimizer, recipe: Recipe, steps: int) -> Any:
    """Cosine with a linear start, stepped each batch; or division by 10 on a plateau, stepped each epoch.

    Args:
        optimiser: whose rates change.
        recipe: says which schedule.
        steps: batches per epoch.
    """
    if recipe.schedule == "cosine":
        warm, total = max(1.0, recipe.warmup * steps), recipe.epochs * steps
        return torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min(1.0, (step + 1) / warm) * (1 + math.cos(math.pi * min(step, total) / total)) / 2
        )
    lowest = [
        group["lr"] if recipe.bias_rate_constant and _is_of_biases(group) else group["lr"] / 1000
        for group in optimiser.param_groups
    ]
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.1, patience=recipe.patience, min_lr=lowest)


def _is_of_biases(group: dict[str, Any]) -> bool:
    return bool(group["params"]) and all(p.ndim == 1 for p in group["params"])


def averaged(network: nn.Module, keep: float) -> AveragedModel:
    """A running average of weights and statistics that starts fast: it keeps (1 + n) / (10 + n) at first.

    Args:
        network: what is averaged after each step.
        keep: the share of the average that stays in a step, in the end.
    """

    def update(average: Any, current: Any, n: Any) -> None:
        share = 1 - min(keep, (1 + int(n)) / (10 + int(n)))
        if torch.is_floating_point(average[0]):
            torch._foreach_lerp_(average, current, share)
        else:
            torch._foreach_copy_(average, current)

    return AveragedModel(network, multi_avg_fn=torch.no_grad()(update), use_buffers=True)
