"""The training loop: resumable at any moment, on one device or several, the same weights either way."""

from __future__ import annotations

import copy
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from tqdm import tqdm

from alexnet_edu.errors import AlexNetError
from alexnet_edu.figures import learning_curve
from alexnet_edu.models import AlexNet, get_model
from alexnet_edu.train import checkpoint
from alexnet_edu.train.augment import SIDE, Augmentation, augmentation_for, needs_statistics, statistics_for
from alexnet_edu.train.checkpoint import Progress
from alexnet_edu.train.data import Data, open_data
from alexnet_edu.train.evaluate import Answers, Prepare, batch_bytes, picture_probabilities, score_pictures
from alexnet_edu.train.files import only_writer, sweep, try_place, write_atomically
from alexnet_edu.train.learner import Learner, autocast, learner_for
from alexnet_edu.train.network import fold, freeze, logits_difference, save_export, start_weights
from alexnet_edu.train.pictures import (
    EpochOrder,
    Pictures,
    batches_of,
    joined,
    loader,
    named,
    seed_from,
    workers_that_fit,
)
from alexnet_edu.train.place import Place
from alexnet_edu.train.recipes import Recipe
from alexnet_edu.train.settings import Settings
from alexnet_edu.variants import get_spec
from alexnet_edu.weights import Preprocess, load_pretrained

__all__ = ["Interrupted", "Material", "Trainer", "curves", "train", "trainer_for"]


class Interrupted(Exception):
    """Ctrl-C: everything is saved."""


