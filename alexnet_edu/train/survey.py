"""What is wrong with a data set, said before hours are spent on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.images import load_image
from alexnet_edu.train.data import Data
from alexnet_edu.train.evaluate import columns_by_name
from alexnet_edu.train.pictures import Pictures, joined, named

__all__ = ["Survey", "survey", "thumbnails", "twins"]

LIKENESS = 0.99  # correlation of 16 x 16 grey thumbnails from which two pictures count as the same
SHOWN = 10  # how many of a kind a sentence names
_BLOCK = 1 << 24  # correlations that are held at once
Thumbnails = NDArray[np.float32]


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        counts: from the part ("train", "val", "test") and the class's name to its number of pictures.
        unreadable: names of pictures that cannot be read.
        ignored: hidden files and folders, and what is no picture by its name.
        repeated: pairs of a held-out picture and one that is trained on, the same or nearly so.
        classes: how the classes differ from a network's, if they do.
    """

    counts: dict[str, dict[str, int]]
    unreadable: list[str]
    ignored: list[str]
    repeated: list[tuple[str, str]]
    classes: str

    @property
    def in_order(self) -> bool:
        """Whether nothing was found that spoils a training or a measurement."""
        return not (self.unreadable or self.repeated or self.classes)

    def lines(self) -> Iterator[str]:
        """The findings, a sentence each."""
        for part, counts in self.counts.items():
            classes = f"{len(counts):,} {'class' if len(counts) == 1 else 'classes'}"
            yield f"{part}: {sum(counts.values()):,} pictures in {classes} ({_spread(counts)})."
        if self.unreadable:
            yield f"Cannot be read: {_first(self.unreadable)}."
        if self.repeated:
            pairs = [f"{held} as {seen}" for held, seen in self.repeated]
            yield f"Held out, yet also trained on (the same or nearly so): {_first(pairs)}."
        if self.classes:
            yield self.classes


def survey(data: Data, known: Sequence[str] | None = None) -> Survey:
    """Looks at every picture of a data set.

    Args:
        data: from ``open_data``.
        known: the classes of a network, to compare with.
    """
    parts = {name: getattr(data, name) for name in ("train", "val", "test")}
    looks = {name: thumbnails(pictures, f"reading {name}") for name, pictures in parts.items()}
    unreadable = [
        name
        for part, pictures in parts.items()
        for name in named(pictures, [row for row, look in enumerate(looks[part]) if look is None], most=len(pictures))
    ]
    repeated = [
        *_pairs(parts["val"], looks["val"], parts["train"], looks["train"]),
        *_pairs(parts["test"], looks["test"], joined(parts["train"], parts["val"]), looks["train"] + looks["val"]),
    ]
    counts = {
        part: {data.categories[label]: n for label, n in sorted(Counter(pictures.labels).items())}
        for part, pictures in parts.items()
    }
    ignored = [str(path) for path in data.ignored]
    return Survey(counts, unreadable, ignored, repeated, _difference(data.categories, known))


def thumbnails(pictures: Pictures, title: str = "reading") -> list[Thumbnails | None]:
    """A picture's look in 256 values of mean 0 and length 1, from 16 x 16 grey pixels; ``None`` if unreadable."""
    with ThreadPoolExecutor() as pool:
        looks = pool.map(_thumbnail, pictures.sources)
        return list(tqdm(looks, title, len(pictures), leave=False, disable=None))


def _thumbnail(source: Any) -> Thumbnails | None:
    try:
        small = load_image(source).convert("L").resize((16, 16), Image.Resampling.BOX)
    except ImageError:
        return None
    values = np.asarray(small, dtype=np.float32).ravel()
    values = values - values.mean()
    found: Thumbnails = values / (np.linalg.norm(values) + np.float32(1e-6))
    return found


def twins(held: Sequence[Thumbnails | None], seen: Sequence[Thumbnails | None]) -> dict[int, int]:
    """For each held-out picture that has a twin among the seen ones, its number and the twin's."""
    rows = [row for row, look in enumerate(held) if look is not None]
    columns = [column for column, look in enumerate(seen) if look is not None]
    if not rows or not columns:
        return {}
    table = np.stack([look for look in seen if look is not None])
    found: dict[int, int] = {}
    step = max(1, _BLOCK // len(columns))
    for k in range(0, len(rows), step):
        likeness = np.stack([look for row in rows[k : k + step] if (look := held[row]) is not None]) @ table.T
        best = likeness.argmax(1)
        close = likeness.max(1) > LIKENESS
        found |= {rows[k + i]: columns[best[i]] for i in np.flatnonzero(close)}
    return found


def _pairs(
    held: Pictures, looks: Sequence[Thumbnails | None], seen: Pictures, seen_looks: Sequence[Thumbnails | None]
) -> list[tuple[str, str]]:
    found = twins(looks, seen_looks)
    return list(
        zip(
            named(held, list(found), most=len(found)),
            named(seen, list(found.values()), most=len(found)),
            strict=True,
        )
    )


def _difference(categories: Sequence[str], known: Sequence[str] | None) -> str:
    if known is None:
        return ""
    try:
        columns_by_name(categories, known)
    except AlexNetError as error:
        return str(error)
    return ""


def _spread(counts: dict[str, int]) -> str:
    if len(counts) <= SHOWN:
        return ", ".join(f"{name} {n:,}" for name, n in counts.items())
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    return f"{least} has {counts[least]:,}, {most} {counts[most]:,}, the others between"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
