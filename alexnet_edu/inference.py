"""What a network says about pictures: one, a list, or more than fit in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from html import escape
from itertools import chain, islice
from math import ceil, isfinite
from pathlib import Path
from threading import Lock
from typing import Any, overload

import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from alexnet_edu.errors import AlexNetError, check_type, check_whole
from alexnet_edu.labels import certainty, in_words
from alexnet_edu.palette import BLUE
from alexnet_edu.parallel import WORKERS, attempt, in_batches, in_threads, unwrap
from alexnet_edu.weights import Preprocess, Pretrained, centre_crop, load_pretrained

__all__ = ["Prediction", "class_probabilities", "evaluating", "predict", "predict_many", "ten_crop"]

BATCH_SIZE = 32

Views = Callable[[Any], list[Image.Image]]

_EVALUATED: dict[nn.Module, tuple[int, bool]] = {}  # how many blocks hold a module in eval mode, and its own mode
_EVALUATED_LOCK = Lock()


@dataclass(frozen=True)
class Prediction:
    """The likeliest labels of one picture, most probable first. Prints as text, shows as bars in a notebook.

    Both are written for people, with labels as they say them.

    Attributes:
        labels: category names, as the network has them.
        probabilities: softmax values, 0 to 1.
        model: the name of the weights.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    model: str

    def __str__(self) -> str:
        return "\n".join(f"{p:6.1%}  {label}" for label, p in self._spoken())

    __repr__ = __str__  # what a notebook stores: rounded, so the same on every machine

    def _repr_html_(self) -> str:
        pairs = self._spoken()
        spoken = escape(f"{self.model} says: " + ", ".join(f"{label} {p:.1%}" for label, p in pairs))
        caption = escape(f"{self.model} says: {pairs[0][0]} ({certainty(pairs[0][1])})")
        bar = f"background:{BLUE};height:1em;min-width:1px"
        rows = "".join(
            f'<tr><td style="text-align:right">{escape(label)}</td>'
            f'<td style="width:16em;text-align:left"><div style="{bar};width:{p:.1%}"></div></td><td>{p:.1%}</td></tr>'
            for label, p in pairs
        )
        return f'<div role="img" aria-label="{spoken}"><table><caption>{caption}</caption>{rows}</table></div>'

    def _spoken(self) -> list[tuple[str, float]]:
        return [(in_words(label), p) for label, p in zip(self.labels, self.probabilities, strict=True)]


@overload
def predict(
    image: list[Any] | tuple[Any, ...], pretrained: Pretrained | None = None, top_k: int | None = None
) -> list[Prediction]: ...
@overload
def predict(image: Any, pretrained: Pretrained | None = None, top_k: int | None = None) -> Prediction: ...
def predict(
    image: Any, pretrained: Pretrained | None = None, top_k: int | None = None
) -> Prediction | list[Prediction]:
    """What the network sees in a picture, or in each picture of a list.

    Args:
        image: anything that ``load_image`` takes, or a list or tuple of such.
        pretrained: from ``load_pretrained``; by default what ``load_pretrained("auto")`` gives, loaded once.
        top_k: how many labels; by default five, or all where there are fewer.

    Returns:
        A ``Prediction``; for a list, a list of them.

    Raises:
        ImageError: a picture cannot be read. ``predict_many`` goes on with the others instead.
        AlexNetError: ``top_k`` is not between 1 and the number of classes; the network's scores are not finite.
        TypeError: ``pretrained`` is not what ``load_pretrained`` gives, or ``top_k`` no whole number.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> ae.predict(photo, ae.load_pretrained("small"), top_k=2).labels
        ('cougar_face', 'crab')
    """
    pretrained = _chosen(pretrained)
    return _one_or_list(image, pretrained, lambda source: [pretrained.preprocess.crop(source)], top_k)


