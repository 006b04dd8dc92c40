"""The training loop: resumable at any moment, on one device or several, the same weights either way."""

from __future__ import annotations

import copy
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from torchvision.transforms import v2
from tqdm import tqdm

from alexnet_edu.errors import AlexNetError
from alexnet_edu.figures import learning_curve
from alexnet_edu.models import AlexNet, get_model
from alexnet_edu.train import network
from alexnet_edu.train.data import Data, EpochOrder, Pictures, joined, loader, open_data, seed_from
from alexnet_edu.train.evaluate import Prepare, class_scores, score
from alexnet_edu.train.files import write_atomically
from alexnet_edu.train.optim import Sgd2012
from alexnet_edu.train.recipes import Recipe
from alexnet_edu.train.transforms import ColourJitter, CropAndFlip, PCANoise, SubtractMeanImage, colour_statistics
from alexnet_edu.weights import Preprocess

__all__ = ["Interrupted", "Settings", "Trainer", "curves", "train"]


class Interrupted(Exception):
    """Ctrl-C: everything is saved."""


@dataclass(frozen=True)
class Settings:
    """What decides the result of a training; a checkpoint goes on only with the same.

    Attributes:
        data, root, split: see ``open_data``.
        model: a name from ``list_models()``.
        recipe: how to train.
        seed: fixes every random choice.
        train_on: "train", or "train+val" once every choice is made.
    """

    data: str
    root: str
    model: str
    recipe: Recipe
    split: str = "committed"
    seed: int = 0
    train_on: str = "train"


@dataclass
class Place:
    """Where this process runs: alone, or one of several under ``torchrun``."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @classmethod
    @contextmanager
    def find(cls, device: str = "auto") -> Iterator[Place]:
        """Joins the processes that ``torchrun`` started, if it did (nccl on GPUs, gloo on CPUs)."""
        kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if "WORLD_SIZE" not in os.environ:
            yield cls(torch.device(kind))
            return
        if kind == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if kind == "cuda" else "gloo")
        try:
            yield cls(torch.device(kind), dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()

    def sum(self, values: Tensor) -> Tensor:
        """Adds up what the processes hold."""
        if self.world > 1:
            values = values.to(self.device)
            dist.all_reduce(values)
        return values.cpu()


def optimiser_for(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Weights with decay (conv1 its own), biases and batch norm without and with their own rate."""
    named = list(net.named_parameters())
    first = [p for name, p in named if p.ndim > 1 and name.startswith("conv1.")]
    weights = [p for name, p in named if p.ndim > 1 and not name.startswith("conv1.")]
    decay = recipe.weight_decay
    groups = [
        {"params": first, "weight_decay": decay if recipe.conv1_weight_decay is None else recipe.conv1_weight_decay},
        {"params": weights, "weight_decay": decay},
        {"params": [p for _, p in named if p.ndim == 1], "weight_decay": 0.0, "lr": recipe.lr * recipe.bias_rate},
    ]
    if recipe.optimiser == "sgd2012":
        return Sgd2012(groups, recipe.lr, recipe.momentum)
    return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=True)


def schedule_for(optimiser: torch.optim.Optimizer, recipe: Recipe, steps: int) -> Any:
    """Cosine with a linear start, stepped each batch; or division by 10 on a plateau, stepped each epoch."""
    if recipe.schedule == "cosine":
        warm, total = max(1.0, recipe.warmup * steps), recipe.epochs * steps
        return torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min(1.0, (step + 1) / warm) * (1 + math.cos(math.pi * min(step, total) / total)) / 2
        )
    lowest = [group["lr"] / 1000 for group in optimiser.param_groups]
    if recipe.bias_rate_constant:
        lowest[-1] = optimiser.param_groups[-1]["lr"]
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.1, patience=recipe.patience, min_lr=lowest)


def averaged(net: nn.Module, keep: float) -> AveragedModel:
    """A running average of weights and statistics that starts fast: it keeps (1 + n) / (10 + n) at first."""

    def update(average: Any, current: Any, n: Any) -> None:
        share = 1 - min(keep, (1 + int(n)) / (10 + int(n)))
        if torch.is_floating_point(average[0]):
            torch._foreach_lerp_(average, current, share)
        else:
            torch._foreach_copy_(average, current)

    return AveragedModel(net, multi_avg_fn=torch.no_grad()(update), use_buffers=True)


