"""What is inside a network: filters, activations, and which part of a picture a unit answers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet_edu.errors import AlexNetError, check_counted, check_type, check_whole
from alexnet_edu.geometry import layer_table, receptive_field_box
from alexnet_edu.inference import BATCH_SIZE, channels_last, class_probabilities, evaluating, like_parameters
from alexnet_edu.models import AlexNet, unwrapped
from alexnet_edu.palette import by
from alexnet_edu.parallel import prepared, unwrap
from alexnet_edu.specs import Spec
from alexnet_edu.variants import get_spec
from alexnet_edu.weights import Pretrained

__all__ = [
    "Neighbours",
    "Patch",
    "chroma",
    "concentration",
    "embed",
    "feature_maps",
    "filters",
    "layer_modules",
    "neighbours",
    "occlusion",
    "top_patches",
]

ModelLike = nn.Module | Pretrained
Target = int | str | Sequence[int | str] | Tensor

_BANK_ROWS = 4096  # vectors compared at a time


def layer_modules(model: ModelLike) -> dict[str, nn.Module]:
    """The layers of a network by name, in order.

    Our networks and torchvision's AlexNet have the paper's names, ``conv1`` to ``fc8``; of any other module it is
    every part without parts of its own, under PyTorch's name. What ``torch.compile`` or ``DataParallel`` wraps keeps
    its names.
    """
    module = bare(model)
    spec = _spec(module)
    if isinstance(module, AlexNet):
        return {layer.name: module.get_submodule(layer.name) for layer in module.spec.layers}
    leaves = {name: leaf for name, leaf in module.named_modules() if name and not any(leaf.children())}
    if spec is None:
        return leaves
    # torchvision flattens in a function, not in a module.
    names = [layer.name for layer in spec.layers if layer.kind != "Flatten"]
    return dict(zip(names, leaves.values(), strict=True))


def _module(model: ModelLike) -> nn.Module:
    if isinstance(model, Pretrained):
        return model.model
    check_type("model", model, nn.Module, "what load_pretrained or get_model gives")
    return model


def bare(model: ModelLike) -> nn.Module:
    """The network itself: a compiled one does not call the hooks that are set later."""
    return unwrapped(_module(model))


def _spec(module: nn.Module) -> Spec | None:
    """The data behind a network, where it is known."""
    if isinstance(module, AlexNet):
        return module.spec
    is_torchvisions = type(module).__module__ == "torchvision.models.alexnet"
    return get_spec("torchvision") if is_torchvisions else None


def layer_of(model: ModelLike, name: str) -> nn.Module:
    """A layer by its name; the error for a wrong one lists the names."""
    layers = layer_modules(model)
    check_type("layer", name, str, "a layer's name")
    if name not in layers:
        raise AlexNetError(f"There is no layer {name!r}; choose one of {', '.join(layers)}.")
    return layers[name]


def input_of(model: ModelLike, image: Any) -> Tensor:
    """``(N, 3, H, W)`` for a tensor (with or without its batch), a picture, or a list of pictures."""
    if isinstance(image, Tensor):
        if image.ndim not in (3, 4) or not image.is_floating_point() or image.layout != torch.strided:
            raise AlexNetError(
                f"A tensor must be preprocessed pictures, (N, 3, H, W) or (3, H, W) floating point numbers, not "
                f"{tuple(image.shape)} of {image.dtype}."
            )
        x = image if image.ndim == 4 else image[None]
    elif isinstance(model, Pretrained):
        several = isinstance(image, (list, tuple))
        pictures = image if several else [image]
        if not pictures:
            raise AlexNetError("There are no pictures in the list.")
        x = torch.stack([model.preprocess(one) for one in pictures])
    else:
        raise AlexNetError(
            "A bare model takes a preprocessed tensor; give what load_pretrained returns with a picture."
        )
    return like_parameters(_module(model), x)


def feature_maps(model: ModelLike, image: Any, layers: str | Iterable[str] | None = None) -> dict[str, Tensor]:
    """The activations of any layers, from one pass.

    ``conv1`` is the convolution's own output and ``relu1`` what the ReLU makes of it, whether or not the network
    computes its ReLUs in place: torchvision's does, and a plain hook on its first convolution therefore gives
    values after the ReLU. Works in eval mode without gradients; the model is afterwards as it was.

    Args:
        model: what ``load_pretrained`` gives, or any module: a network of ours, torchvision's, your own.
        image: a preprocessed tensor ``(N, 3, H, W)`` or ``(3, H, W)``; with a ``Pretrained`` also a picture, or a
            list of them, that ``load_image`` takes.
        layers: names from ``layer_modules(model)``; ``None`` for all.

    Returns:
        For each layer, in the network's order, ``(N, C, H, W)`` or ``(N, F)`` on the model's device.

    Raises:
        AlexNetError: there is no such layer; the message lists the names.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.feature_maps(ae.load_pretrained("small"), photo, "pool5")["pool5"].shape)
        (1, 128, 6, 6)
    """
    wanted = layer_modules(model)
    if layers is not None:
        chosen = {name: layer_of(model, name) for name in ([layers] if isinstance(layers, str) else layers)}
        wanted = {name: module for name, module in wanted.items() if name in chosen}
    module, x = bare(model), input_of(model, image)
    with evaluating(module), torch.no_grad(), recording(wanted) as maps:
        module(x)
    return {name: maps[name] for name in wanted if name in maps}


@contextmanager
def differentiating(module: nn.Module) -> Iterator[nn.Module]:
    """Eval mode and gradients for the block, even where the caller has none.

    ``torch.autograd.grad`` fills no ``.grad`` and needs no flag, so but for the mode there is nothing to give back.
    """
    with evaluating(module), torch.inference_mode(False), torch.enable_grad():
        yield module


@contextmanager
def recording(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collects what each layer puts out during the block; the hooks go with the block, whatever happens in it.

    The next layer may work in place, so it is given a copy: what is kept stays what it was, and can be differentiated
    where gradients are on.
    """
    maps: dict[str, Tensor] = {}

    def hook_for(name: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            maps[name] = output
            return output.clone()

        return hook

    handles = [layer.register_forward_hook(hook_for(name)) for name, layer in layers.items()]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def filters(model: ModelLike, layer: str = "conv1") -> Tensor:
    """A copy of a convolution's weights, ``(O, I, kH, kW)``; I is the number of maps in one group.

    Raises:
        AlexNetError: the layer is no convolution; the message lists those that are.

    Example:
        >>> tuple(ae.filters(ae.load_pretrained("small"), "conv1").shape)
        (48, 3, 11, 11)
    """
    check_type("layer", layer, str, "a layer's name")
    weights = {name: m.weight for name, m in layer_modules(model).items() if isinstance(m, nn.Conv2d)}
    if layer not in weights:
        raise AlexNetError(f"{layer!r} is no convolution of this network; choose one of {', '.join(weights)}.")
    return weights[layer].detach().clone()


def chroma(weights: Tensor) -> Tensor:
    """How colourful each filter is: the share of its energy that is not grey, 0 to 1.

    The grey part is the mean over the colours at each place.

    Args:
        weights: ``(O, 3, H, W)``.

    Returns:
        ``(O,)``
    """
    colour = weights - weights.mean(1, keepdim=True)
    return colour.square().sum((1, 2, 3)) / weights.square().sum((1, 2, 3))


def concentration(weights: Tensor) -> Tensor:
    """How orderly each filter is: the share of its power in the strongest tenth of its spatial frequencies.

    The power of the two-dimensional Fourier transform, means removed, summed over the input channels. White noise
    of 11 x 11 pixels holds about 0.22 in its strongest 12 of 121 frequencies; an edge or a grating most of it.

    Args:
        weights: ``(O, I, H, W)``.

    Returns:
        ``(O,)``, 0 to 1.
    """
    centred = weights - weights.mean((2, 3), keepdim=True)
    power = torch.fft.fft2(centred).abs().square().sum(1).flatten(1)
    strongest = power.topk(power.shape[1] // 10).values
    shares: Tensor = strongest.sum(1) / power.sum(1)
    return shares


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of a picture that made a unit answer.

    Attributes:
        picture: the picture's number, from 0.
        row: the unit's position in its map.
        col: likewise.
        activation: its value there.
        box: ``(top, left, bottom, right)`` in the crop that the network saw, in pixels, ends excluded.
        pixels: ``(3, H, W)`` on the CPU: 0 to 1 with a ``Pretrained``, else as the input was. Smaller than the
            receptive field at the picture's edge.
    """

    picture: int
    row: int
    col: int
    activation: float
    box: tuple[int, int, int, int]
    pixels: Tensor


@overload
def top_patches(
    model: ModelLike, images: Any, layer: str, channel: int, k: int = 9, *, one_each: bool = False
) -> list[Patch]: ...
@overload
def top_patches(
    model: ModelLike, images: Any, layer: str, channel: Sequence[int], k: int = 9, *, one_each: bool = False
) -> list[list[Patch]]: ...
def top_patches(
    model: ModelLike, images: Any, layer: str, channel: int | Sequence[int], k: int = 9, *, one_each: bool = False
) -> list[Patch] | list[list[Patch]]:
    """What a channel looks for: the k patches, over all pictures, at which its map peaks highest.

    Zeiler and Fergus (2013) show units this way. A position counts when no direct neighbour is higher, so one bright
    spot gives one patch; a map without any change gives none. Memory does not grow with the number of pictures.

    Args:
        model: as in ``feature_maps``; a network whose spec is known.
        images: a tensor ``(N, 3, H, W)``, or with a ``Pretrained`` pictures that ``load_image`` takes.
        layer: a layer's name; ``relu`` layers tell about excitation, ``conv`` layers have the sign as well.
        channel: the map (or the unit of a fully connected layer), from 0; for a list of them, a list of results comes
            from the same pass.
        k: how many.
        one_each: take at most one patch of a picture.

    Raises:
        AlexNetError: no such layer or channel, or a network whose receptive fields are not known.

    Example:
        >>> small, samples = ae.load_pretrained("small"), ae.sample_images()
        >>> patches = ae.top_patches(small, [sample.open() for sample in samples.values()], "conv3", channel=0, k=3)
        >>> len(patches)
        3
    """
    several = isinstance(channel, (list, tuple))
    channels: list[Any] = list(channel) if isinstance(channel, (list, tuple)) else [channel]
    for one in channels:
        check_whole("channel", one)
    check_whole("k", k)
    if k < 1:
        raise AlexNetError(f"k must be at least 1, not {k}.")
    spec = _known_spec(model)
    layer_of(model, layer)
    best: list[list[Patch]] = [[] for _ in channels]
    seen = 0
    for x in input_batches(model, images):
        activations = feature_maps(model, x, layer)[layer]
        for number, one in enumerate(channels):
            maps = _maps_of(activations, layer, one)
            found = best[number] + _peaks(model, spec, layer, x, maps, k, seen, one_each)
            best[number] = sorted(found, key=lambda patch: -patch.activation)[:k]
        seen += len(x)
    return best if several else best[0]


def field_centres(model: ModelLike, layer: str, size: int) -> tuple[list[int], int]:
    """The pixel in the middle of each receptive field of a row of a layer's map, and from one to the next.

    Raises:
        AlexNetError: a network whose receptive fields are not known.
    """
    info = layer_table(_known_spec(model), size)[layer]
    if info.receptive_field is None or info.jump is None or info.start is None:
        raise AlexNetError(f"{layer} sees the whole picture.")
    middle = info.start + info.receptive_field // 2
    return [min(max(0, middle + i * info.jump), size - 1) for i in range(info.output_shape[1])], info.jump


def _known_spec(model: ModelLike) -> Spec:
    spec = _spec(bare(model))
    if spec is None:
        raise AlexNetError(
            "Receptive fields are known of a network of list_models() and of torchvision's AlexNet only."
        )
    return spec


def input_batches(model: ModelLike, images: Any) -> Iterator[Tensor]:
    """``(n, 3, H, W)`` parts of a tensor or of any number of pictures."""
    if isinstance(images, Tensor):
        yield from map(channels_last, torch.split(input_of(model, images), BATCH_SIZE))
        return
    if not isinstance(model, Pretrained):
        raise AlexNetError("A bare model takes a preprocessed tensor; give what load_pretrained returns with pictures.")
    check_type("images", images, Iterable, "a list of pictures")
    for batch in prepared(images, model.preprocess.crop, BATCH_SIZE):
        crops = [unwrap(crop) for _, crop in batch]
        yield like_parameters(model.model, model.preprocess.batch(crops))


def _maps_of(activations: Tensor, layer: str, channel: int) -> Tensor:
    """``(N, H, W)`` of one channel; a fully connected unit is a map of one position."""
    check_counted([channel], activations.shape[1], f"{layer} has {activations.shape[1]:,} channels")
    chosen = activations[:, channel].float()
    return chosen if chosen.ndim == 3 else chosen[:, None, None]


def _peaks(
    model: ModelLike, spec: Spec, layer: str, x: Tensor, maps: Tensor, k: int, seen: int, one_each: bool
) -> list[Patch]:
    """The k highest local maxima of a batch's maps ``(N, H, W)``, as patches of ``x``."""
    is_peak = maps == F.max_pool2d(maps[:, None], 3, stride=1, padding=1)[:, 0]
    if one_each:
        highest = maps.flatten(1).argmax(1, keepdim=True)
        is_peak &= torch.zeros_like(is_peak).flatten(1).scatter(1, highest, True).view_as(is_peak)
    if maps[0].numel() > 1:
        is_peak &= maps > maps.amin((1, 2), keepdim=True)  # the zeros of a ReLU are no peaks
    flat = maps.masked_fill(~is_peak, -torch.inf).flatten()
    values, places = flat.topk(min(k, int(is_peak.sum())))
    patches = []
    for value, place in zip(values.tolist(), places.tolist(), strict=True):
        picture, rest = divmod(place, maps[0].numel())
        row, col = divmod(rest, maps.shape[2])
        box = receptive_field_box(spec, layer, row, col, x.shape[-1])
        pixels = _pixels(model, x[picture], box)
        patches.append(Patch(seen + picture, row, col, value, box, pixels))
    return patches


def _pixels(model: ModelLike, x: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    top, left, bottom, right = box
    return pixels_of(model, x)[:, top:bottom, left:right].cpu().clone()


def occlusion(
    model: ModelLike,
    image: Any,
    target: int | str,
    *,
    patch: int = 32,
    stride: int = 16,
    fill: float = 0.0,
    batch_size: int = BATCH_SIZE,
) -> Tensor:
    """How probable a class remains while a grey square hides one part of the picture after the other.

    Zeiler and Fergus (2013), section 4.2. Where the value drops, the network was looking.

    Args:
        model: as in ``feature_maps``.
        image: one picture, or its preprocessed tensor ``(3, H, W)``.
        target: the class's number; with a ``Pretrained`` its label will do.
        patch: side of the square, in pixels.
        stride: pixels from one position to the next.
        fill: value of the hidden pixels after normalisation; 0 is the mean colour.
        batch_size: positions in one pass; memory grows with this, not with the number of positions.

    Returns:
        ``(rows, columns)`` of probabilities, where ``rows = (H - patch) // stride + 1`` and the square of
        ``[i, j]`` has its top left corner at pixel ``(i * stride, j * stride)``.

    Raises:
        AlexNetError: no such class, or a patch or stride that does not fit the picture.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> heat = ae.occlusion(ae.load_pretrained("small"), photo, "cougar_face", patch=75, stride=76)
        >>> tuple(heat.shape)
        (3, 3)
    """
    for name, value in (("patch", patch), ("stride", stride), ("batch_size", batch_size)):
        check_whole(name, value)
    check_type("fill", fill, (int, float), "a number")
    if batch_size < 1:
        raise AlexNetError(f"batch_size must be at least 1, not {batch_size}.")
    x = input_of(model, image)
    if len(x) != 1:
        raise AlexNetError(f"occlusion takes one picture, not {len(x)}.")
    height, width = x.shape[-2:]
    if not (1 <= patch <= min(height, width) and stride >= 1):
        raise AlexNetError(f"A patch of {patch} every {stride} pixels does not fit a picture of {by(height, width)}.")
    index = class_index(model, target)
    tops, lefts = range(0, height - patch + 1, stride), range(0, width - patch + 1, stride)
    corners = [(top, left) for top in tops for left in lefts]
    parts = []
    for start in range(0, len(corners), batch_size):
        some = corners[start : start + batch_size]
        hidden = x.repeat(len(some), 1, 1, 1)
        for picture, (top, left) in zip(hidden, some, strict=True):
            picture[:, top : top + patch, left : left + patch] = fill
        parts.append(_probability_of(index, class_probabilities(_module(model), hidden)))
    return torch.cat(parts).reshape(len(tops), len(lefts))


def pixels_of(model: ModelLike, x: Tensor) -> Tensor:
    """What an input shows: with a ``Pretrained`` pixels from 0 to 1, else the input as it is."""
    return model.preprocess.denormalize(x) if isinstance(model, Pretrained) else x


def no_bar(progress: bool | None) -> bool | None:
    """tqdm's ``disable``: True and False are the caller's word, and without one a bar shows on a terminal only."""
    return None if progress is None else not progress


def targets_of(model: ModelLike, target: Target, count: int) -> list[int]:
    """A class for each of ``count`` pictures: their own, or one for all; numbers, or labels of a ``Pretrained``."""
    if not count:
        raise AlexNetError("There are no pictures.")
    if isinstance(target, (int, str)):
        return [class_index(model, target)] * count
    check_type("target", target, (list, tuple, Tensor), "a class's number or label, or a list of them")
    each = target.tolist() if isinstance(target, Tensor) and target.ndim == 1 and not target.is_meta else target
    if isinstance(each, Tensor) or len(each) != count:
        raise AlexNetError(f"Give one class for all pictures, or a list with one for each of the {count}.")
    return [class_index(model, one) for one in each]


def class_index(model: ModelLike, target: int | str) -> int:
    """A class's number, for a label of a ``Pretrained`` too; whether the network has so many is not looked at."""
    check_type("target", target, (int, str), "a class's number or label")
    if isinstance(target, int):
        return target
    if not isinstance(model, Pretrained) or target not in model.categories:
        raise AlexNetError(f"There is no class {target!r}; give its number, or a label of a Pretrained's categories.")
    return model.categories.index(target)


def _probability_of(index: int, probabilities: Tensor) -> Tensor:
    check_counted([index], probabilities.shape[1], f"There are {probabilities.shape[1]:,} classes")
    return probabilities[:, index]


def embed(model: ModelLike, images: Any, layer: str = "relu7") -> Tensor:
    """One vector per picture: the activations of a layer, flattened.

    The default is the last hidden layer after its ReLU, the vector of the paper's Fig. 4 (section 6.1). Pictures are
    read and passed a batch at a time; memory holds the vectors and one batch.

    Args:
        model: as in ``feature_maps``.
        images: a tensor ``(N, 3, H, W)``, or with a ``Pretrained`` pictures that ``load_image`` takes.
        layer: a layer's name.

    Returns:
        ``(N, F)`` float32 on the CPU.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.embed(ae.load_pretrained("small"), [photo]).shape)
        (1, 512)
    """
    layer_of(model, layer)
    parts = [feature_maps(model, x, layer)[layer].flatten(1).float().cpu() for x in input_batches(model, images)]
    if not parts:
        raise AlexNetError("There are no pictures to embed.")
    return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest vectors of a bank, nearest first: distances and row numbers, each ``(Q, k)``."""

    distances: Tensor
    indices: Tensor


def neighbours(query: Tensor, bank: Tensor, k: int = 6) -> Neighbours:
    """The k rows of ``bank`` nearest to each query by Euclidean distance [paper, section 6.1 and Fig. 4].

    Args:
        query: ``(F,)`` or ``(Q, F)``, from ``embed``.
        bank: ``(M, F)``.
        k: how many; at most M.

    Raises:
        AlexNetError: sizes that do not match, or fewer than k vectors in the bank.

    Example:
        >>> small, samples = ae.load_pretrained("small"), ae.sample_images()
        >>> bank = ae.embed(small, [sample.open() for sample in samples.values()])
        >>> found = ae.neighbours(bank[:1], bank, k=2)
        >>> tuple(found.indices.shape), found.indices[0, 0].item()
        ((1, 2), 0)
    """
    for name, value in (("query", query), ("bank", bank)):
        check_type(name, value, Tensor, "a tensor, from embed")
    check_whole("k", k)
    queries = query[None] if query.ndim == 1 else query
    if any(not x.is_floating_point() or x.layout != torch.strided or x.is_meta for x in (query, bank)):
        raise AlexNetError("Queries and bank must be dense tensors of floating point numbers.")
    if bank.ndim != 2 or queries.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise AlexNetError(f"Queries of {tuple(query.shape)} and a bank of {tuple(bank.shape)} do not match.")
    if not 1 <= k <= len(bank):
        raise AlexNetError(f"k must be between 1 and {len(bank):,}, the size of the bank, not {k}.")
    distances = queries.new_empty(len(queries), 0)
    indices = torch.empty(len(queries), 0, dtype=torch.long, device=queries.device)
    for start in range(0, len(bank), _BANK_ROWS):
        found = torch.cdist(queries, bank[start : start + _BANK_ROWS])
        rows = torch.arange(start, start + found.shape[1], device=found.device).expand(len(queries), -1)
        all_distances = torch.cat([distances, found], 1)
        distances, places = all_distances.topk(min(k, all_distances.shape[1]), largest=False)
        indices = torch.cat([indices, rows], 1).gather(1, places)
    return Neighbours(distances, indices)
