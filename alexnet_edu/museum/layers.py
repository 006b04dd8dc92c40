"""PyTorch modules of the 2012 layer types that torch and ``alexnet_edu.layers`` lack."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet_edu.museum.specs import Blur, Filters, Pool
from alexnet_edu.specs import Shape, SpatialNorm

__all__ = ["AnyPool", "Function", "GaussianBlur", "InputSum", "LocalFilters", "Pick", "WindowNorm", "noisy_relu"]


class InputSum(nn.Module):
    """``conv``, ``local`` and ``fc``: the outputs of one branch per input, summed, plus one bias.

    Shape:
        every input ``(N, C, H, W)`` or ``(N, F)``, to one ``(N, C', H', W')`` or ``(N, F')``.
    """

    def __init__(self, branches: Sequence[nn.Module], bias: Tensor) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.bias = nn.Parameter(bias)

    def forward(self, *inputs: Tensor) -> Tensor:
        total = self.bias
        for branch, x in zip(self.branches, inputs, strict=True):
            total = total + branch(x)
        return total

    def weight(self, index: int) -> nn.Parameter:
        """The weights of one input."""
        branch = self.branches[index]
        return (branch[-1] if isinstance(branch, nn.Sequential) else branch).weight  # type: ignore[return-value]

    def share(self, index: int, owner: InputSum, other: int) -> None:
        """Makes one input use the weights, and the random connections, of an input of ``owner``."""
        mine, theirs = (list(net.branches[i].modules()) for net, i in ((self, index), (owner, other)))
        for module, source in zip(mine, theirs, strict=True):
            if isinstance(module, Pick):
                module.maps = source.maps  # type: ignore[assignment]
            elif hasattr(module, "weight"):
                module.weight = source.weight


class Pick(nn.Module):
    """Random sparse connections: each run of C entries is a permutation of the C input maps [gen_rand_conns].

    Shape:
        ``(N, C, H, W)`` to ``(N, picks, H, W)``.
    """

    maps: Tensor

    def __init__(self, channels: int, picks: int) -> None:
        super().__init__()
        permutations = [torch.randperm(channels) for _ in range(picks // channels)]
        self.register_buffer("maps", torch.cat(permutations))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.maps]


class LocalFilters(nn.Module):
    """A convolution whose filters differ from position to position.

    Shape:
        ``(N, C, H, W)`` to ``(N, C', H', W')``; the weights are (groups, H' * W', C' / groups, C / groups * k * k).
    """

    def __init__(self, layer: Filters, shape: Shape) -> None:
        super().__init__()
        _, self.rows, self.columns = layer.output_shape(shape)
        self.layer = layer
        taps = shape[0] // layer.groups * layer.kernel_size**2
        size = (layer.groups, self.rows * self.columns, layer.out_channels // layer.groups, taps)
        self.weight = nn.Parameter(torch.randn(size) * (layer.init.std if layer.init else 1.0))

    def forward(self, x: Tensor) -> Tensor:
        layer, side = self.layer, x.shape[-1]
        reach = (self.rows - 1) * layer.stride + layer.kernel_size - side - layer.padding
        x = F.pad(x, (layer.padding, max(0, reach), layer.padding, max(0, reach)))
        patches = F.unfold(x, layer.kernel_size, stride=layer.stride)[..., : self.rows * self.columns]
        patches = patches.reshape(len(x), layer.groups, -1, patches.shape[-1])
        return torch.einsum("ngkp,gpok->ngop", patches, self.weight).reshape(len(x), -1, self.rows, self.columns)


class AnyPool(nn.Module):
    """Windows that may reach over every edge; see ``Pool``."""

    def __init__(self, layer: Pool) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        how, size, stride, start = self.layer.how, self.layer.size, self.layer.stride, self.layer.start
        end = start + (self.layer.outputs - 1) * stride + size - x.shape[-1]
        around = (-start, end, -start, end)  # negative: rows that no window covers
        if how == "avg":
            inside = F.pad(torch.ones_like(x[:1, :1]), around)
            return F.avg_pool2d(F.pad(x, around), size, stride) / F.avg_pool2d(inside, size, stride)
        outside = torch.finfo(x.dtype).min
        if how == "rand":
            return self._random(x, around)
        largest = F.max_pool2d(F.pad(x, around, value=outside), size, stride)
        if how == "max":
            return largest
        smallest = -F.max_pool2d(F.pad(-x, around, value=outside), size, stride)
        return torch.where(largest >= -smallest, largest, smallest)

    def _random(self, x: Tensor, around: tuple[int, ...]) -> Tensor:
        def windows(values: Tensor) -> Tensor:
            taps = F.unfold(F.pad(values, around), self.layer.size, stride=self.layer.stride)
            return taps.reshape(*values.shape[:2], -1, taps.shape[-1])

        found, inside = windows(x), windows(torch.ones_like(x[:1, :1]))
        chosen = (torch.rand_like(found) * inside).argmax(dim=2, keepdim=True)
        return found.gather(2, chosen).reshape(*x.shape[:2], self.layer.outputs, self.layer.outputs)


class WindowNorm(nn.Module):
    """``cnorm``, and ``rnorm`` with an even window; see ``ContrastNorm``."""

    def __init__(self, layer: SpatialNorm, *, centred: bool) -> None:
        super().__init__()
        self.layer, self.centred = layer, centred

    def forward(self, x: Tensor) -> Tensor:
        wide = x if x.dtype == torch.float64 else x.float()
        layer = self.layer
        residual = wide - self._mean(wide, count_outside=False) if self.centred else wide
        squares = self._mean(residual.square(), count_outside=True)
        return (wide * (layer.k + layer.alpha * squares).pow(-layer.beta)).to(x.dtype)

    def _mean(self, x: Tensor, *, count_outside: bool) -> Tensor:
        size = self.layer.size
        mean = F.avg_pool2d(x, size, stride=1, padding=size // 2, count_include_pad=count_outside)
        return mean[..., : x.shape[-2], : x.shape[-1]]


class GaussianBlur(nn.Module):
    """Blurs along the rows, then along the columns; see ``Blur``."""

    taps: Tensor

    def __init__(self, layer: Blur) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor(layer.taps()))

    def forward(self, x: Tensor) -> Tensor:
        channels, size = x.shape[1], len(self.taps)
        for shape, padding in (((1, size), (0, size // 2)), ((size, 1), (size // 2, 0))):
            weight = self.taps.to(x.dtype).view(1, 1, *shape).expand(channels, -1, -1, -1)
            x = F.conv2d(x, weight, padding=padding, groups=channels)
        return x


class Function(nn.Module):
    """A function of one or several tensors that has nothing to learn."""

    def __init__(self, name: str, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.name, self.function = name, function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)

    def extra_repr(self) -> str:
        return self.name


def noisy_relu(x: Tensor) -> Tensor:
    """``nrelu``. The standard deviation is the value itself, as in the call; the comment beside it says variance."""
    positive = x.relu()
    return (positive + positive.detach() * torch.randn_like(x)).relu()
