"""Arrays in, one composed picture out, in a few milliseconds: numpy and PIL only.

A grid of maps becomes *one* palette PNG. Drawing the same grid with one matplotlib subplot per map takes more than
a hundred times longer, which is too slow behind a slider. All maps of a grid share one scale, so that brightness
can be compared between tiles; a map that is zero everywhere is crossed out instead of stretched to full contrast.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from alexnet_edu.errors import AlexNetError

__all__ = [
    "VIEWS",
    "FilterView",
    "Grid",
    "colour_scale",
    "dead_maps",
    "filter_view",
    "filters_to_rgb",
    "full_colour",
    "overlay",
    "own_scales",
    "pca_rgb",
    "png_bytes",
    "shared_range",
    "spectra",
    "strongest_maps",
    "strongest_slices",
    "tile_maps",
    "tile_pictures",
]

Pixels = NDArray[np.uint8]
Array = NDArray[Any]  # of floats

# A palette picture has 256 entries: 252 steps of the colour map and four colours with a meaning of their own.
LEVELS = 252
DEAD, GAP, MARK, INK = 252, 253, 254, 255
_OWN_COLOURS = ((205, 205, 205), (255, 255, 255), (230, 90, 0), (0, 0, 0))
_SIGNED_GAP = (150, 150, 150)  # white is a value there
VIEWS = ("colour", "strongest", "channels", "pca", "spectrum")


@cache
def colour_scale(*, signed: bool = False) -> Pixels:
    """The 256 colours of a map picture as ``(256, 3)``: viridis, or blue-white-red where zero is white.

    Both scales can be read by people with the common forms of colour blindness.
    """
    from matplotlib import colormaps  # a table of colours, read once

    ramp = colormaps["RdBu_r" if signed else "viridis"](np.linspace(0, 1, LEVELS))[:, :3]
    table = np.vstack([np.rint(ramp * 255), _OWN_COLOURS]).astype(np.uint8)
    if signed:
        table[GAP] = _SIGNED_GAP
    return table


@dataclass(frozen=True)
class Grid:
    """Where each tile lies in a composed picture.

    Attributes:
        count: number of tiles.
        cell: height and width of one tile in array elements.
        columns: tiles in a row; 0 chooses a landscape layout, without empty places where the count allows it.
        zoom: pixels per array element, repeated without smoothing.
        gap: pixels between tiles.
        strip: pixels above each tile for its label.
    """

    count: int
    cell: tuple[int, int]
    columns: int = 0
    zoom: int = 1
    gap: int = 2
    strip: int = 0

    def __post_init__(self) -> None:
        if min(self.count, self.zoom, *self.cell) < 1 or self.columns < 0:
            raise AlexNetError(f"A grid needs at least one tile of at least one element, not {self}.")
        if not self.columns:
            object.__setattr__(self, "columns", _landscape(self.count))

    @classmethod
    def fitting(cls, count: int, cell: tuple[int, int], width: int, *, columns: int = 0, strip: int = 0) -> Grid:
        """The grid with the largest zoom whose picture is at most ``width`` pixels wide (zoom 1 at least)."""
        grid = cls(count, cell, columns, strip=strip)
        zoom = (width - grid.gap) // grid.columns - grid.gap
        return cls(count, cell, grid.columns, max(1, zoom // cell[1]), strip=strip)

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return -(-self.count // self.columns)

    @property
    def pitch(self) -> tuple[int, int]:
        """Pixels from one tile to the next, down and right."""
        return self.cell[0] * self.zoom + self.gap + self.strip, self.cell[1] * self.zoom + self.gap

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return self.rows * self.pitch[0] + self.gap, self.columns * self.pitch[1] + self.gap

    def box(self, index: int) -> tuple[int, int, int, int]:
        """``(top, left, bottom, right)`` of one tile in pixels, the last two exclusive."""
        row, column = divmod(index, self.columns)
        top, left = row * self.pitch[0] + self.gap + self.strip, column * self.pitch[1] + self.gap
        return top, left, top + self.cell[0] * self.zoom, left + self.cell[1] * self.zoom


def _landscape(count: int) -> int:
    """Columns for ``count`` tiles: the divisor nearest to 4:3, else the number that gives about 4:3."""
    ideal = (count * 4 / 3) ** 0.5
    divisors = [c for c in range(1, count + 1) if count % c == 0 and ideal / 1.25 <= c <= ideal * 1.6]
    return min(divisors, key=lambda c: abs(c - ideal)) if divisors else int(np.ceil(ideal))


def _as_maps(maps: Array) -> Array:
    maps = np.asarray(maps)
    if maps.ndim != 3 or not maps.size:
        raise AlexNetError(f"Maps must be an array (count, height, width) with at least one element, not {maps.shape}.")
    return maps


def shared_range(maps: Array, *, signed: bool = False) -> tuple[float, float]:
    """The one scale of a set of maps: smallest and largest value, or ``(-m, m)`` with m the largest magnitude.

    Values that are not finite are left out; a set without any range gets a width of 1.
    """
    finite = np.asarray(maps)
    if not np.isfinite(finite.sum()):
        finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if signed:
        high = max(-low, high) or 1.0
        return -high, high
    return (low, high) if high > low else (low, low + 1.0)


def dead_maps(maps: Array) -> NDArray[np.bool_]:
    """Which of the maps ``(N, H, W)`` are zero everywhere: the unit did not fire at any place."""
    dead: NDArray[np.bool_] = ~np.any(maps, axis=(1, 2))
    return dead


def strongest_maps(maps: Array, count: int = 16) -> list[int]:
    """The numbers of the maps of ``(N, H, W)`` that hold the values furthest from zero, strongest first."""
    peaks = np.abs(_as_maps(maps)).max(axis=(1, 2))
    return [int(number) for number in np.argsort(-peaks, kind="stable")[:count]]


def own_scales(maps: Array) -> Array:
    """Each of the maps ``(N, H, W)`` divided by a value of its own, the size that a hundredth of its values exceed.

    On a scale up to 1 a weak map is then as bright as a strong one: its shape can be read, its strength cannot.
    """
    maps = _as_maps(maps)
    size = np.quantile(np.abs(maps), 0.99, axis=(1, 2), method="higher", keepdims=True)
    return maps / np.where(size > 0, size, np.maximum(np.abs(maps).max(axis=(1, 2), keepdims=True), 1e-12))


def _levels(maps: Array, low: float, high: float) -> Pixels:
    """Values as palette entries 0 to LEVELS - 1, clipped to ``low``..``high``; NaN counts as ``low``."""
    scaled = (maps - low) * ((LEVELS - 1) / (high - low)) + 0.5
    if np.isnan(scaled.sum()):
        scaled = np.nan_to_num(scaled)
    levels: Pixels = np.clip(scaled, 0, LEVELS - 1).astype(np.uint8)
    return levels


def _compose(cells: Pixels, grid: Grid, background: int) -> Pixels:
    """Cells ``(N, H, W[, 3])``, already zoomed, side by side on ``background``."""
    down, right = grid.pitch
    depth = cells.shape[3:]
    sheet = np.full((grid.rows * grid.columns, down, right, *depth), background, np.uint8)
    sheet[: grid.count, grid.gap + grid.strip :, grid.gap :] = cells
    sheet = sheet.reshape(grid.rows, grid.columns, down, right, *depth).swapaxes(1, 2)
    canvas = np.full((*grid.size, *depth), background, np.uint8)
    canvas[: -grid.gap or None, : -grid.gap or None] = sheet.reshape(grid.rows * down, grid.columns * right, *depth)
    return canvas


def _zoomed(cells: Pixels, zoom: int) -> Pixels:
    return cells if zoom == 1 else cells.repeat(zoom, axis=1).repeat(zoom, axis=2)


def _cross(height: int, width: int) -> NDArray[np.bool_]:
    """The two diagonals of a tile."""
    rows, columns = np.ogrid[:height, :width]
    offset = rows * width - columns * height
    mirrored = rows * width - (width - 1 - columns) * height
    thickness = max(height, width) * max(1, min(height, width) // 40)
    cross: NDArray[np.bool_] = np.minimum(np.abs(offset), np.abs(mirrored)) < thickness
    return cross


def _frame(canvas: Pixels, box: tuple[int, int, int, int], colour: int | tuple[int, int, int], width: int = 3) -> None:
    """Draw a frame of ``width`` pixels just outside ``box``, in place."""
    top, left, bottom, right = box
    outer = slice(max(0, top - width), bottom + width), slice(max(0, left - width), right + width)
    inside = canvas[top:bottom, left:right].copy()
    canvas[outer] = colour
    canvas[top:bottom, left:right] = inside


def _with_labels(grid: Grid) -> Grid:
    """The grid with strips for labels, a sixth of a tile high: pages show the picture smaller than it is."""
    return replace(grid, strip=min(max(12, grid.cell[1] * grid.zoom // 6), 28))


@cache
def _font(height: int) -> ImageFont.FreeTypeFont:
    """The figures' font, so that its largest letters fill a strip of that many pixels."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", round(0.9 * height))


