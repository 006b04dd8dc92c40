"""The network while it trains, and its way back to plain weights."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from alexnet_edu.errors import AlexNetError
from alexnet_edu.layers import Dropout2012, LocalResponseNorm
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import Spec
from alexnet_edu.train.files import write_atomically
from alexnet_edu.train.recipes import Recipe
from alexnet_edu.weights import Preprocess

__all__ = ["Whitening", "fold", "freeze", "logits_difference", "save_export", "start_weights", "training_network"]


class Constant(nn.Module):
    """Multiplies by a constant: LRN at small activations, ``k ** -beta``."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Whitening(nn.Module):
    """Coordinates for the weights of conv1 in which everything that photographs show is learned at a like pace.

    Two pixels r apart correlate by about exp(-r / 40) in photographs of this size, and colour varies far less than
    grey. In plain pixels the gradient of a filter is therefore mostly brightness and blobs of colour, and gratings take
    many epochs. Here conv1's weights are what is learned times a fixed symmetric matrix: a direction of power p gets
    the gain ``sqrt(p) / (p + floor)``, which evens out the powers above the floor and quiets what is below it, as the
    retina does (Atick and Redlich 1992, "What does the retina know about natural scenes?").

    Args:
        side: of the square filters, in pixels.
        floor: power of a pixel's noise, where a grey pixel's own power is 1.

    Shape:
        ``(O, 3, side, side)`` to the same.
    """

    matrix: Tensor
    REACH = 40.0  # pixels; the correlations of Caltech-101 at 1 to 10 pixels lie within 0.04 of it
    COLOUR = 0.05  # power of a direction of colour where grey has 1, there

    def __init__(self, side: int, floor: float) -> None:
        super().__init__()
        place = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double()
        powers, directions = torch.linalg.eigh(torch.exp(-torch.cdist(place, place) / self.REACH))
        grey = torch.full((3, 3), 1 / 3, dtype=torch.double)
        matrix = torch.zeros(3 * side**2, 3 * side**2, dtype=torch.double)
        for colours, share in ((grey, 1.0), (torch.eye(3) - grey, self.COLOUR)):
            gains = (share * powers).sqrt() / (share * powers + floor)
            matrix += torch.kron(colours, directions * gains @ directions.T)
        self.register_buffer("matrix", (matrix / matrix.square().sum(1).mean().sqrt()).float())

    def forward(self, learned: Tensor) -> Tensor:
        with torch.autocast(learned.device.type, enabled=False):
            return (learned.flatten(1) @ self.matrix).view_as(learned)


def start_weights(model: AlexNet, recipe: Recipe) -> None:
    """Draws the starting weights where the recipe wants others than the spec; the last layer keeps its own.

    With ``recipe.whitening``, conv1's weights become a function of what is learned, see ``Whitening``.
    """
    last = model.spec.layers[-1].name
    for name, layer in model.named_children():
        if not isinstance(layer, (nn.Conv2d, nn.Linear)) or name == last:
            continue
        if recipe.start == "kaiming":
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        std = {"conv1": recipe.conv1_std}.get(name, recipe.conv345_std if name in ("conv3", "conv4", "conv5") else None)
        if std is not None:
            nn.init.normal_(layer.weight, std=std)
        if name == "conv1" and recipe.whitening:
            assert isinstance(layer, nn.Conv2d)
            parametrize.register_parametrization(layer, "weight", Whitening(layer.kernel_size[0], recipe.whitening))


def freeze(model: AlexNet, last: str) -> None:
    """Keeps the weights of all layers up to and with ``last`` as they are, whatever trains the model.

    Raises:
        AlexNetError: there is no such layer, or nothing would be left to learn.
    """
    names = [layer.name for layer in model.spec.layers]
    if last not in names:
        raise AlexNetError(f"{model.spec.name} has no layer {last!r} to freeze to; choose one of {', '.join(names)}.")
    kept = names[: names.index(last) + 1]
    if names[-1] in kept:
        raise AlexNetError(f"With {names[-1]} frozen nothing would be left to learn; choose a layer before it.")
    for name in kept:
        model.get_submodule(name).requires_grad_(False)


