"""Carries the repository's address, and what the notebooks say of themselves, to every place that shows them.

``python tools/stamp.py`` writes badges, the Colab set-up cell and the navigation bar into the notebooks, the set-up
cell into the problem sets, badges, install commands and the table of notebooks into the README, and the table of
problem sets into the page for instructors. ``--check`` writes nothing and exits 1 if anything would change. The address
stands in one place: ``[project.urls]`` in pyproject.toml.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from notebook_files import ROOT, Cell, Notebook, assignment_paths, notebook_paths, read, tags, text, title

BRANCH = "main"
COLAB_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
BINDER_BADGE = "https://mybinder.org/badge_logo.svg"
PAGE = "alexnet_edu/assets/app.ipynb"

SETUP = """\
# On Colab this installs the course beside Colab's own PyTorch. Anywhere else it does nothing.
import importlib.util
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("alexnet_edu") is None:
    %pip install -q --no-deps "alexnet-edu @ git+https://github.com/{repository}@{branch}"\
"""

INSTALL = """\
```bash
git clone https://github.com/{repository} alexnet-edu && cd alexnet-edu
uv run jupyter lab notebooks     # the course, in your browser
uv run pytest                    # every test: package, notebooks, command line
```"""

APP = """\
```bash
uv run alexnet-edu app           # in your browser, without a notebook
```

{badge}"""

PIP = """\
```bash
pip install "alexnet-edu @ git+https://github.com/{repository}"
```"""


@dataclass(frozen=True)
class Lesson:
    """A notebook as the README and its neighbours show it."""

    file: str
    order: int
    title: str
    learn: str
    minutes: int


def repository() -> str:
    """``owner/name`` on GitHub, from the one place that has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"]).removeprefix("https://github.com/").strip("/")


def lesson(path: Path, notebook: Notebook) -> Lesson:
    """What a notebook's ``alexnet_edu`` metadata and its H1 say."""
    own = notebook.metadata.get("alexnet_edu", {})
    number = int(re.match(r"\d+", path.name)[0])  # type: ignore[index]
    order, minutes = int(own.get("order", number)), int(own.get("minutes", 0))
    return Lesson(path.name, order, title(notebook), str(own.get("learn", "")), minutes)


def colab(repo: str, file: str) -> str:
    """The badge that opens a notebook on Colab."""
    address = f"https://colab.research.google.com/github/{repo}/blob/{BRANCH}/notebooks/{file}"
    return f"[![Open in Colab]({COLAB_BADGE})]({address})"


def binder(repo: str, file: str = "") -> str:
    """The badge that opens a notebook, or JupyterLab on all of them, on Binder."""
    return on_binder(repo, f"lab/tree/notebooks/{file}" if file else "lab/tree/notebooks")


def on_binder(repo: str, place: str) -> str:
    """The badge that opens one address of the server that Binder starts."""
    return f"[![Open in Binder]({BINDER_BADGE})](https://mybinder.org/v2/gh/{repo}/HEAD?urlpath={place})"


def navigation(repo: str, lessons: Sequence[Lesson], position: int) -> str:
    """Previous, index, next. The neighbours are relative links, which work in JupyterLab, on GitHub and on Colab."""
    links = [f"[Index](https://github.com/{repo}#notebooks)"]
    if position > 0:
        before = lessons[position - 1]
        links.insert(0, f"[← {before.order}. {before.title}]({before.file})")
    if position + 1 < len(lessons):
        after = lessons[position + 1]
        links.append(f"[{after.order}. {after.title} →]({after.file})")
    return "---\n\n" + " · ".join(links)


def place(notebook: Notebook, tag: str, position: int, new: Cell) -> None:
    """Gives the cell tagged ``tag`` the source of ``new``, or inserts ``new`` at ``position`` where there is none."""
    for cell in notebook.cells:
        if tag in tags(cell):
            cell.source = new.source
            return
    new.id, new.metadata = tag, nbformat.from_dict({"tags": [tag]})
    notebook.cells.insert(position, new)


def setup(repo: str) -> Cell:
    """The cell that makes a notebook work on Colab by itself."""
    return nbformat.v4.new_code_cell(SETUP.format(repository=repo, branch=BRANCH))


