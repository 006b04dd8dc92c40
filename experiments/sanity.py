"""Whether maps look at the network: what notebook 09 says of each method, measured on 60 held-out photos.

``python -m experiments.sanity`` shuffles the embedded network from ``fc8`` down, compares every map before and after,
deletes and inserts pixels, and writes ``alexnet_edu/assets/sanity.json``. Some minutes on two cores. Each twenty
photos have a shuffling of their own, so that what is said does not rest on one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu import attribution as att
from alexnet_edu.images import HeldOut, held_out_images
from alexnet_edu.inference import class_probabilities
from alexnet_edu.weights import Pretrained, load_pretrained

RESULT = Path(__file__).resolve().parents[1] / "alexnet_edu" / "assets" / "sanity.json"
SEEDS = (0, 1, 2)  # one for each picture of a kind
LAYERS = ("fc8", "fc6", "conv5", "conv3", "conv1")  # after whose shuffling maps are compared

Method = Callable[[Any, Tensor, list[int]], Tensor]


def enlarged(maps: Tensor, like: Tensor) -> Tensor:
    """``(N, h, w)`` as large as the pictures."""
    return F.interpolate(maps[:, None], like.shape[2:], mode="bilinear")[:, 0]


def edges(network: Any, x: Tensor, classes: list[int]) -> Tensor:
    """The control: where the picture's brightness changes, whatever the network."""
    grey = F.pad(x.mean(1), (1, 1, 1, 1), mode="replicate")
    return (grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]).hypot(grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2])


# Each gives (N, H, W): one value a pixel.
METHODS: dict[str, Method] = {
    "saliency": lambda *given: att.magnitude(att.saliency(*given)),
    "SmoothGrad": lambda *given: att.magnitude(att.smooth_grad(*given, samples=5)),
    "integrated gradients": lambda *given: att.magnitude(att.integrated_gradients(*given, steps=5)),
    "guided backpropagation": lambda *given: att.magnitude(att.guided_backpropagation(*given)),
    "deconvolution": lambda *given: att.magnitude(att.deconvolution(*given)),
    "Grad-CAM conv5": lambda network, x, classes: enlarged(att.grad_cam(network, x, classes, "conv5"), x),
    "edges": edges,
}


def chosen() -> list[list[HeldOut]]:
    """For each seed one picture of every kind: the neighbours in a list are of different kinds."""
    found: dict[str, list[HeldOut]] = {}
    for photo in held_out_images():
        found.setdefault(photo.kind, []).append(photo)
    return [[photos[place] for photos in found.values()] for place in range(len(SEEDS))]


def prepared(network: Pretrained, photos: list[HeldOut]) -> tuple[Tensor, list[int]]:
    """``(N, 3, H, W)``, and the class that the network gives each of them."""
    x = torch.stack([network.preprocess(photo) for photo in photos])
    return x, class_probabilities(network.model, x).argmax(1).tolist()


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """``(N,)``; a map without any change keeps nothing of the other's order, which is 0."""
    return att.rank_correlation(first, second).nan_to_num()


def after_shuffling(
    network: Pretrained, x: Tensor, classes: list[int], before: Mapping[str, Tensor], seed: int
) -> dict[str, dict[str, list[float]]]:
    """How each picture's map agrees with the one before, for each method and last shuffled layer."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in before}
    for layer, shuffled in att.shuffled_from_top(network, seed=seed):
        for name, maps in before.items() if layer in LAYERS else ():
            found[name][layer] = rounded(correlation(METHODS[name](shuffled, x, classes), maps))
    return found


def areas(network: Pretrained, x: Tensor, classes: list[int], maps: Tensor) -> dict[str, list[float]]:
    """Areas under both curves for each picture."""
    curves = {"deletion": att.deletion, "insertion": att.insertion}
    return {name: rounded(att.area(curve(network, x, classes, maps, steps=8))) for name, curve in curves.items()}


def rounded(values: Tensor) -> list[float]:
    """To three decimals: more would be noise."""
    return [round(value, 3) for value in values.tolist()]


def measured(network: Pretrained, photos: list[HeldOut], seed: int) -> dict[str, Any]:
    """All that is measured on some pictures, for each method."""
    x, classes = prepared(network, photos)
    random = torch.rand(len(x), *x.shape[2:], generator=torch.Generator().manual_seed(seed))
    result: dict[str, Any] = {"classes": [network.categories[one] for one in classes]}
    result["random order"] = areas(network, x, classes, random)
    before = {name: method(network, x, classes) for name, method in METHODS.items()}
    after = after_shuffling(network, x, classes, before, seed)
    for name, maps in before.items():
        others = maps.roll(1, 0)
        result[name] = {
            "shuffled": after[name],
            "unrelated": rounded(correlation(maps, others)),
            "own map": areas(network, x, classes, maps),
            "another's map": areas(network, x, classes, others),
        }
    return result


def joined(parts: list[Any]) -> Any:
    """Lists at any depth, one after the other."""
    if isinstance(parts[0], dict):
        return {key: joined([part[key] for part in parts]) for key in parts[0]}
    return [value for part in parts for value in part]


def main() -> None:
    """Measures and writes."""
    network, groups = load_pretrained("small"), chosen()
    about = {
        "command": "python -m experiments.sanity",
        "weights": network.name,
        "seeds": [seed for seed, photos in zip(SEEDS, groups, strict=True) for _ in photos],
        "pictures": [f"{photo.kind}/{photo.path.name}" for photos in groups for photo in photos],
    }
    parts = [measured(network, photos, seed) for seed, photos in zip(SEEDS, groups, strict=True)]
    RESULT.write_text(json.dumps(about | joined(parts)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
