"""What is known of each student's work on a problem set, and the CSV that shows it.

A record is written as soon as its student is graded, and the CSV with it: whatever ends a run, the next one goes on
from there.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from notebook_files import ROOT, Notebook

GRADER = ("judge", "kernel", "repair", "run", "values")  # modules of this folder that decide on points


@dataclass
class Record:
    """One student's.

    Attributes:
        student: the name of the student's files.
        handed_in: the name of what was found; empty where nothing was.
        key: of the notebook and all that decides on its points, as it was graded; empty where it was not.
        notes: one sentence each.
        look_at: names in the student's code.
        late: minutes after the due time; None where that is not known.
    """

    student: str
    handed_in: str = ""
    key: str = ""
    notes: list[str] = field(default_factory=list)
    look_at: list[str] = field(default_factory=list)
    late: int | None = None

    def row(self, scores: dict[str, Any]) -> dict[str, Any]:
        """The row of the CSV."""
        late = "" if self.late is None else self.late
        own = {"minutes late": late, "notes": " ".join(self.notes), "look at": ", ".join(self.look_at)}
        return {"student": self.student, "handed in": self.handed_in} | scores | own


class Records:
    """All students' of one problem set, below nbgrader's folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / "records" / name
        self.by_student: dict[str, Record] = {}
        for path in self.folder.glob("*.json"):
            try:
                record = Record(**json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                continue  # half a file is no record: the student is graded again
            self.by_student[record.student] = record

    def keep(self, record: Record) -> None:
        """Writes a record in the place of an earlier one."""
        self.by_student[record.student] = record
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self.folder / f"{record.student}.json", json.dumps(asdict(record), ensure_ascii=False, indent=1))


def replace(path: Path, content: str) -> None:
    """Writes a file in one step, so that no reader and no end of the run leaves half of it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(content, encoding="utf-8", newline="")
    os.replace(new, path)


def write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes the CSV, in the order of the students' names."""
    ordered = sorted(rows, key=lambda row: str(row["student"]))
    with path.with_name(f"{path.name}.new").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(ordered[0]))
        writer.writeheader()
        writer.writerows({key: unformulated(value) for key, value in row.items()} for row in ordered)
    os.replace(path.with_name(f"{path.name}.new"), path)


def unformulated(value: Any) -> Any:
    """Words from a submission as a spreadsheet shows them, and not as a formula that it computes."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def key_of(notebook: Notebook, source: Path, seed: int) -> str:
    """What decides on the points of a notebook: its cells, the source with its hidden tests, the checks, the seed."""
    digest = hashlib.sha256(str(seed).encode())
    for cell in notebook.cells:
        digest.update(json.dumps([cell.cell_type, cell.source, cell.metadata.get("nbgrader")]).encode())
    digest.update(source.read_bytes())
    own = [ROOT / "grading" / f"{name}.py" for name in GRADER]
    for path in [*sorted(code_of(source)), *own]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def code_of(source: Path) -> set[Path]:
    """The files of the package that the tests of a problem set are made of, whatever they import included."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade"))
    waiting, found = imports("\n".join(line for line in code.splitlines() if "import " in line)), set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting |= imports(path.read_text(encoding="utf-8"))
    return found


def imports(code: str) -> set[Path]:
    """The files of the package's modules that some code imports; the package itself only names its parts."""
    found = set()
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:
        return set()
    for node in nodes:
        modules = [f"{node.module}.{one.name}" for one in node.names] if isinstance(node, ast.ImportFrom) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [one.name for one in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            if module.startswith("alexnet_edu."):
                base = ROOT.joinpath(*module.split("."))
                found |= {path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()}
    return found
