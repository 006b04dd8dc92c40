"""Rows of values as a table: text in a terminal, HTML in a notebook. Does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Table"]

_UNBROKEN = 12  # characters that stay in one line


@dataclass(frozen=True, repr=False)
class Table:
    """A header and rows of values.

    Attributes:
        header: the columns' names.
        rows: as many values per row as there are columns.
        caption: what the table shows.
        left: this many first columns are aligned left, the others right; by default all of them.

    Example:
        >>> print(Table(["layer", "maps"], [("conv1", 96), ("conv2", 256)], left=1))
        layer  maps
        conv1    96
        conv2   256
    """

    header: Sequence[object]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    left: int | None = None

    def _lines(self) -> list[list[str]]:
        return [[str(value) for value in line] for line in (self.header, *self.rows)]

    def _is_left(self, column: int) -> bool:
        return self.left is None or column < self.left

    def _cell(self, column: int, value: str) -> str:
        """A cell without its tag's name. Dates and numbers are not broken at a hyphen or space."""
        style = f"text-align:{'left' if self._is_left(column) else 'right'}"
        return f'style="{style}{";white-space:nowrap" if len(value) <= _UNBROKEN else ""}">{escape(value)}'

    def __str__(self) -> str:
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            "  ".join(
                v.ljust(w) if self._is_left(i) else v.rjust(w)
                for i, (v, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        return "\n".join(line.rstrip() for line in padded)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        header, *body = ([self._cell(i, value) for i, value in enumerate(line)] for line in self._lines())
        head = "".join(f'<th scope="col" {cell}</th>' for cell in header)
        rows = "".join(f"<tr>{''.join(f'<td {cell}</td>' for cell in line)}</tr>" for line in body)
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
