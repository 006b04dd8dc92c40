"""What decides the result of a training, and what may be chosen; needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.recipes import Recipe

__all__ = ["DATA_SETS", "DEVICES", "LARGEST_SEED", "PARTS", "SPLITS", "TRAIN_ON", "Settings"]

DATA_SETS = ("caltech101", "cifar10", "imagenet", "folder")
SPLITS = ("committed", "standard30")
PARTS = ("train", "val", "test")
TRAIN_ON = ("train", "train+val")
DEVICES = ("auto", "cpu", "cuda", "mps")
LARGEST_SEED = 2**63 - 1  # PyTorch's


@dataclass(frozen=True)
class Settings:
    """What decides the result of a training; a checkpoint goes on only with the same.

    Attributes:
        data, root, split: see ``open_data``.
        model: a name from ``list_models()``.
        recipe: how to train.
        seed: fixes every random choice.
        train_on: "train", or "train+val" once every choice is made.
        init: weights to start from, "small", "imagenet" or a file; the last layer is new. ``None``: random weights.
        freeze_to: with ``init``, the last layer whose weights stay as they are; those before it stay, too.

    Raises:
        AlexNetError: the seed is negative or too large, ``train_on`` is something else, or the recipe would undo
            what ``init`` gives.
    """

    data: str
    root: str
    model: str
    recipe: Recipe
    split: str = "committed"
    seed: int = 0
    train_on: str = "train"
    init: str | None = None
    freeze_to: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise AlexNetError(f"The seed must be a whole number from 0 to {LARGEST_SEED}, not {self.seed}.")
        if self.train_on not in TRAIN_ON:
            raise AlexNetError(f"train_on must be one of {', '.join(TRAIN_ON)}, not {self.train_on!r}.")
        if self.init is None and self.freeze_to is not None:
            raise AlexNetError("Layers can be frozen only with weights to start from: add --init.")
        if self.init is not None and (undone := self._undone()):
            raise AlexNetError(
                f"The recipe {self.recipe.name} would undo the weights of --init ({', '.join(undone)}); "
                "use --recipe transfer."
            )

    def _undone(self) -> list[str]:
        """The fields of the recipe that make another start, or another kind of input, than trained weights need."""
        recipe = self.recipe
        fresh = {"start": recipe.start != "spec", "pixels": recipe.pixels != "imagenet"}
        drawn = ("conv1_std", "conv345_std", "whitening", "batch_norm")
        return [name for name, is_undone in (fresh | {n: bool(getattr(recipe, n)) for n in drawn}).items() if is_undone]

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with to be gone on with; the data may have moved."""
        return asdict(self) | {"root": "", "init": self.init and Path(self.init).name}

    def differences(self, saved: Mapping[str, Any]) -> list[str]:
        """How the identity of a checkpoint differs, a phrase per setting: ``seed 0, not 1``.

        A setting that an older checkpoint does not know had what is today's default.
        """
        own, defaults = self.identity(), _defaults(type(self))
        recipe = own.pop("recipe")
        before = defaults | {name: value for name, value in saved.items() if name != "recipe"}
        before_recipe = _defaults(Recipe) | dict(saved["recipe"])
        return [*_phrases(before, own), *_phrases(before_recipe, recipe)]


def _defaults(kind: Any) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind) if field.default is not MISSING}


def _phrases(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"{name} {before.get(name)}, not {now.get(name)}"
