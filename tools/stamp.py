"""Carries the repository's address, and what files say of themselves, to every place that shows them.

``python tools/stamp.py`` writes links, the set-up cell and the navigation bar into the notebooks; the set-up cell into
the problem sets; links, install commands and the table of notebooks into the README; the table of problem sets into
the page for instructors; the rooms of the package into the page on architecture. ``--check`` writes nothing and exits 1
if anything would change.

The address comes from ``--repository owner/name``, or from git's remote ``upstream`` or ``origin``, and is kept in
pyproject.toml, with the release or commit that set-up cells install. A copy that has none says what is missing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from notebook_files import ROOT, Cell, Notebook, assignment_paths, normalise, notebook_paths, read, tags, text, title
from rooms import rooms_table

BRANCH = "main"
INDEX = "index.ipynb"
GITHUB = re.compile(r"(?:https://(?:[^@/]+@)?github\.com/|git@github\.com:)([\w.-]+/[\w.-]+?)(?:\.git)?/?")

SETUP = """\
# On Colab and Kaggle this installs the course beside their own PyTorch. Anywhere else it does nothing.
import importlib.util
import os
import sys

hosted = "google.colab" in sys.modules or "KAGGLE_URL_BASE" in os.environ
if hosted and importlib.util.find_spec("alexnet_edu") is None:
"""
INSTALLS = """\
    %pip install -q --no-deps "alexnet-edu @ https://github.com/{repository}/archive/{pin}.zip"
    from alexnet_edu.versions import refuse_old

    refuse_old()\
"""
CANNOT_INSTALL = """\
    from IPython.core.error import UsageError

    raise UsageError("This copy of the course has no address to install from; open it from its page on GitHub.")\
"""
UNPUBLISHED = "*Links to Colab, Binder and other hosts appear here once this copy of the course is on GitHub.*"

COMMANDS = """\
```bash
{clone}uv run jupyter lab --notebook-dir=. notebooks/index.ipynb  # the course, in your browser
uv run --group dev pytest                                  # every test: package, notebooks, command line
```"""
CLONE = "git clone {source} alexnet-edu && cd alexnet-edu\n"
PIP = "```bash\npip install {package}\n```"


@dataclass(frozen=True)
class Address:
    """Where a copy of the course lives.

    Attributes:
        repository: ``owner/name`` on GitHub.
        pin: the tag or commit that set-up cells install, so that a notebook handed out today works next year.
    """

    repository: str
    pin: str

    @property
    def source(self) -> str:
        return f"https://github.com/{self.repository}"

    @property
    def site(self) -> str:
        owner, name = self.repository.split("/")
        return f"https://{owner.lower()}.github.io/{name}/"


@dataclass(frozen=True)
class Lesson:
    """A notebook as the README and its neighbours show it."""

    file: str
    number: str
    title: str
    learn: str
    minutes: int


def kept(pyproject: str) -> Address | None:
    """The address that pyproject.toml holds; None in a copy that was never stamped."""
    content = tomllib.loads(pyproject)
    url = content["project"].get("urls", {}).get("Repository")
    found = GITHUB.fullmatch(url or "")
    return Address(found[1], content["tool"]["stamp"]["pin"]) if found else None


def git(*arguments: str) -> str:
    """What a git command prints; nothing where it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def remote() -> str | None:
    """``owner/name`` of the GitHub repository that this clone came from: a contributor's ``upstream`` comes first."""
    for name in ("upstream", "origin"):
        if found := GITHUB.fullmatch(git("remote", "get-url", name)):
            return found[1]
    return None


def released(pyproject: str) -> str:
    """The tag of this version where it was released, else the last commit that changed what set-up cells install."""
    tag = f"v{tomllib.loads(pyproject)['project']['version']}"
    return tag if git("tag", "--list", tag) else git("log", "-1", "--format=%H", "--", "alexnet_edu")


def with_address(pyproject: str, address: Address) -> str:
    """The text of pyproject.toml with an address in it."""
    urls = f'Repository = "{address.source}"\nDocumentation = "{address.site}"\n'
    pyproject = re.sub(r"(\[project\.urls\]\n)(?:\w+ = .*\n)*", rf"\g<1>{urls}", pyproject, count=1)
    return re.sub(r'(\[tool\.stamp\]\n)pin = ".*"', rf'\g<1>pin = "{address.pin}"', pyproject, count=1)


