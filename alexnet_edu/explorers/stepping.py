"""Windows that step over a small picture: convolution, the same as one matrix product, and pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np

from alexnet_edu.errors import AlexNetError
from alexnet_edu.explorers.grids import Cell, Grid, number_grid, written
from alexnet_edu.explorers.widgets import Explorer, fit_slider, menu, scrolling, slider

SIDE = 7  # of the pictures
_MOST_CELLS = 49
_EVERY = 900  # milliseconds for a step
_LINE = np.eye(SIDE) * 9
PICTURES: dict[str, Grid] = {
    "an edge": np.tile(np.where(np.arange(SIDE) < 3, 0.0, 9.0), (SIDE, 1)),
    "a cross": np.maximum(_LINE, _LINE[::-1]),
    "a corner": np.pad(np.full((4, 4), 9.0), ((3, 0), (3, 0))),
    "a slope": np.add.outer(np.arange(SIDE), 0.5 * np.arange(SIDE)).round(),
    "one pixel": np.pad([[9.0]], 3),
}
KERNELS: dict[str, Grid] = {
    "vertical edges": np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "horizontal edges": np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]),
    "diagonals": np.array([[2.0, -1, -1], [-1, 2, -1], [-1, -1, 2]]),
    "sum (blur)": np.ones((3, 3)),
    "shift": np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 0]]),
}
WINDOWS = {
    "3 wide, every 2 (AlexNet)": (3, 2),
    "2 wide, every 2": (2, 2),
    "3 wide, every 3": (3, 3),
    "3 wide, every 1": (3, 1),
}


class _Stepper(Explorer):
    """A picture, a window in it, and the output as buttons: each shows where its number comes from."""

    def __init__(self, controls: Mapping[str, Any], cell: Cell) -> None:
        super().__init__()
        self._out: Grid = np.zeros((1, 1))
        self.cell = slider("Output cell", _MOST_CELLS - 1)
        self.play = widgets.Play(interval=_EVERY, max=_MOST_CELLS - 1, description="Step through")
        widgets.jslink((self.play, "value"), (self.cell, "value"))
        self.source, self.sums = (widgets.HTML(layout=widgets.Layout(min_width="0")) for _ in range(2))
        small = widgets.Layout(width="3.2em", height="2.4em", padding="0", margin="1px")
        self.buttons = [widgets.Button(layout=small) for _ in range(_MOST_CELLS)]
        for number, button in enumerate(self.buttons):
            button.on_click(lambda _, number=number: self._choose(number))
        self._title, self._board = widgets.HTML(), widgets.GridBox()
        for control in controls.values():
            self.on_change(control, self._renew)
        self.on_change(self.cell, self._update)
        self.arrange(
            [*controls.values(), self.cell, self.play],
            [self.source, self.sums, widgets.VBox([self._title, self._board])],
        )
        self.attempt(lambda: self._begin(cell))

    def _compute(self) -> Grid:
        """The output ``(rows, columns)`` for what the controls say."""
        raise NotImplementedError

    def _show(self, row: int, column: int) -> None:
        """Fills ``source`` and ``sums`` and says in a sentence how the output's number comes about."""
        raise NotImplementedError

    def _begin(self, cell: Cell) -> None:
        self._renew()
        rows, columns = self._out.shape
        if not (0 <= cell[0] < rows and 0 <= cell[1] < columns):
            raise AlexNetError(f"The output has {rows} × {columns} cells, counted from 0: there is no cell {cell}.")
        self.cell.value = cell[0] * columns + cell[1]
        self._update()

    def _choose(self, number: int) -> None:
        self.cell.value = number

    def _renew(self) -> None:
        """Another picture, kernel or window: another output."""
        self._out = self._compute()
        rows, columns = self._out.shape
        last = self._out.size - 1
        self.play.max = last
        fit_slider(self.cell, last, min(self.cell.value, last))
        for number, value in enumerate(self._out.flat):
            button = self.buttons[number]
            button.description = written(float(value))
            button.tooltip = f"row {number // columns}, column {number % columns}"
        self._title.value = f"Output, {rows} × {columns}: choose a cell"
        self._board.layout = widgets.Layout(grid_template_columns=f"repeat({columns}, max-content)")
        self._board.children = self.buttons[: self._out.size]
        self._update()

    def _update(self) -> None:
        for number, button in enumerate(self.buttons):
            style = "warning" if number == self.cell.value else ""
            if button.button_style != style:
                button.button_style = style
        self._show(*divmod(self.cell.value, self._out.shape[1]))

    def still(self) -> str:
        chosen = {divmod(self.cell.value, self._out.shape[1])}
        rows, columns = self._out.shape
        limit = float(np.nanmax(np.abs(self._out)))
        out = number_grid(self._out, f"Output, {rows} × {columns}", limit=limit, framed=chosen)
        grids = f"{self.source.value}{self.sums.value}{out}"
        side_by_side = "display:flex;flex-wrap:wrap;align-items:flex-start;gap:12px"
        return f'<div style="{side_by_side}">{grids}</div>{self.message.value}'