def _write_labels(picture: Image.Image, grid: Grid, labels: Sequence[str], ink: int | tuple[int, int, int]) -> None:
    draw = ImageDraw.Draw(picture)
    if picture.mode == "P":
        draw.fontmode = "1"  # no smoothing: a palette picture has no in-between colours
    for index, label in enumerate(labels):
        top, left, _, _ = grid.box(index)
        draw.text((left, top - 4), label, fill=ink, font=_font(grid.strip), anchor="ls")  # 4: clear of a frame


def tile_maps(
    maps: Array,
    *,
    width: int = 680,
    columns: int = 0,
    signed: bool = False,
    limits: tuple[float, float] | None = None,
    marked: int | None = None,
    labels: Sequence[str] | None = None,
) -> Image.Image:
    """All maps in one palette picture on one shared scale.

    Args:
        maps: ``(N, H, W)``, for example one layer's activations or the slices of a filter.
        width: the picture is at most this many pixels wide, unless zoom 1 already needs more.
        columns: tiles in a row; 0 chooses a landscape layout.
        signed: blue-white-red around zero (weights, values before ReLU) instead of viridis.
        limits: the values at the two ends of the scale; by default ``shared_range(maps)``.
        marked: index of the tile that gets an orange frame.
        labels: one short text per tile, written above it.

    Returns:
        A picture of mode ``P``. Maps that are zero everywhere are grey and crossed out.

    Raises:
        AlexNetError: ``maps`` is not ``(N, H, W)``.
    """
    maps = _as_maps(maps)
    low, high = limits or shared_range(maps, signed=signed)
    grid = Grid.fitting(len(maps), maps.shape[1:], width, columns=columns)
    grid = _with_labels(grid) if labels else grid
    cells = _zoomed(_levels(maps, low, high), grid.zoom)
    dead = dead_maps(maps)
    if dead.any():
        cells[dead] = np.where(_cross(*cells.shape[1:]), INK, DEAD)
    canvas = _compose(cells, grid, GAP)
    if marked is not None:
        _frame(canvas, grid.box(marked), MARK)
    picture = Image.fromarray(canvas)
    if labels:
        _write_labels(picture, grid, labels, INK)
    picture.putpalette(colour_scale(signed=signed).tobytes())
    return picture