def frame(notebook: Notebook, repo: str, lessons: Sequence[Lesson], position: int) -> Notebook:
    """Puts the generated cells into a notebook, in place."""
    file = lessons[position].file
    new = nbformat.v4
    place(notebook, "badges", 0, new.new_markdown_cell(f"{colab(repo, file)} {binder(repo, file)}"))
    place(notebook, "setup", 2, setup(repo))
    place(notebook, "navigation", len(notebook.cells), new.new_markdown_cell(navigation(repo, lessons, position)))
    return notebook


def table(repo: str, lessons: Sequence[Lesson]) -> str:
    """The README's table of notebooks."""
    rows = ["| | Notebook | You learn | Minutes | Colab | Binder |", "|---|---|---|---|---|---|"]
    for one in lessons:
        name = f"[{one.title}](notebooks/{one.file})"
        buttons = f"{colab(repo, one.file)} | {binder(repo, one.file)}"
        rows.append(f"| {one.order} | {name} | {one.learn} | {one.minutes} | {buttons} |")
    return "\n".join(rows)


def sets_table(assignments: Sequence[Notebook]) -> str:
    """The instructors' table of problem sets."""
    rows = ["| Set | You learn | Builds on notebooks | Points | Minutes |", "|---|---|---|---|---|"]
    for notebook in assignments:
        own = notebook.metadata["alexnet_edu"]
        before = ", ".join(re.findall(r"notebook (\d+)", notebook.cells[0].source.partition("**Builds on**")[2]))
        name = f"[{title(notebook)}](../assignments/source/{own['assignment']}/{own['assignment']}.ipynb)"
        rows.append(f"| {name} | {own['learn']} | {before} | {own['points']} | {own['minutes']} |")
    return "\n".join(rows)


def fill(document: str, blocks: dict[str, str]) -> str:
    """Replaces what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Raises:
        ValueError: the document lacks a block.
    """
    for name, content in blocks.items():
        before, begin, rest = document.partition(f"<!-- {name}:begin -->\n")
        _, end, after = rest.partition(f"<!-- {name}:end -->")
        if not end:
            raise ValueError(f"A page has no block '{name}': <!-- {name}:begin --> ... <!-- {name}:end -->.")
        document = f"{before}{begin}{content}\n{end}{after}"
    return document


def stamped() -> dict[Path, str]:
    """Every stamped file with the content it should have."""
    repo = repository()
    notebooks = {path: read(path) for path in notebook_paths()}
    lessons = [lesson(path, notebook) for path, notebook in notebooks.items()]
    files = {
        path: text(frame(notebook, repo, lessons, position))
        for position, (path, notebook) in enumerate(notebooks.items())
    }
    assignments = {path: read(path) for path in assignment_paths()}
    for path, assignment in assignments.items():
        place(assignment, "setup", 1, setup(repo))
        files[path] = text(assignment)
    instructors = ROOT / "docs" / "instructors.md"
    sets = {"sets": sets_table(list(assignments.values()))}
    files[instructors] = fill(instructors.read_text(encoding="utf-8"), sets)
    first = colab(repo, lessons[0].file) if lessons else ""
    blocks = {
        "badges": f"{first} {binder(repo)}".strip(),
        "install": INSTALL.format(repository=repo),
        "app": APP.format(badge=on_binder(repo, f"voila/render/{PAGE}")),
        "pip": PIP.format(repository=repo),
        "notebooks": table(repo, lessons),
    }
    readme = ROOT / "README.md"
    files[readme] = fill(readme.read_text(encoding="utf-8"), blocks)
    return files


def main(argv: Sequence[str] | None = None) -> int:
    """Stamps, or with ``--check`` only looks; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    check = parser.parse_args(argv).check
    changes = {path: new for path, new in stamped().items() if path.read_text(encoding="utf-8") != new}
    for path, new in changes.items():
        print("would change" if check else "stamped", path.relative_to(ROOT).as_posix())
        if not check:
            path.write_text(new, encoding="utf-8", newline="\n")
    return 1 if check and changes else 0


if __name__ == "__main__":
    sys.exit(main())
