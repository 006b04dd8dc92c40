"""Which parts of a picture a class score rests on: gradients and what is made of them, and tests of such maps.

Every method takes any PyTorch module that gives scores ``(N, classes)``, and gives one map a picture. Gradients are of
a class's *score before the softmax*: a probability near 1 has a gradient near 0 whatever the network looks at.
``features.occlusion`` asks the same question without gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from tqdm import tqdm

from alexnet_edu.errors import AlexNetError, check_number, check_times, check_type, check_whole
from alexnet_edu.features import (
    ModelLike,
    Target,
    bare,
    differentiating,
    input_of,
    layer_modules,
    layer_of,
    no_bar,
    recording,
    targets_of,
)
from alexnet_edu.inference import BATCH_SIZE, class_probabilities
from alexnet_edu.weights import Pretrained

__all__ = [
    "area",
    "deconvolution",
    "deletion",
    "grad_cam",
    "guided_backpropagation",
    "insertion",
    "integrated_gradients",
    "magnitude",
    "rank_correlation",
    "saliency",
    "shuffled_from_top",
    "smooth_grad",
]

Method = Callable[[nn.Module, Tensor, list[int], Any], Tensor]  # module, pictures, classes, progress bar

_BLUR, _REACH = 10.0, 30  # standard deviation and half the width of the blur, in pixels


# Gradients


def saliency(model: ModelLike, images: Any, target: Target) -> Tensor:
    """How a class's score changes with each pixel: its gradient [Simonyan and others 2013, arXiv:1312.6034, section 3].

    Signed: more of this colour here raises the score, or lowers it. ``magnitude`` makes one map of it, as the paper
    does.

    Args:
        model: what ``load_pretrained`` gives, or any module from ``(N, C, H, W)`` to scores ``(N, classes)``.
        images: as in ``feature_maps``: preprocessed tensors, or with a ``Pretrained`` pictures.
        target: a class's number (or label, with a ``Pretrained``); or one for each picture.

    Returns:
        ``(N, C, H, W)`` on the model's device.

    Raises:
        AlexNetError: no such class, not one class a picture, or a model that gives no scores ``(N, classes)``.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.saliency(ae.load_pretrained("small"), photo, "cougar_face").shape)
        (1, 3, 227, 227)
    """
    return _by_batch(model, images, target, _gradient)


def smooth_grad(
    model: ModelLike,
    images: Any,
    target: Target,
    *,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    progress: bool | None = None,
) -> Tensor:
    """The mean gradient over noisy copies of a picture [Smilkov and others 2017, arXiv:1706.03825].

    Every picture gets the same noise, scaled to its range, so its map does not depend on what else is in the batch.

    Args:
        model, images, target: as in ``saliency``.
        samples: noisy copies of each picture.
        noise: standard deviation, as a share of the picture's range from its lowest value to its highest.
        seed: of the noise.
        progress: whether to show a bar; by default in a terminal only. Ctrl-C gives the pictures that are done.

    Returns:
        ``(N, C, H, W)``

    Raises:
        AlexNetError: as ``saliency``; fewer than one sample, or negative noise.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.smooth_grad(ae.load_pretrained("small"), photo, "cougar_face", samples=2).shape)
        (1, 3, 227, 227)
    """
    check_times("samples", samples)
    check_number("noise", noise, least=0)
    check_whole("seed", seed)

    def smoothed(module: nn.Module, x: Tensor, targets: list[int], bar: Any) -> Tensor:
        random = torch.Generator().manual_seed(seed % 2**63)
        spread = noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
        total = torch.zeros_like(x)
        for _ in range(samples):
            shake = torch.randn(x.shape[1:], generator=random, dtype=torch.float64).to(x)
            total += _gradient(module, x + spread * shake, targets)
            bar.update()
        return total / samples

    return _by_batch(model, images, target, smoothed, passes=samples, progress=progress)


def integrated_gradients(
    model: ModelLike,
    images: Any,
    target: Target,
    *,
    steps: int = 50,
    baseline: float = 0.0,
    progress: bool | None = None,
) -> Tensor:
    """What each pixel adds to a class's score on the way from a baseline to the picture.

    Sundararajan and others (2017), arXiv:1703.01365. The difference from the baseline times the mean gradient on the
    straight line to the picture, taken at the middles of ``steps`` equal parts. The values of a picture sum up to its
    score less the baseline's (completeness), but for the error of the finite sum.

    Args:
        model, images, target: as in ``saliency``.
        steps: parts of the line; a few hundred where the sum has to be close.
        baseline: value of every pixel after normalisation; 0 is the mean colour.
        progress: as in ``smooth_grad``.

    Returns:
        ``(N, C, H, W)``, in units of the score.

    Raises:
        AlexNetError: as ``saliency``; fewer than one step.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.integrated_gradients(ae.load_pretrained("small"), photo, "cougar_face", steps=2).shape)
        (1, 3, 227, 227)
    """
    check_times("steps", steps)
    check_number("baseline", baseline)

    def integrated(module: nn.Module, x: Tensor, targets: list[int], bar: Any) -> Tensor:
        way, total = x - baseline, torch.zeros_like(x)
        for step in range(steps):
            total += _gradient(module, baseline + (step + 0.5) / steps * way, targets)
            bar.update()
        return way * total / steps

    return _by_batch(model, images, target, integrated, passes=steps, progress=progress)


def guided_backpropagation(model: ModelLike, images: Any, target: Target) -> Tensor:
    """The gradient, but every ReLU also stops what is negative on its way back.

    Springenberg and others (2014), arXiv:1412.6806, section 3.4. Sharp maps, which are no gradient of anything: whether
    they still look at the network is a question of its own.

    Args:
        model, images, target: as in ``saliency``. ReLUs are found in modules and in functions.

    Returns:
        ``(N, C, H, W)``

    Raises:
        AlexNetError: as ``saliency``; the network has no ReLU.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.guided_backpropagation(ae.load_pretrained("small"), photo, "cougar_face").shape)
        (1, 3, 227, 227)
    """
    return _by_batch(model, images, target, _through_relus(lambda x, grad: grad.clamp(min=0) * (x > 0)))


def deconvolution(model: ModelLike, images: Any, target: Target) -> Tensor:
    """As the gradient, but a ReLU on the way back keeps what is positive there, whatever it saw on the way in.

    Zeiler and Fergus (2013), arXiv:1311.2901, section 2.1; in terms of gradients Simonyan and others (2013), section 4.

    Args:
        model, images, target: as in ``guided_backpropagation``.

    Returns:
        ``(N, C, H, W)``

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.deconvolution(ae.load_pretrained("small"), photo, "cougar_face").shape)
        (1, 3, 227, 227)
    """
    return _by_batch(model, images, target, _through_relus(lambda x, grad: grad.clamp(min=0)))


def grad_cam(model: ModelLike, images: Any, target: Target, layer: str) -> Tensor:
    """Where the maps of a layer speak for a class [Selvaraju and others 2017, arXiv:1610.02391, section 3].

    Each map is weighted with the mean of the score's gradient over its places; what the sum has below zero is cut off.

    Args:
        model, images, target: as in ``saliency``.
        layer: a layer with maps, by its name in ``layer_modules(model)``; the paper takes the last convolution.

    Returns:
        ``(N, h, w)``, the layer's own size: ``torch.nn.functional.interpolate`` brings it to the picture's.

    Raises:
        AlexNetError: as ``saliency``; there is no such layer, or it has no maps.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(ae.grad_cam(ae.load_pretrained("small"), photo, "cougar_face", "conv5").shape)
        (1, 13, 13)
    """
    wanted = {layer: layer_of(model, layer)}

    def weighted(module: nn.Module, x: Tensor, targets: list[int], bar: Any) -> Tensor:
        with recording(wanted) as maps:
            score = _score(module, x.clone().requires_grad_(), targets)
        if layer not in maps or maps[layer].ndim != 4:
            raise AlexNetError(f"{layer} has no maps (N, C, H, W) to weigh; choose a convolution or a pooling.")
        (grad,) = torch.autograd.grad(score, maps[layer])
        return (grad.mean((2, 3), keepdim=True) * maps[layer]).sum(1).relu().detach()

    return _by_batch(model, images, target, weighted)


def magnitude(maps: Tensor) -> Tensor:
    """One value for each pixel, the largest absolute one of its colours: ``(N, C, H, W)`` to ``(N, H, W)``."""
    return maps.abs().amax(1)


def _gradient(module: nn.Module, x: Tensor, targets: list[int], bar: Any = None) -> Tensor:
    x = x.detach().clone().requires_grad_()
    (grad,) = torch.autograd.grad(_score(module, x, targets), x)
    return grad


def _score(module: nn.Module, x: Tensor, targets: list[int]) -> Tensor:
    """The scores of each picture's class, summed: the gradient for one picture does not depend on the others."""
    scores = module(x.clone())  # a first layer may work in place
    if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != len(x):
        raise AlexNetError("The model must give scores (N, classes), one row a picture.")
    if not 0 <= min(targets) <= max(targets) < scores.shape[1]:
        raise AlexNetError(f"There are {scores.shape[1]:,} classes, counted from 0; {targets} has others.")
    return scores[range(len(x)), targets].sum()


