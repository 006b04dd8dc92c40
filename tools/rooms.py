"""The map of the package for docs/architecture.md: its floors from pyproject.toml, its rooms from their docstrings."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from notebook_files import ROOT

PACKAGE = ROOT / "alexnet_edu"
BETWEEN = re.compile(r"\s*[|:]\s*")


def floors() -> list[list[str]]:
    """The names of the rooms, floor by floor from the top, as import-linter checks them."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = content["tool"]["importlinter"]["contracts"]
    (layers,) = [one["layers"] for one in contracts if one.get("containers") == [PACKAGE.name]]
    return [BETWEEN.split(floor) for floor in layers]


def home(room: str) -> Path:
    """The file that introduces a room: a module, or the first file of a folder."""
    folder = PACKAGE / room
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def sentence(room: str) -> str:
    """What a room is for: the first paragraph of its docstring."""
    text = ast.get_docstring(ast.parse(home(room).read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def rooms_table() -> str:
    """The rooms, top floor first."""
    rows = ["| Floor | Room | What it is for |", "|--:|---|---|"]
    for number, floor in reversed(list(enumerate(reversed(floors())))):
        for room in floor:
            name = f"{room}/" if (PACKAGE / room).is_dir() else f"{room}.py"
            rows.append(f"| {number} | [`{name}`](../{home(room).relative_to(ROOT).as_posix()}) | {sentence(room)} |")
    return "\n".join(rows)
