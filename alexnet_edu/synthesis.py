"""Pictures made by optimisation: what a unit wants, what a layer keeps, and what fools the network.

A picture is changed, the network is not. Pixels are RGB from 0 to 1 throughout: a ``Pretrained`` normalises them, and a
bare module is taken to accept them as they are, so put its normalisation in front with ``nn.Sequential``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from alexnet_edu.errors import AlexNetError, check_counted, check_number, check_times, check_whole
from alexnet_edu.features import (
    ModelLike,
    Target,
    bare,
    differentiating,
    input_of,
    layer_of,
    no_bar,
    pixels_of,
    targets_of,
)
from alexnet_edu.inference import channels_last
from alexnet_edu.models import AlexNet
from alexnet_edu.weights import Pretrained

__all__ = ["fast_gradient_sign", "invert", "pasted", "projected_gradient", "universal_patch", "visualise"]

# A square root of the covariance of the bundled photos' colours (RGB, 0 to 1); its columns are what colours mostly do:
# become brighter, warmer, greener. Olah and others (2017) call pictures in these coordinates decorrelated.
COLOURS = ((0.29, 0.11, 0.03), (0.30, 0.01, -0.06), (0.30, -0.12, 0.03))
_USUAL_SIDE = 224  # of the pictures for a module about which nothing is known
_START = 0.01  # standard deviation of the noise that a picture begins with, in Fourier space
_BELOW_ZERO = 0.1  # how much of an activation below zero counts: the next layer sees none of it, a gradient needs some


# --- what a unit wants


def visualise(
    model: ModelLike,
    layer: str,
    channels: int | Sequence[int],
    *,
    steps: int = 128,
    size: int | None = None,
    where: str = "map",
    jitter: int = 8,
    rate: float = 0.05,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool | None = None,
) -> Tensor:
    """What channels want to see: for each a picture, changed step by step until the channel answers strongly.

    Feature visualisation as Olah, Mordvintsev and Schubert (2017) do it: the picture is a sum of waves, each scaled to
    the strength that it has in photos, in decorrelated colours; Adam climbs, and the picture is moved a little at each
    step. Nothing else holds it near photos. All channels begin with the same noise, so the picture of a channel does
    not depend on which others are asked for.

    Args:
        model: as in ``feature_maps``.
        layer: a layer's name. ``conv`` and ``fc`` layers are best: behind a ReLU a silent unit gives no gradient.
        channels: maps, or units of a fully connected layer, from 0.
        steps: how often each picture is changed; 128 take about 3 seconds a picture on two cores for ``fc8``.
        size: side S of the pictures in pixels; by default what the network takes.
        where: "map" for the mean over all positions of the map, which gives a texture, "centre" for the position in the
            middle, which sees only its receptive field.
        jitter: by how many pixels at most a picture is moved at each step.
        rate: Adam's learning rate.
        batch_size: pictures in one pass.
        seed: fixes the noise and the moves.
        progress: a bar; None for one on a terminal only.

    Returns:
        ``(K, 3, S, S)`` on the CPU, 0 to 1. Ctrl-C ends it early, with the pictures as they are by then.

    Raises:
        AlexNetError: no such layer or channel.

    Example:
        >>> small = ae.load_pretrained("small")
        >>> tuple(visualise(small, "conv1", [0, 5], steps=2, size=64).shape)
        (2, 3, 64, 64)
    """
    if where not in ("map", "centre"):
        raise AlexNetError(f'where must be "map" or "centre", not {where!r}.')
    network, enter = _scaled(model)
    reach = layer_of(model, layer)
    wanted = _whole_numbers(channels)
    side = _side(model) if size is None else size
    check_times("size", side)
    check_whole("jitter", jitter)

    def loss(pixels: Tensor, rows: slice, shift: tuple[int, int]) -> Tensor:
        answers = _answers(network, reach, enter(pixels.roll(shift, (2, 3))))
        return -_of_channels(answers, wanted[rows], layer, where).sum()

    return _optimised(network, len(wanted), side, loss, steps, rate, jitter, batch_size, seed, progress)


def _of_channels(answers: Tensor, channels: Sequence[int], layer: str, where: str) -> Tensor:
    """``(n,)`` of answers ``(n, C, ...)``: how strongly each picture's own channel answers."""
    check_counted(channels, answers.shape[1], f"{layer} has {answers.shape[1]:,} channels")
    own = answers[range(len(channels)), channels]
    if own.ndim == 3 and where == "centre":
        return own[:, own.shape[1] // 2, own.shape[2] // 2]
    return F.leaky_relu(own, _BELOW_ZERO).flatten(1).mean(1) if own.ndim == 3 else own


# --- what a layer keeps


def invert(
    model: ModelLike,
    images: Any,
    layer: str,
    *,
    steps: int = 256,
    smooth: float = 0.05,
    rate: float = 0.05,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool | None = None,
) -> Tensor:
    """What a layer still knows of pictures: others, found from noise, to which it answers in the same way.

    Mahendran and Vedaldi (2015), equation 1, with pictures made of waves as in ``visualise``. What differs from the
    original is what the layer has given up.

    Args:
        model: as in ``feature_maps``.
        images: as in ``feature_maps``: N pictures.
        layer: a layer's name.
        steps: how often the pictures are changed.
        smooth: weight of the total variation, the mean size of the steps from pixel to pixel, beside the error.
        rate: Adam's learning rate.
        batch_size: pictures in one pass.
        seed: fixes the noise.
        progress: a bar; None for one on a terminal only.

    Returns:
        ``(N, 3, S, S)`` on the CPU, 0 to 1. Ctrl-C ends it early, with the pictures as they are by then.

    Raises:
        AlexNetError: no such layer.

    Example:
        >>> photo = ae.sample_images()["cat"].open()
        >>> tuple(invert(ae.load_pretrained("small"), photo, "pool1", steps=2).shape)
        (1, 3, 227, 227)
    """
    network, enter = _scaled(model)
    reach, x = layer_of(model, layer), input_of(model, images)

    def loss(pixels: Tensor, rows: slice, shift: tuple[int, int]) -> Tensor:
        with torch.no_grad():
            aims = _answers(network, reach, x[rows]).flatten(1)
        errors = (_answers(network, reach, enter(pixels)).flatten(1) - aims).square().sum(1)
        return (errors / aims.square().sum(1)).sum() + smooth * total_variation(pixels).sum()

    return _optimised(network, len(x), x.shape[-1], loss, steps, rate, 0, batch_size, seed, progress)


def total_variation(pixels: Tensor) -> Tensor:
    """``(N,)``: the mean absolute difference between neighbours, down and across, of ``(N, 3, H, W)``."""
    down, across = pixels.diff(dim=2).abs(), pixels.diff(dim=3).abs()
    return down.flatten(1).mean(1) + across.flatten(1).mean(1)


# --- what fools the network


def fast_gradient_sign(
    model: ModelLike,
    images: Any,
    target: Target | None = None,
    *,
    size: float = 2 / 255,
    targeted: bool = False,
) -> Tensor:
    """Pictures that the network reads wrongly, after one step: every pixel value goes up or down by ``size``.

    Goodfellow, Shlens and Szegedy (2015), section 4: along the sign of the loss's gradient, and kept within 0 to 1.

    Args:
        model: as in ``feature_maps``.
        images: as in ``feature_maps``: N pictures.
        target: the class to lead away from, as a number, a label or one for each picture; None for the present answer.
        size: of the change, in units of the pixels; 1/255 is one level of a file of 8 bits.
        targeted: lead to ``target`` instead.

    Returns:
        ``(N, 3, H, W)`` on the CPU, 0 to 1, not rounded to levels.

    Raises:
        AlexNetError: no such class, or ``targeted`` without a target.

    Example:
        >>> small, photo = ae.load_pretrained("small"), ae.sample_images()["cat"].open()
        >>> changed = fast_gradient_sign(small, photo, size=2 / 255)
        >>> (changed - small.preprocess.denormalize(small.preprocess(photo))).abs().max().mul(255).round().item()
        2.0
    """
    return projected_gradient(model, images, target, size=size, step=size, steps=1, targeted=targeted)


def projected_gradient(
    model: ModelLike,
    images: Any,
    target: Target | None = None,
    *,
    size: float = 2 / 255,
    step: float | None = None,
    steps: int = 10,
    targeted: bool = False,
    progress: bool | None = None,
) -> Tensor:
    """As ``fast_gradient_sign``, in several smaller steps; after each, no pixel value is further than ``size`` away.

    Madry and others (2018), section 2.1, from the picture itself. Ctrl-C returns the pictures as they are by then.

    Args:
        model: as in ``feature_maps``.
        images: as in ``feature_maps``: N pictures.
        target: as in ``fast_gradient_sign``.
        size: as in ``fast_gradient_sign``.
        step: of one step, in units of the pixels; a quarter of ``size`` by default.
        steps: how many.
        targeted: lead to ``target`` instead of away from it.
        progress: a bar; None for one on a terminal only.

    Returns:
        ``(N, 3, H, W)`` on the CPU, 0 to 1, not rounded to levels.

    Raises:
        AlexNetError: no such class, or ``targeted`` without a target.

    Example:
        >>> small, photo = ae.load_pretrained("small"), ae.sample_images()["cat"].open()
        >>> tuple(projected_gradient(small, photo, "sunflower", steps=2, targeted=True).shape)
        (1, 3, 227, 227)
    """
    if target is None and targeted:
        raise AlexNetError("A change that leads to a class needs the class: give target.")
    for name, value in (("size", size), ("step", size / 4 if step is None else step)):
        check_number(name, value, least=0)
    check_times("steps", steps)
    network, enter = _scaled(model)
    towards = -1 if targeted else 1
    with differentiating(network):
        start = _pixels_of(model, images)
        changed, stride = start.clone(), size / 4 if step is None else step
        classes = _classes(model, target, network(enter(start)).detach())

        def change(_: int) -> None:
            pixels = changed.clone().requires_grad_()
            loss = F.cross_entropy(network(enter(pixels)), classes, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, pixels)
            moved = changed + towards * stride * gradient.sign()
            changed.copy_(torch.clamp(moved, start - size, start + size).clamp(0, 1))

        _repeat(change, steps, "projected gradient", progress)
    return changed.cpu()


def _classes(model: ModelLike, target: Target | None, scores: Tensor) -> Tensor:
    """``(N,)`` classes on the scores' device: those given, or the present answers."""
    if target is None:
        return scores.argmax(1)
    classes = targets_of(model, target, len(scores))
    check_counted(classes, scores.shape[1], f"There are {scores.shape[1]:,} classes")
    return torch.tensor(classes, device=scores.device)


def universal_patch(
    model: ModelLike,
    images: Any,
    target: int | str,
    *,
    side: int = 64,
    steps: int = 100,
    rate: float = 0.05,
    batch_size: int = 16,
    seed: int = 0,
    progress: bool | None = None,
) -> Tensor:
    """One square that leads to a class wherever it lies, on whatever picture.

    Brown and others (2017): Adam on the mean loss over pictures and places, drawn anew at each step.

    Args:
        model: as in ``feature_maps``.
        images: as in ``feature_maps``: the pictures to learn from. Try the patch on others.
        target: the class's number; with a ``Pretrained`` its label will do.
        side: of the patch, in pixels.
        steps: how often the patch is changed.
        rate: Adam's learning rate.
        batch_size: pictures at each step.
        seed: fixes pictures and places.
        progress: a bar; None for one on a terminal only.

    Returns:
        ``(3, side, side)`` on the CPU, 0 to 1; ``pasted`` puts it on pictures. Ctrl-C ends it early.

    Raises:
        AlexNetError: no such class, or a patch larger than the pictures.

    Example:
        >>> samples = [sample.open() for sample in ae.sample_images().values()]
        >>> tuple(universal_patch(ae.load_pretrained("small"), samples, "sunflower", side=48, steps=2).shape)
        (3, 48, 48)
    """
    for name, value in (("side", side), ("steps", steps), ("batch_size", batch_size)):
        check_times(name, value)
    check_number("rate", rate, least=0)
    check_whole("seed", seed)
    network, enter = _scaled(model)
    random = torch.Generator().manual_seed(seed)
    with differentiating(network):
        pictures = _pixels_of(model, images)
        (aim,) = _classes(model, target, network(enter(pictures[:1])).detach())
        patch = torch.zeros_like(pictures[0, :, :1, :1]).repeat(1, side, side).requires_grad_()
        adam = torch.optim.Adam([patch], lr=rate)

        def change(number: int) -> None:
            some = pictures[torch.randint(len(pictures), (batch_size,), generator=random)]
            scores = network(enter(pasted(some, patch.sigmoid(), seed=seed + number)))
            (patch.grad,) = torch.autograd.grad(F.cross_entropy(scores, aim.expand(batch_size)), patch)
            adam.step()

        _repeat(change, steps, "patch", progress)
        return patch.detach().sigmoid().cpu()


def pasted(pixels: Tensor, patch: Tensor, seed: int = 0) -> Tensor:
    """Pictures ``(N, 3, H, W)`` with a patch ``(3, h, w)`` on each, at a place of its own that ``seed`` fixes.

    Raises:
        AlexNetError: the patch is larger than the pictures.
    """
    height, width = patch.shape[1:]
    rows, cols = pixels.shape[2] - height + 1, pixels.shape[3] - width + 1
    if min(rows, cols) < 1:
        raise AlexNetError(f"A patch of {height} x {width} pixels does not fit pictures of {tuple(pixels.shape[2:])}.")
    random = torch.Generator().manual_seed(seed)
    covered = pixels.clone()
    for number in range(len(covered)):
        top, left = (int(torch.randint(places, (), generator=random)) for places in (rows, cols))
        covered[number, :, top : top + height, left : left + width] = patch
    return covered


# --- shared: how a picture is held, entered and changed


def _optimised(
    network: nn.Module,
    count: int,
    side: int,
    loss: Callable[[Tensor, slice, tuple[int, int]], Tensor],
    steps: int,
    rate: float,
    jitter: int,
    batch_size: int,
    seed: int,
    progress: bool | None,
) -> Tensor:
    """``(count, 3, side, side)``: pictures from noise, changed by Adam in Fourier space until ``loss`` is small.

    ``loss`` gets the pixels of a batch, the batch's rows, and by how much to move the pictures.
    """
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        check_times(name, value)
    check_number("rate", rate, least=0)
    check_whole("seed", seed)
    random = torch.Generator().manual_seed(seed)
    batches = [slice(first, min(first + batch_size, count)) for first in range(0, count, batch_size)]
    held: dict[int, tuple[Tensor, torch.optim.Adam]] = {}  # the batch that is being changed
    with differentiating(network):
        start = _START * torch.randn(1, 3, side, side // 2 + 1, 2, generator=random)
        moves = torch.randint(-jitter, jitter + 1, (steps, 2), generator=random).tolist()
        spectra = start.to(next(network.parameters(), start)).repeat(count, 1, 1, 1, 1)

        def change(number: int) -> None:
            batch, step = divmod(number, steps)
            rows = batches[batch]
            if batch not in held:
                held.clear()
                spectrum = spectra[rows].clone().requires_grad_()
                held[batch] = spectrum, torch.optim.Adam([spectrum], lr=rate)
            spectrum, adam = held[batch]
            value = loss(pixels_from(spectrum, side), rows, (moves[step][0], moves[step][1]))
            (spectrum.grad,) = torch.autograd.grad(value, spectrum)
            adam.step()
            spectra[rows] = spectrum.detach()

        _repeat(change, steps * len(batches), "optimising pictures", progress)
        return torch.cat([pixels_from(spectra[rows], side).detach().cpu() for rows in batches])


def pixels_from(spectrum: Tensor, side: int) -> Tensor:
    """``(N, 3, S, S)`` pixels, 0 to 1, for the waves ``(N, 3, S, S // 2 + 1, 2)`` that they are made of.

    A wave of frequency f counts 1 / f: in photos, too, fine detail is faint. Then colours are mixed by ``COLOURS``, and
    a sigmoid keeps them within 0 to 1.
    """
    like: dict[str, Any] = {"dtype": spectrum.dtype, "device": spectrum.device}
    down, across = torch.fft.fftfreq(side, **like)[:, None], torch.fft.rfftfreq(side, **like)
    frequency = torch.hypot(down, across).clamp(min=1 / side)
    scaled = torch.view_as_complex(spectrum) * (side / frequency)
    waves = torch.fft.irfft2(scaled, s=(side, side)) / 4
    colours = torch.tensor(COLOURS, **like)
    return torch.einsum("ij,njhw->nihw", colours / colours.norm(dim=0).max(), waves).sigmoid()


class _Reached(Exception):
    """A layer has answered: what comes after it need not be computed."""


def _answers(network: nn.Module, layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer puts out, ``(N, C, ...)``, with its graph; the pass ends there."""

    def stop(module: nn.Module, inputs: Any, output: Tensor) -> None:
        raise _Reached(output)

    handle = layer.register_forward_hook(stop)
    try:
        network(x)
    except _Reached as reached:
        output: Tensor = reached.args[0]
        return output
    finally:
        handle.remove()
    raise AlexNetError("The network does not call this layer.")


def _repeat(change: Callable[[int], None], times: int, title: str, progress: bool | None) -> None:
    """Calls ``change(0)``, ``change(1)`` and so on, with a bar; Ctrl-C ends it quietly."""
    with suppress(KeyboardInterrupt):
        for number in tqdm(range(times), title, leave=False, disable=no_bar(progress)):
            change(number)


def _scaled(model: ModelLike) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """The network, and what turns pixels into its input."""
    network = bare(model)
    if isinstance(model, Pretrained):
        preprocess = model.preprocess
        return network, lambda pixels: channels_last(preprocess.normalize(pixels))
    return network, channels_last


def _pixels_of(model: ModelLike, images: Any) -> Tensor:
    """``(N, 3, H, W)``, 0 to 1, on the network's device, for what ``feature_maps`` takes."""
    return pixels_of(model, input_of(model, images)).clone()


def _side(model: ModelLike) -> int:
    """The side of the pictures that a network was made for."""
    if isinstance(model, Pretrained):
        return model.preprocess.size
    network = bare(model)
    return network.spec.input_size if isinstance(network, AlexNet) else _USUAL_SIDE


def _whole_numbers(channels: int | Sequence[int]) -> list[int]:
    many = [channels] if isinstance(channels, int) else list(channels)
    for channel in many:
        check_whole("channels", channel)
    if not many:
        raise AlexNetError("There are no channels in the list.")
    return many
