"""The lab's pictures: squares in memory, cut once, with the mean and the colours of those that train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from alexnet_edu.errors import AlexNetError
from alexnet_edu.images import sample_images
from alexnet_edu.parallel import WORKERS, in_threads
from alexnet_edu.train.claims.arms import Task
from alexnet_edu.train.data import open_data
from alexnet_edu.train.files import write_atomically
from alexnet_edu.train.pictures import Pictures
from alexnet_edu.train.transforms import colour_statistics

__all__ = ["PARTS", "Material", "material_for", "squares"]

PARTS = ("train", "select", "test")
_LEFT, _MIDDLE = 0.5, 0.75  # shares of a photo's width that train, and that train or select


@dataclass(frozen=True)
class Material:
    """What an experiment rests on.

    Attributes:
        images: of each of ``PARTS``, uint8 (N, 3, S, S).
        labels: of each of ``PARTS``, (N,).
        mean: of the training pictures, (3, S, S), 0-255.
        deviations: of the training pictures' colours, (3,), 0-255.
        directions: of these, (3, 3), one per column.
    """

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    mean: Tensor
    deviations: Tensor
    directions: Tensor

    @classmethod
    def of(cls, parts: dict[str, tuple[Tensor, Tensor]]) -> Material:
        """With the statistics of ``parts["train"]``; a part is (images, labels)."""
        images, labels = ({name: part[i] for name, part in parts.items()} for i in (0, 1))
        return cls(images, labels, *colour_statistics(images["train"]))

    def to(self, device: torch.device) -> Material:
        """The same on another device; the statistics of colours stay, since draws are made on the CPU."""
        images, labels = (
            {name: part.to(device) for name, part in parts.items()} for parts in (self.images, self.labels)
        )
        return Material(images, labels, self.mean.to(device), self.deviations, self.directions)


def material_for(task: Task, root: Path | None, kept: Path) -> Material:
    """The pictures of ``task``, from the file ``kept`` if it is there, else read from ``root`` and written to it.

    Args:
        task: which pictures.
        root: the data set's folder, as ``open_data`` takes it; not needed for "squares", which are cut from the
            photos in the package.
        kept: a safetensors file.

    Raises:
        AlexNetError: the data set is not there, or the file cannot be written.
    """
    if task.name == "squares":
        return squares(task)
    if not kept.exists():
        if root is None:
            raise AlexNetError(f"{kept} is not there; give the folder of {task.name} to make it.")
        material = _read(task, root)
        tensors = {
            f"{what}.{name}": part for what in ("images", "labels") for name, part in getattr(material, what).items()
        }
        tensors |= {name: getattr(material, name).contiguous() for name in ("mean", "deviations", "directions")}
        write_atomically(kept, lambda path: save_file(tensors, path))
    found = load_file(kept)
    images, labels = ({part: found[f"{what}.{part}"] for part in PARTS} for what in ("images", "labels"))
    return Material(images, labels, found["mean"], found["deviations"], found["directions"])


def _read(task: Task, root: Path) -> Material:
    data = open_data(task.name, root)
    lists = {"train": data.train, "select": data.val, "test": data.test}
    return Material.of({name: _squared(lists[name], task) for name in PARTS})


def _squared(pictures: Pictures, task: Task) -> tuple[Tensor, Tensor]:
    """At most ``task.train`` pictures, spread evenly over the list: short side to ``side``, middle square of that."""
    number = min(len(pictures), task.train)
    rows = [i * len(pictures) // number for i in range(number)]

    def square(row: int) -> Tensor:
        picture = vision.resize(pictures.picture(row), [task.side], antialias=True)
        cut: Tensor = vision.center_crop(picture, [task.side])
        return cut

    return torch.stack(list(in_threads(square, rows, WORKERS, 4 * WORKERS))), torch.tensor(
        [pictures.labels[row] for row in rows]
    )


def squares(task: Task) -> Material:
    """Squares of the bundled photos: from which photo is each? For trying the lab without a data set.

    The left half of each photo trains, the next quarter selects, the right one tests. Every run has the same squares.
    """
    generator = torch.Generator().manual_seed(0)
    bounds = {
        "train": (0.0, _LEFT, task.train),
        "select": (_LEFT, _MIDDLE, task.train // 2),
        "test": (_MIDDLE, 1.0, task.train),
    }
    photos = [
        vision.resize(vision.pil_to_tensor(sample.open()), [4 * task.side], antialias=True)
        for sample in sample_images().values()
    ]
    parts = {}
    for name, (left, right, number) in bounds.items():
        each = number // len(photos)
        cuts = [_cuts(photo, left, right, task.side, each, generator) for photo in photos]
        parts[name] = torch.cat(cuts), torch.arange(len(photos)).repeat_interleave(each)
    return Material.of(parts)


def _cuts(photo: Tensor, left: float, right: float, side: int, number: int, generator: torch.Generator) -> Tensor:
    """(number, 3, side, side) from the columns between two shares of the width."""
    start, end = (round(share * photo.shape[2]) for share in (left, right))
    tops, lefts = (
        torch.randint(low, high - side + 1, (number,), generator=generator).tolist()
        for low, high in ((0, photo.shape[1]), (start, end))
    )
    return torch.stack([photo[:, y : y + side, x : x + side] for y, x in zip(tops, lefts, strict=True)])
