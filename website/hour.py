"""The course in an hour: some sections of the first notebooks on one page, without their exercises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nbformat.v4 import new_markdown_cell, new_notebook
from notebook_files import NOTEBOOKS, Cell, Notebook, headings, normalise, read
from notebook_rules import WORDS_A_MINUTE, words_to_read
from stamp import lesson

PAGE = "notebooks/hour.ipynb"  # beside the notebooks, so that their links lead where they did
# Places of the sections in each notebook, counted from 1; notebook 1 names them, too.
SECTIONS = {
    "01_history": (1, 5, 9),
    "02_architecture": (1, 2, 3),
    "03b_network_and_training": (5, 7),
    "04_pretrained_inference": (1, 2),
}
OPENING = """\
# AlexNet in an hour

What happened in 2012, the network, how it learns, what it sees and gets wrong: about {minutes} minutes of reading,
taken from four notebooks of the course. They have the rest, the exercises, and everything to run and to touch. A
section that a text names is in that notebook."""


def hour() -> Notebook:
    """The page, as a notebook that is not run."""
    cells = [cell for name, places in SECTIONS.items() for cell in chosen(NOTEBOOKS / f"{name}.ipynb", places)]
    for number, cell in enumerate(cells):  # two notebooks may have a cell of one name
        cell.id = f"hour-{number}"
    page = normalise(new_notebook(cells=cells))
    page.cells.insert(0, new_markdown_cell(OPENING.format(minutes=minutes(page))))
    return page


def minutes(page: Notebook) -> int:
    """What the reading takes, in steps of 5."""
    return 5 * -(-words_to_read(page) // (5 * WORDS_A_MINUTE))


def chosen(path: Path, places: tuple[int, ...]) -> Iterator[Cell]:
    """The cells of some sections of a notebook, after a line that says where they are from."""
    notebook = read(path)
    one = lesson(path, notebook)
    yield new_markdown_cell(f"*From [notebook {one.number}, {one.title}]({one.file})*")
    place, skipped = 0, False
    for cell in notebook.cells:
        for part in parts(cell):
            for level, heading in headings(part):
                place += level == 2
                skipped = heading.startswith("Exercise")
            if place in places and not skipped:
                part.source = re.sub(r"^## \d+\. ", "## ", part.source)
                yield part


def parts(cell: Cell) -> list[Cell]:
    """A Markdown cell in pieces that begin with its headings; a code cell as it is."""
    if cell.cell_type == "code":
        return [cell]
    return [new_markdown_cell(text) for text in re.split(r"^(?=#{2,4} )", cell.source, flags=re.MULTILINE) if text]
