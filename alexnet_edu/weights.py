"""Where trained weights come from. Labels, preprocessing and scores travel with them, so none can be mixed up."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alexnet_edu.checkpoints import LAST_BIASES, read_weights
from alexnet_edu.download import DownloadError, download, sha256_of
from alexnet_edu.errors import AlexNetError, ImageError, WeightsError, check_type
from alexnet_edu.geometry import accepts, size_message
from alexnet_edu.images import LONGEST, MAX_PIXELS, load_image
from alexnet_edu.models import AlexNet, build_layer, get_model, unwrapped
from alexnet_edu.palette import by
from alexnet_edu.specs import Spec
from alexnet_edu.variants import SPECS, get_spec

__all__ = ["Preprocess", "Pretrained", "load_pretrained"]

ASSETS = Path(__file__).with_name("assets")
AUTO_SECONDS = 90.0  # what "auto" may spend on a download
_MAX_BYTES = 1_000_000_000
_LARGEST = 4096  # pixels that preprocessing may ask for
_OLDER_FILE = "alexnet-owt-4df8aa71.pth"  # torchvision's earlier file of the same weights, still in many caches
_HASH = re.compile(r"-([a-f0-9]{8,})\.")  # torch.hub's rule: a file carries the start of its SHA-256 in its name


@dataclass(frozen=True)
class Preprocess:
    """From a picture to what a network takes: resize, crop the centre, scale to 0..1, normalise each channel.

    The same steps, in the same order and with the same results as torchvision's ``weights.transforms()``, without
    the seconds that importing torchvision takes.

    Attributes:
        resize: the shorter side after resizing, in pixels.
        size: side of the square crop S, in pixels.
        mean: subtracted from each channel after scaling to 0..1.
        std: each channel is divided by it.
        channels: the order in which the network takes the colours, ``"RGB"`` or Caffe's ``"BGR"``; that of ``mean``
            and ``std``, too.

    Raises:
        AlexNetError: sizes that are no whole numbers from 1 to 4,096, ``size`` above ``resize``, another number of
            values than 3 for ``mean`` or ``std``, values that are not finite, or a ``std`` that is not positive.
    """

    resize: int = 256
    size: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: str = "RGB"

    def __post_init__(self) -> None:
        for name in ("resize", "size"):
            pixels = getattr(self, name)
            if not (type(pixels) is int and 1 <= pixels <= _LARGEST):
                raise AlexNetError(f"{name} must be a whole number of pixels from 1 to {_LARGEST:,}, not {pixels!r}.")
        if self.size > self.resize:
            raise AlexNetError(f"size must be at most resize, {self.resize} pixels, not {self.size}.")
        for name, least in (("mean", -float("inf")), ("std", 0.0)):
            values = getattr(self, name)
            if not _are_three(values, least):
                what = "positive numbers" if name == "std" else "numbers"
                raise AlexNetError(f"{name} must be three finite {what}, one for each channel, not {values!r}.")
            object.__setattr__(self, name, tuple(values))
        if self.channels not in ("RGB", "BGR"):
            raise AlexNetError(f'channels must be "RGB" or "BGR", not {self.channels!r}.')

    def __call__(self, image: Any) -> Tensor:
        """``(3, S, S)`` float32 for anything that ``load_image`` takes.

        Raises:
            ImageError: the picture cannot be read, or is so long and narrow that it would become a strip of more than
                89,478,485 pixels or of 100 times its width.
        """
        return self.batch([self.crop(image)])[0].contiguous()

    def resized(self, image: Any) -> Image.Image:
        """The whole picture, its shorter side ``resize`` pixels long."""
        picture = load_image(image)
        width, height = picture.size
        short = min(width, height)
        size = (self.resize * width // short, self.resize * height // short)
        if max(width, height) > LONGEST * short or size[0] * size[1] > MAX_PIXELS:
            raise ImageError(f"A picture of {by(width, height)} pixels is too narrow to classify; crop it first.")
        return picture.resize(size, Image.Resampling.BILINEAR)

    def crop(self, image: Any) -> Image.Image:
        """The S x S picture that the network sees: show this one beside its feature maps."""
        return centre_crop(self.resized(image), self.size)

    def batch(self, crops: Sequence[Image.Image]) -> Tensor:
        """``(N, 3, S, S)`` float32 for N crops, normalised; in memory channels come last, as in the pictures."""
        return self.normalised(torch.from_numpy(np.stack([np.asarray(crop) for crop in crops])))

    def normalised(self, pixels: Tensor) -> Tensor:
        """``(N, 3, S, S)`` float32 for the pixels of N crops, ``(N, S, S, 3)`` uint8; on the device of ``pixels``."""
        pixels = pixels.flip(-1) if self.channels == "BGR" else pixels
        rows = pixels.flatten(2).float().div_(255)  # (N, S, 3 * S): whole rows at a time, which is fast
        mean, std = (torch.tensor(values * self.size, device=rows.device) for values in (self.mean, self.std))
        return rows.sub_(mean).div_(std).reshape(pixels.shape).permute(0, 3, 1, 2)

    def normalize(self, pixels: Tensor) -> Tensor:
        """What the network takes, for pixels ``(..., 3, H, W)``, RGB in 0..1; gradients pass through it."""
        ordered = pixels.flip(-3) if self.channels == "BGR" else pixels
        return (ordered - _channels(self.mean, pixels)) / _channels(self.std, pixels)

    def denormalize(self, x: Tensor) -> Tensor:
        """Undoes the normalisation: ``(..., 3, H, W)``, RGB in 0..1, fit for ``load_image`` or a plot."""
        shown = (x * _channels(self.std, x) + _channels(self.mean, x)).clamp(0, 1)
        return shown.flip(-3) if self.channels == "BGR" else shown


def _are_three(values: Any, least: float) -> bool:
    """Whether these are three finite numbers above ``least``."""
    return (
        isinstance(values, (list, tuple))
        and len(values) == 3
        and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        and all(abs(value) < 1e9 and isfinite(value) and value > least for value in values)
    )


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """The central ``size`` x ``size`` pixels, placed as torchvision places them."""
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]


@dataclass(frozen=True, repr=False)
class Pretrained:
    """A trained network with everything that belongs to it.

    Attributes:
        model: in eval mode, on the CPU; ``pretrained.model.to("cuda")`` moves it.
        preprocess: from a picture to the model's input.
        categories: the name of each output, in order.
        name: "imagenet", "small" or the file's name.
        source: where the weights come from.
        metrics: what the weights scored, as their source states it, and as ``"data"`` on which pictures.
    """

    model: AlexNet
    preprocess: Preprocess
    categories: tuple[str, ...]
    name: str
    source: str
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        outputs = unwrapped(self.model).get_parameter("fc8.bias").numel()
        if len(self.categories) != outputs:
            raise WeightsError(f"{self.name} has {outputs:,} outputs but {len(self.categories):,} categories.")

    def with_head(self, categories: Sequence[str]) -> Pretrained:
        """The same network with a new last layer for other classes, where transfer learning starts.

        The other layers get a copy of the weights, so training the new network leaves this one as it is. The last
        layer's are drawn as the network's spec says (``torch.manual_seed`` fixes them): its answers mean nothing
        until it has been trained.

        Args:
            categories: a name for each class, in order.

        Raises:
            WeightsError: there are no names, or a name occurs twice.
        """
        if not categories or len(set(categories)) < len(categories):
            raise WeightsError("A new last layer needs a name for each class, and no name twice.")
        network = unwrapped(self.model)
        assert isinstance(network, AlexNet)
        spec = network.spec.with_classes(len(categories))
        with torch.device("meta"):
            model = AlexNet(spec)
        last, state = spec.layers[-1], network.state_dict()
        inputs = state[f"{last.name}.weight"].shape[1]
        kept = {key: value.clone() for key, value in state.items() if not key.startswith(f"{last.name}.")}
        head = build_layer(last, (inputs,)).state_dict(prefix=f"{last.name}.")
        model.load_state_dict(kept | head, assign=True)
        source = f"{self.source}, with a new last layer"
        return replace(self, model=model.eval(), categories=tuple(categories), source=source, metrics={})

    def __repr__(self) -> str:
        network = unwrapped(self.model)
        assert isinstance(network, AlexNet)
        return f"{self.name}: {network.spec.title}; {len(self.categories):,} classes; {self.source}"


def load_pretrained(
    name: str | os.PathLike[str] = "auto",
    *,
    model: str | None = None,
    categories: Sequence[str] | None = None,
    head: Sequence[str] | None = None,
    announce: Callable[[str], object] = print,
) -> Pretrained:
    """A trained network, its preprocessing and its labels.

    Args:
        name: where the weights come from:

            - ``"imagenet"``: torchvision's ``AlexNet_Weights.IMAGENET1K_V1``, downloaded once (233 MiB) to the
              folder of ``torch.hub``, its SHA-256 checked;
            - ``"small"``: the network that comes with this package;
            - ``"auto"``: what the environment variable ``ALEXNET_EDU_WEIGHTS`` says (a name or a path); if it says
              nothing, ``"imagenet"`` when it is there or arrives within 90 seconds, else ``"small"``. One line
              tells which;
            - a path: a ``.safetensors`` file, or a checkpoint that ``torch.save`` wrote of a state dict, alone or
              under the usual names; docs/bring-your-own.md lists what is read. Names of layers are ours or
              torchvision's.
        model: for a path, the network's name in ``list_models()``; needed where the file's metadata does not name
            it and several networks have these shapes.
        categories: for a path, the label of each output; needed where the file's metadata holds none.
        head: names of other classes: the last layer is replaced by a new one, as ``Pretrained.with_head`` does it, and
            what the old outputs were need not be known.
        announce: gets the line of ``"auto"``.

    Raises:
        WeightsError: no such weights, a download that failed, a damaged file or one with more than tensors in it,
            weights that fit no network or are not finite, or no labels.
        TypeError: ``name`` is neither text nor a path.

    Example:
        >>> small = ae.load_pretrained("small")
        >>> small.name, len(small.categories), small.preprocess.size
        ('small', 101, 227)
    """
    found = _load(name, model, categories, announce, nameless=head is not None)
    return found if head is None else found.with_head(head)


def _load(
    name: str | os.PathLike[str],
    model: str | None,
    categories: Sequence[str] | None,
    announce: Callable[[str], object],
    *,
    nameless: bool,
) -> Pretrained:
    check_type("name", name, (str, os.PathLike), "text or a path")
    if name in ("auto", "small", "imagenet") and (model is not None or categories is not None):
        raise WeightsError(
            f"model and categories belong to a file of weights; {name!r} has its own; with_head gives it new ones."
        )
    if name == "auto":
        return _choose(announce)
    if name in ("small", "imagenet"):
        return _small() if name == "small" else _imagenet(seconds=None)
    path = Path(os.path.expanduser(os.fspath(name)))
    if not os.path.isfile(path):
        raise WeightsError(
            f'There are no weights {os.fspath(name)!r}; give "auto", "imagenet", "small" or the path of a file.'
        )
    return _from_file(path, model, categories, nameless=nameless)


def _choose(announce: Callable[[str], object]) -> Pretrained:
    chosen = os.environ.get("ALEXNET_EDU_WEIGHTS") or "auto"
    why = ""
    if chosen != "auto":
        pretrained = load_pretrained(chosen)
    else:
        try:
            pretrained = _imagenet(seconds=AUTO_SECONDS)
        except WeightsError as error:
            pretrained = _small()
            why = f" (not ImageNet's: {error})"
    announce(f"Weights: {pretrained}{why}")
    return pretrained


def _small() -> Pretrained:
    state, _ = read_weights(ASSETS / "small.safetensors")
    categories = (ASSETS / "caltech101_categories.txt").read_text(encoding="utf-8").split()
    metrics = json.loads((ASSETS / "small.json").read_text(encoding="utf-8"))
    size = get_spec("small").input_size
    network = _assemble("small", len(categories), state)
    return Pretrained(network, Preprocess(size=size), tuple(categories), "small", "part of this package", metrics)


def _imagenet(seconds: float | None) -> Pretrained:
    """torchvision's weights in our module. ``ALEXNET_EDU_IMAGENET_URL`` names another host: a mirror, or a test's."""
    stated = json.loads((ASSETS / "imagenet.json").read_text(encoding="utf-8"))
    url = os.environ.get("ALEXNET_EDU_IMAGENET_URL") or stated["url"]
    state, _ = read_weights(_hub_file(url, seconds))
    categories = tuple(stated["categories"])
    network = _assemble("torchvision", len(categories), state)
    preprocess = Preprocess(**stated["preprocess"])
    return Pretrained(network, preprocess, categories, "imagenet", stated["source"], stated["metrics"])


def _hub_file(url: str, seconds: float | None) -> Path:
    """A file in ``torch.hub``'s folder with the right hash, fetched first if it is not there or damaged.

    Folder, file name and hash rule are ``torch.hub``'s, so torchvision and this package share one file. Its own
    download knows no time limit and never looks at the hash again, hence ours.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    named = _HASH.search(path.name)
    if named is None:
        raise WeightsError(f"{url} does not carry a hash in its name, as in alexnet-0123abcd.pth.")
    for there in (path, path.with_name(_OLDER_FILE)):
        if _verified(there):
            return there
    try:
        download(url, path, sha256=named[1], max_bytes=_MAX_BYTES, seconds=seconds)
    except DownloadError as error:
        raise WeightsError(f"{str(error).rstrip('.')}; a copy fetched in another way belongs at {path}.") from error
    return path