@overload
def ten_crop(
    image: list[Any] | tuple[Any, ...], pretrained: Pretrained | None = None, top_k: int | None = None
) -> list[Prediction]: ...
@overload
def ten_crop(image: Any, pretrained: Pretrained | None = None, top_k: int | None = None) -> Prediction: ...
def ten_crop(
    image: Any, pretrained: Pretrained | None = None, top_k: int | None = None
) -> Prediction | list[Prediction]:
    """As ``predict``, from ten views averaged: the paper's test [section 4.1].

    Five crops of the central square of the resized picture, four corners and the centre, each also mirrored. The
    ten softmax outputs are averaged.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> len(ae.ten_crop(photo, ae.load_pretrained("small"), top_k=5).labels)
        5
    """
    pretrained = _chosen(pretrained)
    return _one_or_list(image, pretrained, lambda source: ten_views(pretrained.preprocess, source), top_k, crops=10)


def predict_many(
    images: Iterable[Any] | str | os.PathLike[str],
    pretrained: Pretrained | None = None,
    top_k: int | None = None,
    *,
    batch_size: int = BATCH_SIZE,
) -> Iterator[tuple[Any, Prediction | AlexNetError]]:
    """Goes through any number of pictures in bounded memory, with every core on batches of its own.

    While it runs, several threads call the model, in eval mode.

    Args:
        images: anything to iterate over whose items ``load_image`` takes, or a folder (its files by name).
        pretrained: as in ``predict``.
        top_k: as in ``predict``.
        batch_size: pictures in one pass of the network.

    Yields:
        Each item with its ``Prediction``, in order; with the ``ImageError`` where a picture cannot be read, and another
        ``AlexNetError`` where the network's scores are not finite.

    Example:
        >>> photos = [sample.open() for sample in ae.sample_images().values()]
        >>> found = ae.predict_many(photos, ae.load_pretrained("small"), top_k=1)
        >>> len(list(found))
        9
    """
    pretrained = _chosen(pretrained)
    if isinstance(images, (str, os.PathLike)):
        images = _files(Path(images))
    check_type("images", images, Iterable, "a folder or a list of pictures")
    yield from _classify(images, pretrained, lambda source: [pretrained.preprocess.crop(source)], top_k, batch_size)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise AlexNetError(f"{folder} is no folder; give a folder or a list of pictures.")
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _chosen(pretrained: Pretrained | None) -> Pretrained:
    if pretrained is None:
        return default_pretrained()
    check_type("pretrained", pretrained, Pretrained, "what load_pretrained gives")
    return pretrained


def default_pretrained() -> Pretrained:
    """What ``load_pretrained("auto")`` gives, loaded once for each value of ``ALEXNET_EDU_WEIGHTS``."""
    return _default_for(os.environ.get("ALEXNET_EDU_WEIGHTS"))


@cache
def _default_for(choice: str | None) -> Pretrained:
    return load_pretrained("auto")


def ten_views(preprocess: Preprocess, image: Any) -> list[Image.Image]:
    """Ten crops of S x S pixels: top left, top right, bottom left, bottom right, centre; then each of them mirrored."""
    square = centre_crop(preprocess.resized(image), preprocess.resize)
    size, far = preprocess.size, preprocess.resize - preprocess.size
    corners = [square.crop((x, y, x + size, y + size)) for y in (0, far) for x in (0, far)]
    crops = [*corners, centre_crop(square, size)]
    return [*crops, *map(ImageOps.mirror, crops)]


