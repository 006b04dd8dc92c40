"""The tables of ``docs/bring-your-own.md``: ``python tests/bring_your_own.py`` writes them anew."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from tool_matrix import TOOLS
from weight_files import LOADED, REFUSED, load

from alexnet_edu.errors import WeightsError
from alexnet_edu.models import list_models

PAGE = Path(__file__).parents[1] / "docs" / "bring-your-own.md"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def loaded_files() -> str:
    return "\n".join(f"- {kind.what}" for kind in LOADED.values())


def refused_files() -> str:
    """Each sentence is the one that the package says of such a file, made for the purpose."""
    rows: list[tuple[str, ...]] = []
    os.environ.setdefault("HARM", os.devnull)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in REFUSED.values():
            try:
                load(kind, Path(folder))
            except WeightsError as error:
                sentence = str(error).replace(folder + os.sep, "")
                rows.append((kind.what, re.sub(r"\((?:\w+\.)+(?=\w+\))", "(", sentence)))
    return table(("Kind of file", "Answer"), rows)


def tools() -> str:
    """Every network by every tool: ``test_compatibility.py`` runs each of these and none is left out."""
    marks = tuple("✓" for _ in list_models())
    rows = [(tool, note, *marks) for tool, (note, _) in TOOLS.items()]
    return table(("Tool", "What is tried", *list_models()), rows)


PARTS = {"loaded": loaded_files, "refused": refused_files, "tools": tools}


def filled(page: str) -> str:
    """The page with every part made anew."""
    for name, make in PARTS.items():
        made = f"<!-- {name} -->\n{make()}\n<!-- end of {name} -->"
        page, count = re.subn(
            f"<!-- {name} -->.*?<!-- end of {name} -->",
            lambda _, made=made: made,  # type: ignore[misc]
            page,
            flags=re.DOTALL,
        )
        assert count == 1, name
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
