"""One training of the lab: an arm, a rate and a seed in; errors out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torchvision.transforms import v2

from alexnet_edu.geometry import trace
from alexnet_edu.measure import machine
from alexnet_edu.models import AlexNet, build_layer
from alexnet_edu.train.claims.arms import ARMS, BASE, SCALE, Task, Views, network_of
from alexnet_edu.train.claims.pictures import Material
from alexnet_edu.train.claims.runs import Run, Trial
from alexnet_edu.train.optim import optimiser_for
from alexnet_edu.train.pictures import seed_from
from alexnet_edu.train.recipes import get_recipe
from alexnet_edu.train.transforms import CropAndFlip, PCANoise, SubtractMeanImage

__all__ = ["Laboratory", "Order", "orders"]

SHARED = 32  # consecutive pictures of a batch that get the same square and mirror, as in the code of 2012
DROP_AT = 0.75  # share of the epochs after which the rate is divided by 10
RECIPE = get_recipe("paper")


@dataclass(frozen=True)
class Order:
    """What is drawn for one epoch.

    Attributes:
        pictures: numbers of the pictures, (N,).
        squares: for each ``SHARED`` pictures of each batch: row, column, whether mirrored.
        colours: a random factor for each direction of colour, (N, 3).
    """

    pictures: Tensor
    squares: list[list[tuple[int, int, bool]]]
    colours: Tensor


def orders(seed: int, pictures: int, batch: int, spare: int, epochs: int) -> Iterator[Order]:
    """The draws of a whole training: they depend on the seed alone, so that arms differ in nothing else.

    Args:
        seed: of the run.
        pictures: how many there are.
        batch: pictures in a batch.
        spare: rows and columns that a stored square has more than the network sees.
        epochs: how many orders.
    """
    generator = torch.Generator().manual_seed(seed)
    steps, parts = pictures // batch, -(-batch // SHARED)
    for _ in range(epochs):
        order = torch.randperm(pictures, generator=generator)
        corners = torch.randint(spare + 1, (steps, parts, 2), generator=generator).tolist()
        mirrored = (torch.rand(steps, parts, generator=generator) < 0.5).tolist()
        squares = [
            [(top, left, mirror) for (top, left), mirror in zip(*drawn, strict=True)]
            for drawn in zip(corners, mirrored, strict=True)
        ]
        yield Order(order, squares, torch.randn(pictures, 3, generator=generator))


def step(network: nn.Module, optimiser: Optimizer, x: Tensor, labels: Tensor) -> Tensor:
    """One update; how many answers were wrong before it, left on the device."""
    logits = network(x)
    optimiser.zero_grad()
    F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    wrong: Tensor = (logits.detach().argmax(1) != labels).sum()
    return wrong


class Laboratory:
    """A data set on a device, and the networks that were trained on it: each is built once and started anew.

    Args:
        task: the data set and its budget.
        material: its pictures.
        device: where.
        graphs: on a GPU, record each network's passes as CUDA graphs. Such small networks wait for the CPU otherwise.
    """

    def __init__(self, task: Task, material: Material, device: torch.device, *, graphs: bool | None = None) -> None:
        self.task, self.device = task, device
        self.material = material.to(device)
        self.graphs = device.type == "cuda" if graphs is None else graphs
        self.machine = _machine(device)
        self.networks: dict[str, AlexNet] = {}
        self.subtract = SubtractMeanImage(self.material.mean)
        self.crop = CropAndFlip(task.view, shared=SHARED)
        self.noise = PCANoise(material.deviations, material.directions, std=RECIPE.pca_noise, divide=False)

    def run(self, trial: Trial, after_epoch: Callable[[int], object] | None = None) -> Run:
        """Trains one network and measures it. The test pictures stay unseen where a rate is chosen (seed 0).

        Args:
            trial: which network, rate and seed.
            after_epoch: is called with the number of each epoch that is over, counted from 1.
        """
        began = time.perf_counter()
        network = self._network(trial.arm)
        self._start(network, trial)
        curve = self._train(network, trial, after_epoch or (lambda epoch: None))
        names = {"select": "select", "trained": "train"} | ({"test": "test"} if trial.seed else {})
        errors = {name: round(self._error(network, part), 5) for name, part in names.items()}
        seconds = round(time.perf_counter() - began, 2)
        return Run(
            trial.task, trial.arm, trial.rate, trial.seed, curve, seconds=seconds, machine=self.machine, **errors
        )

    def seconds_a_run(self, steps: int = 5) -> float:
        """About how long a run takes, from a few steps of the base; measuring it comes on top."""
        network, labels = self._network(BASE), self.material.labels["train"]
        optimiser = optimiser_for(network, RECIPE)
        order = next(orders(0, len(labels), self.task.batch, self.task.side - self.task.view, 1))
        batches, steps = self._batches(order, Views()), min(steps, len(order.squares) - 1)
        step(network, optimiser, *next(batches))
        began = time.perf_counter()
        wrong = [step(network, optimiser, *next(batches)) for _ in range(steps)]
        torch.stack(wrong).tolist()  # waits for a GPU
        return (time.perf_counter() - began) / steps * len(order.squares) * self.task.epochs

    def _network(self, arm: str) -> AlexNet:
        if arm not in self.networks:
            network = AlexNet(network_of(self.task, ARMS[arm])).to(self.device).train()
            if self.graphs:
                sample = torch.zeros(self.task.batch, *network.spec.input_shape, device=self.device)
                torch.cuda.make_graphed_callables(network, (sample,))
            self.networks[arm] = network
        return self.networks[arm]

    def _start(self, network: AlexNet, trial: Trial) -> None:
        """The start that belongs to the seed: the layers that two arms share start alike."""
        states: dict[str, Tensor] = {}
        for layer, shape in trace(network.spec, network.spec.input_shape):
            torch.manual_seed(seed_from(trial.seed, crc32(layer.name.encode())))
            states |= {f"{layer.name}.{key}": value for key, value in build_layer(layer, shape).state_dict().items()}
        network.load_state_dict(states)
        torch.manual_seed(trial.seed)

    def _train(self, network: AlexNet, trial: Trial, after_epoch: Callable[[int], object]) -> list[float]:
        """The training error of each epoch, counted on the way: with random views and dropout."""
        task, labels = self.task, self.material.labels["train"]
        optimiser = optimiser_for(network, replace(RECIPE, lr=trial.rate))
        wrong = torch.zeros(task.epochs, device=self.device)
        draws = orders(trial.seed, len(labels), task.batch, task.side - task.view, task.epochs)
        network.train()
        for epoch, order in enumerate(draws):
            if epoch == round(DROP_AT * task.epochs):
                for group in optimiser.param_groups:
                    group["lr"] /= 10
            for x, y in self._batches(order, ARMS[trial.arm].views):
                wrong[epoch] += step(network, optimiser, x, y)
            after_epoch(epoch + 1)
        seen = len(labels) // task.batch * task.batch
        return [round(error, 4) for error in (wrong / seen).tolist()]  # the first time that the CPU waits for a GPU

    def _batches(self, order: Order, views: Views) -> Iterator[tuple[Tensor, Tensor]]:
        """(N, 3, view, view) and labels (N,). An arm without a kind of view leaves its draws unused."""
        middle = (self.task.side - self.task.view) // 2
        pictures = order.pictures.to(self.device)
        colours = (order.colours @ (self.noise.std * self.noise.scale * self.noise.directions).T).to(self.device)
        for step, drawn in enumerate(order.squares):
            part = slice(step * self.task.batch, (step + 1) * self.task.batch)
            rows = pictures[part]
            draws = [
                (*((top, left) if views.crops else (middle, middle)), mirror and views.mirror)
                for top, left, mirror in drawn
            ]
            x = self.subtract.transform(self.material.images["train"][rows], {})
            x = self.crop.transform(x, {"draws": draws})
            if views.colours:
                x = self.noise.transform(x, {"colour": colours[part]})
            yield x / SCALE, self.material.labels["train"][rows]

    @torch.inference_mode()
    def _error(self, network: nn.Module, part: str) -> float:
        """The share of wrong answers, 0 to 1, on the centres of the pictures."""
        network.eval()
        images, labels = self.material.images[part], self.material.labels[part]
        wrong = torch.zeros((), device=self.device)
        for x, y in zip(images.split(500), labels.split(500), strict=True):
            centre = v2.functional.center_crop(self.subtract.transform(x, {}), [self.task.view] * 2)
            wrong += (network(centre / SCALE).argmax(1) != y).sum()
        return wrong.item() / len(labels)


def _machine(device: torch.device) -> str:
    found = machine(device)
    return f"{found['cpu'] if device.type == 'cpu' else found['device']}, torch {found['torch']}"
