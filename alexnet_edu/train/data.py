"""Data sets: which pictures train, which select, which test; decoding, caching and the order of an epoch."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.datasets import CIFAR10, ImageFolder
from torchvision.transforms.v2.functional import pil_to_tensor

from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.images import load_image

__all__ = ["Data", "EpochOrder", "Pictures", "cifar10_tensors", "joined", "loader", "open_data", "seed_from"]

DATA_SETS = ("caltech101", "cifar10", "imagenet", "folder")
SPLITS = Path(__file__).parents[1] / "assets" / "splits"
CACHE_BYTES = 4 << 30
Key = tuple[int, int]


def seed_from(*numbers: int) -> int:
    """One seed from several numbers (seed, epoch, step ...), well mixed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1


def _unchanged(picture: Tensor) -> Tensor:
    return picture


@dataclass
class Pictures(Dataset[tuple[Tensor, int, int]]):
    """A list of pictures with their class numbers, as ``(uint8 tensor (3, H, W), label, pictures skipped)``.

    A picture that cannot be read is replaced by the next one that can, and counted.

    Attributes:
        sources: a path or a decoded picture each.
        labels: a class number each.
        transform: applied to each picture with its own random seed, so that the result depends neither on the
            number of loader processes nor on where a run was resumed.
    """

    sources: Sequence[Path | Tensor]
    labels: list[int]
    transform: Callable[[Tensor], Tensor] = _unchanged
    _decoded: list[Tensor | None] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def picture(self, index: int) -> Tensor:
        """The decoded picture, uint8 (3, H, W).

        Raises:
            ImageError: it cannot be read.
        """
        source = self.sources[index] if self._decoded is None else self._decoded[index]
        if source is None:
            raise ImageError(f"{self.sources[index]} is not a readable picture.")
        return source if isinstance(source, Tensor) else pil_to_tensor(load_image(source))

    def __getitem__(self, key: Key) -> tuple[Tensor, int, int]:
        seed, index = key
        picture, skipped = self._try(index), 0
        while picture is None:
            index, skipped = (index + 1) % len(self), skipped + 1
            if skipped == len(self):
                raise ImageError(f"None of the {skipped} pictures can be read.")
            picture = self._try(index)
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(seed)
        picture = self.transform(picture)
        torch.default_generator.set_state(before)
        return picture, self.labels[index], skipped

    def cached(self) -> Pictures:
        """The same with every picture decoded into memory, or itself where that takes more than 4 GiB."""
        side_bytes = [len(self) * p.nelement() for p in map(self._try, range(min(3, len(self)))) if p is not None]
        if max(side_bytes, default=0) > CACHE_BYTES or isinstance(self.sources[0], Tensor):
            return self
        with ThreadPoolExecutor() as pool:
            decoded = list(pool.map(self._try, range(len(self))))
        # One block of memory: loader processes get it as one piece where they do not inherit it.
        block = torch.cat([p.flatten() for p in decoded if p is not None] or [torch.empty(0, dtype=torch.uint8)])
        parts = iter(torch.split(block, [p.nelement() for p in decoded if p is not None]))
        views = [None if p is None else next(parts).view(p.shape) for p in decoded]
        return replace(self, _decoded=views)

    def _try(self, index: int) -> Tensor | None:
        try:
            return self.picture(index)
        except ImageError:
            return None


@dataclass(frozen=True)
class Data:
    """A data set: what trains, what selects (``val``) and what is only measured at the end (``test``)."""

    categories: tuple[str, ...]
    train: Pictures
    val: Pictures
    test: Pictures
    note: str


def open_data(name: str, root: str | Path, *, split: str = "committed", seed: int = 0) -> Data:
    """Opens a data set that is already on this machine.

    Args:
        name: "caltech101", "cifar10", or "imagenet" and "folder" (the same: ``train/<class>/*.jpg``,
            ``val/<class>/*.jpg`` and, if present, ``test``; without it val is the test set and a tenth of train
            selects).
        root: the folder; torchvision's layouts are understood.
        split: for Caltech-101, "committed" (the lists in the package) or "standard30" (30 training pictures
            a class, at most 50 test pictures, drawn with ``seed``).
        seed: draws held-out parts where no list is committed.

    Raises:
        AlexNetError: the name is unknown, the folder is wrong, or a class is empty.
    """
    root = Path(root)
    if name not in DATA_SETS:
        raise AlexNetError(f"There is no data set {name!r}; choose one of {', '.join(DATA_SETS)}.")
    if not root.is_dir():
        raise AlexNetError(f"{root} is not a folder; give the folder of {name} with --root.")
    if name == "caltech101":
        return _caltech101(root, split, seed)
    if split != "committed":
        raise AlexNetError(f"The split {split!r} is one of caltech101; leave it out for {name}.")
    if name == "cifar10":
        train, test, categories, note = _cifar10(root)
        return Data(categories, *_hold_out(train, seed), test, note)
    return _folders(root, seed)


def _caltech101(root: Path, split: str, seed: int) -> Data:
    candidates = (root, root / "101_ObjectCategories", root / "caltech101" / "101_ObjectCategories")
    folder = next((path for path in candidates if (path / "accordion").is_dir()), None)
    if folder is None:
        raise AlexNetError(f"{root} holds no Caltech-101: give the folder that contains 101_ObjectCategories.")
    lists = {part: (SPLITS / f"caltech101_{part}.txt").read_text().split() for part in ("train", "val", "test")}
    categories = tuple(sorted({name.split("/")[0] for name in lists["train"]}))
    if split == "standard30":
        lists = _thirty_a_class(sorted(chain.from_iterable(lists.values())), categories, seed)
    elif split != "committed":
        raise AlexNetError(f"There is no split {split!r}; choose committed or standard30.")
    number = {category: i for i, category in enumerate(categories)}
    parts = {}
    for part, names in lists.items():
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise AlexNetError(
                f"{folder} lacks {len(missing)} of {len(names)} {part} pictures, such as {missing[0]}: unpack it again."
            )
        parts[part] = Pictures([folder / name for name in names], [number[name.split("/")[0]] for name in names])
    note = "committed lists" if split == "committed" else f"30 training, at most 50 test pictures a class, {seed=}"
    return Data(categories, **parts, note=note)