def tile_pictures(
    pictures: Pixels,
    *,
    width: int = 400,
    columns: int = 0,
    marked: int | None = None,
    labels: Sequence[str] | None = None,
) -> Image.Image:
    """Small RGB pictures ``(N, H, W, 3)``, uint8, in one RGB picture; arguments as in :func:`tile_maps`.

    Raises:
        AlexNetError: ``pictures`` has another shape.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[3] != 3 or not pictures.size:
        raise AlexNetError(f"Pictures must be an array (count, height, width, 3), not {pictures.shape}.")
    grid = Grid.fitting(len(pictures), pictures.shape[1:3], width, columns=columns)
    grid = _with_labels(grid) if labels else grid
    canvas = _compose(_zoomed(pictures, grid.zoom), grid, 255)
    if marked is not None:
        _frame(canvas, grid.box(marked), _OWN_COLOURS[2])
    picture = Image.fromarray(canvas)
    if labels:
        _write_labels(picture, grid, labels, (0, 0, 0))
    return picture


def filters_to_rgb(weights: Array, *, shared: bool = True) -> Pixels:
    """Filters that look at RGB, ``(N, 3, H, W)``, as small pictures ``(N, H, W, 3)``: weight zero is mid-grey.

    Args:
        weights: the weights of a layer whose input has three channels.
        shared: one scale for all filters, so that a weak filter looks weak; otherwise each filter its own. The
            strongest hundredth of the weights has full colour, or a single strong filter would turn the rest grey.

    Raises:
        AlexNetError: the filters do not have three input channels.
    """
    weights = np.asarray(weights)
    if weights.ndim != 4 or weights.shape[1] != 3:
        raise AlexNetError(
            f"Only filters with 3 input channels can be shown as colours, not {weights.shape}: "
            "for deeper layers use the strongest connection, one filter's channels, or the PCA view."
        )
    full = full_colour(weights) if shared else np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    unit = (weights / np.where(full > 0, full, 1)).clip(-1, 1)
    return np.rint(127.5 + 127.5 * unit).astype(np.uint8).transpose(0, 2, 3, 1)


def full_colour(weights: Array) -> float:
    """The size at which a weight reaches full colour in ``filters_to_rgb``; one weight in a hundred is larger."""
    return float(np.quantile(np.abs(weights), 0.99, method="higher"))


def strongest_slices(weights: Array) -> tuple[Array, NDArray[np.intp]]:
    """For each filter of ``(O, I, H, W)`` the input channel with the largest weights (Euclidean norm).

    Returns:
        The slices ``(O, H, W)`` and the input channel of each, counted within the filter's group.
    """
    channels = np.square(weights).sum(axis=(2, 3)).argmax(axis=1)
    return np.asarray(weights)[np.arange(len(weights)), channels], channels


def pca_rgb(weights: Array, *, groups: int = 1) -> Pixels:
    """Deep filters ``(O, I, H, W)`` as colours ``(O, H, W, 3)``: the I weights of each position, reduced to 3 numbers.

    The three directions along which the weights vary most become red, green and blue around mid-grey. Filters of
    one group read the same input channels and share their directions; colours of different groups mean different
    things. Two positions of like colour weigh the input channels alike.
    """
    parts = [_pca_part(part) for part in np.split(np.asarray(weights, dtype=np.float64), groups)]
    return np.concatenate(parts)


def _pca_part(weights: Array) -> Pixels:
    count, channels, height, width = weights.shape
    samples = weights.transpose(0, 2, 3, 1).reshape(-1, channels)
    values, vectors = np.linalg.eigh(samples.T @ samples)
    axes = vectors[:, np.argsort(values)[::-1][:3]]
    axes = axes * np.where(axes.sum(axis=0) < 0, -1, 1)  # the sign of an eigenvector is arbitrary: fix it
    flat = np.zeros((len(samples), 3))
    flat[:, : axes.shape[1]] = samples @ axes
    flat /= np.maximum(np.abs(flat).max(axis=0), 1e-12)
    return filters_to_rgb(flat.reshape(count, height, width, 3).transpose(0, 3, 1, 2))


def spectra(weights: Array, *, size: int = 33) -> Array:
    """Which spatial frequencies each filter of ``(O, I, H, W)`` passes, as ``(O, size, size)`` from 0 to 1.

    The amplitude of the two-dimensional Fourier transform, root mean square over the input channels, each filter's
    largest set to 1. The middle is frequency 0; the edges are half a cycle a pixel.
    """
    amplitude = np.abs(np.fft.fft2(np.asarray(weights, dtype=np.float64), s=(size, size)))
    mean = np.fft.fftshift(np.sqrt(np.square(amplitude).mean(axis=1)), axes=(1, 2))
    scaled: Array = mean / np.maximum(mean.max(axis=(1, 2), keepdims=True), 1e-12)
    return scaled


@dataclass(frozen=True, eq=False)
class FilterView:
    """One layer's filters made visible in one way.

    Attributes:
        cells: a tile for each filter or input channel: colours ``(N, H, W, 3)``, uint8, or values ``(N, H, W)``.
        signed: whether values are drawn around zero.
        how: how to read it, without a full stop.
    """

    cells: Array
    signed: bool
    how: str

    def picture(self, *, marked: int | None = None, width: int = 680) -> Image.Image:
        """The tiles side by side, one of them framed."""
        if self.cells.ndim == 4:
            return tile_pictures(self.cells, marked=marked, width=width)
        return tile_maps(self.cells, signed=self.signed, marked=marked, width=width)


def filter_view(weights: Array, view: str, *, groups: int = 1, channel: int = 0, shared: bool = True) -> FilterView:
    """One layer's filters ``(O, I, kH, kW)`` in one of the ways to look at them.

    Args:
        weights: the filters; I counts the input channels of one group.
        view: ``"colour"`` (RGB input only), ``"strongest"`` (each filter's strongest input channel), ``"channels"``
            (all input channels of one filter), ``"pca"`` (three directions as colours) or ``"spectrum"``
            (which spatial frequencies each filter passes).
        groups: of the layer; the PCA of each group stands alone.
        channel: the filter that ``"channels"`` shows.
        shared: in the colour view, one scale for all filters; otherwise each has its own and weak ones look strong.

    Raises:
        AlexNetError: an unknown view, or one that these filters don't have.
    """
    if view == "colour":
        full = f"±{full_colour(weights):.3g} and beyond" if shared else "each filter's own largest weight"
        return FilterView(filters_to_rgb(weights, shared=shared), False, f"mid-grey is weight 0, full colour is {full}")
    if view == "pca":
        within = " within a tower" if groups > 1 else ""
        return FilterView(
            pca_rgb(weights, groups=groups),
            False,
            f"three main directions (PCA); like colours weigh the inputs alike{within}",
        )
    if view == "spectrum":
        how = "bright is a frequency that the filter passes; the middle of a tile is frequency 0"
        return FilterView(spectra(weights), False, how)
    if view not in VIEWS:
        raise AlexNetError(f"There is no view {view!r}; choose one of {', '.join(VIEWS)}.")
    slices = weights[channel] if view == "channels" else strongest_slices(weights)[0]
    inputs = "the picture's red, green and blue" if weights.shape[1] == 3 else f"all {len(slices)} input channels"
    whose = f"filter {channel}'s weights for {inputs}" if view == "channels" else "strongest input channel of each"
    limit = shared_range(slices, signed=True)[1]
    return FilterView(slices, True, f"{whose}; white is 0, blue is -{limit:.3g}, red is {limit:.3g}")


def overlay(
    picture: Pixels,
    values: Array,
    *,
    start: float,
    jump: float,
    limits: tuple[float, float],
    signed: bool = False,
    box: tuple[int, int, int, int] | None = None,
    opacity: float = 0.8,
) -> Image.Image:
    """One map laid over the picture that caused it: the stronger a cell, the more of its colour.

    Args:
        picture: the crop the network saw, ``(H, W, 3)``, uint8.
        values: the map, ``(h, w)``.
        start: where the centre of the map's first cell lies in the picture, in pixels from the edge.
        jump: pixels from one cell's centre to the next.
        limits: the values at the ends of the colour scale.
        signed: as in :func:`tile_maps`.
        box: ``(top, left, bottom, right)`` to frame, such as a unit's receptive field.
        opacity: share of colour where the value is strongest.
    """
    height, width = picture.shape[:2]
    levels = _levels(np.asarray(values), *limits)
    rows, row_inside = _cells(height, levels.shape[0], start, jump)
    columns, column_inside = _cells(width, levels.shape[1], start, jump)
    level = levels[rows[:, None], columns]
    strength = np.abs(level.astype(np.float32) - LEVELS / 2) * 2 if signed else level.astype(np.float32)
    share = strength * (opacity / LEVELS) * (row_inside[:, None] & column_inside)
    tint = colour_scale(signed=signed)[level]
    mixed = picture + share[..., None] * (tint.astype(np.float32) - picture)
    canvas = np.rint(mixed).astype(np.uint8)
    if box is not None:
        _outline(canvas, box)
    return Image.fromarray(canvas)


def _cells(length: int, count: int, start: float, jump: float) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For each pixel along one side: the map's cell that is centred nearest, and whether it lies inside the map."""
    cell = np.floor((np.arange(length) + 0.5 - start) / jump + 0.5).astype(np.intp)
    return cell.clip(0, count - 1), (cell >= 0) & (cell < count)


def _outline(canvas: Pixels, box: tuple[int, int, int, int]) -> None:
    """A frame around ``box`` in place, orange and white so that it shows on any photo; at the edge it moves inside."""
    height, width = canvas.shape[:2]
    top, left, bottom, right = box
    inner = max(top, 3), max(left, 3), min(bottom, height - 3), min(right, width - 3)
    if inner[2] > inner[0] and inner[3] > inner[1]:
        _frame(canvas, inner, _OWN_COLOURS[2])
        _frame(canvas, inner, (255, 255, 255), width=1)


def png_bytes(picture: Image.Image, *, effort: int = 1) -> bytes:
    """The picture as a PNG file. ``effort`` 0 to 9: 1 is several times faster than 9 at nearly the same size."""
    buffer = io.BytesIO()
    # In RGB pictures zlib looks only for runs (its strategy 3): photos have no other repeats worth the search.
    picture.save(buffer, "PNG", compress_level=effort, compress_type=3 if picture.mode == "RGB" else -1)
    return buffer.getvalue()