class ConvolutionExplorer(_Stepper):
    """A kernel that steps over a small picture: choose an output cell and see its window, its products and their sum.

    Args:
        view: ``"window"``, or ``"columns"`` for the same sums as one matrix product: every window a column.
        picture: a key of ``PICTURES``.
        kernel: a key of ``KERNELS``.
        cell: row and column of the output cell to begin with.

    Raises:
        AlexNetError: there is no such view, picture, kernel or cell.
    """

    def __init__(
        self, view: str = "window", picture: str = "an edge", kernel: str = "vertical edges", cell: Cell = (1, 1)
    ) -> None:
        for name, known in ((view, ("window", "columns")), (picture, PICTURES), (kernel, KERNELS)):
            if name not in known:
                raise AlexNetError(f"There is no {name!r}; choose one of {', '.join(known)}.")
        self._view = view
        self.picture = menu("Picture", list(PICTURES), picture)
        self.kernel = menu("Kernel", list(KERNELS), kernel)
        self.stride, self.padding = slider("Stride", 3, value=1, minimum=1), slider("Padding", 1)
        controls = {"picture": self.picture, "kernel": self.kernel, "stride": self.stride, "padding": self.padding}
        super().__init__(controls, cell)

    def _state(self) -> Mapping[str, object]:
        chosen = {"view": self._view, "picture": self.picture.value, "kernel": self.kernel.value}
        return {**chosen, "stride": self.stride.value, "padding": self.padding.value, "cell": self.cell.value}

    def _padded(self) -> Grid:
        return np.pad(PICTURES[self.picture.value], self.padding.value)

    def _windows(self) -> Grid:
        """``(rows, columns, 3, 3)``."""
        every = np.lib.stride_tricks.sliding_window_view(self._padded(), (3, 3))
        return every[:: self.stride.value, :: self.stride.value]

    def _compute(self) -> Grid:
        found: Grid = (self._windows() * KERNELS[self.kernel.value]).sum((2, 3))
        return found

    def _show(self, row: int, column: int) -> None:
        window, kernel = self._windows()[row, column], KERNELS[self.kernel.value]
        top, left = row * self.stride.value, column * self.stride.value
        framed = {(top + i, left + j) for i in range(3) for j in range(3)}
        pad, side = self.padding.value, SIDE + 2 * self.padding.value
        inner = range(pad, pad + SIDE)
        faded = {(i, j) for i in range(side) for j in range(side) if i not in inner or j not in inner}
        size = f"{SIDE} × {SIDE}" + (f", {pad} more on each side" if pad else "")
        self.source.value = number_grid(self._padded(), f"Picture, {size}", limit=9, framed=framed, faded=faded)
        self.sums.value = self._columns(row, column) if self._view == "columns" else self._products(window, kernel)
        pairs = zip(window.flat, kernel.flat, strict=True)
        terms = " + ".join(f"{written(x)} · {_factor(weight)}" for x, weight in pairs if weight)
        self.say(
            f"Row {row}, column {column} of the output: {terms} = <b>{written(float(self._out[row, column]))}</b>."
        )

    def _products(self, window: Grid, kernel: Grid) -> str:
        """Window, kernel and products, side by side; the sum below."""
        products = window * kernel
        steps = [
            number_grid(window, "window", limit=9, framed={(i, j) for i in range(3) for j in range(3)}),
            '<span style="font-size:20px;margin-right:0.6em">×</span>',
            number_grid(kernel, "kernel", limit=2),
            '<span style="font-size:20px;margin-right:0.6em">=</span>',
            number_grid(products, f"products, sum <b>{written(float(products.sum()))}</b>", limit=9),
        ]
        return f'<div style="display:flex;flex-wrap:wrap;align-items:center">{"".join(steps)}</div>'

    def _columns(self, row: int, column: int) -> str:
        """Every window as a column, the kernel's weights beside the rows, the sums in the last row."""
        windows = self._windows()
        matrix = windows.reshape(-1, 9).T
        number = row * windows.shape[1] + column
        table = np.vstack([matrix, np.full(matrix.shape[1], np.nan), self._out.reshape(1, -1)])
        framed = {(i, number) for i in range(9)} | {(10, number)}
        weights = [*KERNELS[self.kernel.value].flat, np.nan, np.nan]
        caption = f"kernel | {matrix.shape[0]} × {matrix.shape[1]}: a window in each column; last row: the sums"
        return scrolling(number_grid(table, caption, limit=9, framed=framed, beside=weights), "Windows as columns")


