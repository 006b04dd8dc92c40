"""Labels as people say them, which of them fit a bundled photo, and how sure an answer is in words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["CERTAINTIES", "Certainty", "certainty", "fitting", "in_words"]

# Where an underscore for a space is not all that is odd about the name that Caltech-101 gives a kind.
_WORDS = {
    "Faces": "face",
    "Faces_easy": "face, close up",
    "Leopards": "leopard",
    "Motorbikes": "motorbike",
    "airplanes": "aeroplane",
    "buddha": "Buddha",
    "car_side": "car from the side",
    "cougar_body": "cougar, whole",
    "cougar_face": "cougar’s face",
    "crocodile_head": "crocodile’s head",
    "flamingo_head": "flamingo’s head",
    "garfield": "Garfield",
    "gerenuk": "gerenuk (an antelope)",
    "hawksbill": "hawksbill turtle",
    "joshua_tree": "Joshua tree",
    "ketch": "ketch (two masts)",
    "schooner": "schooner (a sailing ship)",
    "snoopy": "Snoopy",
    "water_lilly": "water lily",
    "windsor_chair": "Windsor chair",
    "yin_yang": "yin and yang",
}

# What the bundled photos show, in the words of networks that have another one for it: ImageNet's.
_ALSO = {
    "Leopards": {"leopard"},
    "airplanes": {"airliner"},
    "butterfly": {"admiral", "cabbage butterfly", "lycaenid", "monarch", "ringlet", "sulphur butterfly"},
    "electric_guitar": {"electric guitar"},
    "elephant": {"African elephant", "Indian elephant", "tusker"},
    "grand_piano": {"grand piano"},
    "kangaroo": {"wallaby"},
    "laptop": {"notebook"},
    "watch": {"digital watch", "stopwatch"},
    "astronaut": {"Faces", "Faces_easy"},
    "camera": {"camera", "reflex camera", "tripod"},
    "cat": {"Egyptian cat", "tabby", "tiger cat"},
    "clock": {"analog clock", "wall clock"},
    "coffee": {"coffee mug", "cup", "espresso"},
    "rocket": {"missile", "projectile"},
}


@dataclass(frozen=True)
class Certainty:
    """How a probability is put into words.

    Attributes:
        least: the smallest probability that is put so.
        word: after the number, as in "12 %: a guess".
        clause: after the label, as in "sunflower and is sure".
    """

    least: float
    word: str
    clause: str


CERTAINTIES = (
    Certainty(0.9, "sure", "and is sure"),
    Certainty(0.6, "fairly sure", "and is fairly sure"),
    Certainty(0.3, "not sure", "but is not sure"),
    Certainty(0.0, "a guess", "but is guessing"),
)


def in_words(label: str) -> str:
    """A label as people say it.

    Example:
        >>> in_words("water_lilly"), in_words("grand_piano")
        ('water lily', 'grand piano')
    """
    return _WORDS.get(label, label.replace("_", " "))


def certainty(probability: float) -> str:
    """A probability from 0 to 1 with what it says of the network, not of the picture.

    Example:
        >>> certainty(0.12)
        '12 %: a guess'
    """
    word = next(each.word for each in CERTAINTIES if probability >= each.least)
    return f"{100 * probability:.0f} %: {word}"


def fitting(shown: str, categories: Collection[str]) -> list[str]:
    """The labels among ``categories`` that are right for what a bundled photo shows; none where a network lacks them.

    Args:
        shown: the kind of a held-out photo, or the name of a sample.
        categories: a network's labels.

    Example:
        >>> fitting("grand_piano", ["grand piano", "upright"])
        ['grand piano']
    """
    return sorted({shown, *_ALSO.get(shown, ())} & set(categories))
