"""Runs one submission in a kernel of its own and has its test cells judged.

The kernel works in an empty folder with a plain environment and limits on memory and files; what it prints is cut; a
kernel that dies or cannot be stopped ends its own notebook and nothing else; processes that it leaves behind are ended.
What this does not prevent stands in docs/instructors.md: a submission's code runs as the user who grades.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import nbformat
import psutil
from jupyter_core.utils import ensure_async, run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from notebook_files import ROOT, Cell, Notebook

from grading.judge import Ended, Late, Verdict, judge
from grading.nursery import NURSERY, manager
from grading.repair import grade_id, is_test
from grading.values import Unreadable, unpack

MAX_OUTPUT = 100_000  # characters a cell; the rest is dropped as it arrives
MAX_MEMORY, MAX_FILE = 4 * 2**30, 200 * 2**20  # bytes, of the kernel and of a file that it writes
PATIENCE = 5  # seconds for an interrupted cell to stop
ALL_CELLS = 10  # times the limit of a cell: what a whole notebook may take
DROPPED = "... the rest was too much to keep ...\n"
TOO_LONG = "A cell took too long and was stopped."
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass
class Outcome:
    """How a submission ran.

    Attributes:
        notebook: with the outputs of this run.
        verdicts: of each test cell, by its name.
        notes: what a person should know, one sentence each.
    """

    notebook: Notebook
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def run(notebook: Notebook, tests: dict[str, str], given: dict[str, Any], seconds: int) -> Outcome:
    """Runs a submission.

    Args:
        notebook: the submission, aligned with the release; gets the outputs.
        tests: the source of each test cell with its hidden tests, by the cell's name.
        given: names that tests may use besides the answers.
        seconds: what one cell may take.
    """
    outcome = Outcome(notebook)
    with tempfile.TemporaryDirectory(prefix="work-", ignore_cleanup_errors=True) as folder:
        runner = Runner(notebook, folder, seconds)
        try:
            with runner.setup_kernel(env=environment(folder), **QUIET):
                for index, cell in enumerate(notebook.cells):
                    if cell.cell_type == "code":
                        runner.run_cell(cell, index, tests, given, outcome)
        finally:
            end_children()
    return outcome


QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # of the process; cells have their own


class Runner(NotebookClient):  # type: ignore[misc]
    """One notebook, one kernel; also the judge's line to it."""

    def __init__(self, notebook: Notebook, folder: str, seconds: int) -> None:
        super().__init__(
            notebook,
            manager(),
            timeout=seconds,
            allow_errors=True,
            interrupt_on_timeout=True,
            error_on_timeout={"ename": "TimeoutError", "evalue": TOO_LONG, "traceback": [TOO_LONG]},
            iopub_timeout=PATIENCE,
            raise_on_iopub_timeout=True,
            resources={"metadata": {"path": folder}},
            shutdown_kernel="immediate",
        )
        self.owns_km = True
        self.ended = ""
        self.last = time.monotonic() + ALL_CELLS * seconds
        self.until = 0.0

    def run_cell(self, cell: Cell, index: int, tests: dict[str, str], given: Any, outcome: Outcome) -> None:
        """Runs or judges one cell; after the end of the kernel, it says why it did not."""
        self.shown, name = 0, grade_id(cell) or ""
        cell.outputs, cell.execution_count = [], None
        try:
            if not self.ended and time.monotonic() > self.last:
                self.end(cell, "was ended, since the notebook took too long,")
            if not self.ended and is_test(cell):
                self.until = time.monotonic() + self.timeout
                outcome.verdicts[name] = judge(tests[name], name, self, given)
            elif not self.ended:
                self.execute_cell(cell, index)
        except (DeadKernelError, Ended):
            self.end(cell, "ended")
        except CellTimeoutError:
            self.end(cell, "could not be stopped")
        self.note(cell, name, outcome)

    def note(self, cell: Cell, name: str, outcome: Outcome) -> None:
        """Writes into the cell and the notes what happened to it."""
        reason = f"{self.ended}; this cell and those after it did not run."
        if self.ended and not outcome.verdicts.get(name):
            cell.outputs.append(error(reason))
            outcome.notes += [] if f"{self.ended}." in outcome.notes else [f"{self.ended}."]
        if is_test(cell):
            verdict = outcome.verdicts.setdefault(name, Verdict(False, f"✗ {name}: {reason}"))
            shown = nbformat.v4.new_output("stream", text=f"{verdict.text}\n")
            cell.outputs = [shown if verdict.passed else error(verdict.text)]
            outcome.notes += [verdict.broken] if verdict.broken else []
        if any("too long" in str(output.get("evalue")) for output in cell.outputs) and TOO_LONG not in outcome.notes:
            outcome.notes.append(TOO_LONG)

    def end(self, cell: Cell, how: str) -> None:
        """Stops the kernel; the cells that follow will say why they did not run."""
        self.ended = f"Python {how} in the cell {grade_id(cell) or repr(cell.source[:40])}"
        run_sync(self.km.shutdown_kernel)(now=True)

    def process_message(self, msg: Any, cell: Cell, cell_index: int) -> Any:
        if msg["msg_type"] in ("stream", "display_data", "update_display_data", "execute_result"):
            before, self.shown = self.shown, self.shown + len(str(msg["content"]))
            if self.shown > MAX_OUTPUT:
                if before <= MAX_OUTPUT:
                    cell.outputs.append(nbformat.v4.new_output("stream", text=DROPPED))
                return None
        return super().process_message(msg, cell, cell_index)

    def on_cell_executed(self, **kwargs: Any) -> None:
        """Says what nbclient leaves out: that a cell was interrupted, and that it asked for the end of the kernel."""
        cell, reply = kwargs["cell"], kwargs["execute_reply"]["content"]
        if reply.get("evalue") == TOO_LONG:
            cell.outputs = [output for output in cell.outputs if output.get("ename") != "KeyboardInterrupt"]
            cell.outputs.append(error(TOO_LONG))
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            self.end(cell, "was ended")  # `exit()` takes effect some time after the cell

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """See ``judge.Line``.

        Raises:
            Ended: the kernel did.
            Late: the answer took too long and was interrupted.
        """
        message = self.kc.session.msg("answer_request", {})
        message["buffers"] = [pickle.dumps(request)]  # the kernel may trust the grader, not the other way round
        self.kc.shell_channel.send(message)
        try:
            reply = unpack(run_sync(self._reply)(message["header"]["msg_id"]))
        except Unreadable:
            reply = None
        return reply if isinstance(reply, dict) else {"problem": "the result cannot be read."}

    async def _reply(self, asked: str) -> Any:
        """Waits for the reply and interrupts the kernel when it is late."""
        interrupted = False
        while True:
            with contextlib.suppress(Empty):
                message = await ensure_async(self.kc.shell_channel.get_msg(timeout=0.2))
                if message["parent_header"].get("msg_id") == asked and not interrupted:
                    return message["buffers"]
                if message["parent_header"].get("msg_id") == asked:
                    raise Late
            late = time.monotonic() - self.until
            if late > PATIENCE or not await ensure_async(self.km.is_alive()):
                raise Ended
            if late > 0 and not interrupted:
                interrupted = True
                await ensure_async(self.km.interrupt_kernel())


