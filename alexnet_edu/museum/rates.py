"""What a parameter file says of learning: rates, momentum and decay, and how rates change while training goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from alexnet_edu.museum.sections import FLOAT_MAX, Notes, Section
from alexnet_edu.museum.specs import Sum

__all__ = ["Rate", "Schedule", "parse_schedule", "read_rates"]

_NOT_DONE = ("wball", "superEps", "superMom", "wcNormMax", "wcNormMin", "quantF", "quantB")
_PATTERN = re.compile(r"(default|linear|exp|dexp|jdexp)\s*(?:\[(.*)\])?")


class Schedule(NamedTuple):
    """``schedW`` and ``schedB``: from a rate to that rate divided by ``target`` over the whole training [lr.cu].

    Attributes:
        kind: ``default`` (constant), ``linear``, ``exp``, ``dexp`` (``exp`` in steps) or ``jdexp`` (with half steps).
        target: what the rate is divided by in the end.
        noise: standard deviation of n in the factor ``1 + |n|`` that the code drew for each update.
        steps: how many constant rates ``dexp`` and ``jdexp`` go through.
    """

    kind: str = "default"
    target: float = 1.0
    noise: float = 0.0
    steps: int = 1

    def rate(self, base: float, progress: float) -> float:
        """The rate, without noise, when the share ``progress`` (0 to 1) of the training is done."""
        if self.kind == "default" or base == 0:
            return base
        if self.kind == "linear":
            return base * (1 - progress) + base / self.target * progress
        if self.kind == "exp":
            return float(base * self.target**-progress)
        step = next((i for i in range(self.steps) if progress <= (i + 1) / self.steps), self.steps - 1)
        halfway = step > 0 and 0.2 < progress < 0.9 and progress > (step + 0.5) / self.steps
        place = step - 0.5 if self.kind == "jdexp" and halfway else step
        return float(base * self.target ** -(place / (self.steps - 1) if self.steps > 1 else 1))


def parse_schedule(text: str) -> Schedule:
    """Reads ``dexp[tgtFactor=250,noiseStdev=0,numSteps=4]``; the names may be left out, as in some old files.

    Raises:
        ValueError: it is none of that form.
    """
    match = _PATTERN.fullmatch(text.strip())
    if not match:
        raise ValueError(text)
    words = [word.partition("=")[2] or word for word in match[2].split(",")] if match[2] else []
    numbers = [float(word) for word in words]
    if not all(abs(number) <= FLOAT_MAX for number in numbers):
        raise ValueError(text)
    wanted = {"default": 0, "linear": 2, "exp": 2}.get(match[1], 3)
    if len(numbers) != wanted or (wanted and numbers[0] < 1 / FLOAT_MAX):
        raise ValueError(text)
    steps = int(numbers[2]) if wanted == 3 else 1
    if not 1 <= steps <= 10_000:
        raise ValueError(text)
    return Schedule(match[1], numbers[0], numbers[1], steps) if wanted else Schedule()


class Rate(NamedTuple):
    """How one weight matrix or bias learns.

    Attributes:
        base: the learning rate (``epsW``, ``epsB``); 0: it is frozen.
        momentum: the share of the velocity that is kept (``momW``, ``momB``).
        decay: the weight decay, multiplied by the rate (``wc``); a bias has none.
        schedule: how the rate changes.
    """

    base: float
    momentum: float
    decay: float = 0.0
    schedule: Schedule = Schedule()

    def options(self, progress: float = 0.0) -> dict[str, float]:
        """The options of an optimiser's group when the share ``progress`` of the training is done."""
        lr = self.schedule.rate(self.base, progress)
        return {"lr": lr, "momentum": self.momentum, "weight_decay": self.decay}


def read_rates(layers: Mapping[str, Sum], settings: dict[str, Section], notes: Notes) -> dict[str, tuple[Rate, ...]]:
    """Per layer with weights: the rates of each input's weights and, last, of the bias.

    Raises:
        NetworkFileError: a section or one of its keys is missing, negative, or has another number of values.
    """
    return {name: _read_rates(name, layer, settings, notes) for name, layer in layers.items()}


def _read_rates(name: str, layer: Sum, settings: dict[str, Section], notes: Notes) -> tuple[Rate, ...]:
    if name not in settings:
        raise next(iter(settings.values())).error(f"the file has no section [{name}], but that layer has weights.")
    section, count = settings[name], len(layer.branches)
    weights = [section.get_list(key, float, count) for key in ("epsW", "momW")]
    weights.append(section.get_list("wc", float, count, (0.0,) * count))
    bias = (section.get("epsB", float), section.get("momB", float))
    for key, values in zip(("epsW", "momW", "wc", "epsB", "momB"), [*weights, bias[:1], bias[1:]], strict=True):
        section.at_least(key, values, 0)
    if any(source and settings.get(source.layer) != section for source in layer.sources):
        notes.add("shared weights learn as the layer that owns them says.", name)
    _note_what_is_missing(section, notes)
    of_weights = _schedule(section, "schedW", max(weights[0]), notes)
    of_bias = _schedule(section, "schedB", bias[0], notes)
    rows = zip(*weights, strict=True)
    return (*(Rate(lr, mom, wc, of_weights) for lr, mom, wc in rows), Rate(*bias, schedule=of_bias))


def _note_what_is_missing(section: Section, notes: Notes) -> None:
    for key in _NOT_DONE:
        text = section.get(key, str, "default")
        if text != "default" and any(word.strip(" 0.") for word in text.split(",")):
            notes.add(f"{key} is not reproduced by the optimiser.", section.name)


def _schedule(section: Section, key: str, base: float, notes: Notes) -> Schedule:
    text = section.get(key, str, "default")
    try:
        schedule = parse_schedule(text)
        if schedule.rate(base, 1.0) > FLOAT_MAX:
            raise ValueError(text)
    except ValueError:
        problem = f"{key} = {text[:60]} is no schedule such as dexp[tgtFactor=250, noiseStdev=0, numSteps=4]."
        raise section.error(problem, key) from None
    if schedule.noise:
        notes.add(f"the noise of {key} is not reproduced.", section.name)
    return schedule
