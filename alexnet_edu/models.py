"""From a spec to a ``torch.nn.Module`` whose children carry the layers' names, ``conv1`` to ``fc8``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from math import prod
from typing import Any

from torch import Tensor, nn

from alexnet_edu import layers, specs
from alexnet_edu.errors import AlexNetError
from alexnet_edu.geometry import accepts, size_message, trace
from alexnet_edu.specs import Shape, Spec
from alexnet_edu.variants import SPECS, get_spec

__all__ = ["AlexNet", "build_layer", "get_model", "list_models", "unwrapped"]

_MOST_CLASSES = 1_000_000


class AlexNet(nn.Module):
    """A network built from its spec, one child module per layer, in order and by name.

    ``for layer in model.children(): x = layer(x)`` is exactly the forward pass. No layer works in place, so
    the value that a forward hook sees stays what it was. A layer may be replaced (``model.fc8 = nn.Linear(...)``); a
    module stored under another name is not part of the pass.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)`` class scores (logits, before softmax).

    Attributes:
        spec: the data that the network was built from.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        for layer, shape in trace(spec, spec.input_shape):
            self.add_module(layer.name, build_layer(layer, shape))

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes)`` for pictures ``(N, 3, H, W)``.

        Raises:
            AlexNetError: the input has another number of sizes or channels, or a height or width that the network
                can't take; the message gives the valid ones.
        """
        if not layers.recorded(x):  # who writes the pass down would write down the search for valid sizes, too
            self._check(x)
        for layer in self.spec.layers:
            x = self.get_submodule(layer.name)(x)
        return x

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != 3:
            raise AlexNetError(f"The network takes a batch of RGB pictures, (N, 3, H, W), not {tuple(x.shape)}.")
        height, width = x.shape[2:]
        if not (accepts(self.spec, height) and accepts(self.spec, width)):
            raise AlexNetError(size_message(self.spec, (height, width)))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As ``torch.nn.Module.load_state_dict``; keys in torchvision's style (``features.0.weight``) work too."""
        names = _torchvision_names(self.spec)
        renamed = {
            ".".join([names.get(module, module), value]): tensor
            for (module, _, value), tensor in ((key.rpartition("."), state_dict[key]) for key in state_dict)
        }
        return super().load_state_dict(renamed, strict=strict, assign=assign)


def _torchvision_names(spec: Spec) -> dict[str, str]:
    """torchvision's ``features.N`` and ``classifier.N``, numbered before and after the pooling that ends the maps."""
    kinds = [layer.kind for layer in spec.layers]
    end = kinds.index("Flatten") + 1
    features = [layer.name for layer in spec.layers if layer.kind not in ("AdaptiveAvgPool", "Flatten")]
    maps = sum(layer.kind not in ("AdaptiveAvgPool", "Flatten") for layer in spec.layers[:end])
    return {f"features.{i}": name for i, name in enumerate(features[:maps])} | {
        f"classifier.{i}": name for i, name in enumerate(features[maps:])
    }


@singledispatch
def build_layer(layer: specs.Layer, shape: Shape) -> nn.Module:
    """The module of one layer of a spec, for an input of ``shape`` (without the batch)."""
    raise TypeError(f"No module is registered for a layer of kind {layer.kind}.")


@build_layer.register
def _(layer: specs.Conv, shape: Shape) -> nn.Module:
    kind = layers.CeilConv2d if layer.ceil else nn.Conv2d
    conv = kind(shape[0], layer.out_channels, layer.kernel_size, layer.stride, layer.padding, groups=layer.groups)
    return _start(conv, layer.init)


@build_layer.register
def _(layer: specs.Linear, shape: Shape) -> nn.Module:
    return _start(nn.Linear(prod(shape), layer.out_features), layer.init)


def _start(module: nn.Conv2d | nn.Linear, init: specs.Init | None) -> nn.Module:
    """Draws the weights as the spec says; ``None`` keeps PyTorch's default."""
    if init is not None:
        nn.init.normal_(module.weight, std=init.std)
        assert module.bias is not None
        nn.init.constant_(module.bias, init.bias)
    return module


@build_layer.register
def _(layer: specs.ReLU, shape: Shape) -> nn.Module:
    return nn.ReLU()


@build_layer.register
def _(layer: specs.Tanh, shape: Shape) -> nn.Module:
    return nn.Tanh()


@build_layer.register
def _(layer: specs.BatchNorm, shape: Shape) -> nn.Module:
    return nn.BatchNorm2d(shape[0])


@build_layer.register
def _(layer: specs.LRN, shape: Shape) -> nn.Module:
    return layers.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k, layer.groups)


@build_layer.register
def _(layer: specs.SpatialNorm, shape: Shape) -> nn.Module:
    return layers.SpatialResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)


@build_layer.register
def _(layer: specs.MaxPool, shape: Shape) -> nn.Module:
    return layers.MaxPool2d(layer.kernel_size, layer.stride, ceil_mode=layer.ceil)


@build_layer.register
def _(layer: specs.AdaptiveAvgPool, shape: Shape) -> nn.Module:
    return nn.AdaptiveAvgPool2d(layer.output_size)


@build_layer.register
def _(layer: specs.Flatten, shape: Shape) -> nn.Module:
    return nn.Flatten()


@build_layer.register
def _(layer: specs.Dropout, shape: Shape) -> nn.Module:
    return nn.Dropout(layer.p) if layer.scale_at == "train" else layers.Dropout2012(layer.p)


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside what ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel`` made of it."""
    parallel = isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    inner = model.module if parallel else getattr(model, "_orig_mod", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) else model


def list_models() -> list[str]:
    """The names that ``get_model`` takes.

    Example:
        >>> ae.list_models()[0]
        'paper'
    """
    return list(SPECS)


def get_model(name: str, *, num_classes: int = 1000) -> AlexNet:
    """An untrained network, started at random as its source says (``torch.manual_seed`` fixes the start).

    Args:
        name: one of ``list_models()``.
        num_classes: how many class scores the last layer gives.

    Raises:
        AlexNetError: there is no such network, or ``num_classes`` is no whole number from 1 to 1,000,000.

    Example:
        >>> get_model("paper").fc8
        Linear(in_features=4096, out_features=1000, bias=True)
    """
    spec = get_spec(name).with_classes(num_classes)
    if num_classes > _MOST_CLASSES:
        raise AlexNetError(f"num_classes must be at most {_MOST_CLASSES:,}, not {num_classes:,}.")
    return AlexNet(spec)