def lesson(path: Path, notebook: Notebook) -> Lesson:
    """What a notebook's name, its ``alexnet_edu`` metadata and its H1 say: ``03b_training.ipynb`` is number 3b."""
    own = notebook.metadata.get("alexnet_edu", {})
    number = path.name.partition("_")[0].lstrip("0")
    return Lesson(path.name, number, title(notebook), str(own.get("learn", "")), int(own.get("minutes", 0)))


def hosts(address: Address, path: str) -> str:
    """Links that open a file of the repository on machines of others. Words, as pictures would need a network."""
    owner_file = f"{address.repository}/blob/{BRANCH}/{path}"
    links = {
        "Colab": f"https://colab.research.google.com/github/{owner_file}",
        "Binder": f"https://mybinder.org/v2/gh/{address.repository}/HEAD?urlpath=lab/tree/{path}",
        "Kaggle": f"https://kaggle.com/kernels/welcome?src=https://github.com/{owner_file}",
        "Codespaces": f"https://codespaces.new/{address.repository}",
        "read it on the site": f"{address.site}{path.removesuffix('.ipynb')}.html",
    }
    return " · ".join(f"[{name}]({link})" for name, link in links.items())


def doors(address: Address) -> str:
    """The ways in that need nothing installed."""
    rooms = hosts(address, f"notebooks/{INDEX}").rpartition(" · ")[0]
    return f"""\
- Touch it: **[the living network]({address.site}live/index.html)**, in any browser, also on a phone.
- Read it: [the course as a site]({address.site}).
- Run it elsewhere: {rooms}."""


def navigation(lessons: Sequence[Lesson], position: int) -> str:
    """Previous, index, next: relative links, which work in JupyterLab, on GitHub and in a clone without a network."""
    links = [f"[All notebooks]({INDEX})"]
    if position > 0:
        before = lessons[position - 1]
        links.insert(0, f"[← {before.number}. {before.title}]({before.file})")
    if position + 1 < len(lessons):
        after = lessons[position + 1]
        links.append(f"[{after.number}. {after.title} →]({after.file})")
    return "---\n\n" + " · ".join(links)


def place(notebook: Notebook, tag: str, position: int, new: Cell) -> None:
    """Gives the cell tagged ``tag`` the source of ``new``, or inserts ``new`` at ``position`` where there is none."""
    for cell in notebook.cells:
        if tag in tags(cell):
            cell.source = new.source
            return
    new.id, new.metadata = tag, nbformat.from_dict({"tags": [tag]})
    notebook.cells.insert(position, new)


def setup(address: Address | None) -> Cell:
    """The cell that makes a notebook work on Colab and Kaggle by itself."""
    last = INSTALLS.format(repository=address.repository, pin=address.pin) if address else CANNOT_INSTALL
    return nbformat.v4.new_code_cell(SETUP + last)


def frame(notebook: Notebook, address: Address | None, lessons: Sequence[Lesson], position: int) -> Notebook:
    """Puts the generated cells into a notebook, in place."""
    new = nbformat.v4.new_markdown_cell
    links = f"Open in {hosts(address, f'notebooks/{lessons[position].file}')}" if address else UNPUBLISHED
    place(notebook, "badges", 0, new(links))
    place(notebook, "setup", 2, setup(address))
    place(notebook, "navigation", len(notebook.cells), new(navigation(lessons, position)))
    return notebook


def table(address: Address | None, lessons: Sequence[Lesson], folder: str) -> str:
    """The notebooks, for a page that sees them in ``folder``."""
    rows = ["| | Notebook | You learn | Minutes |", "|---|---|---|---|"]
    for one in lessons:
        links = f"<br>{hosts(address, f'notebooks/{one.file}')}" if address else ""
        rows.append(f"| {one.number} | [{one.title}]({folder}{one.file}){links} | {one.learn} | {one.minutes} |")
    return "\n".join(rows)


def index(address: Address | None, lessons: Sequence[Lesson]) -> Notebook:
    """The notebook that lists the others, for readers whose JupyterLab begins in their folder."""
    cell = nbformat.v4.new_markdown_cell(f"# All notebooks\n\n{table(address, lessons, '')}", id="index")
    return normalise(nbformat.v4.new_notebook(cells=[cell], metadata={"alexnet_edu": {}}))