@dataclass(frozen=True)
class Material:
    """The pictures of a training, and what happens to them.

    Attributes:
        train: to learn from, with the transform of single pictures.
        order: the batches of an epoch.
        val: to select on after each epoch, if there are any.
        augmentation: the transforms of batches and of pictures that are measured.
        categories: the classes' names.
    """

    train: Pictures
    order: EpochOrder
    val: Pictures | None
    augmentation: Augmentation
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Trainer:
    """Brings material and learner together, epoch after epoch.

    Attributes:
        settings: seed and recipe, and what a checkpoint must agree with.
        material: what is learned.
        learner: what learns; its weights change.
        progress: how far it is; moves on.
        place: device and processes.
        folder: of checkpoint, log and curves.
        workers: loader processes.
    """

    settings: Settings
    material: Material
    learner: Learner
    progress: Progress
    place: Place
    folder: Path
    workers: int = 0

    def run(self, *, save_every: float = 600.0) -> None:
        """Trains to the end, saving after each epoch and every ``save_every`` seconds.

        Raises:
            Interrupted: after Ctrl-C, once all is saved.
            AlexNetError: the loss is not a number, or a file can't be written.
        """
        batches = loader(self.material.train, self.material.order, self.workers)
        with stop_flag() as stop:
            while self.progress.epoch < self.settings.recipe.epochs:
                self.run_epoch(batches, stop, save_every)

    def run_epoch(self, batches: Any, stop: threading.Event, save_every: float) -> None:
        """The rest of one epoch, from ``progress.step`` on."""
        progress, order = self.progress, self.material.order
        order.epoch, order.first_step = progress.epoch, progress.step
        self.learner.parallel.train()
        began = saved = time.monotonic()
        seen_before = progress.sums[2].item()
        title, quiet = f"epoch {progress.epoch + 1}", None if self.place.first else True
        bar = tqdm(batches_of(batches), title, len(order), leave=False, disable=quiet)
        for x, labels, replaced in bar:
            progress.sums += self.train_step(x, labels, int(replaced.sum()))
            if not math.isfinite(progress.sums[0].item()):
                raise AlexNetError(
                    f"The loss is not a number in epoch {progress.epoch + 1}: choose a lower rate with --set lr=..."
                )
            bar.set_postfix(loss=f"{progress.sums[0] / progress.sums[2]:.3f}", refresh=False)
            progress.step += 1
            stopping, due = self._agreed(stop.is_set(), time.monotonic() - saved > save_every)
            if stopping or due:
                self.save()
                saved = time.monotonic()
            if stopping:
                raise Interrupted
        seconds = time.monotonic() - began
        self.end_epoch(seconds, (progress.sums[2].item() - seen_before) * self.place.world / max(seconds, 1e-9))

    def _agreed(self, stopping: bool, due: bool) -> tuple[bool, bool]:
        """All processes stop when one does, and save when the first one's clock says so."""
        asked = self.place.votes(torch.tensor([float(stopping), float(due and self.place.first)]))
        return bool(asked[0]), bool(asked[1])

    def train_step(self, x: Tensor, labels: Tensor, replaced: int) -> Tensor:
        """One batch: (N, 3, H, W) uint8 and (N,) labels in, an update made; what is added to ``sums`` out."""
        device, augmentation = self.place.device, self.material.augmentation
        torch.manual_seed(seed_from(self.settings.seed, self.progress.epoch, self.progress.step, self.place.rank))
        x, labels = augmentation.batch(x.to(device, non_blocking=True)), labels.to(device, non_blocking=True)
        x, targets = (x, labels) if augmentation.mixup is None else augmentation.mixup(x, labels)
        logits, loss = self.learner.step(x, targets)
        right = (logits.argmax(1) == labels).sum().item()
        return torch.tensor([loss * len(x), right, len(x), replaced], dtype=torch.float64)

    def end_epoch(self, seconds: float, pictures_per_second: float) -> None:
        """Measures, logs, changes the rate, saves."""
        progress, val = self.progress, self.material.val
        loss, right, seen, replaced = self.place.sum(progress.sums.clone()).tolist()
        line: dict[str, Any] = {"epoch": progress.epoch + 1, "loss": loss / seen, "train_top1": right / seen}
        line |= {"lr": self.learner.optimiser.param_groups[0]["lr"], "skipped": int(replaced)}
        line |= {"seconds": round(seconds, 2), "pictures_per_second": round(pictures_per_second, 1)}
        if val is not None:
            figures = self.evaluate(val, self.material.augmentation.prepare)
            line |= {f"val_{name}": figures[name]["value"] for name in ("top1", "top5", "mean_per_class")}
        self.learner.end_epoch(1 - line["val_top1"] if val is not None else line["loss"])
        progress.history.append(line)
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, torch.zeros_like(progress.sums)
        self.save()
        if self.place.first:
            print(json.dumps(line), flush=True)
            figure = curves(progress.history)
            write_atomically(self.folder / "curves.png", lambda path: figure.savefig(path, format="png"))

    def save(self) -> None:
        """Writes the checkpoint and the log."""
        checkpoint.save(self.folder, self.settings, self.learner, self.progress, self.place)

    def evaluate(self, pictures: Pictures, prepare: Prepare) -> dict[str, Any]:
        """``score_pictures`` of all pictures, each process classifying its share."""
        rows = range(self.place.rank, len(pictures), self.place.world)
        own = picture_probabilities(
            self.learner.best, pictures, prepare, workers=self.workers, rows=rows,
            autocast=autocast(self.settings.recipe, self.place.device), quiet=not self.place.first,
        )  # fmt: skip
        return score_pictures(pictures, self._gathered(own, len(pictures)), self.material.categories)

    def _gathered(self, own: Answers, pictures: int) -> Answers:
        """The answers of all processes: each fills in its rows, with a mark in the last column."""
        table = torch.zeros(pictures, len(self.material.categories) + 1)
        if own.rows:
            table[own.rows] = torch.cat([own.probabilities, torch.ones(len(own.rows), 1)], 1)
        table = self.place.sum(table)
        read = table[:, -1] > 0
        return Answers(table[read, :-1], read.nonzero()[:, 0].tolist(), (~read).nonzero()[:, 0].tolist())


