"""Augmentation as ``torchvision.transforms.v2`` transforms: each works alone, on one picture or on a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision.transforms import v2

from alexnet_edu.errors import AlexNetError
from alexnet_edu.palette import by

__all__ = ["ColourJitter", "CropAndFlip", "PCANoise", "SubtractMeanImage", "colour_statistics"]


class _Transform(v2.Transform):  # type: ignore[misc]
    """A transform of tensors (..., C, H, W); torchvision before 0.21 calls its two methods by private names."""

    _transformed_types = (Tensor,)

    def _get_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return self.make_params(flat_inputs)

    def _transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.transform(inpt, params)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {}


class SubtractMeanImage(_Transform):
    """Subtracts a mean *image*, value by value, on the raw 0-255 scale [paper, section 2]; gives floats.

    Args:
        mean: (C, H, W), 0-255. A picture that is smaller gets the mean's centre.
    """

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.mean = mean

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        mean: Tensor = v2.functional.center_crop(self.mean.to(inpt.device), list(inpt.shape[-2:]))
        return inpt.float() - mean


class CropAndFlip(_Transform):
    """A random square and a mirror image half of the time [paper, section 4.1].

    Args:
        size: side of the square in pixels; 224 out of 256 in the paper.
        all_positions: ``True`` draws from all ``256 - 224 + 1 = 33`` rows and columns, as the 2012 code did;
            ``False`` from 32, which with the mirror gives the paper's "factor of 2048".
        shared: how many consecutive pictures of a batch get the same square and mirror; 32 in the 2012 code.
    """

    def __init__(self, size: int = 224, *, all_positions: bool = True, shared: int = 1) -> None:
        super().__init__()
        self.size, self.all_positions, self.shared = size, all_positions, shared

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        shape = flat_inputs[0].shape
        pictures = shape[0] if len(shape) > 3 else 1
        draws = -(-pictures // self.shared)
        spans = [side - self.size + self.all_positions for side in shape[-2:]]
        if min(shape[-2:]) < self.size:
            raise AlexNetError(f"A square of {self.size} pixels does not fit in {by(*shape[-2:])}.")
        top, left = (torch.randint(max(1, span), (draws,)).tolist() for span in spans)
        return {"draws": list(zip(top, left, (torch.rand(draws) < 0.5).tolist(), strict=True))}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        batch = inpt if inpt.ndim > 3 else inpt[None]
        cuts = []
        for part, (top, left, mirror) in zip(torch.split(batch, self.shared), params["draws"], strict=True):
            cut = part[..., top : top + self.size, left : left + self.size]
            cuts.append(cut.flip(-1) if mirror else cut)
        out = torch.cat(cuts)
        return out if inpt.ndim > 3 else out[0]


class PCANoise(_Transform):
    """Adds one random colour to a whole picture, along the main directions of the data's colours [section 4.1].

    The paper says to multiply the directions by their *eigenvalues*; the 2012 code multiplied by their square
    roots, the standard deviations, which is the only reading that fits pixels of 0 to 255. Usual copies of the
    recipe use the eigenvalues of a 0-1 scale, several times too weak.

    Args:
        deviations: (3,) standard deviations along the directions, 0-255 scale.
        directions: (3, 3), one unit vector per column.
        std: of the random factor, 0.1 in the paper.
        by: "deviations", as in the code, or "eigenvalues" (of a 0-1 scale), as in the text.
        divide: divide by ``1 + std`` afterwards, as the code did.
    """

    def __init__(
        self,
        deviations: Tensor,
        directions: Tensor,
        *,
        std: float = 0.1,
        by: Literal["deviations", "eigenvalues"] = "deviations",
        divide: bool = True,
    ) -> None:
        super().__init__()
        self.scale = deviations if by == "deviations" else (deviations / 255).square() * 255
        self.directions, self.std, self.divide = directions, std, divide

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        shape = flat_inputs[0].shape[:-3]
        return {"colour": (torch.randn(*shape, 3) * self.std * self.scale) @ self.directions.T}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        noisy: Tensor = inpt.float() + params["colour"][..., None, None].to(inpt.device)
        return noisy / (1 + self.std) if self.divide else noisy


class ColourJitter(_Transform):
    """Normalises, then changes saturation, contrast and brightness at random, for each picture of a batch anew.

    All of it is one 3 x 3 matrix and one shift per picture, so it is done in one pass over the pixels.

    Args:
        amount: saturation and contrast are multiplied by 1 +- amount, then up to +- amount is added.
        mean: per channel, subtracted first.
        std: per channel, divided by.
        dtype: of the result.
    """

    def __init__(
        self,
        amount: float = 0.3,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.amount, self.dtype = amount, dtype
        self.mean, self.std = torch.tensor(mean)[:, None], torch.tensor(std)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        shape = flat_inputs[0].shape[:-3]
        saturation, contrast, brightness = torch.empty(3, *shape, 1, 1).uniform_(-self.amount, self.amount)
        mixing = (1 + contrast) * (torch.eye(3) * (1 + saturation) - saturation / 3) / self.std
        return {"matrix": mixing, "shift": brightness - mixing @ self.mean}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        matrix, shift = (params[name].to(inpt.device, self.dtype) for name in ("matrix", "shift"))
        jittered: Tensor = (matrix @ inpt.flatten(-2).to(self.dtype) + shift).view(inpt.shape)
        return jittered


def colour_statistics(pictures: Iterable[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """What the 2012 recipe takes from its training pictures.

    Args:
        pictures: each (3, H, W), 0-255, all of one size.

    Returns:
        the mean image (3, H, W), the standard deviations (3,) along the main directions of the colours,
        largest first, and these directions (3, 3), one per column.
    """
    count, total, moments = 0, torch.zeros(1), torch.zeros(3, 3, dtype=torch.float64)
    for picture in pictures:
        colours = picture.double().flatten(1)
        moments += colours @ colours.T / colours.shape[1]
        total = total + picture.double()
        count += 1
    mean = total / count
    centre = mean.mean((1, 2))
    eigenvalues, directions = torch.linalg.eigh(moments / count - centre[:, None] * centre)
    return mean.float(), eigenvalues.clamp(min=0).sqrt().flip(0).float(), directions.flip(1).float()
