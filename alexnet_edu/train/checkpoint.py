"""A training on disk: how far it is, and everything that its rest depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.files import write_atomically
from alexnet_edu.train.learner import Learner
from alexnet_edu.train.place import Place
from alexnet_edu.train.settings import Settings

__all__ = ["RUN_FILES", "Progress", "resume", "save"]

RUN_FILES = ("checkpoint.pt", "statistics.pt", "log.jsonl", "curves.png", "result.json")
_SUMS = 4  # loss, right, seen, replaced


@dataclass
class Progress:
    """How far a training is; it moves on with each step.

    Attributes:
        epoch: how many are done.
        step: batches done in this one.
        history: a line of the log per epoch.
        sums: of this process over this epoch: loss, right answers, pictures seen and pictures replaced.
    """

    epoch: int = 0
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: Tensor = field(default_factory=lambda: torch.zeros(_SUMS, dtype=torch.float64))


def save(folder: Path, settings: Settings, learner: Learner, progress: Progress, place: Place) -> None:
    """Writes the checkpoint, then the log, which the checkpoint's history is the source of.

    Every process calls it, since each holds sums or a tower of its own; the first writes. Random numbers need no
    saving: they depend on seed, epoch and step alone.
    """
    sums, learned = place.each(progress.sums), learner.state()
    if not place.first:
        return
    values = {"epoch": progress.epoch, "step": progress.step, "history": progress.history, "sums": sums}
    state = learned | values | {"settings": settings.identity()}
    write_atomically(folder / "checkpoint.pt", lambda path: torch.save(state, path))
    lines = "".join(json.dumps(line) + "\n" for line in progress.history)
    write_atomically(folder / "log.jsonl", lambda path: path.write_text(lines, encoding="utf-8"))


def resume(folder: Path, settings: Settings, learner: Learner, place: Place) -> Progress:
    """Goes on from the checkpoint in ``folder``, if there is one; else from the start.

    Raises:
        AlexNetError: it belongs to a training with other settings (the sentence says which), or is damaged.
    """
    path = folder / "checkpoint.pt"
    if not path.exists():
        return Progress()
    # A file that is damaged or something else fails in nearly any way: in torch.load, or where its parts are used.
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, Mapping):
            raise TypeError(f"A {type(state).__name__} is no checkpoint.")
        other = settings.differences(state["settings"])
        if not other:
            learner.load(state)
            return _progress(state, place)
    except Exception as error:
        raise AlexNetError(
            f"{path} is damaged or no checkpoint of this program; delete it to start again, or choose another --out."
        ) from error
    more = f" and {len(other) - 5} more" if len(other) > 5 else ""
    raise AlexNetError(
        f"{path} belongs to a training with other settings ({'; '.join(other[:5])}{more}); choose another --out."
    )


def _progress(state: Mapping[str, Any], place: Place) -> Progress:
    epoch, step, history = int(state["epoch"]), int(state["step"]), list(state["history"])
    if epoch < 0 or step < 0 or len(history) != epoch:
        raise ValueError("The log does not fit the epoch.")
    for line in history:
        json.dumps([line["epoch"] + 0, line["loss"] + 0, line["train_top1"] + 0])
    return Progress(epoch, step, history, _own_sums(state["sums"], place))


def _own_sums(saved: Tensor, place: Place) -> Tensor:
    """This process's row; with another number of processes than before, the first takes everything."""
    rows = saved.double().reshape(-1, _SUMS)
    if len(rows) == place.world:
        return rows[place.rank].clone()
    return rows.sum(0) if place.rank == 0 else torch.zeros(_SUMS, dtype=torch.float64)