def _by_batch(
    model: ModelLike,
    images: Any,
    target: Target,
    method: Method,
    passes: int = 1,
    progress: bool | None = False,
) -> Tensor:
    """``method`` for a batch after the other, in eval mode, with gradients even where the caller has none."""
    x = input_of(model, images)
    targets, parts = targets_of(model, target, len(x)), []
    bar = tqdm(total=passes * -(-len(x) // BATCH_SIZE), leave=False, disable=no_bar(progress))
    with bar, differentiating(bare(model)) as module:
        try:
            for start in range(0, len(x), BATCH_SIZE):
                some = slice(start, start + BATCH_SIZE)
                parts.append(method(module, x[some].detach().clone(), targets[some], bar))
        except KeyboardInterrupt:
            if not parts:
                raise
            warnings.warn(f"Stopped: these are the first {BATCH_SIZE * len(parts)} of {len(x)} pictures.", stacklevel=3)
    return torch.cat(parts)


_RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}

Rule = Callable[[Tensor, Tensor], Tensor]


class _Ruled(torch.autograd.Function):
    """A ReLU whose way back is a rule: what it saw and what comes back, to what goes on."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: Rule) -> Tensor:
        ctx.save_for_backward(x)
        ctx.rule = rule
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.rule(*ctx.saved_tensors, grad), None


class _RuledRelus(TorchFunctionMode):
    """While active, every ReLU, module or function, in place or not, is a ``_Ruled``: no network has to be changed."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule, self.seen = rule, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in _RELUS:
            return func(*args, **(kwargs or {}))
        self.seen += 1
        return _Ruled.apply(args[0] if args else kwargs["input"], self.rule)  # type: ignore[no-untyped-call]


def _through_relus(rule: Rule) -> Method:
    def ruled(module: nn.Module, x: Tensor, targets: list[int], bar: Any) -> Tensor:
        with _RuledRelus(rule) as relus:
            grad = _gradient(module, x, targets)
        if not relus.seen:
            raise AlexNetError("This network has no ReLU, so there is nothing to guide; take saliency.")
        return grad

    return ruled


# Tests of maps


def shuffled_from_top(model: ModelLike, *, seed: int = 0) -> Iterator[tuple[str, Any]]:
    """A network whose layers lose what they learned, one after the other, from the last one down.

    The cascading randomisation of Adebayo and others (2018), arXiv:1810.03292, section 3.1; each layer's weights and
    biases are shuffled, so their distribution stays what it was. A map that hardly changes does not look at what the
    layers above had learned.

    Args:
        model: as in ``saliency``; it stays as it is.
        seed: of the shuffling.

    Yields:
        The name of the layer that was shuffled last, and the network, of the kind that was given. It is one copy all
        the while: use it before you ask for the next.

    Example:
        >>> stages = ae.shuffled_from_top(ae.load_pretrained("small"))
        >>> [name for name, network in stages][:3]
        ['fc8', 'fc7', 'fc6']
    """
    check_whole("seed", seed)
    module = deepcopy(bare(model))
    network: Any = replace(model, model=module) if isinstance(model, Pretrained) else module  # type: ignore[arg-type]
    random = torch.Generator().manual_seed(seed % 2**63)
    for name, layer in reversed(layer_modules(module).items()):
        values = list(layer.parameters(recurse=False))
        with torch.no_grad():
            for value in values:
                order = torch.randperm(value.numel(), generator=random).to(value.device)
                value.copy_(value.flatten()[order].reshape(value.shape))
        if values:
            yield name, network


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """How far two maps of a picture put its pixels in the same order: Spearman's correlation, -1 to 1.

    Values that are equal share the mean of their ranks. A map without any change has no order: its result is nan.

    Args:
        first: ``(N, ...)``, one map a picture.
        second: the same shape.

    Returns:
        ``(N,)`` float64.

    Raises:
        AlexNetError: other shapes, or fewer than two values a picture.

    Example:
        >>> maps = ae.saliency(ae.load_pretrained("small"), ae.sample_images()["cat"].open(), "cougar_face")
        >>> round(ae.rank_correlation(maps, 1 - 2 * maps).item(), 3)
        -1.0
    """
    for name, value in (("first", first), ("second", second)):
        check_type(name, value, Tensor, "a tensor of maps")
    plain = all(x.is_floating_point() and x.layout == torch.strided and not x.is_meta for x in (first, second))
    if not plain or first.shape != second.shape or first.ndim < 2 or first[:1].numel() < 2:
        raise AlexNetError("Two tensors (N, ...) of floating point numbers are wanted, of one shape and not empty.")
    ranks = [_ranks(maps.detach().flatten(1)) for maps in (first, second)]
    one, two = (F.normalize(each - each.mean(1, keepdim=True), eps=0) for each in ranks)
    return (one * two.to(one)).sum(1)


def _ranks(values: Tensor) -> Tensor:
    """``(N, F)`` of ranks from 0; equal values share their mean rank."""
    ranks = torch.empty_like(values, dtype=torch.float64)
    for row, out in zip(values, ranks, strict=True):
        _, group, count = row.unique(return_inverse=True, return_counts=True)
        ends = count.cumsum(0).double()
        out.copy_((ends - (count - 1) / 2 - 1)[group])
    return ranks


def deletion(
    model: ModelLike,
    images: Any,
    target: Target,
    maps: Tensor,
    *,
    steps: int = 20,
    fill: float = 0.0,
    progress: bool | None = None,
) -> Tensor:
    """How fast a class's probability falls while the pixels go, the ones with the highest values first.

    Petsiuk and others (2018), arXiv:1806.07421, section 4.1. A map is good if it falls sooner than with another
    picture's map, which has the same form but knows nothing of this picture. ``area`` makes one number of it.

    Args:
        model, images, target: as in ``saliency``.
        maps: ``(N, H, W)``, as large as the pictures that the network sees; equal values go row by row.
        steps: equal parts in which the pixels go.
        fill: what comes in their place, after normalisation; 0 is the mean colour.
        progress: as in ``smooth_grad``.

    Returns:
        ``(N, steps + 1)`` probabilities on the CPU, from the whole picture to none of it.

    Raises:
        AlexNetError: as ``saliency``; maps of another size.

    Example:
        >>> small, photo = ae.load_pretrained("small"), ae.sample_images()["cat"].open()
        >>> maps = ae.saliency(small, photo, "cougar_face").abs().amax(1)
        >>> tuple(ae.deletion(small, photo, "cougar_face", maps, steps=4).shape)
        (1, 5)
    """
    check_number("fill", fill)
    x = input_of(model, images)
    return _curve(model, x, target, maps, x, torch.full_like(x, fill), steps, progress)


def insertion(
    model: ModelLike, images: Any, target: Target, maps: Tensor, *, steps: int = 20, progress: bool | None = None
) -> Tensor:
    """How fast a class's probability rises while pixels come back into a blurred picture, the highest values first.

    As ``deletion``, from a picture blurred by 10 pixels, in which nothing small can be made out, to the picture.

    Args:
        model, images, target, maps, steps, progress: as in ``deletion``.

    Returns:
        ``(N, steps + 1)`` probabilities on the CPU, from the blurred picture to the whole one.

    Example:
        >>> small, photo = ae.load_pretrained("small"), ae.sample_images()["cat"].open()
        >>> maps = ae.saliency(small, photo, "cougar_face").abs().amax(1)
        >>> tuple(ae.insertion(small, photo, "cougar_face", maps, steps=4).shape)
        (1, 5)
    """
    x = input_of(model, images)
    return _curve(model, x, target, maps, _blurred(x), x, steps, progress)


def _blurred(x: Tensor) -> Tensor:
    """Every picture under a Gaussian of ``_BLUR`` pixels; one direction after the other, mirrored at the edges."""
    for axis in (2, 3):
        reach = min(_REACH, x.shape[axis] - 1)
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / _BLUR) ** 2)
        kernel = (weights / weights.sum()).to(x).reshape(1, 1, -1, 1).transpose(2, axis)
        sides = [0, 0, reach, reach] if axis == 2 else [reach, reach, 0, 0]
        x = F.conv2d(F.pad(x, sides, mode="reflect").flatten(0, 1)[:, None], kernel).reshape(x.shape)
    return x


