"""What readers do: answer wrongly, run a cell twice, and go on with an exercise after a restart of the kernel."""

from __future__ import annotations

import ast
import dis
import re
from collections import Counter
from pathlib import Path
from types import CodeType
from typing import Any

import execute
import nbformat
import pytest
from nbclient import NotebookClient
from notebook_files import BLANK, Cell, Notebook, notebook_paths, read, tags

# Wrong functions that look right: each has the right shape or kind, or the mistake that its exercise is about. Where an
# exercise is not named here, the answer is 0, and what is asked for as a value is 0, too.
WRONG = {
    "my_top_k_error": "lambda scores, labels, k: 100 * (1 - nb01.top_k(scores, labels, k))",
    "average_views": "lambda logits: logits.mean(0).softmax(0)",
    "opposite": "lambda weights: (weights.flatten(1) @ weights.flatten(1).T).min(1).values",
    "chroma": "lambda w: (w - w.mean(1, keepdim=True)).norm(dim=(1, 2, 3)) / w.norm(dim=(1, 2, 3))",
    "p_value": "lambda observed, shuffled: float((shuffled.abs() >= abs(observed)).sum())",
    "concentration": "lambda w: torch.fft.fft2(w).abs().sum(1).flatten(1).topk(60).values.sum(1)",
    "without_colour": "lambda weights: weights.mean(1, keepdim=True)",
    "sparsity": "lambda maps: (maps == 0).float().mean()",
    "my_side": "lambda side, size, stride, padding: 1 + (side + 2 * padding - size) // stride",
    "my_cmrnorm": "lambda x, size, scale, power, min_div: x / (min_div + scale * x.square()) ** power",
    "my_rates": "lambda epoch: [0.01, 0.01]",
}
CHECKED = re.compile(r"^nb\d\d\.\w+\(", re.MULTILINE)
NAMED = re.compile(r"run first the cells? that defines? ((?:`\w+`(?:, | and )?)+)")


def is_exercise(cell: Cell) -> bool:
    """Whether the reader is to change this cell: it hands an answer to a check, and still holds a ``...``."""
    return cell.cell_type == "code" and bool(CHECKED.search(cell.source)) and "..." in cell.source


def exercises(notebook: Notebook) -> list[int]:
    """The places of the exercises' cells."""
    return [place for place, cell in enumerate(notebook.cells) if is_exercise(cell)]


class WrongAnswers(ast.NodeTransformer):
    """Puts wrong answers where an exercise cell has none."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A stub becomes a wrong function of the same name; helpers that are given stay."""
        if not any(isinstance(inner, ast.Constant) and inner.value is ... for inner in ast.walk(node)):
            return node
        return ast.parse(f"{node.name} = {WRONG.get(node.name, 'lambda *given: 0')}").body[0]

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A value becomes 0."""
        return ast.Constant(0) if node.value is ... else node


def with_wrong_answers(notebook: Notebook) -> Notebook:
    """A copy in which every exercise is answered, and wrongly."""
    copy = nbformat.from_dict(notebook)
    for place in exercises(copy):
        cell = copy.cells[place]
        cell.source = ast.unparse(WrongAnswers().visit(ast.parse(cell.source)))
    return copy


def printed(cell: Cell) -> list[str]:
    """What a cell prints, and the text of what it shows."""
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return [re.sub(r" at 0x\w+", "", text.removeprefix(BLANK)) for text in texts]


def compare_with_stored(notebook: Notebook, stored: Notebook) -> None:
    """What a run printed is what is stored, but for exercises and for what belongs to one machine."""
    for before, after in zip(stored.cells, notebook.cells, strict=True):
        if before.cell_type == "code" and not is_exercise(before) and "nbval-ignore-output" not in tags(before):
            assert printed(after) == printed(before), after.source


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_wrong_answers_change_nothing_that_follows_and_every_cell_runs_twice(path: Path) -> None:
    stored = read(path)
    notebook = with_wrong_answers(stored)
    client = NotebookClient(
        notebook,
        timeout=execute.CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.coalesce_streams = True
    with client.setup_kernel():
        for place, cell in enumerate(notebook.cells):
            client.execute_cell(cell, place)  # raises where a cell fails
        answered = [printed(notebook.cells[place])[-1] for place in exercises(stored)]
        assert all(line.startswith("✗ ") for line in answered), answered
        compare_with_stored(notebook, stored)
        for place, cell in reversed(list(enumerate(notebook.cells))):
            client.execute_cell(cell, place)  # as for a reader who scrolls back: all that follows has run
        compare_with_stored(notebook, stored)


def names_taken_and_given(source: str) -> tuple[set[str], set[str]]:
    """What a cell needs from other cells or from Python, and what it assigns or defines; imports are neither."""
    taken: set[str] = set()
    given: set[str] = set()

    def follow(code: CodeType) -> None:
        for step in dis.get_instructions(code):
            if isinstance(step.argval, CodeType):  # a function or a comprehension
                follow(step.argval)
            elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL") and step.argval not in given:
                taken.add(step.argval)
            elif step.opname in ("STORE_NAME", "STORE_GLOBAL"):
                given.add(step.argval)

    follow(compile(source, "<cell>", "exec"))
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return taken, given - {(name.asname or name.name).partition(".")[0] for node in imports for name in node.names}


def test_names_that_a_cell_takes_and_gives() -> None:
    source = "import os\ntotal = sum(x for x in rows)\ntotal += start\ndef shown(y): return y + total + later"
    taken, given = names_taken_and_given(source)
    assert taken >= {"rows", "start", "later"}
    assert not taken & {"total", "x", "y", "os"}
    assert given == {"total", "shown"}


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_a_name_that_one_cell_takes_from_another_has_one_meaning(path: Path) -> None:
    """In whichever order cells are run again: no cell takes a name that two cells give."""
    cells = [names_taken_and_given(cell.source) for cell in read(path).cells if cell.cell_type == "code"]
    times = Counter(name for _, given in cells for name in given)
    assert [name for taken, _ in cells for name in taken if times[name] > 1] == []


def names_defined(source: str) -> set[str]:
    """What a cell assigns, imports or defines at its top level."""
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


def cells_that_an_exercise_names(notebook: Notebook, place: int) -> list[Cell]:
    """The cells above that its text tells to run first, in order: the last ones to define the names given."""
    prose = next(cell.source for cell in reversed(notebook.cells[:place]) if cell.cell_type == "markdown")
    wanted = set(re.findall(r"`(\w+)`", " ".join(NAMED.findall(" ".join(prose.split())))))
    above = [cell for cell in notebook.cells[:place] if cell.cell_type == "code" and "setup" not in tags(cell)]
    return [cell for cell in above if wanted & names_defined(cell.source)]


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_an_exercise_runs_after_a_restart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel where only the first cell ran, and those that the exercise names."""
    monkeypatch.chdir(path.parent)
    notebook = read(path)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code" and "setup" not in tags(cell))
    fresh: dict[str, Any] = {}
    exec(first.source, fresh)
    for place in exercises(notebook):
        kernel = dict(fresh)
        for cell in cells_that_an_exercise_names(notebook, place):
            exec(cell.source, kernel)
        try:
            exec(notebook.cells[place].source, kernel)
        except Exception as problem:
            pytest.fail(f"{problem!r} after a restart in {notebook.cells[place].source}")
