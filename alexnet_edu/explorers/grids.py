"""Small tables of numbers that read as pictures: coloured by value, and framed where a window lies."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from alexnet_edu import tiles
from alexnet_edu.palette import GREY, VERMILLION

Grid = NDArray[np.float64]  # NaN where there is no value
Cell = tuple[int, int]  # row and column

_CELL = "padding:3px;min-width:1.4em;text-align:center"
_DARK = 0.62  # from this share of the scale on, figures are white


def number_grid(
    values: Grid,
    caption: str,
    *,
    limit: float,
    framed: Collection[Cell] = (),
    marked: Collection[Cell] = (),
    faded: Collection[Cell] = (),
    beside: Sequence[float] = (),
) -> str:
    """Numbers ``(rows, columns)`` as an HTML table: red above zero, blue below, white at zero.

    Args:
        values: NaN leaves a cell blank.
        caption: what the numbers are, as HTML.
        limit: the number with the full colour.
        framed: cells with a frame, which are also set bold: a reader without colours sees them, too.
        marked: of these, cells that are underlined as well.
        faded: cells outside the picture, in grey.
        beside: a number for each row, set before it.
    """
    rows = "".join(
        f"<tr>{_head(beside[i]) if beside else ''}"
        + "".join(
            _cell(float(value), limit, framed=(i, j) in framed, marked=(i, j) in marked, faded=(i, j) in faded)
            for j, value in enumerate(row)
        )
        + "</tr>"
        for i, row in enumerate(values)
    )
    style = "border-collapse:collapse;font-size:13px;line-height:1.2;margin:0 1em 0.6em 0"
    title = f'<caption style="text-align:left;white-space:nowrap">{caption}</caption>'
    return f'<table style="{style}">{title}<tbody>{rows}</tbody></table>'


def _text(value: float) -> str:
    """A number, or a blank that is as high as one."""
    return "&nbsp;" if np.isnan(value) else written(value)


def _head(value: float) -> str:
    return f'<th scope="row" style="{_CELL};border-right:3px solid {GREY};font-weight:normal">{_text(value)}</th>'


def _cell(value: float, limit: float, *, framed: bool, marked: bool, faded: bool) -> str:
    blank = np.isnan(value)
    share = 0.0 if blank or not limit else float(np.clip(value / limit, -1, 1))
    ground = "#e4e4e4" if faded else _colour(share)
    ink = "#fff" if abs(share) > _DARK and not faded else "#222"
    border = f"2px solid {VERMILLION}" if framed else "1px solid #bbb"
    text = _text(value)
    text = f"<u>{text}</u>" if marked else text
    text = f"<b>{text}</b>" if framed else text
    return f'<td style="{_CELL};background:{ground};color:{ink};border:{border}">{text}</td>'


def _colour(share: float) -> str:
    level = round((share + 1) / 2 * (tiles.LEVELS - 1))
    red, green, blue = tiles.colour_scale(signed=True)[level].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"


def written(value: float) -> str:
    """A number as short as it can be, with a real minus sign."""
    return f"{round(value, 2) + 0.0:g}".replace("-", "−")
