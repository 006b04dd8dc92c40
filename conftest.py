"""Settings of every test run: no network beyond this machine, the embedded weights, and the cores put to use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools" / "offline"))

import offline_guard  # noqa: E402

MAX_WORKERS = 2  # each may hold a kernel of 1.3 GB beside its own PyTorch


def pytest_configure(config: pytest.Config) -> None:
    """Notebook kernels and commands are child processes, so what they need travels in the environment."""
    os.environ.update(offline_guard.environment(ROOT))
    offline_guard.install()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A whole run is spread over the cores; named files or tests stay in one process, which starts sooner."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    return min(os.cpu_count() or 1, MAX_WORKERS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests measured: ``record_property("measured", "...")`` survives captured output and workers."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    measured = [str(value) for report in reports for name, value in report.user_properties if name == "measured"]
    if measured:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(dict.fromkeys(measured)))
