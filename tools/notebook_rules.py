"""What every notebook of the course has in common, as functions that say what is wrong.

``python tools/notebook_rules.py [NOTEBOOK...]`` prints each problem with its cell; the tests ask for none. A rule is a
function in ``RULES`` that takes a notebook and yields one sentence per problem.
"""

from __future__ import annotations

import argparse
import ast
import math
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import nbformat
from notebook_files import Cell, Notebook, headings, normalise, notebook_paths, read, tags, text

MAX_BYTES = 400_000
MEDIAN_LINES, P90_LINES, MAX_LINES = 6, 20, 40
MAX_CODE_RUN = 2
MAX_WHY_SENTENCES = 4
OBJECTIVES = range(3, 7)
PREDICTIONS = 2
EXERCISES = range(4, 9)
WORDS_A_MINUTE = 150  # of a text with formulas and figures
SPARE_MINUTES = 10
CLOSING = ("Recap", "Known limits", "References")

EXERCISE = re.compile(r"^#{2,4} Exercise \d+ · (predict|code|measure|explain) · ★{1,3} · (\d+) minutes?$", re.MULTILINE)
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/~<])(?:/(?:home|root|Users|tmp|private|var|opt|mnt|work|scratch|usr|content)/\w|[A-Z]:\\\w)"
)
MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
EMBEDDED_IMAGE = re.compile(r"data:image/|\]\(attachment:")

Problems = Iterator[str]


def code_cells(notebook: Notebook) -> list[Cell]:
    """The code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook: Notebook) -> list[Cell]:
    """The Markdown cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def lines(cell: Cell) -> int:
    """How many lines of a cell are not blank."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def bullets(prose: str, after: str) -> list[str]:
    """The first list that follows the line holding ``after``; lines that continue a bullet belong to it."""
    _, _, rest = prose.partition(after)
    found: list[str] = []
    for line in rest.splitlines()[1:]:
        if re.match(r"([-*]|\d+\.) ", line):
            found.append(line)
        elif found and not line.startswith((" ", "\t")):
            break
    return found


def section(notebook: Notebook, name: str) -> str:
    """The prose from the heading that starts with ``name`` to the next heading of its level or above; or nothing."""
    prose = "\n\n".join(cell.source for cell in markdown(notebook))
    match = re.search(rf"^(#{{2,3}}) {name}.*?(?=^#{{2,3}} |\Z)", prose, flags=re.MULTILINE | re.DOTALL)
    return match[0] if match else ""


def is_valid(notebook: Notebook) -> Problems:
    """The file follows nbformat, and is tidied."""
    if len({cell.id for cell in notebook.cells}) < len(notebook.cells):
        yield "has two cells with one id"
        return
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as problem:
        yield f"not a valid notebook: {str(problem).splitlines()[0]}"
        return
    before = text(notebook)
    if text(normalise(nbformat.from_dict(notebook))) != before:
        yield "holds widget state, timings or versions of one machine (tools/execute.py drops them)"
    if any(not cell.source.strip() for cell in notebook.cells):
        yield "has an empty cell"


def has_metadata(notebook: Notebook) -> Problems:
    """Minutes and the sentence for the README's table."""
    own = notebook.metadata.get("alexnet_edu", {})
    for key, kind in (("minutes", int), ("learn", str)):
        if not isinstance(own.get(key), kind) or not own[key]:
            yield f"metadata 'alexnet_edu' lacks '{key}'"


def has_opening(notebook: Notebook) -> Problems:
    """Badges, title with purpose and objectives, set-up; navigation at the end."""
    cells = notebook.cells
    for position, tag in ((0, "badges"), (2, "setup"), (-1, "navigation")):
        if len(cells) < 4 or tag not in tags(cells[position]):
            yield f"cell {position} is not tagged '{tag}' (tools/stamp.py inserts it)"
    if len(cells) > 1 and next(iter(headings(cells[1])), (0, ""))[0] != 1:
        yield "cell 1 does not start with the H1"


def has_objectives(notebook: Notebook) -> Problems:
    """Cell 1 says why in a few sentences, what the reader will be able to do, what it takes and how long."""
    prose = notebook.cells[1].source if len(notebook.cells) > 1 else ""
    why = prose.partition("You will be able to")[0].partition("\n")[2]
    if not 1 <= len(re.findall(r"[.?!](?:\s|$)", why)) <= MAX_WHY_SENTENCES:
        yield f"the opening needs 1 to {MAX_WHY_SENTENCES} sentences on why this matters"
    if len(bullets(prose, "You will be able to")) not in OBJECTIVES:
        yield f"the opening needs {OBJECTIVES[0]} to {OBJECTIVES[-1]} bullets after 'You will be able to'"
    if "rerequisites" not in prose:
        yield "the opening names no prerequisites"
    if f"{notebook.metadata.get('alexnet_edu', {}).get('minutes')} minutes" not in prose:
        yield "the opening does not name the minutes that the metadata has"


