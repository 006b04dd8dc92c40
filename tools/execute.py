"""Runs notebooks in place, offline and with the embedded network, as the tests do, and stores what they show.

``python tools/execute.py notebooks/01_history.ipynb ...`` (without names: all of them). The stored outputs are what the
tests compare with; run this after every change to a notebook.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from notebook_files import NOTEBOOKS, ROOT, Notebook, normalise, notebook_paths, read, write

sys.path.insert(0, str(ROOT / "tools" / "offline"))

import offline_guard

CELL_TIMEOUT = 120


def execute(notebook: Notebook, folder: Path = NOTEBOOKS, python: Path | None = None) -> Notebook:
    """Runs all cells in place in a fresh kernel, with counts 1 to n, and returns the tidied notebook.

    Args:
        notebook: what to run; outputs are replaced.
        folder: the kernel's working folder.
        python: the kernel's interpreter, where it is another environment's.

    Raises:
        CellExecutionError: a cell failed.
    """
    own = {"km": foreign_kernel(python)} if python else {}
    client = NotebookClient(
        notebook,
        **own,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    )
    client.execute()
    return normalise(notebook)


def foreign_kernel(python: Path) -> AsyncKernelManager:
    """What starts kernels with another interpreter."""
    manager = AsyncKernelManager()
    command = [str(python.absolute()), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=command, display_name="foreign", language="python")
    return manager


def main(argv: Sequence[str] | None = None) -> int:
    """Executes the named notebooks; the exit status is 1 when one fails, which is then left as it was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="default: all of them")
    parser.add_argument(
        "--kernel", type=Path, metavar="PYTHON", help="only try the notebooks with this interpreter, and store nothing"
    )
    given = parser.parse_args(argv)
    os.environ.update(offline_guard.environment(ROOT))
    status = 0
    for path in given.notebooks or notebook_paths():
        start = time.perf_counter()
        try:
            run = execute(read(path), path.resolve().parent, given.kernel)
            if given.kernel is None:
                write(run, path)
        except CellExecutionError as problem:
            status = 1
            print(f"{path} failed:\n{problem}", file=sys.stderr)
        else:
            print(f"{path}: {time.perf_counter() - start:.1f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