def _verified(path: Path) -> bool:
    """Whether the file has the hash that its name carries; what was found is kept beside it, with size and time."""
    if not path.is_file():
        return False
    named = _HASH.search(path.name)
    assert named is not None
    note = path.with_name(f"{path.name}.verified")
    now = f"{named[1]} {path.stat().st_size} {path.stat().st_mtime_ns}"
    with suppress(OSError, ValueError):
        if note.read_text(encoding="ascii") == now:
            return True
    if not sha256_of(path).startswith(named[1]):
        return False
    with suppress(OSError):  # a folder that cannot be written: the hash is taken each time
        note.write_text(now, encoding="ascii")
    return True


def _from_file(path: Path, model: str | None, categories: Sequence[str] | None, *, nameless: bool) -> Pretrained:
    state, info = read_weights(path)
    outputs = _outputs(path, state)
    architecture = model or info.get("model") or _identify(path, outputs, state)
    try:
        spec = get_spec(architecture)
    except AlexNetError as error:
        raise WeightsError(str(error)) from None
    labels = info.get("categories") if categories is None else _labels(categories)
    if labels is None and nameless:
        labels = tuple(f"output {i}" for i in range(outputs))
    if labels is None:
        raise WeightsError(
            f"{path.name} names no categories, so its {outputs:,} outputs mean nothing; give the names, in Python as "
            "categories, on the command line with --categories FILE."
        )
    preprocess = _preprocess_of(path, info, spec)
    network = _assemble(architecture, outputs, state)
    return Pretrained(network, preprocess, labels, path.stem, str(path), info.get("metrics", {}))