def has_one_title(notebook: Notebook) -> Problems:
    """Exactly one H1, and no heading level is skipped on the way down."""
    levels = [level for cell in notebook.cells for level, _ in headings(cell)]
    if levels.count(1) != 1:
        yield f"has {levels.count(1)} H1 headings, not one"
    for above, below in pairwise(levels):
        if below > above + 1:
            yield f"skips from heading level {above} to {below}"


def has_closing(notebook: Notebook) -> Problems:
    """Recap, known limits, references; the recap answers every objective."""
    for name in CLOSING:
        if not section(notebook, name):
            yield f"has no section '{name}'"
    goals = bullets(notebook.cells[1].source if len(notebook.cells) > 1 else "", "You will be able to")
    answers = bullets(section(notebook, "Recap"), "Recap")
    if len(goals) != len(answers):
        yield f"the recap has {len(answers)} bullets for {len(goals)} objectives"


def was_run(notebook: Notebook) -> Problems:
    """Counts 1 to n and kept outputs: without them strict nbval compares nothing, silently."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(counts)} (run tools/execute.py)"
    for number, cell in enumerate(code_cells(notebook), 1):
        if re.search(r"^print\(", cell.source, re.MULTILINE) and not cell.outputs:
            yield f"code cell {number} prints but keeps no output"
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                yield f"code cell {number} holds an error: {output.ename}"


def is_compared(notebook: Notebook) -> Problems:
    """Nothing is skipped, and only a minority of cells have outputs that belong to one machine."""
    cells = code_cells(notebook)
    ignored = [cell for cell in cells if "nbval-ignore-output" in tags(cell) or "NBVAL_IGNORE_OUTPUT" in cell.source]
    if any("nbval-skip" in tags(cell) or "NBVAL_SKIP" in cell.source for cell in cells):
        yield "skips a cell in the tests"
    if len(ignored) > len(cells) / 2:
        yield f"{len(ignored)} of {len(cells)} code cells are not compared"


def is_small(notebook: Notebook) -> Problems:
    """The file loads fast on GitHub and in a diff."""
    size = len(text(notebook).encode())
    if size > MAX_BYTES:
        yield f"is {size:,} bytes, more than {MAX_BYTES:,}"


def has_short_cells(notebook: Notebook) -> Problems:
    """One idea a cell."""
    lengths = sorted(lines(cell) for cell in code_cells(notebook) if "setup" not in tags(cell)) or [0]
    p90 = lengths[math.ceil(0.9 * len(lengths)) - 1]
    for name, value, limit in (
        ("median", statistics.median(lengths), MEDIAN_LINES),
        ("ninth decile", p90, P90_LINES),
        ("longest", lengths[-1], MAX_LINES),
    ):
        if value > limit:
            yield f"code cells are long: {name} {value} lines, at most {limit}"


def is_introduced(notebook: Notebook) -> Problems:
    """Prose stands before code: at most two code cells in a row."""
    for kind, run in groupby(notebook.cells, key=lambda cell: cell.cell_type):
        cells = list(run)
        if kind == "code" and len(cells) > MAX_CODE_RUN:
            yield f"{len(cells)} code cells in a row from {cells[0].source.splitlines()[0]!r}"


def has_alt_text(notebook: Notebook) -> Problems:
    """Every picture in prose is described, and none is pasted into the file."""
    for cell in markdown(notebook):
        undescribed = [alt for alt in MARKDOWN_IMAGE.findall(cell.source) if not alt.strip()]
        undescribed += [tag for tag in HTML_IMAGE.findall(cell.source) if not re.search(r"""alt=["'][^"']""", tag)]
        if undescribed:
            yield f"a picture has no alt text: {cell.source[:60]!r}"
        if EMBEDDED_IMAGE.search(cell.source) or cell.get("attachments"):
            yield f"a picture is pasted into the prose: {cell.source[:60]!r}"


def has_no_absolute_paths(notebook: Notebook) -> Problems:
    """No folder of one person's machine, in prose, code or outputs."""
    for number, cell in enumerate(notebook.cells):
        for content in (cell.source, *map(output_text, cell.get("outputs", []))):
            if match := ABSOLUTE_PATH.search(content):
                yield f"cell {number} holds an absolute path near {content[match.start() :][:40]!r}"


def output_text(output: Any) -> str:
    """The readable part of a stored output."""
    data = output.get("data", {})
    parts = [output.get("text", ""), *(data[kind] for kind in data if kind.startswith("text/"))]
    return "\n".join(part if isinstance(part, str) else "".join(part) for part in parts)


def asks_first(notebook: Notebook) -> Problems:
    """The reader predicts before the cell that shows it: ``**Predict**`` with code within two cells."""
    cells = notebook.cells
    prompts = [i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and "**Predict" in cell.source]
    if len(prompts) < PREDICTIONS:
        yield f"has {len(prompts)} '**Predict**' prompts, at least {PREDICTIONS}"
    for i in prompts:
        if all(cell.cell_type != "code" for cell in cells[i + 1 : i + 3]):
            yield f"no code answers the prompt {cells[i].source[:60]!r}"


def has_exercises(notebook: Notebook) -> Problems:
    """Four to eight exercises whose headings say kind, difficulty and minutes."""
    prose = "\n\n".join(cell.source for cell in markdown(notebook))
    headed, named = len(EXERCISE.findall(prose)), len(re.findall(r"^#{2,4} Exercise\b", prose, re.MULTILINE))
    if named not in EXERCISES:
        yield f"has {named} exercises, {EXERCISES[0]} to {EXERCISES[-1]} are wanted"
    if headed != named:
        yield f"{named - headed} exercise headings are not like '### Exercise 1 · code · ★★ · 10 minutes'"


def words_to_read(notebook: Notebook) -> int:
    """Words of the prose, without code, references and what is generated."""
    own = [cell.source for cell in markdown(notebook) if not {"badges", "navigation"} & set(tags(cell))]
    prose = re.sub(r"^## References.*?(?=^## |\Z)", "", "\n\n".join(own), flags=re.MULTILINE | re.DOTALL)
    return len(re.sub(r"^```.*?^```", "", prose, flags=re.MULTILINE | re.DOTALL).split())


def fits_its_minutes(notebook: Notebook) -> Problems:
    """The exercises and the reading take the minutes that the opening promises."""
    promised = notebook.metadata.get("alexnet_edu", {}).get("minutes", 0)
    prose = "\n\n".join(cell.source for cell in markdown(notebook))
    exercises = sum(int(minutes) for _, minutes in EXERCISE.findall(prose))
    needed = exercises + words_to_read(notebook) / WORDS_A_MINUTE
    if isinstance(promised, int) and not needed <= promised <= needed + SPARE_MINUTES:
        yield f"promises {promised} minutes; exercises and reading take {needed:.0f}"


def shows_its_pictures(notebook: Notebook) -> Problems:
    """``show`` only returns what a cell displays: it is the last line, or given to ``display`` or to a function."""
    for number, cell in enumerate(code_cells(notebook), 1):
        if "setup" in tags(cell):
            continue
        body = ast.parse(cell.source).body
        lost = [node for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.Expr) and node is not body[-1]]
        if any(isinstance(node.value, ast.Call) and ast.unparse(node.value.func).endswith("show") for node in lost):
            yield f"code cell {number} shows a picture that nobody sees: show(...) is not its last line"


def names_its_weights(notebook: Notebook) -> Problems:
    """Neighbours in a class see the same network: nothing is downloaded unless the reader asks for it."""
    for number, cell in enumerate(code_cells(notebook), 1):
        if "load_pretrained()" in cell.source:
            yield f'code cell {number} takes whatever weights can be had; say load_pretrained("small")'


RULES: tuple[Callable[[Notebook], Problems], ...] = (
    is_valid,
    has_metadata,
    has_opening,
    has_objectives,
    has_one_title,
    has_closing,
    was_run,
    is_compared,
    is_small,
    has_short_cells,
    is_introduced,
    has_alt_text,
    has_no_absolute_paths,
    asks_first,
    has_exercises,
    fits_its_minutes,
    shows_its_pictures,
    names_its_weights,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints every problem; the exit status is 1 when there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="default: all of them")
    paths = parser.parse_args(argv).notebooks or notebook_paths()
    problems = [f"{path.name}: {problem}" for path in paths for rule in RULES for problem in rule(read(path))]
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
