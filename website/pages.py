"""What the site shows: the notebooks and guides, made readable without Jupyter, and the pages that data generates."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import stamp
from hour import PAGE, hour
from nbformat.v4 import new_markdown_cell
from notebook_files import BLANK, ROOT, Notebook, notebook_paths, predicted, read, tags, text
from PIL import Image

import alexnet_edu

EXPLORER = re.compile(r"(\w+Explorer)\(")
STILL = "The explorer as it begins; it moves where the notebook runs."
# What the page has, too.
LIVING = {"FilterExplorer", "FeatureMapExplorer", "PredictionExplorer", "ArchitectureExplorer"}
MOVE_IT = f'{STILL} <a href="../live/index.html">The living network</a> answers at a touch, here and now.'
PICTURES = ROOT / "build" / "site-pictures"  # what `build.py` puts beside the pages
GENERATED = {"badges", "setup", "navigation"}
MODEL_CARD = "alexnet_edu/assets/MODEL_CARD.md"
REFERENCE = (MODEL_CARD, "docs/glossary.md", "docs/errata.md", "CONTRIBUTING.md", "CHANGELOG.md")
# Every other page of docs/ is a guide: these come first, the others by name.
FIRST_GUIDES = ("students", "instructors")
PICTURE = re.compile(r'src="data:image/(png|jpeg|webp|svg)(?:\+xml)?;base64,([^"]+)"')
LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
IMAGE = re.compile(r"!\[[^\]]+\]\((?!https?:)([\w.-]+)\)")
NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$[^$]+\$|!?\[[^\]]*\]\([^)]*\)|<[^>]+>|^#.*?$|^\|.*?$|\*\*[^*]+\*\*", re.DOTALL | re.MULTILINE
)
TERM = re.compile(r"^### (.+)$", re.MULTILINE)


def prepare(folder: Path, *, printed: bool = False) -> None:
    """Writes every source page of the site into an empty folder; what is printed does without the hour's repetition."""
    shutil.rmtree(folder, ignore_errors=True)
    address = stamp.kept((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lessons = {path: read(path) for path in notebook_paths()}
    terms = glossary_terms((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    known = {f"notebooks/{path.name}" for path in lessons} | {*guides(), *REFERENCE}
    pages = {f"notebooks/{path.name}": text(readable(path, one, address, terms)) for path, one in lessons.items()}
    pages |= {name: (ROOT / name).read_text(encoding="utf-8") for name in known if name.endswith(".md")}
    courses = [f"notebooks/{path.name}" for path in lessons]
    if not printed:
        courses.insert(0, PAGE)
        pages[PAGE] = text(readable(Path(PAGE), hour(), None, terms))
    pages |= {"index.md": front(list(lessons), courses), "numbers.md": numbers(), "api.md": reference()}
    for name, content in pages.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = content if name == "index.md" else with_links(content, name, known, address)
        target.write_text(content, encoding="utf-8", newline="\n")
        for picture in IMAGE.findall(content if name.endswith(".md") else ""):
            shutil.copy(ROOT / Path(name).parent / picture, target.parent / picture)


def guides() -> list[str]:
    """The guides in the order of the menu."""
    found = {path.stem for path in (ROOT / "docs").glob("*.md") if f"docs/{path.name}" not in REFERENCE}
    return [f"docs/{name}.md" for name in (*FIRST_GUIDES, *sorted(found - {*FIRST_GUIDES}))]


def readable(path: Path, notebook: Notebook, address: stamp.Address | None, terms: Sequence[str]) -> Notebook:
    """A notebook as a page: without the cells that only serve Jupyter, its pictures in files, its terms explained."""
    notebook.cells = [cell for cell in notebook.cells if not GENERATED & set(tags(cell))]
    unexplained = set(terms)
    for cell in predicted(notebook):
        cell.metadata["tags"] = [*tags(cell), "hide-output"]
        for output in cell.outputs:
            if "text" in output:
                output.text = output.text.removeprefix(BLANK)
    for cell in list(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = explained(cell.source, unexplained)
        elif found := EXPLORER.search(
            " ".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        ):
            told = MOVE_IT if found[1] in LIVING else STILL
            notebook.cells.insert(notebook.cells.index(cell) + 1, new_markdown_cell(told))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = PICTURE.sub(in_a_file, data["text/html"])
    if address:
        first, rest = notebook.cells[0].source.split("\n", 1)
        links = stamp.hosts(address, f"notebooks/{path.name}").rpartition(" · ")[0]
        notebook.cells[0].source = f"{first}\n\n*Run it in {links}.*\n{rest}"
    return notebook


def in_a_file(found: re.Match[str]) -> str:
    """A picture of an output, moved out of its page: pages stay small, and pictures load when they come into view."""
    data = base64.b64decode(found[2])
    name = f"{sha256(data).hexdigest()[:16]}.{found[1]}"
    (PICTURES / "_pictures" / name).write_bytes(data)
    size = "" if found[1] == "svg" else ' width="{}" height="{}"'.format(*Image.open(io.BytesIO(data)).size)
    return f'src="../_pictures/{name}"{size} loading="lazy"'


def glossary_terms(glossary: str) -> list[str]:
    """The terms that the glossary explains."""
    return TERM.findall(glossary)


def explained(source: str, unexplained: set[str]) -> str:
    """Prose whose first use of each term is a link to the glossary; the terms found leave ``unexplained``.

    The longest come first, so that "batch normalisation" is no "batch".
    """
    for term in sorted(unexplained, key=len, reverse=True):
        masked = NOT_PROSE.sub(lambda found: " " * len(found[0]), source)
        if found := re.search(rf"(?<![\w-]){re.escape(term)}s?(?![\w-])", masked, re.IGNORECASE):
            start, end = found.span()
            source = f"{source[:start]}[{source[start:end]}](../docs/glossary.md#{anchor(term)}){source[end:]}"
            unexplained.discard(term)
    return source


def anchor(heading: str) -> str:
    """The address of a heading within its page, as GitHub and MyST make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def with_links(content: str, name: str, known: set[str], address: stamp.Address | None) -> str:
    """A page whose links to files that are no pages lead to the repository, or are words where there is none yet."""
    return LINK.sub(partial(_relinked, folder=(ROOT / name).parent, known=known, address=address), content)


def _relinked(found: re.Match[str], folder: Path, known: set[str], address: stamp.Address | None) -> str:
    target = (folder / found[2]).resolve()
    if not target.is_relative_to(ROOT) or not target.exists():
        return found[0]
    inside = target.relative_to(ROOT).as_posix()
    if inside in known:
        return found[0]
    if target.parent == ROOT / "atlas":  # its sheets and its text are pages of their own
        layer = f"{target.stem}/" if target.suffix == ".webp" else ""
        return f"<a href='{os.path.relpath(ROOT, folder)}/atlas/{layer}index.html'>{found[1]}</a>"
    return f"[{found[1]}]({address.source}/blob/{stamp.BRANCH}/{inside})" if address else found[1]


def front(lessons: Sequence[Path], courses: Sequence[str]) -> str:
    """The first page: what the course is, the live network, the notebooks, and everything else in the menu."""
    hero = (ROOT / "website" / "front.html").read_text(encoding="utf-8")
    cards = "\n".join(card(path) for path in lessons)
    trees = {
        "Notebooks": [page.removesuffix(".ipynb") for page in courses],
        "Guides": [guide.removesuffix(".md") for guide in guides()],
        "Reference": ["api", "numbers", *(page.removesuffix(".md") for page in REFERENCE)],
    }
    menus = "\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{chr(10).join(pages)}\n```"
        for caption, pages in trees.items()
    )
    return f'# AlexNet, alive\n\n{hero}\n\n<div class="cards">\n{cards}\n</div>\n\n{menus}\n'


def card(path: Path) -> str:
    """A notebook as the front page shows it."""
    notebook = read(path)
    one = stamp.lesson(path, notebook)
    return (
        f'<a class="card" href="notebooks/{path.stem}.html"><b>{one.number}. {one.title}</b>'
        f"<span>{one.learn}</span><small>{one.minutes} minutes</small></a>"
    )


def numbers() -> str:
    """Every figure that the texts state, with what it means and where it comes from."""
    claims = json.loads((ROOT / "alexnet_edu" / "assets" / "claims.json").read_text(encoding="utf-8"))
    rows = "\n".join(
        f"| {spelled(one['value'])} {one.get('unit', '')} | {one['text']} | {one['source']} |"
        for one in claims.values()
    )
    text = "Each figure that a notebook, a guide or the README states, and what stands behind it; tests compare both."
    return f"# Numbers and sources\n\n{text}\n\n| Figure | What it is | Source |\n|---|---|---|\n{rows}\n"


def spelled(value: object) -> str:
    """A claim's value as prose writes it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}"


def reference() -> str:
    """Every public name of the package, by module."""
    names = {name: getattr(alexnet_edu, name) for name in alexnet_edu.__all__}
    modules = dict.fromkeys(one.__module__ for one in names.values())
    return "# The package\n\n```python\nimport alexnet_edu as ae\n```\n\n" + "\n".join(
        section for module in modules for section in _section(module, names)
    )


def _section(module: str, names: dict[str, object]) -> Iterator[str]:
    yield f"## {module.removeprefix('alexnet_edu.')}\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :no-index:\n```\n"
    for name, one in names.items():
        if getattr(one, "__module__", "") == module:
            kind = "autoexception" if isinstance(one, type) else "autofunction"
            yield f"```{{eval-rst}}\n.. {kind}:: {module}.{name}\n```\n"
