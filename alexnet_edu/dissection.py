"""What a unit stands for: its map beside maps of colours, orientations and grain, with what chance alone would give.

After network dissection (Bau and others 2017), whose pictures with marked concepts are no longer to be had; what is
looked for here can be computed from any picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import pi
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.errors import AlexNetError, check_number, check_times, check_whole
from alexnet_edu.features import ModelLike, feature_maps, field_centres, input_batches, pixels_of

__all__ = ["ATTRIBUTES", "Dissection", "attributes", "dissect"]

COLOURS = ("red", "yellow", "green", "cyan", "blue", "magenta")  # hues 0, 60, ... 300 degrees
GREYS = ("black", "grey", "white")
LINES = ("horizontal lines", "rising lines", "vertical lines", "falling lines")
GRAIN = ("plain", "fine grain", "medium grain", "coarse grain")
ATTRIBUTES = (*COLOURS, *GREYS, *LINES, *GRAIN)

_PALE, _DARK, _BRIGHT = 0.2, 0.2, 0.8  # saturation and values (0 to 1) between which a pixel has a colour, or a grey
_WINDOW = 9  # side in pixels of the neighbourhood that has an orientation and a grain
_CONTRAST = 0.03  # root mean square of the brightness's detail below which a neighbourhood is plain
_COHERENT = 0.5  # of 1: how much of a neighbourhood's gradients lie along one direction
_BLURS = (7, 15, 31)  # sides in pixels: fine grain is what the first takes away, medium the second, coarse the third


@dataclass(frozen=True, eq=False)
class Dissection:
    """How far a layer's units agree with attributes.

    Attributes:
        layer: its name.
        attributes: what was looked for, A names.
        overlap: ``(C, A)``, intersection over union, 0 to 1, of where a unit is active and where an attribute is.
        chance: ``(C,)``, the best overlap that a unit's maps reach with the attributes of pictures at random.
    """

    layer: str
    attributes: tuple[str, ...]
    overlap: Tensor
    chance: Tensor

    @property
    def best(self) -> list[str]:
        """For each unit the attribute that it agrees with most."""
        return [self.attributes[number] for number in self.overlap.argmax(1).tolist()]

    @property
    def above_chance(self) -> Tensor:
        """``(C,)``: whether a unit agrees with its best attribute more than chance explains."""
        return self.overlap.amax(1) > self.chance


def dissect(
    model: ModelLike, images: Any, layer: str, *, share: float = 0.01, shuffles: int = 20, seed: int = 0
) -> Dissection:
    """Where each map of a layer is most active, compared with where the pictures have which attribute.

    A unit is active at the ``share`` of positions, over all pictures, at which its map is highest. A position has an
    attribute where at least half of the pixels around the middle of its receptive field have it. Chance is what is left
    when pictures change places, so that maps meet the attributes of others: the highest of ``shuffles`` tries.
    With 20, a unit that stands for nothing is above chance once in 21 times.

    Args:
        model: as in ``top_patches``.
        images: as in ``top_patches``; at least two.
        layer: a layer with maps; ``conv`` layers show excitation before it is cut off.
        share: of the positions, 0 to 1.
        shuffles: how often pictures change places.
        seed: fixes these.

    Raises:
        AlexNetError: no such layer, one without maps, or a network whose receptive fields are not known.

    Example:
        >>> samples = [sample.open() for sample in ae.sample_images().values()]
        >>> found = dissect(ae.load_pretrained("small"), samples, "conv1", shuffles=2)
        >>> tuple(found.overlap.shape) == (48, len(found.attributes))
        True
    """
    check_number("share", share, least=0)
    check_times("shuffles", shuffles)
    check_whole("seed", seed)
    activations, present = _seen(model, images, layer)
    if len(activations) < 2:
        raise AlexNetError("Chance needs other pictures to compare with: give at least two.")
    active = _highest(activations.transpose(0, 1).flatten(1), share)
    random = torch.Generator().manual_seed(seed)
    orders = [_others(len(present), random) for _ in range(shuffles)]
    by_chance = [overlaps(active, _by_attribute(present[order])).amax(1) for order in orders]
    found = overlaps(active, _by_attribute(present))
    return Dissection(layer, ATTRIBUTES, found, torch.stack(by_chance).amax(0))


def _others(count: int, random: torch.Generator) -> Tensor:
    """An order in which no picture keeps its place: one that did would meet its own attributes, which is no chance."""
    circle = torch.randperm(count, generator=random)
    order = torch.empty_like(circle)
    order[circle] = circle.roll(1)
    return order


def _seen(model: ModelLike, images: Any, layer: str) -> tuple[Tensor, Tensor]:
    """Maps ``(N, C, h, w)`` and attributes at their positions ``(N, A, h, w)``, on the CPU."""
    all_maps, all_present = [], []
    for x in input_batches(model, images):
        maps = feature_maps(model, x, layer)[layer].float().cpu()
        if maps.ndim != 4 or maps.shape[2] < 2:
            raise AlexNetError(f"{layer} has no maps to lay over pictures; choose a convolution or what follows it.")
        pixels = pixels_of(model, x).float().cpu()
        centres, jump = field_centres(model, layer, x.shape[-1])
        around = _blurred(attributes(pixels).float(), jump | 1)
        all_maps.append(maps)
        all_present.append(around[:, :, centres][:, :, :, centres] >= 0.5)
    if not all_maps:
        raise AlexNetError("There are no pictures.")
    return torch.cat(all_maps), torch.cat(all_present)


def _highest(values: Tensor, share: float) -> Tensor:
    """``(C, P)``: the given share of each row's values, those above a threshold of its own."""
    count = min(max(1, round(share * values.shape[1])), values.shape[1] - 1)
    threshold = values.topk(count + 1, dim=1).values[:, -1:]
    return values > threshold


