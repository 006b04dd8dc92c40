"""nbgrader's execution of a submission, with what a hostile or unlucky one needs besides.

It runs in an empty folder with a plain environment; each graded cell meets checks freshly loaded from the installed
package; warnings cost no points; and a kernel that dies or cannot be stopped ends its own notebook and nothing else.
What this does not prevent stands in docs/instructors.md: the submission's code runs as the user who grades.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from notebook_files import ROOT, Cell, Notebook

MAX_OUTPUT = 100_000  # characters a cell; the rest is dropped as it arrives
DROPPED = "... the rest was too much to keep ...\n"
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
FRESH_CHECKS = """\
for _name in [n for n in __import__("sys").modules if n.split(".")[:2] == ["alexnet_edu", "check"]]:
    del __import__("sys").modules[_name]
del _name
"""
GRADEBOOK_CHANGED = "This submission changed the gradebook while it ran; the gradebook was restored."


class Isolated(Execute):  # type: ignore[misc]
    """See the module."""

    def preprocess(self, nb: Notebook, resources: Any, km: Any = None) -> tuple[Notebook, Any]:
        path = resources["metadata"]["path"]
        gradebook = Path(resources["nbgrader"]["db_url"].removeprefix("sqlite:///"))
        before = gradebook.read_bytes()
        self.ended = ""
        with tempfile.TemporaryDirectory(prefix="work-", ignore_cleanup_errors=True) as folder:
            resources["metadata"]["path"] = self.folder = folder
            nb, resources = super().preprocess(nb, resources, km)
        resources["metadata"]["path"] = path
        if not gradebook.exists() or gradebook.read_bytes() != before:
            gradebook.write_bytes(before)
            self.log.error(GRADEBOOK_CHANGED)
        return nb, resources

    @contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # of the process; cells have their own
        with super().setup_kernel(env=environment(self.folder), **quiet, **kwargs):
            yield

    def preprocess_cell(self, cell: Cell, resources: Any, index: int) -> tuple[Cell, Any]:
        if cell.cell_type != "code":
            return cell, resources
        self.shown = 0
        try:
            if not self.ended:
                if is_grade(cell):
                    self.wait_for_reply(self.kc.execute(FRESH_CHECKS, silent=True, store_history=False))
                super().preprocess_cell(cell, resources, index)
                return cell, resources
        except (DeadKernelError, CellTimeoutError) as problem:
            self.end(cell, "ended" if isinstance(problem, DeadKernelError) else "could not be stopped")
        reason = f"{self.ended}; this cell and those after it did not run."
        cell.outputs.append(nbformat.v4.new_output("error", ename="NotRun", evalue=reason, traceback=[reason]))
        return cell, resources

    def end(self, cell: Cell, how: str) -> None:
        """Stops the kernel; the cells that follow will say why they did not run."""
        name = cell.metadata.get("nbgrader", {}).get("grade_id") or repr(cell.source[:40])
        self.ended = f"Python {how} in the cell {name}"
        self.log.error(self.ended)
        run_sync(self.km.shutdown_kernel)(now=True)

    def process_message(self, msg: Any, cell: Cell, cell_index: int) -> Any:
        if msg["msg_type"] in ("stream", "display_data", "update_display_data"):
            before, self.shown = self.shown, self.shown + len(str(msg["content"]))
            if self.shown > MAX_OUTPUT:
                if before <= MAX_OUTPUT:
                    cell.outputs.append(nbformat.v4.new_output("stream", text=DROPPED))
                return None
        return super().process_message(msg, cell, cell_index)

    def on_cell_executed(self, **kwargs: Any) -> None:
        """nbgrader takes a warning for a mistake, and a number shown before an error for part of the points."""
        super().on_cell_executed(**kwargs)
        cell, reply = kwargs["cell"], kwargs["execute_reply"]["content"]
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            self.end(cell, "was ended")  # `exit()` takes effect some time after the cell
        if is_grade(cell):
            if reply.get("ename") == "CellTimeoutError":  # says it better than the interruption it caused
                cell.outputs = [output for output in cell.outputs if output.get("ename") != "KeyboardInterrupt"]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.name = "stdout"
                if output.output_type == "error":  # one line, which does not show the hidden tests
                    name = "" if output.ename == "AssertionError" else f"{output.ename}: "
                    output.traceback = [f"{name}{output.evalue}"]
            cell.outputs.sort(key=lambda output: output.output_type != "error")


def environment(home: str) -> dict[str, str]:
    """What a submission's process gets to know: no secrets, no home, no network for Python's own sockets."""
    path = [str(ROOT / "tools" / "offline"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    own = {"HOME": home, "TMPDIR": home, "IPYTHONDIR": f"{home}/.ipython", "OMP_NUM_THREADS": "1"}
    course = {"ALEXNET_EDU_OFFLINE": "1", "ALEXNET_EDU_WEIGHTS": "small", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return kept | own | course | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
