"""Puts a submission back into the form of the release, and says what it did.

Students lose cells, copy them and edit the locked ones; editors drop marks. A cell is recognised by its id, else by
nbgrader's mark, else, for an answer, by the cell before it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from nbgrader.utils import compute_checksum
from notebook_files import Cell, Notebook


def grade_id(cell: Cell) -> str | None:
    """The name by which nbgrader knows a cell."""
    mark = cell.metadata.get("nbgrader")
    return str(mark["grade_id"]) if isinstance(mark, dict) and mark.get("grade_id") else None


def is_graded(cell: Cell) -> bool:
    """Whether points belong to a cell: a test or a written answer."""
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def is_test(cell: Cell) -> bool:
    """Whether a cell tests an answer, and so is run by the judge."""
    return cell.cell_type == "code" and is_graded(cell) and not cell.metadata.nbgrader.get("solution")


def align(submitted: Notebook, released: Notebook) -> list[str]:
    """Restores in place the marks and cells of the release that a submission lost; one note for each change."""
    wanted = {name: cell for cell in released.cells if (name := grade_id(cell))}
    notes = list(locked(submitted, wanted))
    notes += restore_marks(submitted, wanted)
    notes += recognise_answers(submitted, released, wanted)
    notes += drop_copies(submitted, wanted)
    notes += add_missing(submitted, wanted)
    for cell in submitted.cells:
        if (name := grade_id(cell)) and wanted[name].metadata.nbgrader.locked:
            cell.source = wanted[name].source
    return notes


def locked(submitted: Notebook, wanted: dict[str, Cell]) -> Iterator[str]:
    """Says which tests are not those of today: because somebody changed them, or because the set has changed.

    nbgrader writes a checksum into every locked cell of a release; a cell that agrees with its own is as handed out.
    """
    for cell in submitted.cells:
        name = grade_id(cell)
        original = wanted.get(name or "")
        if original is None or not original.metadata.nbgrader.grade or not original.metadata.nbgrader.locked:
            continue
        if cell.source.strip() not in (original.source.strip(), ""):
            if as_handed_out(cell):
                yield f"The cell {name} has changed since this notebook was handed out; today's was used."
            else:
                yield f"The locked cell {name} was changed; the original was used."


def as_handed_out(cell: Cell) -> bool:
    """Whether a marked cell agrees with its own checksum."""
    try:
        return bool(compute_checksum(cell) == cell.metadata.nbgrader.checksum)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def restore_marks(submitted: Notebook, wanted: dict[str, Cell]) -> Iterator[str]:
    """Every known cell gets the release's metadata; its id counts more than a mark, which may be edited or lost."""
    by_id = {cell.id: name for name, cell in wanted.items()}
    taken: set[str] = set()
    for cell in submitted.cells:
        marked, name = grade_id(cell), by_id.get(cell.get("id", ""))
        if name is None or name in taken or cell.cell_type != wanted[name].cell_type:
            name = marked if marked in wanted else None
        elif marked != name:
            yield f"Cell {name} had lost its mark." if marked is None else f"The mark of cell {name} was changed."
        cell.metadata.pop("nbgrader", None)
        if name is not None and cell.cell_type == wanted[name].cell_type:
            cell.metadata["nbgrader"] = copy.deepcopy(wanted[name].metadata.nbgrader)
            taken.add(name)


def recognise_answers(submitted: Notebook, released: Notebook, wanted: dict[str, Cell]) -> Iterator[str]:
    """A missing answer is the first unknown cell of its kind after the text that stands before it in the release."""
    texts = {cell.source.strip() for cell in released.cells}
    present = {grade_id(cell) for cell in submitted.cells}
    for before, cell in zip(released.cells, released.cells[1:], strict=False):
        name = grade_id(cell)
        if name is None or name in present or not wanted[name].metadata.nbgrader.solution:
            continue
        sources = [other.source.strip() for other in submitted.cells]
        after = sources.index(before.source.strip()) + 1 if before.source.strip() in sources else len(sources)
        for other in submitted.cells[after : after + 2]:
            if grade_id(other) is None and other.cell_type == cell.cell_type and other.source.strip() not in texts:
                other.metadata["nbgrader"] = copy.deepcopy(cell.metadata.nbgrader)
                yield f"Cell {name} had lost its mark and was recognised by its place."
                break


def drop_copies(submitted: Notebook, wanted: dict[str, Cell]) -> Iterator[str]:
    """Of several cells with one name the last one that was written in counts; the others stay, unmarked."""
    for name, original in wanted.items():
        same = [cell for cell in submitted.cells if grade_id(cell) == name]
        if len(same) > 1:
            changed = [cell for cell in same if cell.source.strip() != original.source.strip()]
            counts = (changed or same)[-1]
            for cell in same:
                if cell is not counts:
                    del cell.metadata["nbgrader"]
            yield f"Cell {name} was there {len(same)} times; the last one that was written in counts."


def add_missing(submitted: Notebook, wanted: dict[str, Cell]) -> Iterator[str]:
    """Graded cells that were deleted come back, as late as possible: before the next known cell, or at the end."""
    successor: Cell | None = None
    for name, original in reversed(wanted.items()):
        found = next((cell for cell in submitted.cells if grade_id(cell) == name), None)
        if found is None and original.metadata.nbgrader.grade:
            found = copy.deepcopy(original)
            at = len(submitted.cells) if successor is None else submitted.cells.index(successor)
            submitted.cells.insert(at, found)
            yield f"Cell {name} was missing and was put back."
        elif found is None:
            yield f"Cell {name} was missing."
        successor = found or successor
