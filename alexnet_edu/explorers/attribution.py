"""Which part of a picture an answer rests on, by two methods side by side, while the network loses its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from alexnet_edu import attribution, tiles
from alexnet_edu.explorers.pictures import PictureMenu
from alexnet_edu.explorers.widgets import Explorer, draw, image_view, menu, offer, slider
from alexnet_edu.features import layer_modules, occlusion
from alexnet_edu.geometry import layer_table
from alexnet_edu.inference import class_probabilities, default_pretrained
from alexnet_edu.labels import in_words
from alexnet_edu.weights import Pretrained

_CLASSES = 5
_PATCH, _STRIDE = 48, 24  # of occlusion, in pixels

Method = Callable[[Pretrained, Tensor, int], Tensor]

# Each gives (1, 3, H, W) for one picture; Grad-CAM and occlusion give a map at once.
GRADIENTS: dict[str, Method] = {
    "saliency": attribution.saliency,
    "SmoothGrad": partial(attribution.smooth_grad, samples=12),
    "integrated gradients": partial(attribution.integrated_gradients, steps=12),
    "guided backpropagation": attribution.guided_backpropagation,
    "deconvolution": attribution.deconvolution,
}
METHODS = (*GRADIENTS, "Grad-CAM", "occlusion")


def _drop(network: Pretrained, x: Tensor, target: int) -> Tensor:
    """By how much the class's probability falls while a square hides each part; a rise counts as none."""
    hidden = occlusion(network, x[0], target, patch=_PATCH, stride=_STRIDE)
    return (class_probabilities(network.model, x)[0, target] - hidden).clamp(min=0)


class AttributionExplorer(Explorer):
    """Two methods side by side: which part of a picture speaks for a class, in a network that you may take apart.

    Layers are shuffled from the last one down: what a map then still shows, it does not have from them.

    Args:
        pretrained: from ``load_pretrained``; by default what ``load_pretrained("auto")`` gives.
        pictures: by name, in any form that ``load_image`` takes; by default the bundled samples.
    """

    def __init__(self, pretrained: Pretrained | None = None, pictures: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.pretrained = pretrained or default_pretrained()
        table = layer_table(self.pretrained.model.spec, self.pretrained.preprocess.size)
        layers = [row.name for row in table if len(row.output_shape) == 3]
        last = [name for name in layers if name.startswith("conv")][-1]
        self._order = [name for name, _ in reversed(layer_modules(self.pretrained).items()) if _has_weights(name)]
        self._shuffled = (0, self.pretrained)
        self.pictures = PictureMenu(self, pictures, self._new_picture)
        self.picture, self.upload = self.pictures.menu, self.pictures.upload
        self.target = menu("Class", [""], "")
        self.first = menu("Left", METHODS, "Grad-CAM")
        self.second = menu("Right", METHODS, "guided backpropagation")
        self.layer = menu("Grad-CAM at", layers, last)
        self.shuffled = slider("Layers shuffled", len(self._order))
        self.crop, self.left, self.right = (image_view(300, sharp=False) for _ in range(3))
        for control in (self.target, self.first, self.second, self.layer, self.shuffled):
            self.on_change(control, self._update)
        controls = [self.picture, self.upload, self.target, self.first, self.second, self.layer, self.shuffled]
        self.arrange(controls, [self.crop, self.left, self.right])
        self.attempt(self._new_picture)

    def _state(self) -> Mapping[str, object]:
        methods = {"left": self.first.value, "right": self.second.value}
        return {
            "weights": self.pretrained.name,
            "picture": self.picture.value,
            **methods,
            "shuffled": self.shuffled.value,
        }

    def _new_picture(self) -> None:
        crop = self.pretrained.preprocess.crop(self.pictures.source())
        x = self.pretrained.preprocess.batch([crop])
        chances = class_probabilities(self.pretrained.model, x)[0]
        likeliest = chances.topk(min(_CLASSES, len(chances))).indices.tolist()
        words = [(f"{in_words(self.pretrained.categories[one])} ({chances[one]:.1%})", one) for one in likeliest]
        self._crop, self._x = crop, x
        offer(self.target, words, likeliest[0])
        self._update()

    def _network(self) -> Pretrained:
        """The network with as many layers shuffled as the slider says; the last one is kept."""
        count = self.shuffled.value
        if self._shuffled[0] != count:
            stages = attribution.shuffled_from_top(self.pretrained)
            network = self.pretrained
            for _ in range(count):
                network = next(stages)[1]
            self._shuffled = count, network
        return self._shuffled[1]

    def _map(self, method: str, network: Pretrained, target: int) -> Tensor:
        """``(h, w)`` of values from 0."""
        if method == "Grad-CAM":
            return attribution.grad_cam(network, self._x, target, self.layer.value)[0]
        if method == "occlusion":
            return _drop(network, self._x, target)
        return attribution.magnitude(GRADIENTS[method](network, self._x, target))[0]

    def _update(self) -> None:
        network, target = self._network(), int(self.target.value)
        found = []
        for image, method in ((self.left, self.first.value), (self.right, self.second.value)):
            name = f"{method} at {self.layer.value}" if method == "Grad-CAM" else method
            values = self._map(method, network, target)
            draw(image, _drawn(values, self._crop.width), f"{name} for {self.picture.value}")
            found.append(f"{name}{'' if values.amax() > values.amin() else ', which is the same everywhere'}")
        draw(self.crop, self._crop, f"{self.picture.value} as the network sees it")
        gone = self._order[: self.shuffled.value]
        state = (
            f"with {gone[0]} to {gone[-1]} shuffled" if len(gone) > 1 else f"with {gone[0]} shuffled" if gone else ""
        )
        label = in_words(self.pretrained.categories[target])
        self.say(
            f"What speaks for <b>{escape(label)}</b> {state or 'as trained'}. <b>Left</b>: {found[0]}. <b>Right</b>: "
            f"{found[1]}. Dark is little, yellow is much, each on its own scale."
        )


def _has_weights(name: str) -> bool:
    return name.startswith(("conv", "fc"))


def _drawn(values: Tensor, side: int) -> Image.Image:
    """A map half as large as the crop, which calms its noise, on a scale from its lowest to its 99th percentile."""
    whole = F.interpolate(values[None, None].float().cpu(), (side // 2, side // 2), mode="bilinear", antialias=True)[0]
    low, high = float(whole.min()), float(torch.quantile(whole.flatten(), 0.99))
    return tiles.tile_maps(whole.numpy(), limits=(low, high) if high > low else (low, low + 1), width=side // 2)