def _one_or_list(
    image: Any, pretrained: Pretrained, views: Views, top_k: int | None, crops: int = 1
) -> Prediction | list[Prediction]:
    several = isinstance(image, (list, tuple))
    # Closed here, also after an error: threads that end when Python collects garbage, in any thread, may wait for ever.
    with closing(_classify(image if several else [image], pretrained, views, top_k, BATCH_SIZE // crops)) as found:
        results = [unwrap(result) for _, result in found]
    return results if several else results[0]


def _classify(
    images: Iterable[Any], pretrained: Pretrained, views: Views, top_k: int | None, batch_size: int
) -> Generator[tuple[Any, Prediction | AlexNetError], None, None]:
    """A single batch is read in threads and has every core for its pass; several run side by side, on one core each."""
    classes = len(pretrained.categories)
    top_k = min(5, classes) if top_k is None else top_k
    check_whole("top_k", top_k)
    check_whole("batch_size", batch_size)
    if not 1 <= top_k <= classes:
        raise AlexNetError(f"top_k must be between 1 and {classes:,}, the number of classes, not {top_k}.")
    cores = torch.get_num_threads()
    workers = min(WORKERS, cores)
    if isinstance(images, Sized) and 0 < batch_size < len(images):
        rounds = ceil(len(images) / (batch_size * workers))
        batch_size = ceil(len(images) / (rounds * workers))  # all end at the same time
    batches = in_batches(images, batch_size)
    first = list(islice(batches, 2))
    classify = partial(_classify_batch, pretrained, views, top_k)
    if len(first) < 2:
        with ThreadPoolExecutor(WORKERS) as pool:  # ended before the first answer is given: see ``_one_or_list``
            answers = [answer for batch in first for answer in classify(pool.map, batch)]
        yield from answers
        return
    own_cores = partial(torch.set_num_threads, cores // workers)
    try:
        with evaluating(pretrained.model):  # all the while: the threads share the modes of its modules
            for results in in_threads(partial(classify, map), chain(first, batches), workers, workers + 1, own_cores):
                yield from results
    finally:
        torch.set_num_threads(cores)  # what ``own_cores`` sets holds for later threads, too


def _classify_batch(
    pretrained: Pretrained, views: Views, top_k: int, each: Callable[..., Iterable[Any]], images: list[Any]
) -> list[tuple[Any, Prediction | AlexNetError]]:
    """All in one pass; ``each`` is ``map`` or one that does the reading in threads."""
    crops = list(each(partial(attempt, views), images))
    found = iter(_predictions(pretrained, [c for c in crops if not isinstance(c, AlexNetError)], top_k))
    results = [c if isinstance(c, AlexNetError) else next(found) for c in crops]
    return list(zip(images, results, strict=True))


def _predictions(
    pretrained: Pretrained, views: Sequence[list[Image.Image]], top_k: int
) -> list[Prediction | AlexNetError]:
    """One prediction for each list of views, all views in one pass."""
    if not views:
        return []
    flat = pretrained.preprocess.batch([crop for crops in views for crop in crops])
    probabilities = class_probabilities(pretrained.model, flat).reshape(len(views), len(views[0]), -1).mean(1)
    if probabilities.shape[1] != len(pretrained.categories):
        raise AlexNetError(
            f"The network gives {probabilities.shape[1]:,} scores, but {pretrained.name} has "
            f"{len(pretrained.categories):,} categories; a new last layer for other classes is with_head(categories)."
        )
    values, indices = probabilities.topk(top_k)
    return [
        Prediction(tuple(pretrained.categories[i] for i in row), tuple(chances), pretrained.name)
        if all(map(isfinite, chances))
        else AlexNetError(f"The scores of {pretrained.name} for this picture are not finite.")
        for chances, row in zip(values.tolist(), indices.tolist(), strict=True)
    ]


def class_probabilities(model: nn.Module, x: Tensor) -> Tensor:
    """Softmax of the class scores.

    Args:
        model: takes ``(N, 3, H, W)``, gives ``(N, classes)``; works on its own device, in eval mode.
        x: ``(N, 3, H, W)``, normalised, on any device.

    Returns:
        ``(N, classes)`` float32 on the CPU.
    """
    with evaluating(model), torch.inference_mode():
        scores: Tensor = model(channels_last(like_parameters(model, x)))
        return scores.float().softmax(1).cpu()


def like_parameters(model: nn.Module, x: Tensor) -> Tensor:
    """``x`` on the device and in the type of the model's parameters."""
    parameter = next(model.parameters(), x)
    return x.to(parameter.device, parameter.dtype)


def channels_last(x: Tensor) -> Tensor:
    """The same batch with its channels last in memory, which convolutions on a CPU take a third less time for."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type != "mps" else x


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for the block; afterwards every module is in the mode it was in, whatever happens.

    Blocks of several threads may overlap: the last to end restores the modes. To train a model while another thread
    has it in such a block is a mistake, as it would be with ``model.eval()``.
    """
    modules = list(model.modules())
    with _EVALUATED_LOCK:
        for module in modules:
            blocks, mode = _EVALUATED.get(module, (0, module.training))
            _EVALUATED[module] = blocks + 1, mode
        model.eval()
    try:
        yield
    finally:
        with _EVALUATED_LOCK:
            for module in modules:
                blocks, mode = _EVALUATED.pop(module)
                if blocks > 1:
                    _EVALUATED[module] = blocks - 1, mode
                else:
                    module.training = mode