def _by_attribute(present: Tensor) -> Tensor:
    return present.transpose(0, 1).flatten(1)


def overlaps(active: Tensor, present: Tensor) -> Tensor:
    """Intersection over union ``(C, A)`` of the truth values ``(C, P)`` with ``(A, P)``; 0 where both are empty."""
    both = active.float() @ present.float().T
    either = active.sum(1, keepdim=True) + present.sum(1) - both
    return both / either.clamp(min=1)


# --- attributes


def attributes(pixels: Tensor) -> Tensor:
    """Which pixels have which of ``ATTRIBUTES``: ``(N, A, H, W)`` truth values for RGB ``(N, 3, H, W)``, 0 to 1.

    Every pixel has one colour or grey and one grain; where the grain is not plain, it may have one orientation.
    """
    brightness = pixels.mean(1, keepdim=True)
    grain = _grains(brightness)
    lines = _lines(brightness) & ~grain[:, :1]
    return torch.cat([_colours(pixels), lines, grain], 1)


def _colours(pixels: Tensor) -> Tensor:
    """Six hues, black, grey and white."""
    high, low = pixels.amax(1), pixels.amin(1)
    spread = high - low
    red, green, blue = pixels.unbind(1)
    safe = spread.clamp(min=1e-6)
    hue = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    nearest = hue.round().long() % 6
    black = high < _DARK
    pale = ~black & (spread <= _PALE * high)
    hues = [~black & ~pale & (nearest == number) for number in range(6)]
    return torch.stack([*hues, black, pale & (high <= _BRIGHT), pale & (high > _BRIGHT)], 1)


def _lines(brightness: Tensor) -> Tensor:
    """Along which of four directions a neighbourhood's lines run, where they run along one (structure tensor)."""
    padded = F.pad(brightness, (1, 1, 1, 1), mode="replicate")
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    across = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    xx, yy, xy = (_blurred(one, _WINDOW) for one in (across * across, down * down, across * down))
    strength = (xx - yy).square().add(4 * xy.square()).sqrt()
    coherent = strength > _COHERENT * (xx + yy).clamp(min=1e-8)
    # The gradient's direction, in degrees of rows that count downwards; lines run at right angles to it.
    gradient = torch.atan2(2 * xy, xx - yy) / 2
    number = ((gradient + pi / 2) / (pi / 4)).round().long() % 4  # 0: a gradient straight down, lines across
    return torch.cat([coherent & (number == wanted) for wanted in (0, 3, 2, 1)], 1)


def _grains(brightness: Tensor) -> Tensor:
    """Plain, or the scale between two blurs at which a neighbourhood's brightness varies most."""
    levels = [brightness, *(_blurred(brightness, side) for side in _BLURS)]
    energy = torch.cat([_blurred((a - b).square(), _WINDOW) for a, b in pairwise(levels)], 1)
    plain = energy.sum(1, keepdim=True) < _CONTRAST**2
    largest = energy.argmax(1, keepdim=True)
    return torch.cat([plain, *(~plain & (largest == number) for number in range(3))], 1)


def _blurred(x: Tensor, side: int) -> Tensor:
    """The mean over squares of an odd ``side``; at the edge, over what is there."""
    return F.avg_pool2d(x, side, stride=1, padding=side // 2, count_include_pad=False)