def _factor(weight: float) -> str:
    return f"({written(weight)})" if weight < 0 else written(weight)


class PoolingExplorer(_Stepper):
    """Max pooling on a small map: choose an output cell and see its window and the value that it keeps.

    Args:
        window: a key of ``WINDOWS``.
        cell: row and column of the output cell to begin with.

    Raises:
        AlexNetError: there is no such window or cell.
    """

    def __init__(self, window: str = "3 wide, every 2 (AlexNet)", cell: Cell = (0, 1)) -> None:
        if window not in WINDOWS:
            raise AlexNetError(f"There is no {window!r}; choose one of {'; '.join(WINDOWS)}.")
        self._map: Grid = (9 * np.random.default_rng(20).random((SIDE, SIDE)) ** 2).round()
        self.window = menu("Windows", list(WINDOWS), window)
        self.rounding = menu("Sizes are rounded", ["down (PyTorch)", "up (2012)"], "down (PyTorch)")
        self.shift = slider("Shift to the right", 2)
        super().__init__({"window": self.window, "rounding": self.rounding, "shift": self.shift}, cell)

    def _state(self) -> Mapping[str, object]:
        chosen = {"window": self.window.value, "rounding": self.rounding.value, "shift": self.shift.value}
        return {**chosen, "cell": self.cell.value}

    def _source(self) -> Grid:
        """The map, with blank cells where windows reach beyond it."""
        size, stride = WINDOWS[self.window.value]
        up = self.rounding.value.startswith("up")
        missing = -(SIDE - size) % stride if up else 0
        return np.pad(np.roll(self._map, self.shift.value, 1), (0, missing), constant_values=np.nan)

    def _boxes(self) -> list[tuple[slice, slice]]:
        size, stride = WINDOWS[self.window.value]
        starts = range(0, len(self._source()) - size + 1, stride)
        return [(slice(top, top + size), slice(left, left + size)) for top in starts for left in starts]

    def _compute(self) -> Grid:
        source, boxes = self._source(), self._boxes()
        side = round(len(boxes) ** 0.5)
        return np.array([np.nanmax(source[box]) for box in boxes]).reshape(side, side)

    def _show(self, row: int, column: int) -> None:
        source, boxes = self._source(), self._boxes()
        rows, columns = box = boxes[row * self._out.shape[1] + column]
        framed = {(i, j) for i in range(rows.start, rows.stop) for j in range(columns.start, columns.stop)}
        largest = float(self._out[row, column])
        marked = {cell for cell in framed if source[cell] == largest}
        blank = "; blank: beyond it" if np.isnan(source).any() else ""
        caption = f"Map, {SIDE} × {SIDE}; largest underlined{blank}"
        self.source.value = number_grid(source, caption, limit=9, framed=framed, marked=marked)
        read = np.zeros_like(source)
        for each in boxes:
            read[each] += 1
        self.sums.value = number_grid(read, "Windows that read each cell", limit=9, framed=framed)
        inside = source[box][~np.isnan(source[box])]
        values = ", ".join(written(value) for value in sorted(inside.tolist(), reverse=True))
        self.say(f"Row {row}, column {column} of the output: the largest of {values} is <b>{written(largest)}</b>.")