def error(text: str) -> Any:
    """An output that counts as a failure and shows one line."""
    return nbformat.v4.new_output("error", ename="Feedback", evalue=text, traceback=[text])


def environment(home: str) -> dict[str, str]:
    """What a submission's process gets to know: no secrets, no home, no network for Python's own sockets."""
    path = [str(ROOT), str(ROOT / "tools" / "offline"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    own = {"HOME": home, "TMPDIR": home, "IPYTHONDIR": f"{home}/.ipython", "OMP_NUM_THREADS": "1"}
    course = {"ALEXNET_EDU_OFFLINE": "1", "ALEXNET_EDU_WEIGHTS": "small", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    limits = {"ALEXNET_EDU_LIMIT_MEMORY": str(MAX_MEMORY), "ALEXNET_EDU_LIMIT_FILE": str(MAX_FILE)}
    return kept | own | course | limits | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def adopt() -> None:
    """On Linux, processes whose parent ended become children of this one, so that ``end_children`` finds them."""
    if sys.platform == "linux":
        import ctypes

        PR_SET_CHILD_SUBREAPER = 36
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """Ends every process that a submission has left, but not what starts the next one's kernel."""
    mine = NURSERY.process.pid if NURSERY.process else None
    for child in [*psutil.Process().children(), *NURSERY.family()]:
        if child.pid != mine:
            end(child)


def end(process: psutil.Process) -> None:
    """Ends a process with all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, timeout=PATIENCE)