@dataclass
class Trainer:
    """All that a training consists of. ``run`` trains; ``plain`` gives the network."""

    settings: Settings
    place: Place
    out: Path
    workers: int = 0
    epoch: int = 0
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: Tensor = field(default_factory=lambda: torch.zeros(4, dtype=torch.float64))  # loss, right, seen, skipped

    def __post_init__(self) -> None:
        torch.manual_seed(seed_from(self.settings.seed))
        if self.place.device.type == "cuda":  # the same weights each time; slower kernels where there are two kinds
            torch.backends.cudnn.deterministic = True
            torch.use_deterministic_algorithms(True, warn_only=True)
        s, recipe = self.settings, self.settings.recipe
        self.data: Data = open_data(s.data, s.root, split=s.split, seed=s.seed)
        self.pictures = joined(self.data.train, self.data.val) if s.train_on == "train+val" else self.data.train
        self.pictures = self.pictures.cached()
        self.selects = s.train_on == "train" and len(self.data.val) > 0
        self.val = self.data.val.cached() if self.selects else self.data.val
        self.model: AlexNet = get_model(s.model, num_classes=len(self.data.categories))
        self.size = self.model.spec.input_size
        network.start_weights(self.model, recipe)
        net = network.training_network(self.model, recipe).to(self.place.device)
        if recipe.channels_last:
            net = net.to(memory_format=torch.channels_last)
        self.order = EpochOrder(
            self.pictures.labels, recipe.batch_size, recipe.class_power, s.seed, self.place.rank, self.place.world
        )
        if self.place.world > 1 and self.place.device.type == "cuda":
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        self.net, self.forward_net = net, net
        self.ema = averaged(net, recipe.ema) if recipe.ema else None
        if self.place.world > 1:
            self.forward_net = DistributedDataParallel(net)  # type: ignore[assignment]
        self.optimiser = optimiser_for(net, recipe)
        self.schedule = schedule_for(self.optimiser, recipe, self.order.steps)
        self.scaler = torch.amp.GradScaler(self.place.device.type, enabled=recipe.precision == "fp16")
        self.augmentation()

    def augmentation(self) -> None:
        """Sets the transforms of single pictures (in the loader), of batches (on the device) and of evaluation."""
        recipe, mean = self.settings.recipe, None
        to_square = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(256)])
        steps: list[Any] = []
        if recipe.pixels == "mean image" or recipe.pca_noise:
            mean, deviations, directions = self.statistics(to_square)
        if recipe.crop == "2012":
            self.pictures.transform = to_square
        else:
            part = v2.RandomResizedCrop(self.size, scale=(recipe.smallest_part, 1.0), antialias=True)
            self.pictures.transform = v2.Compose([part, v2.RandomHorizontalFlip()])
        if recipe.pixels == "mean image":
            assert mean is not None
            steps.append(SubtractMeanImage(mean))
        if recipe.crop == "2012":
            steps.append(CropAndFlip(self.size, all_positions=recipe.all_positions, shared=recipe.shared_crops))
        if recipe.pca_noise:
            steps.append(
                PCANoise(deviations, directions, std=recipe.pca_noise, by=recipe.pca_by, divide=recipe.pca_divide)
            )
        if recipe.pixels == "imagenet":
            pre = Preprocess(size=self.size)
            scaled = [255 * m for m in pre.mean], [255 * d for d in pre.std]
            dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
            steps.append(ColourJitter(recipe.colour_jitter, *scaled, dtype))
            self.prepare = Prepare(pre)
        else:
            self.prepare = Prepare(Preprocess(256, self.size, (0.0,) * 3, (1 / 255,) * 3), mean)
        self.batch_transform = v2.Compose(steps)
        self.mixup = v2.MixUp(alpha=recipe.mixup, num_classes=len(self.data.categories)) if recipe.mixup else None

    def statistics(self, to_square: v2.Compose) -> tuple[Tensor, Tensor, Tensor]:
        """Mean image and colour directions, kept in a file since a pass over ImageNet takes its time."""
        path = self.out / "statistics.pt"
        known = path.exists() and torch.load(path, weights_only=True)["of"] == self.identity()
        if self.place.rank == 0 and not known:
            rows = torch.randperm(len(self.pictures), generator=torch.Generator().manual_seed(self.settings.seed))
            keys = [(0, int(i)) for i in rows[: self.settings.recipe.mean_pictures]]
            squares = replace(self.pictures, transform=to_square)
            batches = loader(squares, [keys[k : k + 64] for k in range(0, len(keys), 64)], self.workers)
            bar = tqdm(batches, "mean image", leave=False, disable=None)
            found = {"values": colour_statistics(p for x, _, _ in bar for p in x), "of": self.identity()}
            write_atomically(path, lambda temporary: torch.save(found, temporary))
        self.place.sum(torch.zeros(1))  # the others wait for the file
        return torch.load(path, weights_only=True)["values"]  # type: ignore[no-any-return]

    def identity(self) -> dict[str, Any]:
        """The settings that a checkpoint goes on with; the data may have moved."""
        return asdict(replace(self.settings, root=""))

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the training depends on; random numbers depend on seed, epoch and step alone."""
        parts = {"net": self.net, "optimiser": self.optimiser, "schedule": self.schedule, "scaler": self.scaler}
        if self.ema is not None:
            parts["ema"] = self.ema
        values = {"epoch": self.epoch, "step": self.step, "history": self.history, "sums": self.sums}
        return {name: part.state_dict() for name, part in parts.items()} | values | {"settings": self.identity()}

    def save(self) -> None:
        """Writes the checkpoint, then log and curves, which the checkpoint's history is the source of."""
        if self.place.rank == 0:
            state = self.state()
            write_atomically(self.out / "checkpoint.pt", lambda path: torch.save(state, path))
            lines = "".join(json.dumps(line) + "\n" for line in self.history)
            write_atomically(self.out / "log.jsonl", lambda path: path.write_text(lines))

    def resume(self) -> None:
        """Goes on from the checkpoint, if there is one.

        Raises:
            AlexNetError: it belongs to a training with other settings, or is damaged.
        """
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.place.device, weights_only=True)
        except Exception as error:
            raise AlexNetError(f"{path} is damaged; delete it to start again.") from error
        if state["settings"] != self.identity():
            raise AlexNetError(f"{path} belongs to a training with other settings; choose another --out.")
        self.epoch, self.step, self.history = state["epoch"], state["step"], state["history"]
        self.sums = state["sums"].cpu()
        self.net.load_state_dict(state["net"])
        for name in ("optimiser", "schedule", "scaler", "ema"):
            if name in state:
                getattr(self, name).load_state_dict(state[name])

    def run(self, *, save_every: float = 600.0) -> None:
        """Trains to the end, saving after each epoch and every ``save_every`` seconds.

        Raises:
            Interrupted: after Ctrl-C, once all is saved.
            AlexNetError: the loss is not a number, or a file can't be written.
        """
        batches = loader(self.pictures, self.order, self.workers)
        with stop_flag() as stop:
            while self.epoch < self.settings.recipe.epochs:
                self.run_epoch(batches, stop, save_every)

    def run_epoch(self, batches: Any, stop: threading.Event, save_every: float) -> None:
        """The rest of one epoch, from ``self.step`` on."""
        self.order.epoch, self.order.first_step = self.epoch, self.step
        self.forward_net.train()
        began = saved = time.monotonic()
        seen_before = self.sums[2].item()
        bar = tqdm(batches, f"epoch {self.epoch + 1}", leave=False, disable=True if self.place.rank else None)
        for x, labels, skipped in bar:
            self.sums += self.train_step(x, labels, int(skipped.sum()))
            if not math.isfinite(self.sums[0].item()):
                raise AlexNetError(
                    f"The loss is no number in epoch {self.epoch + 1}: choose a lower rate with --set lr=..."
                )
            bar.set_postfix(loss=f"{self.sums[0] / self.sums[2]:.3f}", refresh=False)
            self.step += 1
            if self.place.sum(torch.tensor([float(stop.is_set())])).item():
                self.save()
                raise Interrupted
            if time.monotonic() - saved > save_every:
                self.save()
                saved = time.monotonic()
        seconds = time.monotonic() - began
        self.end_epoch(seconds, (self.sums[2].item() - seen_before) * self.place.world / max(seconds, 1e-9))

    def train_step(self, x: Tensor, labels: Tensor, skipped: int) -> Tensor:
        """One batch: (N, 3, H, W) uint8 and (N,) labels in, an update made; loss, right, seen and skipped out."""
        recipe, device = self.settings.recipe, self.place.device
        torch.manual_seed(seed_from(self.settings.seed, self.epoch, self.step, self.place.rank))
        x, labels = self.batch_transform(x.to(device, non_blocking=True)), labels.to(device, non_blocking=True)
        targets = labels
        if self.mixup is not None:
            x, targets = self.mixup(x, labels)
        if recipe.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with autocast(recipe, device):
            logits = self.forward_net(x).float()
        loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if recipe.schedule == "cosine":
            self.schedule.step()
        if self.ema is not None:
            self.ema.update_parameters(self.net)
        right = (logits.argmax(1) == labels).sum().item()
        return torch.tensor([loss.item() * len(x), right, len(x), skipped], dtype=torch.float64)

    def end_epoch(self, seconds: float, pictures_per_second: float) -> None:
        """Measures, logs, changes the rate, saves."""
        loss, right, seen, skipped = self.place.sum(self.sums).tolist()
        line: dict[str, Any] = {"epoch": self.epoch + 1, "loss": loss / seen, "train_top1": right / seen}
        line |= {"lr": self.optimiser.param_groups[0]["lr"], "skipped": int(skipped)}
        line |= {"seconds": round(seconds, 2), "pictures_per_second": round(pictures_per_second, 1)}
        if self.selects:
            figures = self.evaluate(self.val, self.prepare)
            line |= {f"val_{name}": figures[name]["value"] for name in ("top1", "top5", "mean_per_class")}
        if self.settings.recipe.schedule == "plateau":
            self.schedule.step(1 - line["val_top1"] if self.selects else line["loss"])
        self.history.append(line)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, torch.zeros_like(self.sums)
        self.save()
        if self.place.rank == 0:
            print(json.dumps(line), flush=True)
            figure = curves(self.history)
            write_atomically(self.out / "curves.png", lambda path: figure.savefig(path, format="png"))

    def best_net(self) -> nn.Module:
        """The running average where there is one, else the network itself."""
        return self.net if self.ema is None else self.ema.module

    def evaluate(self, pictures: Pictures, prepare: Prepare) -> dict[str, Any]:
        """``score`` of all pictures, each process classifying its share."""
        rows = range(self.place.rank, len(pictures), self.place.world)
        own, skipped = class_scores(
            self.best_net(), pictures, prepare, workers=self.workers, rows=rows,
            autocast=autocast(self.settings.recipe, self.place.device), quiet=self.place.rank > 0,
        )  # fmt: skip
        everyone = torch.zeros(len(pictures), own.shape[1])
        everyone[list(rows)] = own
        figures = score(self.place.sum(everyone), torch.tensor(pictures.labels), self.data.categories)
        return figures | {"skipped": int(self.place.sum(torch.tensor(skipped)))}

    def export(self, path: Path, *, half: bool) -> dict[str, float]:
        """Writes the plain network; tells how far it is from the trained one on some pictures.

        A network trained with a mean image is exported with its mean a channel, which is all that
        ``load_pretrained`` subtracts; the difference then includes that too.
        """
        plain = network.fold(copy.deepcopy(self.best_net()).cpu(), self.model)
        pictures, shown = self.data.test, self.prepare.preprocess
        if self.prepare.mean_image is not None:
            shown = replace(shown, mean=tuple((self.prepare.mean_image.mean((1, 2)) / 255).tolist()))
        keys = [(0, i) for i in range(0, len(pictures), max(1, len(pictures) // 32))]
        trained, exported = (replace(pictures, transform=p) for p in (self.prepare, Prepare(shown)))
        batches = [torch.cat([source[key][0] for key in keys]) for source in (trained, exported)]
        difference = network.logits_difference(self.best_net(), plain, *batches)
        training = {**self.identity(), "export_difference": difference, "torch": torch.__version__}
        network.save_export(path, plain, self.data.categories, shown, training, half=half)
        return difference


def curves(history: list[dict[str, Any]]) -> Figure:
    """The learning curves of a run, from the lines of its ``log.jsonl``."""
    names = {"train_top1": "training, augmented", "val_top1": "validation"}
    errors = {name: [1 - line[key] for line in history] for key, name in names.items() if key in history[-1]}
    losses = {names["train_top1"]: [line["loss"] for line in history]}
    return learning_curve([line["epoch"] for line in history], losses, errors)


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The precision of the forward pass."""
    kind = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[recipe.precision]
    return torch.autocast(device.type, kind, enabled=kind is not None)


@contextmanager
def stop_flag() -> Iterator[threading.Event]:
    """An event that Ctrl-C and a polite kill set, so that a step is never cut in two; a second Ctrl-C stops at once."""
    event = threading.Event()

    def ask(signum: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()
        print("\nStopping after this batch ...", file=sys.stderr, flush=True)

    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(settings: Settings, out: Path, *, device: str = "auto", workers: int = 0, save_every: float = 600.0,
          export: Path | None = None, half: bool = False) -> dict[str, Any]:  # fmt: skip
    """Trains, or goes on training, and measures the test pictures once at the end.

    Args:
        settings: what to train, and how.
        out: folder of checkpoint, ``log.jsonl``, ``curves.png`` and ``result.json``.
        device: "auto", "cpu" or "cuda".
        workers: loader processes.
        save_every: seconds between checkpoints within an epoch.
        export: where the plain weights go.
        half: export them in half precision.

    Returns:
        the figures of ``score`` on the test pictures, with one crop and with ten.
    """
    with Place.find(device) as place:
        trainer = Trainer(settings, place, out, workers)
        trainer.resume()
        trainer.run(save_every=save_every)
        test = trainer.data.test
        ten = replace(trainer.prepare, ten=True)
        result = {"one_crop": trainer.evaluate(test, trainer.prepare), "ten_crops": trainer.evaluate(test, ten)}
        if place.rank == 0:
            if export is not None:
                result["export_difference"] = trainer.export(export, half=half)
            write_atomically(out / "result.json", lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))
        return result
