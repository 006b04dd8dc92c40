"""Data sets: which pictures train, which select, which test."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import CIFAR10

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.pictures import Pictures
from alexnet_edu.train.settings import DATA_SETS, SPLITS

__all__ = ["Data", "cifar10_tensors", "open_data"]

LISTS = Path(__file__).parents[1] / "assets" / "splits"
NAMED_ONLY = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF")  # Pillow knows these formats by name and cannot read them


@dataclass(frozen=True)
class Data:
    """A data set: what trains, what selects (``val``) and what is only measured at the end (``test``).

    Attributes:
        categories: the classes' names, in the order of their numbers.
        note: which pictures these are, where a name leaves that open.
        ignored: hidden files and folders, and files that are no pictures by their names.
    """

    categories: tuple[str, ...]
    train: Pictures
    val: Pictures
    test: Pictures
    note: str
    ignored: tuple[Path, ...] = ()

    def ignored_sentence(self) -> str:
        """What was left out, by kind: ``Ignored: 2 hidden, 1 .txt.`` Empty if nothing was."""
        kinds = Counter(map(_why_ignored, self.ignored))
        return f"Ignored: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}." if kinds else ""


def _why_ignored(path: Path) -> str:
    if path.name.startswith("."):
        return "hidden"
    if path.suffix.lower() in _extensions():
        return "outside the folders of classes"
    return path.suffix.lower() or "without an extension"


def open_data(name: str, root: str | Path, *, split: str = "committed", seed: int = 0) -> Data:
    """Opens a data set that is already on this machine.

    Args:
        name: "caltech101", "cifar10", or "imagenet" and "folder" (the same: ``train/<class>/*.jpg``,
            ``val/<class>/*.jpg`` and, if present, ``test``; without it val is the test set and a tenth of train
            selects). Every format that ``load_image`` reads counts; hidden folders and files never do.
        root: the folder; torchvision's layouts are understood.
        split: for Caltech-101, "committed" (the lists in the package) or "standard30" (30 training pictures
            per class, at most 50 test pictures, drawn with ``seed``).
        seed: draws held-out parts where no list is committed.

    Raises:
        AlexNetError: the name is unknown, the folder is wrong, a class is empty, or there is only one.
    """
    root = Path(root).expanduser()
    if name not in DATA_SETS:
        raise AlexNetError(f"There is no data set {name!r}; choose one of {', '.join(DATA_SETS)}.")
    if not root.is_dir():
        raise AlexNetError(f"{root} is not a folder; give the folder of {name} with --root.")
    if name == "caltech101":
        return _caltech101(root, split, seed)
    if split != "committed":
        raise AlexNetError(f"The split {split!r} is one of caltech101; leave it out for {name}.")
    return _cifar10(root, seed) if name == "cifar10" else _folders(root, seed)


def _caltech101(root: Path, split: str, seed: int) -> Data:
    candidates = (root, root / "101_ObjectCategories", root / "caltech101" / "101_ObjectCategories")
    folder = next((path for path in candidates if (path / "accordion").is_dir()), None)
    if folder is None:
        raise AlexNetError(f"{root} holds no Caltech-101: give the folder that contains 101_ObjectCategories.")
    lists = {part: (LISTS / f"caltech101_{part}.txt").read_text().split() for part in ("train", "val", "test")}
    categories = tuple(sorted({name.split("/")[0] for name in lists["train"]}))
    if split == "standard30":
        lists = _thirty_per_class(sorted(chain.from_iterable(lists.values())), categories, seed)
    elif split not in SPLITS:
        raise AlexNetError(f"There is no split {split!r}; choose {' or '.join(SPLITS)}.")
    number = {category: i for i, category in enumerate(categories)}
    parts: dict[str, Any] = {}
    for part, names in lists.items():
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise AlexNetError(
                f"{folder} lacks {len(missing)} of {len(names)} {part} pictures, such as {missing[0]}: unpack it again."
            )
        parts[part] = Pictures([folder / name for name in names], [number[name.split("/")[0]] for name in names])
    note = "committed lists" if split == "committed" else f"30 training, at most 50 test pictures per class, {seed=}"
    return Data(categories, **parts, note=note)


def _thirty_per_class(names: list[str], categories: tuple[str, ...], seed: int) -> dict[str, list[str]]:
    """The standard protocol. Faces and Faces_easy show the same photographs, so they share one draw."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for category in categories:
        own = [name for name in names if name.split("/")[0] == category]
        random.Random(f"{seed} {category.removesuffix('_easy')}").shuffle(own)
        lists["train"] += own[:30]
        lists["test"] += own[30:80]
    return lists


def _folders(root: Path, seed: int) -> Data:
    if not (root / "train").is_dir():
        raise AlexNetError(
            f"{root} has no folder train with one folder of pictures per class: give the folder that contains train."
        )
    parts = {part: _Part.read(root / part) for part in ("train", "val", "test") if (root / part).is_dir()}
    if len(parts) == 1:
        raise AlexNetError(f"{root} has neither val nor test: put held-out pictures there, one folder per class.")
    categories = parts["train"].categories
    if len(categories) < 2:
        raise AlexNetError(
            f"{root / 'train'} has only one class, {categories[0]}: each class needs its own folder in train and val."
        )
    for part in parts.values():
        if part.categories != categories:
            different = ", ".join(sorted({*categories} ^ {*part.categories}))
            raise AlexNetError(f"{part.folder} and {root / 'train'} need the same classes; only one has {different}.")
    ignored = tuple(chain.from_iterable(part.ignored for part in parts.values()))
    train = parts["train"].pictures
    if len(parts) == 3:
        return Data(categories, train, parts["val"].pictures, parts["test"].pictures, "folders", ignored)
    tested = parts.get("test") or parts["val"]
    return Data(categories, *_hold_out(train, seed), tested.pictures, "folders", ignored)


@dataclass(frozen=True)
class _Part:
    """A folder with one folder per class."""

    folder: Path
    categories: tuple[str, ...]
    pictures: Pictures
    ignored: list[Path]

    @classmethod
    def read(cls, folder: Path) -> _Part:
        """Lists the pictures, class by class, in the order of their paths."""
        classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        ignored = sorted(set(folder.iterdir()) - set(classes))
        extensions = _extensions()
        sources: list[Path] = []
        labels: list[int] = []
        for number, place in enumerate(classes):
            files = list(_files(place))
            own = [path for path in files if not path.name.startswith(".") and path.suffix.lower() in extensions]
            ignored += sorted(set(files) - set(own))
            sources += own
            labels += [number] * len(own)
        filled = set(labels)
        empty = [place.name for number, place in enumerate(classes) if number not in filled]
        if empty or not classes:
            reason = f"there are none for {', '.join(empty[:10])}" if empty else "it has no folders"
            raise AlexNetError(f"{folder} needs one folder per class with pictures in each: {reason}.")
        return cls(folder, tuple(place.name for place in classes), Pictures(sources, labels), ignored)


def _files(folder: Path) -> Iterator[Path]:
    """All files below ``folder``, sorted; a hidden folder stands for what is in it."""
    for place, folders, names in sorted(os.walk(folder, followlinks=True)):
        hidden = [name for name in folders if name.startswith(".")]
        if not any(part.startswith(".") for part in Path(place).relative_to(folder).parts):
            yield from (Path(place) / name for name in sorted(names + hidden))


def _extensions() -> set[str]:
    """The extensions of every format that Pillow reads, and so ``load_image``."""
    registered = Image.registered_extensions().items()
    return {extension for extension, kind in registered if kind in Image.OPEN and kind not in NAMED_ONLY}


def _cifar10(root: Path, seed: int) -> Data:
    train, test, categories, note = _cifar10_pictures(root)
    return Data(categories, *_hold_out(train, seed), test, note)


def _cifar10_pictures(root: Path) -> tuple[Pictures, Pictures, tuple[str, ...], str]:
    """The training and the test pictures, from folders of JPEG files or torchvision's own files."""
    if (root / "train").is_dir() and (root / "test").is_dir():
        parts = [_Part.read(root / part) for part in ("train", "test")]
        return parts[0].pictures, parts[1].pictures, parts[0].categories, "JPEG-compressed pictures, slightly lossy"
    try:
        sets = [CIFAR10(str(root), train=train) for train in (True, False)]
    except RuntimeError:
        raise AlexNetError(
            f"{root} holds no CIFAR-10: give a folder with train/<class>/*.jpg and test, or with cifar-10-batches-py."
        ) from None
    train, test = (Pictures(list(torch.from_numpy(s.data).permute(0, 3, 1, 2)), s.targets) for s in sets)
    return train, test, tuple(sets[0].classes), "original pictures"


def cifar10_tensors(root: str | Path) -> tuple[Tensor, Tensor, str]:
    """All 50,000 training pictures: uint8 (50000, 3, 32, 32), labels (50000,), and how they are stored."""
    train, _, _, note = _cifar10_pictures(Path(root))
    images = torch.stack([train.picture(i) for i in range(len(train))])
    return images, torch.tensor(train.labels), f"CIFAR-10 training set, {note}"


def _hold_out(pictures: Pictures, seed: int, share: float = 0.1) -> tuple[Pictures, Pictures]:
    order = list(range(len(pictures)))
    random.Random(seed).shuffle(order)
    cut = round(len(order) * share)
    return _some(pictures, order[cut:]), _some(pictures, order[:cut])


def _some(pictures: Pictures, rows: list[int]) -> Pictures:
    return Pictures([pictures.sources[i] for i in sorted(rows)], [pictures.labels[i] for i in sorted(rows)])
