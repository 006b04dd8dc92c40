"""How good is a network: top-1, top-5 and mean per class with intervals, one crop or ten [paper, sections 4.1, 6]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms import v2
from tqdm import tqdm

from alexnet_edu.errors import AlexNetError
from alexnet_edu.inference import channels_last, evaluating, ten_views
from alexnet_edu.intervals import Z, wilson
from alexnet_edu.train.pictures import Pictures, batches_of, loader, named
from alexnet_edu.weights import Preprocess, centre_crop

__all__ = [
    "Answers",
    "Prepare",
    "batch_bytes",
    "columns_by_name",
    "picture_probabilities",
    "score",
    "score_pictures",
]


@dataclass(frozen=True)
class Prepare:
    """From a picture to the views that a network sees, in two steps: uint8 crops, then numbers on the device.

    One view: the short side becomes 256, the centre is cut out. Ten: of the middle square of 256, the corners and
    the centre, each also mirrored.

    Attributes:
        preprocess: sizes and normalisation.
        mean_image: (3, 256, 256), 0-255, subtracted before the crop instead of the normalisation.
        ten: ten views instead of one.
    """

    preprocess: Preprocess
    mean_image: Tensor | None = None
    ten: bool = False

    def crops(self, picture: Tensor) -> Tensor:
        """A uint8 picture (3, H, W) to its views, uint8 (V, S, S, 3): a quarter of the bytes of normalised ones."""
        pre = self.preprocess
        if self.ten:
            views = ten_views(pre, picture)
        elif self.mean_image is None:
            views = [pre.crop(picture)]
        else:
            views = [centre_crop(centre_crop(pre.resized(picture), pre.resize), pre.size)]
        return torch.from_numpy(np.stack([np.asarray(view) for view in views]))

    def normalised(self, crops: Tensor) -> Tensor:
        """Such views of N pictures, (N, V, S, S, 3), to the network's input (N * V, 3, S, S) float32."""
        if self.mean_image is None:
            return self.preprocess.normalised(crops.flatten(0, 1))
        pixels = crops.permute(0, 1, 4, 2, 3).float()
        return (pixels - self._mean_views().to(crops.device)).flatten(0, 1)

    def _mean_views(self) -> Tensor:
        """The same views of the mean image, (V, 3, S, S)."""
        assert self.mean_image is not None
        mean, size, far = self.mean_image, self.preprocess.size, self.preprocess.resize - self.preprocess.size
        centre: Tensor = v2.functional.center_crop(mean, [size])
        if not self.ten:
            return centre[None]
        corners = [mean[:, y : y + size, x : x + size] for y in (0, far) for x in (0, far)]
        five = torch.stack([*corners, centre])
        return torch.cat([five, five.flip(-1)])


@dataclass(frozen=True)
class Answers:
    """What a network says of pictures.

    Attributes:
        probabilities: (R, classes), averaged over the views, of the R pictures that could be read.
        rows: which pictures these are, in order.
        unread: which could not be read.
    """

    probabilities: Tensor
    rows: list[int]
    unread: list[int]


class _Views(Dataset[tuple[int, Tensor | None]]):
    """Pictures by number, with their views, or with ``None`` where there is nothing to read."""

    def __init__(self, pictures: Pictures, prepare: Prepare) -> None:
        self.pictures, self.prepare = pictures, prepare

    def __getitem__(self, row: int) -> tuple[int, Tensor | None]:
        picture = self.pictures.attempt(row)
        return row, None if picture is None else self.prepare.crops(picture)


def _readable(items: list[tuple[int, Tensor | None]]) -> tuple[list[int], Tensor]:
    found = [(row, views) for row, views in items if views is not None]
    views = torch.stack([views for _, views in found]) if found else torch.empty(0)
    return [row for row, _ in found], views


def batch_size(prepare: Prepare) -> int:
    """Pictures in a batch of ``picture_probabilities``: 64 views or a little more."""
    return 8 if prepare.ten else 64


def batch_bytes(prepare: Prepare) -> int:
    """What such a batch takes in shared memory."""
    return batch_size(prepare) * (10 if prepare.ten else 1) * 3 * prepare.preprocess.size**2


