"""Where trained weights come from. Labels, preprocessing and scores travel with them, so none can be mixed up."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alexnet_edu.download import DownloadError, download
from alexnet_edu.errors import ImageError, WeightsError
from alexnet_edu.images import LONGEST, load_image
from alexnet_edu.models import AlexNet, build_layer, get_model, unwrapped
from alexnet_edu.palette import by
from alexnet_edu.variants import SPECS, get_spec

__all__ = ["Preprocess", "Pretrained", "load_pretrained"]

ASSETS = Path(__file__).with_name("assets")
AUTO_SECONDS = 90.0  # what "auto" may spend on a download
_MAX_BYTES = 1_000_000_000
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
    """

    resize: int = 256
    size: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __call__(self, image: Any) -> Tensor:
        """``(3, S, S)`` float32 for anything that ``load_image`` takes.

        Raises:
            ImageError: the picture cannot be read, or is more than 100 times as long as wide.
        """
        return self.batch([self.crop(image)])[0].contiguous()

    def resized(self, image: Any) -> Image.Image:
        """The whole picture, its shorter side ``resize`` pixels long."""
        picture = load_image(image)
        width, height = picture.size
        short = min(width, height)
        if max(width, height) > LONGEST * short:
            raise ImageError(f"A picture of {by(width, height)} pixels is too narrow to classify; crop it first.")
        size = (self.resize * width // short, self.resize * height // short)
        return picture.resize(size, Image.Resampling.BILINEAR)

    def crop(self, image: Any) -> Image.Image:
        """The S x S picture that the network sees: show this one beside its feature maps."""
        return centre_crop(self.resized(image), self.size)

    def batch(self, crops: Sequence[Image.Image]) -> Tensor:
        """``(N, 3, S, S)`` float32 for N crops, normalised; in memory channels come last, as in the pictures."""
        return self.normalised(torch.from_numpy(np.stack([np.asarray(crop) for crop in crops])))

    def normalised(self, pixels: Tensor) -> Tensor:
        """``(N, 3, S, S)`` float32 for the pixels of N crops, ``(N, S, S, 3)`` uint8; on the device of ``pixels``."""
        rows = pixels.flatten(2).float().div_(255)  # (N, S, 3 * S): whole rows at a time, which is fast
        mean, std = (torch.tensor(values * self.size, device=rows.device) for values in (self.mean, self.std))
        return rows.sub_(mean).div_(std).reshape(pixels.shape).permute(0, 3, 1, 2)

    def denormalize(self, x: Tensor) -> Tensor:
        """Undoes the normalisation: ``(..., 3, H, W)`` in 0..1, fit for ``load_image`` or a plot."""
        return (x * _channels(self.std, x) + _channels(self.mean, x)).clamp(0, 1)


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
        metrics: what the weights scored, as their source states it.
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
            - a path: a ``.safetensors`` file, or a checkpoint that ``torch.save`` wrote of a state dict (alone, or
              under ``"state_dict"`` or ``"model"``). Names of layers are ours or torchvision's.
        model: for a path, the network's name in ``list_models()``; needed where the file's metadata does not name
            it and several networks have these shapes.
        categories: for a path, the label of each output; needed where the file's metadata holds none.
        announce: gets the line of ``"auto"``.

    Raises:
        WeightsError: no such weights, a download that failed, a damaged file or one with more than tensors in it,
            weights that fit no network, or no labels.

    Example:
        >>> small = ae.load_pretrained("small")
        >>> small.name, len(small.categories), small.preprocess.size
        ('small', 101, 227)
    """
    if name == "auto":
        return _choose(announce)
    if name in ("small", "imagenet"):
        return _small() if name == "small" else _imagenet(seconds=None)
    if not os.path.isfile(name):
        raise WeightsError(
            f'There are no weights {os.fspath(name)!r}; give "auto", "imagenet", "small" or the path of a file.'
        )
    return _from_file(Path(name), model, categories)


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
    state, _ = _read_safetensors(ASSETS / "small.safetensors")
    categories = (ASSETS / "caltech101_categories.txt").read_text(encoding="utf-8").split()
    metrics = json.loads((ASSETS / "small.json").read_text(encoding="utf-8"))
    size = get_spec("small").input_size
    network = _assemble("small", len(categories), state)
    return Pretrained(network, Preprocess(size=size), tuple(categories), "small", "part of this package", metrics)


def _imagenet(seconds: float | None) -> Pretrained:
    """torchvision's weights in our module. ``ALEXNET_EDU_IMAGENET_URL`` names another host: a mirror, or a test's."""
    stated = json.loads((ASSETS / "imagenet.json").read_text(encoding="utf-8"))
    url = os.environ.get("ALEXNET_EDU_IMAGENET_URL") or stated["url"]
    state = _hub_state(url, Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2], seconds)
    categories = tuple(stated["categories"])
    network = _assemble("torchvision", len(categories), state)
    preprocess = _steps(stated["preprocess"])
    return Pretrained(network, preprocess, categories, "imagenet", stated["source"], stated["metrics"])


def _hub_state(url: str, path: Path, seconds: float | None) -> dict[str, Tensor]:
    """The tensors of a file in ``torch.hub``'s folder, fetched first if it is not there or damaged.

    Folder, file name and hash rule are ``torch.hub``'s, so torchvision and this package share one file. Its own
    download knows no time limit, hence ours.
    """
    if path.exists():
        with suppress(WeightsError):
            return _read_checkpoint(path)[0]
    named = _HASH.search(path.name)
    if named is None:
        raise WeightsError(f"{url} does not carry a hash in its name, as in alexnet-0123abcd.pth.")
    try:
        download(url, path, sha256=named[1], max_bytes=_MAX_BYTES, seconds=seconds)
    except DownloadError as error:
        raise WeightsError(str(error)) from error
    return _read_checkpoint(path)[0]


def _from_file(path: Path, model: str | None, categories: Sequence[str] | None) -> Pretrained:
    state, info = _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
    outputs = _outputs(path, state)
    architecture = model or info.get("model") or _identify(path, outputs, state)
    labels = categories if categories is not None else _listed(info.get("categories"))
    if labels is None:
        raise WeightsError(
            f"{path.name} names no categories, so its {outputs:,} outputs mean nothing; pass categories=[...]."
        )
    preprocess = _preprocess_of(path, info, get_spec(architecture).input_size)
    network = _assemble(architecture, outputs, state)
    return Pretrained(network, preprocess, tuple(labels), path.stem, str(path), _listed(info.get("metrics")) or {})


def _listed(value: Any) -> Any:
    """safetensors' metadata is text, so lists and dicts in it are JSON."""
    return json.loads(value) if isinstance(value, str) else value


def _preprocess_of(path: Path, info: Mapping[str, Any], size: int) -> Preprocess:
    """What the file's ``preprocess`` entry says; without one, resize to 256, crop, and ImageNet's mean and std."""
    try:
        return _steps({"size": size, **(_listed(info.get("preprocess")) or {})})
    except TypeError as error:
        raise WeightsError(f"The preprocessing that {path.name} states is not understood ({error}).") from error


def _steps(stated: Mapping[str, Any]) -> Preprocess:
    arguments: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in stated.items()
    }
    return Preprocess(**arguments)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, dict(stream.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file ({error}).") from error


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, mapped from the file where its format allows, and whatever else was saved with them."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds more than tensors, which could be harmful code; save model.state_dict() only."
        ) from error
    # A damaged archive makes torch.load raise nearly anything.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path} is damaged or no checkpoint ({reason}).") from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not a state dict.")
    nested = next((key for key in ("state_dict", "model") if isinstance(content.get(key), Mapping)), None)
    state = content if nested is None else content[nested]
    # Left by DataParallel and DistributedDataParallel.
    tensors = {key.replace("module.", ""): value for key, value in state.items() if isinstance(value, Tensor)}
    return tensors, {key: value for key, value in content.items() if key != nested and not isinstance(value, Tensor)}


def _outputs(path: Path, state: Mapping[str, Tensor]) -> int:
    for name in ("fc8.bias", "classifier.6.bias"):
        if name in state:
            return len(state[name])
    raise WeightsError(f"{path.name} holds no AlexNet: neither fc8.bias nor classifier.6.bias is in it.")


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
    raise WeightsError(f"{path.name} may be {' or '.join(fitting)}, all of the same shapes; pass model=...")


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
    return network.eval()
