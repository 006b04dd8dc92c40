"""Fig. 1 of the paper: how many epochs a small network needs with ReLU and with tanh [paper, section 3.1].

``python -m experiments.fig1 --root CIFAR --out fig1.json`` trains both networks on CIFAR-10 without any
regularisation until the training error is 25 %, each at its own best rate, and writes curves and ratio.
Stopped at any moment, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from alexnet_edu.errors import AlexNetError
from alexnet_edu.intervals import estimate
from alexnet_edu.train.data import cifar10_tensors
from alexnet_edu.train.files import write_atomically
from alexnet_edu.train.optim import Sgd2012

__all__ = [
    "ACTIVATIONS",
    "Run",
    "best_rate",
    "four_layer_network",
    "ratio_of_epochs",
    "reached",
    "train_until",
]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
TARGET = 0.25
BATCH = 128
WINDOW = 10_000  # pictures between two points of a curve: five points an epoch


def four_layer_network(activation: str, generator: torch.Generator) -> nn.Sequential:
    """Three convolutions and one fully connected layer, (N, 3, 32, 32) -> (N, 10).

    The nearest released relative of the network in Fig. 1, which the paper does not specify: cuda-convnet's
    ``layers-19pct.cfg``, with its starts (std 0.0001 for conv1, 0.01 elsewhere, biases 0). As there, the first
    activation stands after the max pool, where it costs a quarter and gives the same values.

    Raises:
        AlexNetError: the activation is not one of ``ACTIVATIONS``.
    """
    if activation not in ACTIVATIONS:
        raise AlexNetError(f"There is no activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}.")
    act = ACTIVATIONS[activation]
    model = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.MaxPool2d(3, 2, ceil_mode=True),  # (N, 32, 16, 16)
        act(),
        nn.Conv2d(32, 32, 5, padding=2),
        act(),
        nn.AvgPool2d(3, 2, ceil_mode=True),  # (N, 32, 8, 8)
        nn.Conv2d(32, 64, 5, padding=2),
        act(),
        nn.AvgPool2d(3, 2, ceil_mode=True),  # (N, 64, 4, 4)
        nn.Flatten(),
        nn.Linear(1024, 10),
    )
    for i, layer in enumerate(layer for layer in model if isinstance(layer, (nn.Conv2d, nn.Linear))):
        nn.init.normal_(layer.weight, std=0.01 if i else 0.0001, generator=generator)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@dataclass
class Run:
    """One training: its settings and the training error after each ``WINDOW`` pictures."""

    activation: str
    rate: float
    seed: int
    errors: list[float]
    finished: bool = False

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.activation}_{self.rate:g}_{self.seed}"


def reached(errors: list[float], target: float = TARGET, per_epoch: int = 5) -> float | None:
    """The epoch at which a curve crosses ``target``, or None.

    A point is the mean error over the pictures since the point before, so it belongs to the middle between both.
    """
    for i, error in enumerate(errors):
        if error <= target:
            share = (errors[i - 1] - target) / (errors[i - 1] - error) if i else 1.0
            return (i - 0.5 + share) / per_epoch
    return None


def train_until(run: Run, images: Tensor, labels: Tensor, max_epochs: float, folder: Path) -> Run:
    """Trains until ``TARGET`` or ``max_epochs``; a checkpoint each epoch makes it resumable.

    Args:
        run: what to train; its ``errors`` grow.
        images: (N, 3, 32, 32) float, mean image subtracted, raw 0-255 scale.
        labels: (N,) class numbers.
        max_epochs: where to give up.
        folder: where checkpoints go.
    """
    generator = torch.Generator().manual_seed(run.seed)
    model = four_layer_network(run.activation, generator)
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    optimiser = Sgd2012([{"params": weights, "lr": run.rate}, {"params": biases, "lr": 2 * run.rate}], weight_decay=0.0)
    checkpoint = folder / f"{run.name}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        generator.set_state(state["generator"])
        run.errors, run.finished = state["errors"], state["finished"]
    per_epoch = round(len(labels) / WINDOW)
    while not run.finished and len(run.errors) < max_epochs * per_epoch:
        run.errors += train_epoch(model, optimiser, images, labels, generator)
        epoch_error = fmean(run.errors[-per_epoch:])
        run.finished = min(run.errors) <= TARGET or not epoch_error <= 0.95  # not a number counts as hopeless
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
        state |= {"generator": generator.get_state(), "errors": run.errors, "finished": run.finished}
        write_atomically(checkpoint, lambda path, state=state: torch.save(state, path))  # type: ignore[misc]
        print(json.dumps({"run": run.name, "epoch": len(run.errors) / per_epoch, "error": epoch_error}), flush=True)
    return run


def train_epoch(
    model: nn.Module, optimiser: Sgd2012, images: Tensor, labels: Tensor, generator: torch.Generator
) -> list[float]:
    """One pass in random order; the training error of each ``WINDOW`` pictures, counted on the way."""
    wrong = torch.zeros(len(labels))
    order = torch.randperm(len(labels), generator=generator)
    for rows in tqdm(torch.split(order, BATCH), leave=False, disable=None):
        x = images[rows].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(x).float()
        optimiser.zero_grad()
        F.cross_entropy(logits, labels[rows]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        wrong[rows] = (logits.argmax(1) != labels[rows]).float()
    if any(not torch.isfinite(p).all() for p in model.parameters()):
        return [1.0] * round(len(labels) / WINDOW)
    return [part.mean().item() for part in torch.split(wrong[order], WINDOW)]


def best_rate(
    activation: str, start: float, images: Tensor, labels: Tensor, max_epochs: float, folder: Path
) -> tuple[float, list[Run]]:
    """Climbs a grid of factors of 2 from ``start`` until both neighbours of the best rate are slower.

    A rate is dropped as soon as it has used more epochs than the best so far.
    """
    runs: dict[int, Run] = {}
    best, limit = 0, max_epochs

    def epochs(i: int) -> float:
        nonlocal limit
        if i not in runs:
            runs[i] = train_until(Run(activation, start * 2.0**i, 0, []), images, labels, math.ceil(limit), folder)
            limit = min(limit, reached(runs[i].errors) or limit)
        return reached(runs[i].errors) or math.inf

    epochs(0)
    while (i := min((best - 1, best, best + 1), key=epochs)) != best:
        best = i
    return start * 2.0**best, [runs[i] for i in sorted(runs)]


def ratio_of_epochs(slow: list[float], fast: list[float]) -> dict[str, float]:
    """The geometric mean of ``slow / fast``, seed by seed, with its 95 % interval (Student's t on logarithms).

    Raises:
        AlexNetError: fewer than 3 seeds, or lists of different lengths.
    """
    if len(slow) != len(fast) or len(slow) < 3:
        raise AlexNetError("Give at least 3 seeds, the same number for both activations.")
    found = estimate([math.log(a / b) for a, b in zip(slow, fast, strict=True)])
    return {"ratio": math.exp(found.mean), "low": math.exp(found.low), "high": math.exp(found.high)}


def main(argv: list[str] | None = None) -> None:
    """The command line: search the rates with seed 0, measure with other seeds, write JSON."""
    parser = argparse.ArgumentParser(description="Fig. 1 of the paper: epochs to 25 % training error, ReLU and tanh.")
    parser.add_argument("--root", type=Path, required=True, help="folder of CIFAR-10")
    parser.add_argument("--out", type=Path, default=Path("fig1.json"), help="the result (default %(default)s)")
    parser.add_argument("--work", type=Path, default=Path("fig1"), help="checkpoints (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="measured seeds for each activation (default %(default)s)")
    parser.add_argument("--start", type=float, default=0.001, help="first rate tried (default %(default)s)")
    parser.add_argument("--max-epochs", type=int, default=100, help="where to give up (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default %(default)s)")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    pixels, labels, source = cifar10_tensors(args.root)
    images = pixels.float()
    images -= images.mean(0)
    result: dict[str, Any] = {
        "command": f"python -m experiments.fig1 --root CIFAR --seeds {args.seeds} --start {args.start}",
        "data": source,
        "network": "conv32-conv32-conv64-fc10, 5x5 kernels, max then average pools (cuda-convnet layers-19pct.cfg)",
        "conditions": f"batch {BATCH}, momentum 0.9, bias rate doubled, no decay, no augmentation, bf16 autocast",
        "target_error": TARGET,
        "training_pictures": len(labels),
        "window_pictures": WINDOW,
        "rate_search": {},
        "runs": [],
    }
    epochs: dict[str, list[float]] = {}
    for activation in ACTIVATIONS:
        rate, tried = best_rate(activation, args.start, images, labels, args.max_epochs, args.work)
        result["rate_search"][activation] = [
            {"rate": run.rate, "epochs": reached(run.errors), "errors": run.errors} for run in tried
        ]
        measured = [
            train_until(Run(activation, rate, seed, []), images, labels, args.max_epochs, args.work)
            for seed in range(1, args.seeds + 1)
        ]
        epochs[activation] = [reached(run.errors) or math.nan for run in measured]
        result["runs"] += [asdict(run) | {"epochs": reached(run.errors)} for run in measured]
    result["tanh_over_relu"] = ratio_of_epochs(epochs["tanh"], epochs["relu"])
    text = json.dumps(result, indent=1) + "\n"
    write_atomically(args.out, lambda path: path.write_text(text))
    print(json.dumps(result["tanh_over_relu"]))


if __name__ == "__main__":
    main()