@torch.inference_mode()
def picture_probabilities(
    network: nn.Module,
    pictures: Pictures,
    prepare: Prepare,
    *,
    workers: int = 0,
    autocast: torch.autocast | None = None,
    rows: range | None = None,
    quiet: bool = False,
) -> Answers:
    """Softmax of a network's logits for each picture that can be read.

    Args:
        network: (N, 3, S, S) to logits (N, classes); its training mode is restored afterwards.
        pictures: what to classify.
        prepare: from a picture to its views.
        workers: loader processes.
        autocast: a context for the forward pass.
        rows: which pictures; all by default.
        quiet: no progress bar.
    """
    rows = range(len(pictures)) if rows is None else rows
    size = batch_size(prepare)
    batches = loader(_Views(pictures, prepare), [list(rows[k : k + size]) for k in range(0, len(rows), size)], workers,
                     _readable)  # fmt: skip
    device, parts, read = next(network.parameters()).device, [], list[int]()
    with evaluating(network):
        for found, views in tqdm(batches_of(batches), "evaluating", len(batches), leave=False, disable=quiet or None):
            if found:
                x = channels_last(prepare.normalised(views.to(device)))
                with autocast or nullcontext():
                    logits = network(x)
                parts.append(logits.float().softmax(1).unflatten(0, views.shape[:2]).mean(1).cpu())
                read += found
    probabilities = torch.cat(parts) if parts else torch.empty(0, 0)
    return Answers(probabilities, read, sorted(set(rows) - set(read)))


def score_pictures(pictures: Pictures, answers: Answers, categories: tuple[str, ...]) -> dict[str, Any]:
    """``score`` of the pictures that could be read, with the number of the others and the names of the first ten.

    Raises:
        AlexNetError: no picture can be read.
    """
    if not answers.rows:
        raise AlexNetError(f"None of the {len(pictures)} pictures can be read, such as {named(pictures, [0])[0]}.")
    figures = score(answers.probabilities, torch.tensor(pictures.labels)[answers.rows], categories)
    return figures | {"skipped": len(answers.unread), "unreadable": named(pictures, answers.unread)}


_WORDNET = re.compile(r"n\d{8}")  # how ImageNet's folders are named


def columns_by_name(wanted: Sequence[str], known: Sequence[str]) -> list[int]:
    """For each class of a data set, which output of a network is the class of the same name.

    ImageNet's folders have WordNet's numbers for names, in the order of torchvision's weights, whose classes have
    names in words: these are paired by their places.

    Args:
        wanted: the classes of the data set.
        known: the classes of the network.

    Raises:
        AlexNetError: a class has no partner; the sentence names those that have none.
    """
    if tuple(wanted) == tuple(known):
        return list(range(len(known)))
    if sorted(wanted) == sorted(known) and len(set(known)) == len(known):
        return [known.index(name) for name in wanted]
    if len(wanted) == len(known) == 1000 and all(map(_WORDNET.fullmatch, wanted)):
        return list(range(len(known)))
    raise AlexNetError(
        f"The classes of the folders are not those of the network: {_only(wanted, known, 'the folders')}; "
        f"{_only(known, wanted, 'the network')}."
    )


def _only(names: Sequence[str], others: Sequence[str], owner: str) -> str:
    own = sorted(set(names) - set(others))
    more = f" and {len(own) - 10} more" if len(own) > 10 else ""
    return f"in {owner} alone: {', '.join(own[:10]) or 'none'}{more}"


def score(probabilities: Tensor, labels: Tensor, categories: tuple[str, ...]) -> dict[str, Any]:
    """The figures, each with its 95 % interval, ready for JSON.

    Top-1 and top-5 have Wilson intervals. The mean over classes has a normal interval whose variance is the mean
    of the classes' binomial variances; each class's share is moved towards one half for that (one right and one
    wrong picture added), so that a class with all right does not count as certain.

    Args:
        probabilities: (N, classes).
        labels: (N,) class numbers.
        categories: the classes' names.
    """
    hits = probabilities.topk(min(5, probabilities.shape[1])).indices == labels[:, None]
    top1, top5 = int(hits[:, 0].sum()), int(hits.any(1).sum())
    right = torch.bincount(labels[hits[:, 0]], minlength=len(categories)).double()
    total = torch.bincount(labels, minlength=len(categories)).double()
    seen = total > 0
    mean = (right[seen] / total[seen]).mean().item()
    moved = (right[seen] + 1) / (total[seen] + 2)
    half = Z * ((moved * (1 - moved) / total[seen]).sum().sqrt() / seen.sum()).item()
    return {
        "pictures": len(labels),
        "top1": {"value": top1 / len(labels), "interval": wilson(top1, len(labels))},
        "top5": {"value": top5 / len(labels), "interval": wilson(top5, len(labels))},
        "mean_per_class": {"value": mean, "interval": (max(0.0, mean - half), min(1.0, mean + half))},
        "per_class": {name: [int(r), int(t)] for name, r, t in zip(categories, right, total, strict=True)},
    }
