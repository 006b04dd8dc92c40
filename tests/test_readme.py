"""What the README shows is true: its code prints what it says, and its links lead somewhere."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE, OUTPUT = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", README, re.DOTALL).groups()  # type: ignore[union-attr]


def test_code_prints_what_is_shown() -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(CODE, {})
    assert out.getvalue() == OUTPUT


def test_code_is_short() -> None:
    assert sum(bool(line.strip()) for line in CODE.splitlines()) <= 12


def test_relative_links_lead_to_files() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_first_command_is_the_promised_one() -> None:
    assert "uv run jupyter lab notebooks/index.ipynb" in README and "uv run --group dev pytest" in README
