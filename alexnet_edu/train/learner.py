"""A network while it learns: its weights, their running average, optimiser and schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from alexnet_edu.division import towers
from alexnet_edu.errors import AlexNetError
from alexnet_edu.models import AlexNet
from alexnet_edu.train.network import training_network
from alexnet_edu.train.optim import averaged, optimiser_for, schedule_for
from alexnet_edu.train.place import Place
from alexnet_edu.train.recipes import Recipe
from alexnet_edu.train.towers import DividedNetwork, Wire, divide

__all__ = ["Learner", "autocast", "learner_for"]


@dataclass(frozen=True)
class Learner:
    """What learns, and how.

    Attributes:
        recipe: precision, schedule and loss.
        network: what is trained, from ``training_network``.
        parallel: ``network``, or what shares its gradients with other processes.
        optimiser: updates the weights.
        schedule: changes the optimiser's rates.
        scaler: of the loss, for fp16.
        average: the running average of ``network``, if the recipe keeps one.
    """

    recipe: Recipe
    network: nn.Module
    parallel: nn.Module
    optimiser: Optimizer
    schedule: Any
    scaler: torch.amp.GradScaler
    average: AveragedModel | None

    @property
    def best(self) -> nn.Module:
        """The running average where there is one, else the network itself."""
        return self.network if self.average is None else self.average.module

    def step(self, x: Tensor, targets: Tensor) -> tuple[Tensor, float]:
        """One update of the weights.

        Args:
            x: (N, 3, S, S), on the device.
            targets: (N,) class numbers or (N, classes) shares.

        Returns:
            logits (N, classes) before the update, and the loss.
        """
        if self.recipe.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with autocast(self.recipe, x.device):
            logits = self.parallel(x)
        logits = logits.float() if logits.dtype != torch.float64 else logits
        loss = F.cross_entropy(logits, targets, label_smoothing=self.recipe.label_smoothing)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.recipe.schedule == "cosine":
            self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return logits, loss.item()

    def end_epoch(self, error: float) -> None:
        """Changes the rates where the schedule looks at the error."""
        if self.recipe.schedule == "plateau":
            self.schedule.step(error)

    def _parts(self) -> dict[str, Any]:
        parts = {"net": self.network, "optimiser": self.optimiser, "schedule": self.schedule, "scaler": self.scaler}
        return parts if self.average is None else parts | {"ema": self.average}

    def state(self) -> dict[str, Any]:
        """Everything about it that the rest of the training depends on; every process calls it.

        Where each process holds a tower, the first one gets the state of the whole network, the others nothing.
        """
        state = {name: part.state_dict() for name, part in self._parts().items()}
        return (self.network.joined(state) or {}) if isinstance(self.network, DividedNetwork) else state

    def load(self, state: Mapping[str, Any]) -> None:
        """Takes over what ``state`` returned.

        Raises:
            Exception: of nearly any kind, when ``state`` is something else.
        """
        own = self.network.own(state) if isinstance(self.network, DividedNetwork) else state
        for name, part in self._parts().items():
            part.load_state_dict(own[name])
        for weight, kept in self.optimiser.state.items():
            if any(value.shape != weight.shape for value in kept.values() if isinstance(value, Tensor)):
                raise ValueError("The optimiser's state does not fit the weights.")

    def whole(self, initial: Callable[[], AlexNet]) -> nn.Module | None:
        """``best``, from all processes where each holds a tower; then on the first only, the others get ``None``.

        Args:
            initial: makes the network as it was before its first step, whose layers the joined weights go to.
        """
        if not isinstance(self.network, DividedNetwork):
            return self.best
        state = self.network.joined(self.best.state_dict())
        if state is None:
            return None
        network = training_network(initial(), self.recipe)
        network.load_state_dict(state)
        return network


def learner_for(model: AlexNet, recipe: Recipe, steps: int, place: Place) -> Learner:
    """Puts together what trains ``model``.

    Args:
        model: its layers become those of the learner's network; it is of no use afterwards.
        recipe: how to train.
        steps: batches per epoch.
        place: on which device, and with how many other processes.
    """
    network = training_network(model, recipe)
    if place.towers > 1:
        network = _tower(network, model, recipe, place)
    network = network.to(place.device)
    if recipe.channels_last:
        network = network.to(memory_format=torch.channels_last)
    if place.world > 1 and place.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    optimiser = optimiser_for(network, recipe)
    return Learner(
        recipe,
        network,
        DistributedDataParallel(network) if place.world > 1 else network,
        optimiser,
        schedule_for(optimiser, recipe, steps),
        torch.amp.GradScaler(place.device.type, enabled=recipe.precision == "fp16"),
        averaged(network, recipe.ema) if recipe.ema else None,
    )


def _tower(network: nn.Sequential, model: AlexNet, recipe: Recipe, place: Place) -> DividedNetwork:
    if recipe.precision == "fp16":
        raise AlexNetError("Towers would not agree on the scale that fp16 needs: --set precision=bf16, or fp32.")
    return divide(network, towers(model.spec, place.towers), Wire(place.tower, place.towers))


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The precision of the forward pass."""
    kind = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[recipe.precision]
    return torch.autocast(device.type, kind, enabled=kind is not None)
