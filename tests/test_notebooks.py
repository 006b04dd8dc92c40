"""Every notebook keeps the course's rules, and every rule notices a notebook that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import notebook_rules
import pytest
import stamp
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_files import normalise, notebook_paths, read

OPENING = """\
# Filters

The first layer sees edges. That is why it matters.

**You will be able to**

- tell an edge from a grating,
- count weights
  with and without groups,
- say what a filter responds to.

**Prerequisites:** notebook 1. **Time:** 40 minutes. A CPU is enough.
"""

CLOSING = """\
## Recap

- An edge has one side.
- Groups halve the weights.
- A filter responds to itself.

## Known limits

One network.

## References

- The paper, section 5.
"""


def good_notebook() -> Any:
    """A notebook without a fault, small enough to read."""
    exercises = "\n\n".join(
        f"### Exercise {n} · code · ★★ · {10 if n > 1 else 5} minutes\n\nDo it." for n in range(1, 5)
    )
    cells = [
        new_markdown_cell("badges", id="badges", metadata={"tags": ["badges"]}),
        new_markdown_cell(OPENING),
        new_code_cell("import sys", id="setup", metadata={"tags": ["setup"]}),
        new_markdown_cell("## Edges\n\n**Predict.** What will it print? ![An edge](edge.png)"),
        new_code_cell("print(11 * 11)", outputs=[new_output("stream", name="stdout", text="121\n")]),
        new_markdown_cell("**Predict.** And now?\n\n```\n# not a heading\n```"),
        new_code_cell("assert 11 * 11 == 121"),
        new_markdown_cell(f"## Exercises\n\n{exercises}"),
        new_markdown_cell(CLOSING),
        new_markdown_cell("navigation", id="navigation", metadata={"tags": ["navigation"]}),
    ]
    notebook = normalise(new_notebook(cells=cells))
    notebook.metadata["alexnet_edu"] = {"minutes": 40, "learn": "what the first layer sees"}
    for count, cell in enumerate(notebook_rules.code_cells(notebook), 1):
        cell.execution_count = count
    return notebook


def test_an_answer_that_is_hidden_begins_with_a_blank_line() -> None:
    """JupyterLab shows the first line that is not empty of what it hides."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell("**Predict.** What will it print?"),
            new_code_cell(outputs=[new_output("stream", name="stdout", text="121\n")]),
            new_markdown_cell("**Predict.** And what will it draw?"),
            new_code_cell(outputs=[new_output("display_data", data={"text/html": "<img alt='falls'>"})]),
        ]
    )
    for _ in range(2):  # once is enough
        stream, picture = (normalise(notebook).cells[place].outputs[0] for place in (1, 3))
        assert stream.text == " \n121\n" and picture.data["text/html"] == " \n<img alt='falls'>"


def replace(cell: int, old: str, new: str) -> Callable[[Any], None]:
    """A fault: ``old`` in one cell becomes ``new``."""

    def fault(notebook: Any) -> None:
        assert old in notebook.cells[cell].source
        notebook.cells[cell].source = notebook.cells[cell].source.replace(old, new)

    return fault


def insert(position: int, *cells: Any) -> Callable[[Any], None]:
    """A fault: cells too many, counted on."""

    def fault(notebook: Any) -> None:
        notebook.cells[position:position] = [nbformat.from_dict(cell) for cell in cells]
        for count, cell in enumerate(notebook_rules.code_cells(notebook), 1):
            cell.execution_count = count

    return fault


def output(**fields: Any) -> Callable[[Any], None]:
    """A fault: another output of the printing cell."""

    def fault(notebook: Any) -> None:
        notebook.cells[4].outputs = [new_output(**fields)]

    return fault


