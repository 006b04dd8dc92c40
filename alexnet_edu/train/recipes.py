"""How to train, as data: every choice of a training is a field of a ``Recipe``."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from alexnet_edu.errors import AlexNetError

__all__ = ["DETAILS", "RECIPES", "Recipe", "get_recipe"]


@dataclass(frozen=True)
class Recipe:
    """A way to train. Sizes in pixels, times in epochs.

    Attributes:
        crop: "2012": short side to 256, middle square of 256, a random square of it; "resized": a random part
            of the picture, of at least ``smallest_part`` of its area, resized.
        pixels: "mean image": 0-255 minus the mean image; "imagenet": ImageNet's mean and deviation a channel.
        mean_pictures: how many training pictures the mean image and the colour directions rest on, at most.
        all_positions, shared_crops, pca_noise, pca_by, pca_divide: see ``CropAndFlip`` and ``PCANoise``.
        colour_jitter: see ``ColourJitter``; only with "imagenet" pixels.
        mixup: alpha of the Beta distribution; 0: none.
        class_power: see ``EpochOrder``; 0.5 draws small classes more often.
        start: "spec" as the network's spec says, or "kaiming".
        conv1_std, conv345_std: other standard deviations for the starts of these layers.
        whitening: the floor of the coordinates that conv1 learns in, see ``network.Whitening``; 0: plain pixels.
        batch_norm: after each convolution and hidden linear layer while training; folded away at export.
        lrn: "exact", or "limit": the constant k ** -beta, which LRN comes to at activations around 1.
        dropout: probabilities by the name of the layer whose input is dropped; None: as in the spec.
        optimiser: "sgd2012", or "nesterov".
        bias_rate: learning rate of biases (and batch norm) in units of ``lr``; they never decay.
        bias_rate_constant: the plateau schedule leaves the bias rate as it is.
        schedule: "cosine" to 0, or "plateau": divide by 10 after ``patience`` epochs without a better
            validation error, three times.
        ema: how much of the running average of the weights is kept each step; 0: none.
        precision: "fp32", "bf16" or "fp16" (autocast).
    """

    name: str
    epochs: int
    batch_size: int
    crop: Literal["2012", "resized"]
    pixels: Literal["mean image", "imagenet"]
    optimiser: Literal["sgd2012", "nesterov"]
    schedule: Literal["cosine", "plateau"]
    lr: float
    weight_decay: float
    smallest_part: float = 0.3
    mean_pictures: int = 50_000
    all_positions: bool = True
    shared_crops: int = 1
    pca_noise: float = 0.0
    pca_by: Literal["deviations", "eigenvalues"] = "deviations"
    pca_divide: bool = False
    colour_jitter: float = 0.0
    mixup: float = 0.0
    class_power: float = 0.0
    label_smoothing: float = 0.0
    start: Literal["spec", "kaiming"] = "spec"
    conv1_std: float | None = None
    conv345_std: float | None = None
    whitening: float = 0.0
    batch_norm: bool = False
    lrn: Literal["exact", "limit"] = "exact"
    dropout: dict[str, float] | None = None
    momentum: float = 0.9
    conv1_weight_decay: float | None = None
    bias_rate: float = 1.0
    bias_rate_constant: bool = False
    warmup: float = 0.0
    patience: int = 5
    ema: float = 0.0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False

    def changed(self, settings: list[str]) -> Recipe:
        """The same with some fields set from text, each ``field=value``.

        Raises:
            AlexNetError: there is no such field, or the value does not fit it.
        """
        return replace(self, **dict(self._parse(setting) for setting in settings))

    def _parse(self, setting: str) -> tuple[str, Any]:
        name, _, text = setting.partition("=")
        known = {f.name: str(f.type) for f in fields(self)}
        if name not in known or name == "dropout":
            raise AlexNetError(f"The recipe has no field {name!r} to set; choose one of {', '.join(known)}.")
        kind = known[name]
        choices = [part.strip(" '\"") for part in kind.partition("[")[2].rstrip("]").split(",")]
        if kind.startswith("Literal") and text not in choices:
            raise AlexNetError(f"{name} must be one of {', '.join(choices)}, not {text!r}.")
        if kind == "bool" and text not in ("true", "false"):
            raise AlexNetError(f"{name} must be true or false, not {text!r}.")
        try:
            value = text == "true" if kind == "bool" else int(text) if kind == "int" else float(text)
        except ValueError:
            if not kind.startswith(("Literal", "str")):
                raise AlexNetError(f"{name} must be a number, not {text!r}.") from None
            return name, text
        return name, text if kind.startswith(("Literal", "str")) else value


_RECIPE_2012 = Recipe(
    name="paper",
    epochs=90,
    batch_size=128,
    crop="2012",
    pixels="mean image",
    optimiser="sgd2012",
    schedule="plateau",
    lr=0.01,
    weight_decay=0.0005,
    pca_noise=0.1,
    bias_rate=2.0,
)

# Where the text of 2012 and the code of 2012 tell different things.
DETAILS: dict[str, dict[str, Any]] = {
    "paper": {"all_positions": False, "shared_crops": 1, "pca_by": "eigenvalues", "pca_divide": False},
    "source": {
        "all_positions": True,
        "shared_crops": 32,
        "pca_by": "deviations",
        "pca_divide": True,
        "bias_rate_constant": True,
        "conv345_std": 0.03,
    },
}

_MODERN = Recipe(
    name="modern",
    epochs=60,
    batch_size=64,
    crop="resized",
    pixels="imagenet",
    optimiser="nesterov",
    schedule="cosine",
    lr=0.1,
    weight_decay=0.0005,
    conv1_weight_decay=0.002,
    colour_jitter=0.3,
    mixup=0.2,
    class_power=0.5,
    label_smoothing=0.1,
    start="kaiming",
    conv1_std=0.01,
    whitening=0.2,
    batch_norm=True,
    lrn="limit",
    warmup=2.0,
    ema=0.998,
    precision="bf16",
    channels_last=True,
)

RECIPES = ("paper", "modern")


def get_recipe(name: str, details: str = "source") -> Recipe:
    """The recipe called ``name``.

    Args:
        name: "paper" (2012) or "modern".
        details: for "paper": "source", what the 2012 code did, or "paper", what the text says, where they differ.

    Raises:
        AlexNetError: there is no such recipe.
    """
    if name not in RECIPES or details not in DETAILS:
        raise AlexNetError(
            f"There is no recipe {name!r} with details {details!r}; choose paper or modern, paper or source."
        )
    return replace(_RECIPE_2012, **DETAILS[details]) if name == "paper" else _MODERN
