"""Whoever has the ImageNet weights meets no error: every notebook also runs with weights of that size and format.

The weights are made here, so they know nothing: what a notebook asserts of a *trained* network has to name the network.
The same run shows what a kernel takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import execute
import pytest
import torch
from nbformat.v4 import new_code_cell
from notebook_files import notebook_paths, read
from torchvision.models import AlexNet_Weights, alexnet
from trained_files import write_hub_file

BINDER_GIGABYTES = 2  # what a visitor of mybinder.org gets

# Last cell: peak memory in gigabytes and processor time in seconds of the kernel. Linux counts the parent's memory at
# the time of the fork into ru_maxrss, so there the peak comes from /proc.
COST = """\
import json, pathlib, re, resource, sys
usage = resource.getrusage(resource.RUSAGE_SELF)
status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) * 1024
else:
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([peak / 1e9, usage.ru_utime + usage.ru_stime]))
"""


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``torch.hub`` leaves it after a download of torchvision's weights."""
    home = tmp_path_factory.mktemp("torch")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    made = write_hub_file(folder, alexnet().state_dict())
    (folder / AlexNet_Weights.IMAGENET1K_V1.url.rpartition("/")[2]).hardlink_to(made)  # for what asks torchvision
    return home


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_runs_with_imagenet_weights(
    path: Path, torch_home: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    (made,) = torch_home.rglob("alexnet-test-*.pth")  # its name carries its own hash
    monkeypatch.setenv("ALEXNET_EDU_IMAGENET_URL", f"http://127.0.0.1:9/{made.name}")
    monkeypatch.setenv("ALEXNET_EDU_WEIGHTS", "imagenet")
    notebook = read(path)
    if sys.platform != "win32":
        notebook.cells.append(new_code_cell(COST))
    execute.execute(notebook, path.parent)
    if sys.platform != "win32":
        gigabytes, seconds = json.loads(notebook.cells[-1].outputs[0].text)
        record_property("measured", f"{path.stem}: peak {gigabytes:.2f} GB, {seconds:.0f} s of processor time")
        assert gigabytes < BINDER_GIGABYTES
