"""Lists of pictures with class numbers: decoding, caching, the order of an epoch and the batches of a loader."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms.v2.functional import pil_to_tensor

from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.images import load_image

__all__ = ["EpochOrder", "Pictures", "batches_of", "joined", "loader", "named", "seed_from", "workers_that_fit"]

CACHE_BYTES = 4 << 30
SHARED_MEMORY = Path("/dev/shm")
PREFETCH = 2  # batches that each loader process makes in advance: PyTorch's own number
Key = tuple[int, int]


def seed_from(*numbers: int) -> int:
    """One seed from several numbers (seed, epoch, step ...), well mixed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1


def _unchanged(picture: Tensor) -> Tensor:
    return picture


@dataclass(frozen=True, eq=False)
class Pictures(Dataset[tuple[Tensor, int, bool]]):
    """A list of pictures with their class numbers, to train on: ``(uint8 tensor (3, H, W), label, replaced)``.

    A picture that cannot be read is replaced by the next one that can, with that one's label. To measure, take
    ``attempt``, which replaces nothing.

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

    def attempt(self, index: int) -> Tensor | None:
        """The decoded picture, or ``None`` if it cannot be read."""
        try:
            return self.picture(index)
        except ImageError:
            return None

    def __getitem__(self, key: Key) -> tuple[Tensor, int, bool]:
        seed, asked = key
        for index in chain(range(asked, len(self)), range(asked)):
            picture = self.attempt(index)
            if picture is not None:
                return self._transformed(picture, seed), self.labels[index], index != asked
        raise ImageError(f"None of the {len(self)} pictures can be read.")

    def _transformed(self, picture: Tensor, seed: int) -> Tensor:
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(seed)
        picture = self.transform(picture)
        torch.default_generator.set_state(before)
        return picture

    def cached(self) -> Pictures:
        """The same with every picture decoded into memory, or itself where that takes more than 4 GiB."""
        if len(self) == 0 or isinstance(self.sources[0], Tensor):
            return self
        first = [picture for picture in map(self.attempt, range(min(3, len(self)))) if picture is not None]
        if len(self) * max((picture.nelement() for picture in first), default=0) > CACHE_BYTES:
            return self
        with ThreadPoolExecutor() as pool:
            decoded = list(pool.map(self.attempt, range(len(self))))
        # One block of memory: loader processes get it as one piece where they do not inherit it.
        block = torch.cat([p.flatten() for p in decoded if p is not None] or [torch.empty(0, dtype=torch.uint8)])
        parts = iter(torch.split(block, [p.nelement() for p in decoded if p is not None]))
        views = [None if p is None else next(parts).view(p.shape) for p in decoded]
        return replace(self, _decoded=views)

    @property
    def cached_bytes(self) -> int:
        """What ``cached`` holds in memory."""
        return sum(picture.nelement() for picture in self._decoded or [] if picture is not None)

    def unreadable(self) -> list[int]:
        """The pictures that ``cached`` could not read."""
        return [index for index, picture in enumerate(self._decoded or []) if picture is None]


def named(pictures: Pictures, rows: Sequence[int], most: int = 10) -> list[str]:
    """The names of the first ``most`` of some pictures: paths, or numbers where there is no file."""
    sources = [(row, pictures.sources[row]) for row in rows[:most]]
    return [f"picture {row}" if isinstance(source, Tensor) else str(source) for row, source in sources]


def joined(*parts: Pictures) -> Pictures:
    """Several lists as one."""
    return Pictures([s for part in parts for s in part.sources], [n for part in parts for n in part.labels])


class EpochOrder(Sampler[list[Key]]):
    """The batches of one epoch for one process: ``(seed, index)`` pairs that depend on seed and epoch alone.

    With P processes each gets every P-th picture of a global batch, so that together they see the batches
    that one process would see, each picture cropped and mirrored in the same way.

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
    pictures: Dataset[Any],
    batches: Sampler[list[Any]] | list[list[Any]],
    workers: int,
    collate: Callable[[list[Any]], Any] | None = None,
) -> DataLoader[Any]:
    """Batches of ``pictures``, decoded and cropped by ``workers`` processes (0: this one)."""
    return DataLoader(
        pictures,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0 and isinstance(batches, EpochOrder),
        prefetch_factor=PREFETCH if workers else None,
        worker_init_fn=_quiet_worker,
    )


def _quiet_worker(_: int) -> None:
    """Ctrl-C is for the training process, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def batches_of(loader: DataLoader[Any]) -> Iterator[Any]:
    """The loader's batches.

    Raises:
        AlexNetError: a loader process was ended from outside, mostly for want of memory.
    """
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise AlexNetError(
            "A process that reads pictures was ended, mostly for want of memory or shared memory; use --workers 0."
        ) from error


def workers_that_fit(
    workers: int, batch_bytes: int, *, cached_bytes: int = 0, processes: int = 1, quiet: bool = False
) -> int:
    """As many loader processes as shared memory has room for; says so in a line if these are fewer than asked for.

    Args:
        workers: how many are asked for.
        batch_bytes: size of a batch.
        cached_bytes: size of the pictures in memory; where processes don't inherit it, it is shared with them, too.
        processes: how many train on this machine, each with loader processes of its own.
        quiet: leave the line to another process.
    """
    if not workers or not SHARED_MEMORY.is_dir():
        return workers
    free = shutil.disk_usage(SHARED_MEMORY).free
    room = free if multiprocessing.get_start_method() == "fork" else free - cached_bytes
    held = 2  # by the process that computes: the batch in work and the one that is being fetched
    fitting = max(0, min(workers, (room // (processes * batch_bytes) - held) // PREFETCH))
    if fitting < workers and not quiet:
        print(
            f"{SHARED_MEMORY} has {free / 1e6:.0f} MB free, enough for {fitting} of {workers} processes that read "
            f"pictures{'' if fitting else ': this process reads them itself'} (in Docker, --shm-size 1g gives more).",
            file=sys.stderr,
        )
    return fitting
