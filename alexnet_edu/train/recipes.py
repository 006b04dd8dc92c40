"""How to train, as data: every choice of a training is a field of a ``Recipe``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from alexnet_edu.errors import AlexNetError

__all__ = ["DETAILS", "RECIPES", "Recipe", "get_recipe"]


@dataclass(frozen=True)
class Limits:
    """The numbers from ``low`` to ``high``, each end included or not."""

    low: float
    high: float = math.inf
    low_included: bool = True
    high_included: bool = True

    def hold(self, value: float) -> bool:
        """Whether ``value`` is one of them; infinity and "not a number" never are."""
        above = value >= self.low if self.low_included else value > self.low
        below = value <= self.high if self.high_included else value < self.high
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        low = f"of at least {self.low:g}" if self.low_included else f"above {self.low:g}"
        high = f" and at most {self.high:g}" if self.high_included else f" and below {self.high:g}"
        return low + (high if math.isfinite(self.high) else "")


Count = Annotated[int, Limits(1)]
Positive = Annotated[float, Limits(0, low_included=False)]
NotNegative = Annotated[float, Limits(0)]
Share = Annotated[float, Limits(0, 1)]
ShareBelowOne = Annotated[float, Limits(0, 1, high_included=False)]


_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "names of layers with probabilities of at least 0 and below 1",
}


@dataclass(frozen=True)
class Kind:
    """What a field takes, read from its annotation: a type with its limits, a choice of words, perhaps ``None``."""

    type: Any
    limits: Limits | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False

    @classmethod
    def of(cls, hint: Any) -> Kind:
        """From an annotation such as ``Annotated[float, Limits(0, 1)] | None``."""
        if get_origin(hint) is Annotated:
            return cls(hint.__origin__, next(part for part in hint.__metadata__ if isinstance(part, Limits)))
        if get_origin(hint) is Literal:
            return cls(str, choices=get_args(hint))
        if NoneType in get_args(hint):
            (inner,) = (part for part in get_args(hint) if part is not NoneType)
            return replace(cls.of(inner), optional=True)
        return cls(get_origin(hint) or hint)

    def __str__(self) -> str:
        text = f"one of {', '.join(self.choices)}" if self.choices else _WORDS[self.type]
        return text + (f" {self.limits}" if self.limits else "") + (", or none" if self.optional else "")

    def takes(self, value: Any) -> bool:
        """Whether ``value`` is of this kind; a whole number is a number, a truth value is none."""
        if value is None:
            return self.optional
        if self.type is dict:
            return isinstance(value, Mapping) and all(
                isinstance(name, str) and Kind.of(ShareBelowOne).takes(rate) for name, rate in value.items()
            )
        types = (int, float) if self.type is float else self.type
        if not isinstance(value, types) or (isinstance(value, bool) and self.type is not bool):
            return False
        return (not self.choices or value in self.choices) and (self.limits is None or self.limits.hold(value))

    def parse(self, text: str) -> Any:
        """The value that ``text`` stands for; the text itself where it stands for none."""
        if self.optional and text == "none":
            return None
        if self.type is bool:
            return {"true": True, "false": False}.get(text, text)
        try:
            return self.type(text) if self.type in (int, float) else text
        except ValueError:
            return text


@dataclass(frozen=True)
class Recipe:
    """A way to train. Sizes in pixels, times in epochs.

    Attributes:
        crop: "2012": short side to 256, middle square of 256, a random square of it; "resized": a random part
            of the picture, of at least ``smallest_part`` of its area, resized.
        pixels: "mean image": 0-255 minus the mean image; "imagenet": ImageNet's mean and deviation per channel
            (with ``Settings.init``, what its weights expect).
        mean_pictures: how many training pictures the mean image and the colour directions rest on, at most.
        all_positions, shared_crops, pca_noise, pca_by, pca_divide: see ``CropAndFlip`` and ``PCANoise``.
        colour_jitter: see ``ColourJitter``; only with "imagenet" pixels.
        mixup: alpha of the Beta distribution; 0: none.
        class_power: see ``EpochOrder``; 0.5 draws small classes more often.
        start: "spec": initial weights as the network's spec says; or "kaiming".
        conv1_std, conv345_std: other standard deviations for the initial weights of these layers.
        whitening: the floor of the coordinates that conv1 learns in, see ``network.Whitening``; 0: plain pixels.
        batch_norm: after each convolution and hidden linear layer while training; folded away at export.
        lrn: "exact", or "limit": the constant k ** -beta, which LRN comes to at activations around 1.
        dropout: probabilities by the name of the layer whose input is dropped; None: as in the spec.
        optimiser: "sgd2012", or "nesterov".
        bias_rate: learning rate of biases (and batch norm) in units of ``lr``; they never decay.
        bias_rate_constant: the plateau schedule leaves the bias rate as it is.
        head_rate: learning rate of the last layer in units of the others'.
        schedule: "cosine" to 0, or "plateau": divide by 10 after ``patience`` epochs without a better
            validation error, three times.
        ema: how much of the running average of the weights is kept each step; 0: none.
        precision: "fp32", "bf16" or "fp16" (autocast).

    Raises:
        AlexNetError: a field has a value that it can't have; the sentence says which it can.
    """

    name: str
    epochs: Count
    batch_size: Count
    crop: Literal["2012", "resized"]
    pixels: Literal["mean image", "imagenet"]
    optimiser: Literal["sgd2012", "nesterov"]
    schedule: Literal["cosine", "plateau"]
    lr: Positive
    weight_decay: NotNegative
    smallest_part: Annotated[float, Limits(0, 1, low_included=False)] = 0.3
    mean_pictures: Count = 50_000
    all_positions: bool = True
    shared_crops: Count = 1
    pca_noise: NotNegative = 0.0
    pca_by: Literal["deviations", "eigenvalues"] = "deviations"
    pca_divide: bool = False
    colour_jitter: Share = 0.0
    mixup: NotNegative = 0.0
    class_power: Share = 0.0
    label_smoothing: ShareBelowOne = 0.0
    start: Literal["spec", "kaiming"] = "spec"
    conv1_std: Positive | None = None
    conv345_std: Positive | None = None
    whitening: NotNegative = 0.0
    batch_norm: bool = False
    lrn: Literal["exact", "limit"] = "exact"
    dropout: dict[str, float] | None = None
    momentum: ShareBelowOne = 0.9
    conv1_weight_decay: NotNegative | None = None
    bias_rate: NotNegative = 1.0
    bias_rate_constant: bool = False
    warmup: NotNegative = 0.0
    patience: Annotated[int, Limits(0)] = 5
    ema: ShareBelowOne = 0.0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    head_rate: NotNegative = 1.0

    def __post_init__(self) -> None:
        for name, kind in _kinds().items():
            value = getattr(self, name)
            if not kind.takes(value):
                raise AlexNetError(f"{name} must be {kind}, not {value!r}.")
        if self.batch_norm and self.batch_size < 2:
            raise AlexNetError("batch_norm needs a batch_size of at least 2: it compares the pictures of a batch.")

    def changed(self, settings: list[str]) -> Recipe:
        """The same with some fields set from text, each ``field=value``.

        Raises:
            AlexNetError: there is no such field, or the value does not fit it.
        """
        return replace(self, **dict(self._parse(setting) for setting in settings))

    def _parse(self, setting: str) -> tuple[str, Any]:
        name, _, text = setting.partition("=")
        settable = {name: kind for name, kind in _kinds().items() if name not in ("name", "dropout")}
        if name not in settable:
            raise AlexNetError(f"The recipe has no field {name!r} to set; choose one of {', '.join(settable)}.")
        return name, settable[name].parse(text)


@cache
def _kinds() -> dict[str, Kind]:
    """What each field of a recipe takes."""
    hints = get_type_hints(Recipe, include_extras=True)
    return {field.name: Kind.of(hints[field.name]) for field in fields(Recipe)}


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

_TRANSFER = Recipe(
    name="transfer",
    epochs=20,
    batch_size=8,
    crop="resized",
    pixels="imagenet",
    optimiser="nesterov",
    schedule="cosine",
    lr=0.001,
    weight_decay=0.0005,
    smallest_part=0.5,
    colour_jitter=0.1,
    head_rate=10.0,
    warmup=1.0,
    channels_last=True,
)

RECIPES = ("paper", "modern", "transfer")


def get_recipe(name: str, details: str = "source") -> Recipe:
    """The recipe called ``name``.

    Args:
        name: "paper" (2012), "modern", or "transfer" (from trained weights, on few pictures).
        details: for "paper": "source", what the 2012 code did, or "paper", what the text says, where they differ.

    Raises:
        AlexNetError: there is no such recipe.
    """
    if name not in RECIPES or details not in DETAILS:
        raise AlexNetError(
            f"There is no recipe {name!r} with details {details!r}; choose {' or '.join(RECIPES)}, paper or source."
        )
    return {"paper": replace(_RECIPE_2012, **DETAILS[details]), "modern": _MODERN, "transfer": _TRANSFER}[name]
