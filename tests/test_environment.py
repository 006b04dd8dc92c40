"""The conda, Binder, Colab and server environments agree with pyproject.toml."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONDA_FILES = ("environment.yml", "binder/environment.yml")
FREEZE = max((ROOT / "tests" / "data").glob("colab-freeze-*.txt"))

# Every name that the conda files may use, and what the Python registry calls it; None: no requirement of ours.
CONDA_NAMES = {
    "filelock": "filelock",
    "hatchling": "hatchling",
    "ipywidgets": "ipywidgets",
    "jupyterlab": "jupyterlab",
    "lazy-loader": "lazy-loader",
    "matplotlib-base": "matplotlib",
    "numpy": "numpy",
    "pillow": "pillow",
    "pip": None,
    "python": None,
    "pytorch-cpu": "torch",
    "safetensors": "safetensors",
    "torchvision": "torchvision",
    "tqdm": "tqdm",
}


def conda(file: str) -> dict[str, SpecifierSet]:
    """Conda names with their version ranges; a single ``=`` means the release series."""
    content = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    found = {}
    for line in content["dependencies"]:
        if isinstance(line, str):
            name, versions = re.fullmatch(r"([a-z0-9_-]+)(.*)", line.replace(" ", "")).groups()  # type: ignore[union-attr]
            found[name] = SpecifierSet(re.sub(r"^=([\d.]+)$", r"==\1.*", versions))
    return found


def declared() -> dict[str, SpecifierSet]:
    """All our requirements: run time, extras, development group and build."""
    project = PROJECT["project"]
    lines = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    for group in PROJECT["dependency-groups"].values():
        lines += [line for line in group if isinstance(line, str)]
    for extra in project["optional-dependencies"].values():
        lines += extra
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)}


def floor(versions: SpecifierSet) -> str | None:
    return next((one.version for one in versions if one.operator == ">="), None)


@pytest.mark.parametrize("file", CONDA_FILES)
def test_conda_names_are_known_and_floors_agree(file: str) -> None:
    ours = declared()
    for name, versions in conda(file).items():
        assert name in CONDA_NAMES, f"{file}: is {name} on conda-forge? Add it to CONDA_NAMES."
        if known := CONDA_NAMES[name]:
            assert floor(versions) == floor(ours[known]), name


@pytest.mark.parametrize("file", CONDA_FILES)
def test_conda_files_hold_every_dependency(file: str) -> None:
    there = {CONDA_NAMES[name] for name in conda(file)}
    assert {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]} <= there


@pytest.mark.parametrize("file", CONDA_FILES)
def test_conda_versions_suit_python_and_vs_code(file: str) -> None:
    found = conda(file)
    assert "8.1.9" not in found["ipywidgets"]
    assert {"7.7.1", "8.1.8"} <= set(found["ipywidgets"].filter(["7.6", "7.7.1", "8.1.8", "9.0"]))
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    assert [v for v in ("3.10", "3.11", "3.12", "3.13", "3.14") if v in found["python"] and v in supported] == ["3.12"]


def test_floors_are_the_promised_ones() -> None:
    ours = declared()
    assert (floor(ours["torch"]), floor(ours["torchvision"])) == ("2.4", "0.19")
    assert ours["ipywidgets"] == SpecifierSet(">=7.7,<9")
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.15"


def test_tested_versions_satisfy_the_floors() -> None:
    ours = declared()
    for line in PROJECT["tool"]["uv"]["constraint-dependencies"]:
        pin = Requirement(line)
        version = next(iter(pin.specifier)).version
        assert version in ours.get(canonicalize_name(pin.name), SpecifierSet()), line


def test_colab_has_versions_that_we_accept() -> None:
    runtime = {canonicalize_name(r.name): r.specifier for r in map(Requirement, PROJECT["project"]["dependencies"])}
    lines = [line for line in FREEZE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    frozen = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    assert {"torch", "torchvision", "numpy", "pillow", "matplotlib", "ipywidgets"} <= set(frozen)
    for name in runtime.keys() & frozen.keys():
        assert frozen[name] in runtime[name], f"Colab has {name} {frozen[name]}"


@pytest.mark.skipif(sys.platform == "win32", reason="Binder's script is for bash on Linux")
@pytest.mark.parametrize(
    ("failing", "fails"),
    [("never called", False), ("imagenet", False), ("pip install", True), ("import alexnet_edu$", True)],
)
def test_binder_survives_a_missing_network_and_nothing_else(tmp_path: Path, failing: str, fails: bool) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/bash\necho "$*" >>"{tmp_path}/calls"\n! grep -q "{failing}" <<<"$*"\n')
    python.chmod(0o755)
    done = subprocess.run(["binder/postBuild"], cwd=ROOT, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert (done.returncode != 0) == fails
    assert "--no-deps" in (tmp_path / "calls").read_text().splitlines()[0]


@pytest.mark.skipif(sys.platform == "win32", reason="no executable bits on Windows")
@pytest.mark.parametrize("file", ["binder/postBuild", ".ci/run", "tools/build_release", "tools/try_colab"])
def test_scripts_are_executable_and_parse(file: str) -> None:
    assert (ROOT / file).stat().st_mode & 0o111
    subprocess.run([shutil.which("bash") or "bash", "-n", file], cwd=ROOT, check=True)


def test_workflow_covers_what_the_project_supports() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    platforms = jobs["platforms"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in platforms["os"]} == {"ubuntu", "macos", "windows"}
    assert platforms["python"] == ["3.11", "3.12", "3.13"]
    packages = {entry["torch"]: entry["packages"] for entry in jobs["versions"]["strategy"]["matrix"]["include"]}
    assert "torch==2.4.* torchvision==0.19.*" in packages["oldest"]
    assert packages["newest"] == "torch torchvision"


def test_package_data_and_licences_are_there() -> None:
    assert (ROOT / "alexnet_edu" / "py.typed").exists()
    assert "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "CC BY 4.0" in (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["project"]["version"]
