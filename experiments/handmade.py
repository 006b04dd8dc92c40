"""Trains the pipeline of before 2012 that notebook 01 runs: ``alexnet_edu/assets/handmade.npz`` and its report.

``python -m experiments.handmade --root CALTECH`` takes the pictures that the embedded network learned from and those
that it was tested on (``assets/splits``), so the two can be compared. K-means finds the visual words, and a linear
classifier (ridge regression; both in torch) reads the counts. The penalty is chosen on the validation pictures. A few
minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet_edu.handmade import ASSETS, descriptors, directions, gradients, grey_picture, nearest_words, word_counts
from alexnet_edu.parallel import in_threads
from alexnet_edu.train.data import open_data
from alexnet_edu.train.pictures import Pictures

WORDS = 128
SAMPLES = 60_000  # descriptors for k-means
ROUNDS = 30
PENALTIES = (1e-3, 1e-2, 3e-2, 1e-1)
SEED = 0


def described(pictures: Pictures) -> list[NDArray[Any]]:
    """The descriptors of each picture, ``(patch rows, patch columns, 128)``, in half precision to save memory."""
    work = in_threads(lambda path: descriptors(directions(*gradients(grey_picture(path)))), pictures.sources, 2, 8)
    return [found.astype(np.float16) for found in work]


def k_means(samples: Tensor, count: int) -> Tensor:
    """``count`` visual words for samples ``(N, 128)``, from random samples as first words."""
    words = samples[torch.randperm(len(samples))[:count]]
    for _ in range(ROUNDS):
        nearest = torch.cdist(samples, words).argmin(dim=1)
        sums = torch.zeros_like(words).index_add_(0, nearest, samples)
        sizes = torch.bincount(nearest, minlength=count)[:, None]
        words = torch.where(sizes > 0, sums / sizes.clamp(min=1), words)
    return words


def counted(pictures: list[NDArray[Any]], words: NDArray[Any]) -> Tensor:
    """The word counts of pictures, one row each."""
    rows = (word_counts(nearest_words(found.astype(np.float32), words), len(words)) for found in pictures)
    return torch.from_numpy(np.stack(list(rows)))


def linear_classifier(counts: Tensor, labels: Tensor, classes: int, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights and biases of a ridge regression: the class's own score should be 1 and the others' 0.

    Each class counts as much as any other, however many pictures it has.
    """
    share = 1 / torch.bincount(labels, minlength=classes)[labels]
    share = (share * len(labels) / share.sum())[:, None]
    targets = torch.nn.functional.one_hot(labels, classes).float()
    middle, mean = (share * counts).mean(dim=0), (share * targets).mean(dim=0)
    centred = (counts - middle) * share.sqrt()
    square = centred.T @ centred + penalty * len(counts) * torch.eye(counts.shape[1])
    weights = torch.linalg.solve(square, centred.T @ ((targets - mean) * share.sqrt()))
    return weights, mean - middle @ weights


def measured(scores: Tensor, labels: Tensor) -> dict[str, Any]:
    """Top-1 and top-5 accuracy in per cent, and the mean of the classes' accuracies."""
    guesses = scores.topk(5, dim=1).indices
    right = guesses[:, 0] == labels
    each = [right[labels == label].float().mean().item() for label in labels.unique()]
    return {
        "pictures": len(labels),
        "right": int(right.sum()),
        "top1": round(100 * right.float().mean().item(), 2),
        "top5": round(100 * (guesses == labels[:, None]).any(1).float().mean().item(), 2),
        "mean_per_class": round(100 * sum(each) / len(each), 2),
    }


def samples_of(described_pictures: list[NDArray[Any]]) -> Tensor:
    """Descriptors for k-means: about nine of each picture, without flat patches."""
    few = [found.reshape(-1, found.shape[2])[:: max(1, found[..., 0].size // 9)] for found in described_pictures]
    samples = torch.from_numpy(np.concatenate(few)).float()
    samples = samples[torch.randperm(len(samples))[:SAMPLES]]
    return samples[samples.norm(dim=1) > 0.5]


def rounded(weights: Tensor) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights in steps of a 127th of each class's largest one, and the step of each class."""
    step = weights.abs().amax(dim=0) / 127
    return (weights / step).round().to(torch.int8).numpy(), step.numpy()


def finish(counts: dict[str, Tensor], labels: dict[str, Tensor], words: NDArray[Any]) -> None:
    """Chooses the penalty, fits on all that the embedded network learned from, measures, and writes."""
    classes = int(labels["train"].max()) + 1
    tried = {
        penalty: measured(
            _scores(counts["val"], *linear_classifier(counts["train"], labels["train"], classes, penalty)),
            labels["val"],
        )
        for penalty in PENALTIES
    }
    penalty = max(PENALTIES, key=lambda each: tried[each]["right"])
    both = [torch.cat([parts["train"], parts["val"]]) for parts in (counts, labels)]
    weights, biases = linear_classifier(both[0], both[1], classes, penalty)
    small, step = rounded(weights)
    kept = torch.from_numpy(small * step)
    report = {
        "training_pictures": len(both[1]),
        "words": len(words),
        "penalty": penalty,
        "validation_top1": {f"{each:g}": found["top1"] for each, found in tried.items()},
        "training_top1": measured(_scores(both[0], kept, biases), both[1])["top1"],
        "test": measured(_scores(counts["test"], kept, biases), labels["test"]),
    }
    np.savez_compressed(
        ASSETS / "handmade.npz", words=words.astype(np.float16), weights=small, step=step, biases=biases.numpy()
    )
    (ASSETS / "handmade.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def _scores(counts: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
    return counts @ weights + biases


def main() -> None:
    """Describes, clusters, counts, fits, and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of Caltech-101")
    data = open_data("caltech101", parser.parse_args().root)
    torch.manual_seed(SEED)
    parts = {name: getattr(data, name) for name in ("train", "val", "test")}
    found = {name: described(pictures) for name, pictures in parts.items()}
    words = k_means(samples_of(found["train"]), WORDS).numpy()
    counts = {name: counted(pictures, words) for name, pictures in found.items()}
    finish(counts, {name: torch.tensor(pictures.labels) for name, pictures in parts.items()}, words)


if __name__ == "__main__":
    main()