def sets_table(assignments: Sequence[Notebook]) -> str:
    """The instructors' table of problem sets."""
    rows = ["| Set | You learn | Builds on notebooks | Points | Minutes |", "|---|---|---|---|---|"]
    for notebook in assignments:
        own = notebook.metadata["alexnet_edu"]
        before = ", ".join(re.findall(r"notebook (\d+)", notebook.cells[0].source.partition("**Builds on**")[2]))
        name = f"[{title(notebook)}](../assignments/source/{own['assignment']}/{own['assignment']}.ipynb)"
        rows.append(f"| {name} | {own['learn']} | {before} | {own['points']} | {own['minutes']} |")
    return "\n".join(rows)


def filled(path: Path, blocks: dict[str, str]) -> str:
    """A page with other content between ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Raises:
        ValueError: the page lacks a block.
    """
    document = path.read_text(encoding="utf-8")
    for name, content in blocks.items():
        before, begin, rest = document.partition(f"<!-- {name}:begin -->\n")
        _, end, after = rest.partition(f"<!-- {name}:end -->")
        if not end:
            raise ValueError(f"{path.name} has no block '{name}': <!-- {name}:begin --> ... <!-- {name}:end -->.")
        document = f"{before}{begin}{content}\n{end}{after}"
    return document


def stamped(address: Address | None) -> dict[Path, str]:
    """Every stamped file with the content it should have."""
    notebooks = {path: read(path) for path in notebook_paths()}
    lessons = [lesson(path, notebook) for path, notebook in notebooks.items()]
    files = {
        path: text(frame(notebook, address, lessons, position))
        for position, (path, notebook) in enumerate(notebooks.items())
    }
    files[ROOT / "notebooks" / INDEX] = text(index(address, lessons))
    assignments = {path: read(path) for path in assignment_paths()}
    for path, assignment in assignments.items():
        place(assignment, "setup", 1, setup(address))
        files[path] = text(assignment)
    instructors, architecture = ROOT / "docs" / "instructors.md", ROOT / "docs" / "architecture.md"
    readme, pyproject = ROOT / "README.md", ROOT / "pyproject.toml"
    files[instructors] = filled(instructors, {"sets": sets_table(list(assignments.values()))})
    clone = CLONE.format(source=address.source) if address else ""
    blocks = {
        "open": doors(address) if address else UNPUBLISHED,
        "install": COMMANDS.format(clone=clone),
        "pip": PIP.format(package=f'"alexnet-edu @ git+{address.source}"' if address else ".    # in this folder"),
        "notebooks": table(address, lessons, "notebooks/"),
    }
    files[readme] = filled(readme, blocks)
    files[architecture] = filled(architecture, {"rooms": rooms_table()})
    if address:
        files[pyproject] = with_address(pyproject.read_text(encoding="utf-8"), address)
    return files


def chosen(given: str | None, *, check: bool) -> Address | None:
    """The address to stamp: as given, or the remote's; a check asks pyproject.toml alone, as forks do not matter to it.

    Raises:
        SystemExit: what was given is no ``owner/name``.
    """
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if given and not re.fullmatch(r"[\w.-]+/[\w.-]+", given):
        raise SystemExit(f"error: {given} is no address of the form owner/name.")
    known = kept(pyproject)
    name = given or (None if check else remote())
    return Address(name, released(pyproject)) if name else known


def main(argv: Sequence[str] | None = None) -> int:
    """Stamps, or with ``--check`` only looks; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    parser.add_argument("--repository", metavar="OWNER/NAME", help="default: git's remote, else as pyproject.toml says")
    given = parser.parse_args(argv)
    files = stamped(chosen(given.repository, check=given.check))
    changes = {path: new for path, new in files.items() if not path.exists() or path.read_text(encoding="utf-8") != new}
    for path, new in changes.items():
        print("would change" if given.check else "stamped", path.relative_to(ROOT).as_posix())
        if not given.check:
            path.write_text(new, encoding="utf-8", newline="\n")
    return 1 if given.check and changes else 0


if __name__ == "__main__":
    sys.exit(main())
