"""What checks hand to an answer besides numbers and tensors: made-up networks, which pickle."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from alexnet_edu.check.guard import Refused

__all__ = ["Scores", "Spotlight"]


@dataclass(frozen=True)
class Scores:
    """A network of one layer: ``(N, 3, size, size)`` to ``(N, classes)``.

    Attributes:
        weight: ``(3 * size * size, classes)``.
        size: side of the pictures that it takes.
    """

    weight: Tensor
    size: int

    def __call__(self, x: Tensor) -> Tensor:
        wanted = (3, self.size, self.size)
        if x.ndim != 4 or x.shape[1:] != wanted:
            raise Refused(f"the network takes a batch (N, {', '.join(map(str, wanted))}), not {tuple(x.shape)}.")
        return x.flatten(1).to(self.weight.dtype) @ self.weight


@dataclass(frozen=True)
class Spotlight:
    """A network ``(N, 3, H, W)`` to ``(N,)``: as sure as a spot of 4 x 4 pixels is bright.

    Attributes:
        top: first row of the spot.
        left: its first column.
    """

    top: int
    left: int

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise Refused(f"the network takes a batch (N, 3, H, W), not {tuple(x.shape)}.")
        spot = x[:, :, self.top : self.top + 4, self.left : self.left + 4]
        return torch.sigmoid(spot.mean((1, 2, 3)) * 2 + x.mean((1, 2, 3)))