def training_network(model: AlexNet, recipe: Recipe) -> nn.Sequential:
    """The children of ``model``, the very same modules, with what the recipe adds only while training.

    Batch norm follows each convolution and hidden linear layer (whose bias it replaces), LRN becomes its limit,
    and dropout moves, as the recipe says. Layers keep their names; added ones end in ``_norm`` and ``_drop``.

    Raises:
        AlexNetError: the recipe drops the input of a layer that the network lacks.
    """
    network = nn.Sequential()
    last = model.spec.layers[-1].name
    unknown = sorted(set(recipe.dropout or ()) - dict(model.named_children()).keys())
    if unknown:
        raise AlexNetError(f"The recipe's dropout names layers that {model.spec.name} lacks: {', '.join(unknown)}.")
    for name, layer in model.named_children():
        if recipe.dropout is not None and isinstance(layer, (nn.Dropout, Dropout2012)):
            continue
        if recipe.dropout and name in recipe.dropout:
            network.add_module(f"{name}_drop", nn.Dropout(recipe.dropout[name]))
        if recipe.lrn == "limit" and isinstance(layer, LocalResponseNorm):
            layer = Constant(layer.k**-layer.beta)
        network.add_module(name, layer)
        if recipe.batch_norm and isinstance(layer, (nn.Conv2d, nn.Linear)) and name != last:
            layer.bias = None
            norm = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d
            network.add_module(f"{name}_norm", norm(len(layer.weight)))
    return network


@torch.no_grad()
def fold(network: nn.Module, spec: Spec) -> AlexNet:
    """The trained network as a plain AlexNet: whitening and batch norm become part of the weights and biases.

    Args:
        network: from ``training_network``, trained (or the running average of such).
        spec: of the AlexNet that it was made from.
    """
    layers = dict(network.named_children())
    plain = AlexNet(spec)
    for name, target in plain.named_children():
        if not isinstance(target, (nn.Conv2d, nn.Linear)):
            continue
        source, norm = layers[name], layers.get(f"{name}_norm")
        assert isinstance(source, (nn.Conv2d, nn.Linear)) and target.bias is not None
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
            assert norm.running_var is not None and norm.running_mean is not None
            factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
            target.weight.copy_(source.weight * factor.view(-1, *[1] * (source.weight.ndim - 1)))
            target.bias.copy_(norm.bias - norm.running_mean * factor)
        else:
            target.load_state_dict({"weight": source.weight, "bias": source.bias})
    return plain.eval()


@torch.no_grad()
def logits_difference(network: nn.Module, plain: AlexNet, batch: Tensor, plain_batch: Tensor) -> dict[str, float]:
    """How far the exported network is from the trained one on pictures (N, 3, H, W), in float32 on a CPU.

    The difference is what LRN's limit leaves out, plus rounding.

    Args:
        network: as trained.
        plain: as exported.
        batch: the pictures as ``network`` sees them.
        plain_batch: the pictures as ``plain`` will see them.

    Returns:
        the largest difference of two logits, the logits' standard deviation, and the share of pictures for which
        both networks name the same class.
    """
    a = copy.deepcopy(network).cpu().float().eval()(batch)
    b = copy.deepcopy(plain).cpu().float().eval()(plain_batch)
    same = (a.argmax(1) == b.argmax(1)).float().mean().item()
    return {"largest": (a - b).abs().max().item(), "spread": a.std().item(), "same_class": same}


def save_export(
    path: Path,
    model: AlexNet,
    categories: tuple[str, ...],
    preprocess: Preprocess,
    training: dict[str, Any],
    *,
    half: bool,
) -> None:
    """Writes a safetensors file that ``load_pretrained(path)`` reads: weights, categories, preprocessing, training.

    Args:
        path: the file.
        model: plain, on the CPU.
        categories: the classes' names.
        preprocess: what the network expects of a picture.
        training: how it was trained, for the record.
        half: store half precision.
    """
    tensors = {name: (value.half() if half else value).contiguous() for name, value in model.state_dict().items()}
    entries = {"categories": categories, "preprocess": asdict(preprocess), "training": training}
    metadata = {name: json.dumps(value) for name, value in entries.items()} | {"format": "pt", "model": model.spec.name}
    write_atomically(path, lambda temporary: save_file(tensors, str(temporary), metadata=metadata))