def _labels(categories: Sequence[str]) -> tuple[str, ...]:
    if isinstance(categories, str) or not all(isinstance(label, str) for label in categories):
        raise TypeError("categories must be a list of names, one for each output.")
    return tuple(categories)


def _preprocess_of(path: Path, info: Mapping[str, Any], spec: Spec) -> Preprocess:
    """What the file's ``preprocess`` entry says; without one, resize to 256, crop, and ImageNet's mean and std."""
    try:
        preprocess = Preprocess(**{"size": spec.input_size, **info.get("preprocess", {})})
    except (TypeError, AlexNetError) as error:
        raise WeightsError(f"What {path.name} states as preprocess is not understood ({error}).") from error
    if not accepts(spec, preprocess.size):
        raise WeightsError(f"{path.name}: {size_message(spec, (preprocess.size, preprocess.size))}")
    return preprocess


def _outputs(path: Path, state: Mapping[str, Tensor]) -> int:
    bias = next(state[name] for name in LAST_BIASES if name in state)
    if bias.ndim != 1 or not len(bias):
        raise WeightsError(f"The last layer's bias in {path.name} is of shape {tuple(bias.shape)}, not (classes,).")
    return len(bias)


def _identify(path: Path, outputs: int, state: Mapping[str, Tensor]) -> str:
    """The one network whose parameters have the shapes of ``state``."""
    shapes = sorted(tuple(value.shape) for value in state.values())
    fitting = [
        name
        for name in SPECS
        if shapes == sorted(tuple(value.shape) for value in _empty(name, outputs).state_dict().values())
    ]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise WeightsError(f"The weights in {path.name} have the shapes of none of {', '.join(SPECS)}.")
    raise WeightsError(
        f"{path.name} may be {' or '.join(fitting)}, all of the same shapes; say which, in Python as model, on the "
        "command line with --network NAME."
    )


def _empty(name: str, outputs: int) -> AlexNet:
    """The network without memory for its weights, and without drawing random ones."""
    with torch.device("meta"):
        return get_model(name, num_classes=outputs)


def _assemble(name: str, outputs: int, state: Mapping[str, Tensor]) -> AlexNet:
    """The network around ``state``: float32 tensors are used where they are, so memory holds them once."""
    network = _empty(name, outputs)
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split()[:40])
        raise WeightsError(f"The weights do not fit the network {name!r} ({reason}).") from error
    for key, value in network.state_dict().items():
        if not all(extreme.isfinite() for extreme in value.aminmax()):  # NaN spreads to both
            raise WeightsError(f"The weights are damaged: {key} holds values that are not finite.")
    return network.eval()
