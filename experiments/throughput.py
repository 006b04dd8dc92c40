"""How much faster the recipe trains than the plainest loop: ``python -m experiments.throughput``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from alexnet_edu.models import get_model
from alexnet_edu.train.data import open_data
from alexnet_edu.train.loop import Trainer, trainer_for
from alexnet_edu.train.pictures import EpochOrder, Pictures, loader
from alexnet_edu.train.place import Place
from alexnet_edu.train.recipes import get_recipe
from alexnet_edu.train.settings import Settings

__all__ = ["training_throughput"]


def training_throughput(
    *, rounds: int = 5, steps: int = 2, batch_size: int = 64, device: str = "cpu"
) -> dict[str, float]:
    """Pictures per second, loading included, of a training step of ``small``: recipe ``modern`` and plain fp32.

    Both read the same pictures from memory in the same process, cut them at random and learn from them, in turns,
    so that whatever else the machine does hits both. "Plain" is the network as ``get_model`` gives it, in float32,
    with cross-entropy and ``torch.optim.SGD``.

    Args:
        rounds: turns for each.
        steps: batches in a turn.
        batch_size: pictures in a batch.
        device: where.

    Returns:
        medians over the rounds: "plain" and "recipe" in pictures per second, and "ratio" of the two.
    """
    with TemporaryDirectory() as folder:
        _noise_pictures(Path(folder), batch_size)
        recipe = replace(get_recipe("modern"), batch_size=batch_size)
        settings = Settings("folder", folder, "small", recipe)
        data, place = open_data("folder", folder), Place(torch.device(device))
        trainer = trainer_for(settings, data, place, Path(folder) / "run")
        turns = [_plain_step(trainer.material.train, trainer.material.order, device), _recipe_step(trainer)]
        for turn in turns:
            turn()
        rates: list[list[float]] = [[], []]
        for _ in range(rounds):
            for turn, found in zip(turns, rates, strict=True):
                began = time.perf_counter()
                for _ in range(steps):
                    turn()
                found.append(steps * batch_size / (time.perf_counter() - began))
    plain, fast = (statistics.median(found) for found in rates)
    ratio = statistics.median(b / a for a, b in zip(*rates, strict=True))
    return {"plain": plain, "recipe": fast, "ratio": ratio}


def _noise_pictures(folder: Path, number: int) -> None:
    """Photos in size, noise in content: 300 x 200 pixels, enough for one batch."""
    generator = np.random.default_rng(0)
    for part, count in (("train", number), ("val", 2), ("test", 2)):
        for i in range(count):
            path = folder / part / "ab"[i % 2] / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (200, 300, 3), dtype=np.uint8)).save(path)


def _endless(pictures: Pictures, order: EpochOrder) -> Iterator[Any]:
    while True:
        yield from loader(pictures, order, 0)


def _recipe_step(trainer: Trainer) -> Callable[[], object]:
    batches = _endless(trainer.material.train, trainer.material.order)
    trainer.learner.network.train()

    def step() -> None:
        x, labels, _ = next(batches)
        trainer.train_step(x, labels, 0)

    return step


def _plain_step(pictures: Pictures, order: EpochOrder, device: str) -> Callable[[], object]:
    steps = [v2.RandomResizedCrop(227, scale=(0.3, 1.0), antialias=True), v2.RandomHorizontalFlip()]
    normalised = [v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    batches = _endless(replace(pictures, transform=v2.Compose([*steps, *normalised])), order)
    model = get_model("small", num_classes=2).to(device)
    optimiser = torch.optim.SGD(model.parameters(), 0.001, 0.9)

    def step() -> None:
        x, labels, _ = next(batches)
        loss: Tensor = F.cross_entropy(model(x.to(device)), labels.to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


if __name__ == "__main__":
    print(training_throughput())
