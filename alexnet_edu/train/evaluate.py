"""How good is a network: top-1, top-5 and mean per class with intervals, one crop or ten [paper, sections 4.1, 6]."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor
from tqdm import tqdm

from alexnet_edu.inference import evaluating, ten_views
from alexnet_edu.intervals import Z, wilson
from alexnet_edu.train.data import Pictures, loader
from alexnet_edu.weights import Preprocess, centre_crop

__all__ = ["Prepare", "class_scores", "score"]


@dataclass(frozen=True)
class Prepare:
    """A uint8 picture (3, H, W) -> the views that the network sees, (1, 3, S, S) or (10, 3, S, S).

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

    def __call__(self, picture: Tensor) -> Tensor:
        pre = self.preprocess
        if self.mean_image is None:
            return pre.batch(ten_views(pre, picture) if self.ten else [pre.crop(picture)])
        square = pil_to_tensor(centre_crop(pre.resized(picture), pre.resize))[None] - self.mean_image
        return torch.cat(v2.TenCrop(pre.size)(square)) if self.ten else v2.functional.center_crop(square, [pre.size])


@torch.inference_mode()
def class_scores(
    network: nn.Module,
    pictures: Pictures,
    prepare: Prepare,
    *,
    workers: int = 0,
    autocast: torch.autocast | None = None,
    rows: range | None = None,
    quiet: bool = False,
) -> tuple[Tensor, int]:
    """Probabilities (N, classes), averaged over views, and the number of pictures that could not be read.

    Args:
        network: (N, 3, S, S) -> logits; its training mode is restored afterwards.
        pictures: what to classify.
        prepare: from a picture to its views.
        workers: loader processes.
        autocast: a context for the forward pass.
        rows: which pictures; all by default.
        quiet: no progress bar.
    """
    rows = range(len(pictures)) if rows is None else rows
    size = 16 if prepare.ten else 128
    keys = [[(0, i) for i in rows[k : k + size]] for k in range(0, len(rows), size)]
    batches = loader(replace(pictures, transform=prepare), keys, workers)
    device, parts, unread = next(network.parameters()).device, [], 0
    with evaluating(network):
        for views, _, skipped in tqdm(batches, "evaluating", leave=False, disable=quiet or None):
            x = views.to(device).flatten(0, 1).contiguous(memory_format=torch.channels_last)
            with autocast or nullcontext():
                logits = network(x)
            parts.append(logits.float().softmax(1).unflatten(0, views.shape[:2]).mean(1).cpu())
            unread += int(skipped.sum())
    return torch.cat(parts), unread


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
