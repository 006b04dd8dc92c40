"""Reading, writing and tidying notebook files, so that the same content is always the same bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEPT_CELL_METADATA = ("tags", "slideshow", "alexnet_edu")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
BLANK = " \n"  # an empty line would not do: JupyterLab looks for the first that is not empty

Notebook = Any  # nbformat is untyped
Cell = Any


def notebook_paths() -> list[Path]:
    """The course's notebooks in reading order: their names start with their numbers."""
    return sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def assignment_paths() -> list[Path]:
    """The problem sets in order, the project after them."""
    return sorted(
        (ROOT / "assignments" / "source").glob("*/*.ipynb"), key=lambda path: (path.stem[:2] != "ps", path.stem)
    )


def read(path: Path) -> Notebook:
    """A notebook in the current format."""
    return nbformat.read(path, as_version=4)


def text(notebook: Notebook) -> str:
    """The file's content: one trailing newline, as ``nbformat`` orders keys."""
    return f"{nbformat.writes(notebook).rstrip()}\n"


def write(notebook: Notebook, path: Path) -> None:
    """Replaces the file in one step, so that no reader ever sees half of it."""
    new = path.with_suffix(".tmp")
    new.write_text(text(notebook), encoding="utf-8", newline="\n")
    os.replace(new, path)


def normalise(notebook: Notebook) -> Notebook:
    """Drops in place what differs from machine to machine or run to run, and returns the notebook."""
    own = notebook.metadata.get("alexnet_edu")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    if own is not None:
        notebook.metadata["alexnet_edu"] = own
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEPT_CELL_METADATA})
        if cell.cell_type == "code":  # what goes to stderr is the machine's own, such as a word on its lack of a GPU
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)  # points at a state that lives with the kernel
    for cell in predicted(notebook):  # JupyterLab shows the output once the cell is run
        cell.metadata["jupyter"] = nbformat.from_dict({"outputs_hidden": True})
        for output in cell.outputs[:1]:
            begin_blank(output)
    return notebook


def begin_blank(output: Notebook) -> None:
    """Puts a blank line first: of a hidden output JupyterLab shows the first line, which would be the answer."""
    for place, key in ((output, "text"), (output.get("data", {}), "text/html")):
        if key in place and not place[key].startswith(BLANK):
            place[key] = BLANK + place[key]


def predicted(notebook: Notebook) -> list[Cell]:
    """The code cells that answer what the text above them asks to predict: the first that shows something."""
    found = []
    asked = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            asked = "**Predict.**" in cell.source
        elif asked and cell.outputs:
            found.append(cell)
            asked = False
    return found


def tags(cell: Cell) -> list[str]:
    """A cell's tags."""
    return list(cell.metadata.get("tags", []))


def headings(cell: Cell) -> Iterator[tuple[int, str]]:
    """Level and text of each heading of a Markdown cell; fenced code is no heading."""
    if cell.cell_type != "markdown":
        return
    prose = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
    for marks, heading in re.findall(r"^(#{1,6})[ \t]+(.+?)[ \t#]*$", prose, flags=re.MULTILINE):
        yield len(marks), heading


def title(notebook: Notebook) -> str:
    """The notebook's H1, without a number in front."""
    for cell in notebook.cells:
        for level, heading in headings(cell):
            if level == 1:
                return re.sub(r"^\d+\s*[.:·-]?\s*", "", heading)
    return "Untitled"
