"""A section of a layer file on its way to being understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from typing import NamedTuple

from alexnet_edu.museum.graph import MuseumLayer
from alexnet_edu.museum.sections import Notes, Section
from alexnet_edu.palette import by
from alexnet_edu.specs import Layer, Shape

__all__ = ["Entry", "Meaning", "Shapes"]

Shapes = tuple[Shape, ...]


class Meaning(NamedTuple):
    """A section understood.

    Attributes:
        operation: the layer as data.
        views: per input, the shape that the layer takes it for: as images, flattened, or as it is.
    """

    operation: Layer
    views: Shapes


@dataclass(frozen=True)
class Entry:
    """A section that is being read, with all that its meaning depends on.

    Attributes:
        section: its keys.
        settings: its section of the parameter file; ``None``: there is none.
        has_settings: whether there is a parameter file at all.
        inputs: the names of its inputs.
        shapes: their shapes.
        before: the layers above it, by name.
        num_classes: the outputs of a ``treefc``.
        notes: takes what can't be reproduced.
    """

    section: Section
    settings: Section | None
    has_settings: bool
    inputs: tuple[str, ...]
    shapes: Shapes
    before: Mapping[str, MuseumLayer]
    num_classes: int
    notes: Notes

    @property
    def name(self) -> str:
        """The section's name."""
        return self.section.name

    def single(self) -> Shape:
        """The shape of the only input; an error where there are several."""
        if len(self.shapes) != 1:
            raise self.section.error(f"this type takes one input, not {len(self.shapes)}.", "inputs")
        return self.shapes[0]

    def image(self, shape: Shape, channels: int) -> Shape:
        """How ``shape`` looks as ``channels`` square maps; an error where it can't be that."""
        side = isqrt(prod(shape) // channels) if channels > 0 else 0
        if side < 1 or channels * side**2 != prod(shape):
            problem = f"the input of {prod(shape):,} values ({by(*shape)}) can't be {channels} square maps."
            raise self.section.error(problem, "channels")
        return (channels, side, side)

    def one_image(self) -> Shape:
        """The only input as the square maps that ``channels`` says."""
        return self.image(self.single(), self.section.get("channels", int))

    def flat(self) -> Shapes:
        """Every input as a vector."""
        return tuple((prod(shape),) for shape in self.shapes)

    def setting(self, key: str, kind: type[float] | type[bool], default: float | None = None) -> float:
        """A value of the parameter file, or of the layer file where old files have it."""
        for section in (self.settings, self.section):
            if section is not None and key in section:
                return section.get(key, kind)
        if default is not None:
            return default
        if self.settings is None:
            raise self.section.error(f"the parameter file has no section of this name; it needs one with {key}.")
        raise self.settings.error(f"{key} is missing; a layer of this type needs it.")
