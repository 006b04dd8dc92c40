"""Finding students' notebooks in whatever folder an instructor has, and making them gradable.

Students lose cells, copy them and edit the locked ones. ``align`` puts a submission back into the form that nbgrader
expects, and says what it did.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from notebook_files import Cell, Notebook, read

# What an answer to a problem set has no use for: somebody should look at it.
SUSPECTS = re.compile(
    "__builtins__|__import__|builtins|compile|ctypes|eval|exec|exit|gc|get_ipython|glob|globals|importlib|inspect|io|"
    "multiprocessing|open|os|pathlib|quit|requests|setattr|shutil|signal|socket|subprocess|sys|threading|urllib"
)
SHELL = re.compile(r"^\s*([!%].*)$", re.MULTILINE)


@dataclass
class Submission:
    """One student's notebook.

    Attributes:
        student: the name of the folder or file.
        notebook: aligned with the release; None where there is nothing to grade.
        notes: what a person should know, one sentence each.
        suspects: names in the student's own code that its problem has no use for.
    """

    student: str
    notebook: Notebook | None = None
    notes: list[str] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)


def find(folder: Path, name: str, released: Notebook, out: Path) -> list[Submission]:
    """Every submission to the problem set ``name`` in ``folder``, by student.

    A student is a folder with one notebook in it, at any depth, or a file ``student.ipynb``. The folder ``out`` of
    the results may lie beside them: it is nobody's.

    Raises:
        SystemExit: there is no such folder, nothing in it, or two students have the same name.
    """
    if not folder.is_dir():
        raise SystemExit(
            f"error: there is no folder {folder}; give the one that holds a folder or notebook per student."
        )
    shown = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    entries = [path for path in shown if path.suffix == ".ipynb" or (path.is_dir() and path.resolve() != out.resolve())]
    if not entries:
        raise SystemExit(f"error: {folder} holds no submissions: no folders and no notebooks.")
    students = [re.sub(r"[^\w.@-]+", "_", path.stem if path.is_file() else path.name) for path in entries]
    for student in students:
        if students.count(student) > 1:
            raise SystemExit(f"error: {folder} holds two submissions of {student}; keep one of them.")
    return [load(path, student, name, released) for path, student in zip(entries, students, strict=True)]


def load(place: Path, student: str, name: str, released: Notebook) -> Submission:
    """The submission in a file or folder, aligned; or a note that says why there is none."""
    submission = Submission(student)
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    files = [path for path in files if not any(part.startswith(".") for part in path.relative_to(place).parts)]
    notebooks = [path for path in files if path.suffix == ".ipynb"]
    named = [path for path in notebooks if path.stem == name] or notebooks
    if len(named) != 1:
        submission.notes.append(f"Found {len(named)} notebooks; one is wanted: {name}.ipynb.")
        return submission
    others = [path.name for path in files if path not in notebooks and path.name != "timestamp.txt"]
    if others:
        submission.notes.append(f"Files that were not used: {', '.join(others)}.")
    try:
        notebook = read(named[0])
        nbformat.validate(notebook)
    except Exception as problem:  # nbformat raises many kinds for files that are no notebooks
        submission.notes.append(f"{named[0].name} is no notebook that Jupyter can read ({type(problem).__name__}).")
        return submission
    submission.suspects = suspects(notebook, released)
    submission.notes += align(notebook, released)
    submission.notebook = notebook
    return submission


def grade_id(cell: Cell) -> str | None:
    """The name by which nbgrader knows a cell."""
    mark = cell.metadata.get("nbgrader")
    return str(mark["grade_id"]) if isinstance(mark, dict) and mark.get("grade_id") else None


def align(submitted: Notebook, released: Notebook) -> list[str]:
    """Restores in place the marks and cells of the release that a submission lost; one note for each change."""
    wanted = {name: cell for cell in released.cells if (name := grade_id(cell))}
    notes = list(restore_marks(submitted, wanted))
    notes += drop_copies(submitted, wanted)
    notes += add_missing(submitted, wanted)
    for cell in submitted.cells:
        name = grade_id(cell)
        if (
            name
            and wanted[name].metadata.nbgrader.locked
            and cell.source.strip()
            not in (
                wanted[name].source.strip(),
                "",
            )
        ):
            notes.append(f"The locked cell {name} was changed; the original was used.")
    return notes


def restore_marks(submitted: Notebook, wanted: dict[str, Cell]) -> Iterator[str]:
    """Every known cell gets the release's metadata, also where an editor dropped it and only the cell's id is left."""
    by_id = {cell.get("id"): name for name, cell in wanted.items()}
    present = {grade_id(cell) for cell in submitted.cells}
    for cell in submitted.cells:
        name = grade_id(cell)
        if name is None and by_id.get(cell.get("id")) not in (None, *present):
            name = by_id[cell.get("id")]
            yield f"Cell {name} had lost its mark."
        cell.metadata.pop("nbgrader", None)
        if name in wanted:
            cell.metadata["nbgrader"] = copy.deepcopy(wanted[name].metadata.nbgrader)


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


def suspects(submitted: Notebook, released: Notebook) -> list[str]:
    """Names in the student's own code that an answer has no use for, such as ``os`` or ``ps1.out_side =``."""
    known = {cell.source.strip() for cell in released.cells}
    found: set[str] = set()
    for cell in submitted.cells:
        if cell.cell_type == "code" and cell.source.strip() not in known:
            found.update(line[:40] for line in SHELL.findall(cell.source))
            found.update(names(SHELL.sub("", cell.source)))
    return sorted(found)


def names(source: str) -> Iterator[str]:
    """The suspicious names of some code; nothing where it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return
    for node in nodes:
        if isinstance(node, ast.Name) and SUSPECTS.fullmatch(node.id):
            yield node.id
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if SUSPECTS.fullmatch(alias.name.split(".")[0]))
        elif isinstance(node, ast.ImportFrom) and SUSPECTS.fullmatch((node.module or "").split(".")[0]):
            yield str(node.module)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and foreign(node.value):
            yield f"{ast.unparse(node)} ="


def foreign(owner: ast.expr) -> bool:
    """Whether a student who assigns to an attribute of this changes the course or PyTorch."""
    return bool(re.match(r"(ps\d+|alexnet_edu|check|Result|torch|F)\b", ast.unparse(owner)))