def trainer_for(settings: Settings, data: Data, place: Place, folder: Path, workers: int = 0) -> Trainer:
    """The trainer that ``settings`` describe, at the point where the checkpoint in ``folder`` left it.

    Args:
        settings: what to train, and how.
        data: opened as ``settings`` say.
        place: device and processes.
        folder: of the run.
        workers: loader processes.
    """
    recipe, s = settings.recipe, settings
    model, preprocess = initial_network(s, data.categories)
    chosen = joined(data.train, data.val) if s.train_on == "train+val" else data.train
    order = EpochOrder(chosen.labels, recipe.batch_size, recipe.class_power, s.seed, place.rank, place.world)
    if recipe.batch_norm and recipe.batch_size < 2 * place.world:
        raise AlexNetError(f"Batch norm needs at least 2 pictures per process: --set batch_size={2 * place.world}.")
    pictures = chosen.cached()
    _tell_unreadable(pictures, place)
    val = data.val.cached() if s.train_on == "train" and len(data.val) else None
    workers = workers_that_fit(
        workers, _largest_batch(recipe, preprocess, place), processes=place.processes, quiet=not place.first,
        cached_bytes=pictures.cached_bytes + (val.cached_bytes if val else 0),
    )  # fmt: skip
    kept = statistics_for(s, pictures, folder / "statistics.pt", place, workers) if needs_statistics(recipe) else None
    augmentation = augmentation_for(recipe, preprocess, len(data.categories), kept)
    transformed = replace(pictures, transform=augmentation.picture)
    material = Material(transformed, order, val, augmentation, data.categories)
    learner = learner_for(model, recipe, order.steps, place)
    progress = checkpoint.resume(folder, s, learner, place)
    return Trainer(s, material, learner, progress, place, folder, workers)


def _largest_batch(recipe: Recipe, preprocess: Preprocess, place: Place) -> int:
    """Bytes of the largest batch that a loader process hands over, in training or when measuring."""
    side = SIDE if recipe.crop == "2012" else preprocess.size
    return max(3 * side**2 * recipe.batch_size // place.world, batch_bytes(Prepare(preprocess, ten=True)))


def initial_network(settings: Settings, categories: tuple[str, ...]) -> tuple[AlexNet, Preprocess]:
    """The network before its first step, and what it expects of a picture."""
    torch.manual_seed(seed_from(settings.seed))
    if settings.init is not None:
        return _from_weights(settings, settings.init, categories)
    model = get_model(settings.model, num_classes=len(categories))
    start_weights(model, settings.recipe)
    return model, Preprocess(size=model.spec.input_size)


def _from_weights(settings: Settings, init: str, categories: tuple[str, ...]) -> tuple[AlexNet, Preprocess]:
    pretrained = load_pretrained(init, head=categories)
    model = pretrained.model
    if model.spec.name != settings.model:
        raise AlexNetError(f"The weights {init} are of the network {model.spec.name}, not {settings.model}.")
    if settings.freeze_to is not None:
        freeze(model, settings.freeze_to)
    return model, pretrained.preprocess


def _tell_unreadable(pictures: Pictures, place: Place) -> None:
    rows = pictures.unreadable()
    if rows and place.first:
        more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
        print(
            f"{len(rows)} training pictures cannot be read, each is replaced by the next one: "
            f"{', '.join(named(pictures, rows))}{more}.",
            file=sys.stderr,
        )


def curves(history: list[dict[str, Any]]) -> Figure:
    """The learning curves of a run, from the lines of its ``log.jsonl``."""
    names = {"train_top1": "training, augmented", "val_top1": "validation"}
    errors = {name: [1 - line[key] for line in history] for key, name in names.items() if key in history[-1]}
    losses = {names["train_top1"]: [line["loss"] for line in history]}
    return learning_curve([line["epoch"] for line in history], losses, errors)


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


def train(settings: Settings, out: Path, *, device: str = "auto", towers: bool = False, workers: int = 0,
          save_every: float = 600.0, export: Path | None = None, half: bool = False) -> dict[str, Any]:  # fmt: skip
    """Trains, or goes on training, and measures the test pictures once at the end.

    Args:
        settings: what to train, and how.
        out: folder of checkpoint, ``log.jsonl``, ``curves.png`` and ``result.json``; for one training at a time.
        device: "auto", "cpu", "cuda" or "mps".
        towers: the processes of ``torchrun`` hold a tower of the network each, not a share of the pictures.
        workers: loader processes; fewer where shared memory has no room for them.
        save_every: seconds between checkpoints within an epoch.
        export: where the plain weights go, a .safetensors file.
        half: export them in half precision.

    Returns:
        the figures of ``score_pictures`` of the test pictures, with one crop and with ten.

    Raises:
        Interrupted: after Ctrl-C, once all is saved.
        AlexNetError: settings, data or a place to write to are not in order; most of it before training begins.
    """
    if workers < 0 or not 0 <= save_every < math.inf:
        raise AlexNetError(f"workers and save_every must be at least 0, not {workers} and {save_every}.")
    if export is not None and export.suffix != ".safetensors":
        raise AlexNetError(f"{export} must end in .safetensors, the format that it is written in.")
    with Place.find(device, towers=towers) as place, _own_places(out, export, place):
        _make_reproducible(place)
        data = open_data(settings.data, settings.root, split=settings.split, seed=settings.seed)
        if data.ignored and place.first:
            print(data.ignored_sentence(), file=sys.stderr)
        trainer = trainer_for(settings, data, place, out, workers)
        trainer.run(save_every=save_every)
        return _finish(trainer, data.test, export, half=half)


@contextmanager
def _own_places(out: Path, export: Path | None, place: Place) -> Iterator[None]:
    """The folder of the run for this training alone, and the trial whether the export can be written."""
    with only_writer(out, checkpoint.RUN_FILES) if place.first else nullcontext():
        if export is not None and place.first:
            try_place(export)
            sweep(export.parent, [export.name])
        yield


def _make_reproducible(place: Place) -> None:
    if place.device.type == "cuda":  # the same weights each time; slower kernels where there are two kinds
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True, warn_only=True)


