"""The map is true: its floors are those that are checked, its paths exist, and what it says of sizes is counted."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest
import rooms
import stamp
from notebook_files import ROOT

MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "alexnet_edu"
WINGS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
SPINE = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
READING = ("specs", "geometry", "models", "layers")


def test_rooms_are_in_the_map_with_their_own_sentences() -> None:
    path = ROOT / "docs" / "architecture.md"
    assert stamp.filled(path, {"rooms": rooms.rooms_table()}) == MAP, "run tools/stamp.py"
    assert {room for floor in rooms.floors() for room in floor} == WINGS | SPINE | {"__main__"}


def test_every_wing_stands_above_the_whole_spine() -> None:
    height = {room: -number for number, floor in enumerate(rooms.floors()) for room in floor}
    assert min(height[room] for room in WINGS) > max(height[room] for room in SPINE)
    assert all(f"`{wing}/`" in MAP.partition("## Read")[0] for wing in WINGS)


def test_the_order_is_checked_with_no_exception() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert not re.search("ignore_imports|exclude_type_checking|skip_descendants", str(settings))
    assert "uv run lint-imports" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_guided_reading_is_as_long_as_it_says() -> None:
    lines = sum(len((PACKAGE / f"{name}.py").read_text("utf-8").splitlines()) for name in READING)
    (said,) = re.findall(r"about ([\d,]+) lines, in this order", MAP)
    assert int(said.replace(",", "")) == round(lines, -2), lines


def test_the_guided_reading_needs_no_later_file() -> None:
    assert re.findall(r"^\d\. \[`(\w+)\.py`\]", MAP, re.MULTILINE) == list(READING)
    for number, name in enumerate(READING):
        text = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        assert not set(READING[number + 1 :]) & set(re.findall(r"alexnet_edu\.(\w+) import", text)) - {"layers"}


def test_paths_that_are_named_exist() -> None:
    named = re.findall(r"`([\w./]+(?:\.py|\.pyi|\.json|\.toml|\.md|/))`", MAP.partition("Beside the package")[2])
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists() or (PACKAGE / name).exists() or (PACKAGE / "explorers" / name).exists(), name


def test_folders_beside_the_package_are_all_there() -> None:
    listed = set(re.findall(r"^\| `([\w]+)/` \|", MAP, re.MULTILINE))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    folders = {name.partition("/")[0] for name in tracked.splitlines() if "/" in name and not name.startswith(".")}
    assert not folders or listed == folders - {"alexnet_edu"}


@pytest.mark.parametrize("name", re.findall(r"`(\w+)`", re.search(r"does without it:(.*?)\n\n", MAP, re.DOTALL)[1]))  # type: ignore[index]
def test_what_does_without_torch(name: str) -> None:
    code = f"import sys, alexnet_edu.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_new_network_touches() -> None:
    """The name of a network stands in one file of the spine, and in the two other places that the map names."""
    code = [(PACKAGE / f"{name}.py").read_text("utf-8") for name in SPINE - {"variants"}]
    assert not any("ict1022" in text for text in code)
    for place in ("README.md", "tests/test_models.py"):
        assert "ict1022" in (ROOT / place).read_text(encoding="utf-8")


def test_contributing_is_where_hosts_look() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"(?:python|pytest) ((?:tools|tests)/[\w./]+)", text):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target