def area(curves: Tensor) -> Tensor:
    """The area under curves over 0 to 1, by trapezoids: ``(N, steps + 1)`` to ``(N,)``."""
    return (curves[:, 1:] + curves[:, :-1]).mean(1) / 2


def _curve(
    model: ModelLike,
    x: Tensor,
    target: Target,
    maps: Tensor,
    start: Tensor,
    end: Tensor,
    steps: int,
    progress: bool | None,
) -> Tensor:
    """Probabilities while the pixels of ``start`` become those of ``end``, in the order of the maps."""
    check_times("steps", steps)
    check_type("maps", maps, Tensor, "a tensor of maps")
    if maps.shape != (len(x), *x.shape[2:]) or maps.is_meta or maps.layout != torch.strided:
        raise AlexNetError(f"maps must be {(len(x), *x.shape[2:])}, one value a pixel, not {tuple(maps.shape)}.")
    targets = torch.tensor(targets_of(model, target, len(x)))
    order = maps.detach().flatten(1).argsort(dim=1, descending=True, stable=True)
    place = order.argsort(1).reshape(len(x), 1, *x.shape[2:]).to(x.device)
    points = []
    for step in tqdm(range(steps + 1), leave=False, disable=no_bar(progress)):
        gone = place < round(step / steps * order.shape[1])
        mixed = torch.where(gone, end, start)
        chances = torch.cat([class_probabilities(bare(model), part) for part in mixed.split(BATCH_SIZE)])
        if not 0 <= int(targets.min()) <= int(targets.max()) < chances.shape[1]:
            raise AlexNetError(f"There are {chances.shape[1]:,} classes, counted from 0; target has others.")
        points.append(chances[range(len(x)), targets])
    return torch.stack(points, 1)
