"""What a recipe does to pictures: one by one in the loader, in batches on the device, and when it measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2
from tqdm import tqdm

from alexnet_edu.train.evaluate import Prepare
from alexnet_edu.train.files import write_atomically
from alexnet_edu.train.pictures import Pictures, batches_of, loader
from alexnet_edu.train.place import Place
from alexnet_edu.train.recipes import Recipe
from alexnet_edu.train.settings import Settings
from alexnet_edu.train.transforms import ColourJitter, CropAndFlip, PCANoise, SubtractMeanImage, colour_statistics
from alexnet_edu.weights import Preprocess

__all__ = ["SIDE", "Augmentation", "Statistics", "augmentation_for", "needs_statistics", "statistics_for"]

SIDE = 256  # of the square that the 2012 recipe crops from
Statistics = tuple[Tensor, Tensor, Tensor]  # as ``colour_statistics`` returns them


@dataclass(frozen=True)
class Augmentation:
    """The transforms of a training.

    Attributes:
        picture: of one uint8 picture (3, H, W), in the loader.
        batch: of a uint8 batch (N, 3, H, W), on the device; gives what the network sees.
        mixup: of such a batch and its labels, if the recipe mixes.
        prepare: of a picture that is measured.
    """

    picture: Callable[[Tensor], Tensor]
    batch: Callable[[Tensor], Tensor]
    mixup: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None
    prepare: Prepare


def augmentation_for(
    recipe: Recipe, preprocess: Preprocess, classes: int, statistics: Statistics | None
) -> Augmentation:
    """The transforms that ``recipe`` asks for.

    Args:
        recipe: how to train.
        preprocess: what the network expects of a picture; the recipe may leave the normalisation aside.
        classes: how many there are.
        statistics: of the training pictures, where ``needs_statistics``.
    """
    size = preprocess.size
    if recipe.pixels == "mean image":
        assert statistics is not None
        prepare = Prepare(Preprocess(SIDE, size, (0.0,) * 3, (1 / 255,) * 3), statistics[0])
    else:
        prepare = Prepare(preprocess)
    mixup = v2.MixUp(alpha=float(recipe.mixup), num_classes=classes) if recipe.mixup else None
    batch = v2.Compose(list(_batch_steps(recipe, preprocess, statistics)))
    if recipe.crop == "2012":
        return Augmentation(_to_square(), batch, mixup, prepare)
    part = v2.RandomResizedCrop(size, scale=(recipe.smallest_part, 1.0), antialias=True)
    return Augmentation(v2.Compose([part, v2.RandomHorizontalFlip()]), batch, mixup, prepare)


def _batch_steps(recipe: Recipe, preprocess: Preprocess, statistics: Statistics | None) -> list[Any]:
    steps: list[Any] = []
    if recipe.pixels == "mean image":
        assert statistics is not None
        steps.append(SubtractMeanImage(statistics[0]))
    if recipe.crop == "2012":
        steps.append(CropAndFlip(preprocess.size, all_positions=recipe.all_positions, shared=recipe.shared_crops))
    if recipe.pca_noise:
        assert statistics is not None
        _, deviations, directions = statistics
        noise = PCANoise(deviations, directions, std=recipe.pca_noise, by=recipe.pca_by, divide=recipe.pca_divide)
        steps.append(noise)
    if recipe.pixels == "imagenet" and preprocess.channels == "BGR":
        steps.append(v2.Lambda(_colours_turned))
    if recipe.pixels == "imagenet":
        scaled = [255 * m for m in preprocess.mean], [255 * d for d in preprocess.std]
        dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
        steps.append(ColourJitter(recipe.colour_jitter, *scaled, dtype))
    return steps


def _colours_turned(x: Tensor) -> Tensor:
    return x.flip(-3)


def _to_square() -> v2.Compose:
    return v2.Compose([v2.Resize(SIDE, antialias=True), v2.CenterCrop(SIDE)])


def needs_statistics(recipe: Recipe) -> bool:
    """Whether the recipe rests on the mean or the colours of the training pictures."""
    return recipe.pixels == "mean image" or recipe.pca_noise > 0


def statistics_for(settings: Settings, pictures: Pictures, path: Path, place: Place, workers: int) -> Statistics:
    """Mean image and colour directions, kept in a file since a pass over ImageNet takes its time.

    A file that is damaged, or of a training with other settings, is made anew.

    Args:
        settings: of the training.
        pictures: that it trains on.
        path: the file.
        place: the first process does the work; the others wait for the file.
        workers: loader processes.
    """
    if place.first and _kept(path, settings) is None:
        values = _measured(settings, pictures, workers)
        found = {"values": values, "of": settings.identity()}
        write_atomically(path, lambda temporary: torch.save(found, temporary))
    place.wait()
    kept = _kept(path, settings)
    assert kept is not None
    return kept


def _kept(path: Path, settings: Settings) -> Statistics | None:
    """What the file holds, if it is whole and of this training."""
    try:
        content = torch.load(path, weights_only=True)
        mean, deviations, directions = content["values"]
        shapes = [tuple(values.shape) for values in (mean, deviations, directions)]
        fits = isinstance(content["of"], Mapping) and not settings.differences(content["of"])
    # A damaged file makes torch.load raise nearly anything.
    except Exception:
        return None
    return (mean, deviations, directions) if fits and shapes == [(3, SIDE, SIDE), (3,), (3, 3)] else None


def _measured(settings: Settings, pictures: Pictures, workers: int) -> Statistics:
    rows = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(settings.seed))
    keys = [(0, int(i)) for i in rows[: settings.recipe.mean_pictures]]
    squares = replace(pictures, transform=_to_square())
    batches = loader(squares, [keys[k : k + 64] for k in range(0, len(keys), 64)], workers)
    bar = tqdm(batches_of(batches), "mean image", len(batches), leave=False, disable=None)
    return colour_statistics(picture for x, _, _ in bar for picture in x)