def _finish(trainer: Trainer, test: Pictures, export: Path | None, *, half: bool) -> dict[str, Any]:
    """Measures the test pictures, exports, and writes the result."""
    prepare = trainer.material.augmentation.prepare
    views = {"one_crop": prepare, "ten_crops": replace(prepare, ten=True)}
    result: dict[str, Any] = {name: trainer.evaluate(test, view) for name, view in views.items()}
    best = None
    if export is not None:
        best = trainer.learner.whole(lambda: initial_network(trainer.settings, trainer.material.categories)[0])
    if trainer.place.first:
        if export is not None and best is not None:
            result["export_difference"] = export_network(trainer, best, test, export, half=half)
        text = json.dumps(result, indent=1) + "\n"
        write_atomically(trainer.folder / "result.json", lambda path: path.write_text(text, encoding="utf-8"))
    return result


def export_network(trainer: Trainer, best: nn.Module, test: Pictures, path: Path, *, half: bool) -> dict[str, float]:
    """Writes the plain network; tells how far it is from the trained one on some pictures.

    A network trained with a mean image is exported with its mean per channel, which is all that
    ``load_pretrained`` subtracts; the difference then includes that too.
    """
    prepare = trainer.material.augmentation.prepare
    spec = get_spec(trainer.settings.model).with_classes(len(trainer.material.categories))
    plain = fold(copy.deepcopy(best).cpu(), spec)
    shown = prepare.preprocess
    if prepare.mean_image is not None:
        shown = replace(shown, mean=tuple((prepare.mean_image.mean((1, 2)) / 255).tolist()))
    some = _spread(test, 32)
    batches = [view.normalised(torch.stack([view.crops(p) for p in some])) for view in (prepare, Prepare(shown))]
    difference = logits_difference(best, plain, *batches)
    training = {**trainer.settings.identity(), "export_difference": difference, "torch": torch.__version__}
    save_export(path, plain, trainer.material.categories, shown, training, half=half)
    return difference


def _spread(pictures: Pictures, number: int) -> list[Tensor]:
    """About ``number`` readable pictures from all over the list."""
    rows = range(0, len(pictures), max(1, len(pictures) // number))
    readable = (p for p in map(pictures.attempt, chain(rows, range(len(pictures)))) if p is not None)
    return list(islice(readable, len(rows)))