def _thirty_a_class(names: list[str], categories: tuple[str, ...], seed: int) -> dict[str, list[str]]:
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
        raise AlexNetError(f"{root} has no folder train with one folder of pictures a class; choose its parent.")
    train, categories = _folder(root / "train")
    tested = next((root / part for part in ("test", "val") if (root / part).is_dir()), None)
    if tested is None:
        raise AlexNetError(f"{root} has neither val nor test: put held-out pictures there, one folder a class.")
    test, test_categories = _folder(tested)
    if test_categories != categories:
        different = ", ".join(sorted(set(categories) ^ set(test_categories)))
        raise AlexNetError(f"{tested} and {root / 'train'} need the same classes; only one has {different}.")
    if tested.name == "test" and (root / "val").is_dir():
        return Data(categories, train, _folder(root / "val")[0], test, "folders")
    return Data(categories, *_hold_out(train, seed), test, "folders")


def _folder(folder: Path) -> tuple[Pictures, tuple[str, ...]]:
    try:
        found = ImageFolder(str(folder))
    except FileNotFoundError as error:
        reason = str(error).split(". ")[0]
        raise AlexNetError(f"{folder} needs one folder a class with pictures in each: {reason}.") from None
    return Pictures([Path(path) for path, _ in found.samples], list(found.targets)), tuple(found.classes)


def _cifar10(root: Path) -> tuple[Pictures, Pictures, tuple[str, ...], str]:
    """The training and the test pictures, from folders of JPEG files or torchvision's own files."""
    if (root / "train").is_dir() and (root / "test").is_dir():
        train, categories = _folder(root / "train")
        return train, _folder(root / "test")[0], categories, "JPEG-compressed pictures, slightly lossy"
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
    train, _, _, note = _cifar10(Path(root))
    images = torch.stack([train.picture(i) for i in range(len(train))])
    return images, torch.tensor(train.labels), f"CIFAR-10 training set, {note}"


def _hold_out(pictures: Pictures, seed: int, share: float = 0.1) -> tuple[Pictures, Pictures]:
    order = list(range(len(pictures)))
    random.Random(seed).shuffle(order)
    cut = round(len(order) * share)
    return _part(pictures, order[cut:]), _part(pictures, order[:cut])


def _part(pictures: Pictures, rows: list[int]) -> Pictures:
    return Pictures([pictures.sources[i] for i in sorted(rows)], [pictures.labels[i] for i in sorted(rows)])


def joined(*parts: Pictures) -> Pictures:
    """Several lists as one."""
    return Pictures([s for part in parts for s in part.sources], [n for part in parts for n in part.labels])


class EpochOrder(Sampler[list[Key]]):
    """The batches of one epoch for one process: ``(seed, index)`` pairs that depend on seed and epoch alone.

    With P processes each gets every P-th picture of a global batch, so that together they see the batches
    that one process would see, each picture cut and turned in the same way.

    Args:
        labels: a class number for each picture.
        batch_size: pictures in a global batch.
        class_power: 0 gives each picture once; above, pictures are drawn with replacement with a chance of
            (pictures in their class) ** -class_power: 0.5 evens classes out half way, 1 entirely.
        seed: of the run.
        rank: this process.
        world: how many processes.

    Raises:
        AlexNetError: there are fewer pictures than a batch needs, or processes can't share a batch evenly.
    """

    def __init__(
        self, labels: list[int], batch_size: int, class_power: float = 0.0, seed: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        if len(labels) < batch_size:
            raise AlexNetError(
                f"{len(labels)} pictures don't fill a batch of {batch_size}; try --set batch_size={len(labels)}."
            )
        if batch_size % world:
            raise AlexNetError(f"A batch of {batch_size} can't be shared evenly by {world} processes.")
        counts = torch.bincount(torch.tensor(labels)).double()
        self.chances = counts[labels] ** -class_power if class_power else None
        self.steps, self.batch_size = len(labels) // batch_size, batch_size
        self.pictures, self.seed, self.rank, self.world = len(labels), seed, rank, world
        self.epoch = self.first_step = 0

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self) -> Iterator[list[Key]]:
        generator = torch.Generator().manual_seed(seed_from(self.seed, self.epoch))
        if self.chances is None:
            order = torch.randperm(self.pictures, generator=generator)
        else:
            order = torch.multinomial(self.chances, self.steps * self.batch_size, replacement=True, generator=generator)
        for step in range(self.first_step, self.steps):
            places = range(step * self.batch_size + self.rank, (step + 1) * self.batch_size, self.world)
            yield [(seed_from(self.seed, self.epoch, place), int(order[place])) for place in places]


def loader(
    pictures: Pictures, batches: Sampler[list[Key]] | list[list[Key]], workers: int
) -> DataLoader[tuple[Tensor, int, int]]:
    """Batches ``(pictures uint8, labels, skipped)``, decoded and cut by ``workers`` processes (0: this one)."""
    return DataLoader(
        pictures,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0 and isinstance(batches, EpochOrder),
        worker_init_fn=_quiet_worker,
    )


def _quiet_worker(_: int) -> None:
    """Ctrl-C is for the training process, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