def edit(statement: str) -> Callable[[Any], None]:
    """A fault: a statement about the notebook ``nb``."""
    return lambda notebook: exec(statement, {"nb": notebook})


ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}
FAULTS: list[tuple[str, Callable[[Any], None]]] = [
    ("is_valid", edit("nb.metadata['widgets'] = {}")),
    ("is_valid", edit("nb.cells[4].metadata['execution'] = {'iopub.status.busy': 'now'}")),
    ("is_valid", edit("nb.cells[5]['cell_type'] = 'picture'")),
    ("is_valid", edit("nb.cells[6].id = nb.cells[4].id")),
    ("is_valid", edit("nb.cells[5].source = ' '")),
    ("has_metadata", edit("del nb.metadata['alexnet_edu']['learn']")),
    ("has_metadata", edit("nb.metadata['alexnet_edu']['minutes'] = '40'")),
    ("has_opening", edit("del nb.cells[0]")),
    ("has_opening", edit("nb.cells[2].metadata['tags'] = []")),
    ("has_opening", edit("del nb.cells[-1]")),
    ("has_opening", replace(1, "# Filters", "## Filters")),
    ("has_objectives", replace(1, "matters.", "matters. One. Two. Three.")),
    ("has_objectives", replace(1, "The first layer sees edges. That is why it matters.", "")),
    ("has_objectives", replace(1, "- count weights\n  with and without groups,\n", "")),
    ("has_objectives", replace(1, "You will be able to", "Goals")),
    ("has_objectives", replace(1, "**Prerequisites:**", "")),
    ("has_objectives", replace(1, "40 minutes", "45 minutes")),
    ("has_one_title", replace(3, "## Edges", "# Edges")),
    ("has_one_title", replace(3, "## Edges", "#### Edges")),
    ("has_one_title", replace(1, "# Filters", "Filters")),
    ("has_closing", replace(8, "## Recap", "## Summary")),
    ("has_closing", replace(8, "- Groups halve the weights.\n", "")),
    ("has_closing", replace(8, "## Known limits", "Known limits")),
    ("has_closing", replace(8, "## References", "## Links")),
    ("was_run", edit("nb.cells[4].execution_count = None")),
    ("was_run", edit("nb.cells[4].execution_count = 7")),
    ("was_run", edit("nb.cells[4].outputs = []")),
    ("was_run", output(**ERROR)),
    ("is_compared", edit("nb.cells[4].metadata['tags'] = ['nbval-skip']")),
    ("is_compared", edit("nb.cells[4].source += '  # NBVAL_SKIP'")),
    ("is_compared", edit("[c.metadata.update(tags=['nbval-ignore-output']) for c in (nb.cells[4], nb.cells[6])]")),
    ("is_small", output(output_type="stream", name="stdout", text="x" * notebook_rules.MAX_BYTES)),
    ("has_short_cells", edit("nb.cells[4].source = nb.cells[6].source = '\\n'.join('abcdefg')")),
    ("has_short_cells", edit("nb.cells[4].source = '\\n'.join('x' * 21)")),
    ("has_short_cells", edit("nb.cells[4].source = '\\n'.join('x' * 41)")),
    ("is_introduced", insert(5, new_code_cell("1"), new_code_cell("2"))),
    ("has_alt_text", replace(3, "![An edge]", "![]")),
    ("has_alt_text", replace(3, "![An edge](edge.png)", '<img src="edge.png">')),
    ("has_alt_text", replace(3, "![An edge](edge.png)", '<img src="edge.png" alt="">')),
    ("has_alt_text", replace(3, "(edge.png)", "(data:image/png;base64,AAAA)")),
    ("has_alt_text", replace(3, "(edge.png)", "(attachment:edge.png)")),
    ("has_no_absolute_paths", replace(4, "print(", "open('/home/ann/edge.png'); print(")),
    ("has_no_absolute_paths", replace(3, "What", r"C:\Users\ann What")),
    ("has_no_absolute_paths", output(output_type="stream", name="stderr", text="/tmp/ipykernel_1/2.py:1: Warning")),
    ("has_no_absolute_paths", output(output_type="display_data", data={"text/html": "in /Users/ann/x"})),
    ("asks_first", replace(5, "**Predict.**", "")),
    ("asks_first", insert(4, new_markdown_cell("a"), new_markdown_cell("b"))),
    ("has_exercises", replace(7, "### Exercise 4 · code · ★★ · 10 minutes", "Exercise 4")),
    ("has_exercises", replace(7, "Exercise 4 · code", "Exercise 4 · guess")),
    ("fits_its_minutes", replace(7, "★★ · 5 minutes", "★★ · 15 minutes")),
    ("fits_its_minutes", edit("nb.metadata['alexnet_edu']['minutes'] = 60")),
    ("fits_its_minutes", edit("nb.cells[3].source += ' word' * 900")),
    ("shows_its_pictures", replace(6, "assert 11", "show(figure)\nassert 11")),
    ("shows_its_pictures", replace(6, "assert 11", "for one in two:\n    figures.show(one)\nassert 11")),
    ("names_its_weights", replace(6, "assert 11", "net = load_pretrained()\nassert 11")),
    ("has_exercises", replace(7, "Do it.", "### Exercise 5 · code · ★ · 5 minutes\n\n" * 2)),
]


def problems(notebook: Any, rules: Any = notebook_rules.RULES) -> list[str]:
    return [f"{rule.__name__}: {problem}" for rule in rules for problem in rule(notebook)]


def test_a_good_notebook_has_no_problem() -> None:
    assert problems(good_notebook()) == []


@pytest.mark.parametrize(("rule", "fault"), FAULTS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(FAULTS)])
def test_each_rule_notices_its_fault(rule: str, fault: Callable[[Any], None]) -> None:
    notebook = good_notebook()
    fault(notebook)
    assert problems(notebook, [getattr(notebook_rules, rule)])


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule.__name__ for rule in notebook_rules.RULES} == {name for name, _ in FAULTS}


@pytest.mark.parametrize("source", ["https://x.org/home/ann", "notebooks/home/x", "1/usr/x", "a/b"])
def test_addresses_and_relative_paths_are_no_absolute_paths(source: str) -> None:
    notebook = good_notebook()
    notebook.cells[3].source += f" {source}"
    assert problems(notebook) == []


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", notebook_rules.RULES, ids=lambda rule: rule.__name__)
def test_notebook(path: Path, rule: Any) -> None:
    assert list(rule(read(path))) == []


def test_notebooks_are_numbered_in_order() -> None:
    lessons = [stamp.lesson(path, read(path)) for path in notebook_paths()]
    found = [re.fullmatch(r"(\d+)([b-h]?)", one.number) for one in lessons]
    parts = [(int(number), letter) for number, letter in (one.groups() for one in found if one)]
    assert len(parts) == len(lessons), "a notebook is 3, and its second part 3b"
    assert parts == sorted(set(parts)), "the order of the files is the order of the course"
    assert sorted({number for number, _ in parts}) == list(range(1, parts[-1][0] + 1)), "no number is left out"
    for number, letter in parts:
        before = [other for one, other in parts if one == number and other < letter]
        assert "".join(["a", *before[1:], letter]) in "abcdefgh" if letter else not before
