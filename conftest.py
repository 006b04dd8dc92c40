"""Settings of every test run: no network beyond this machine, the embedded weights, and the cores put to use."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from random import SystemRandom

import pytest
from jupyter_client.connect import LocalPortCache

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools" / "offline"))

import offline_guard  # noqa: E402

MAX_WORKERS = 2  # each may hold a kernel of 1.3 GB beside its own PyTorch


def pytest_configure(config: pytest.Config) -> None:
    """Notebook kernels and commands are child processes, so what they need travels in the environment."""
    os.environ.update(offline_guard.environment(ROOT))
    offline_guard.install()
    LocalPortCache.find_available_port = port_for_a_kernel  # type: ignore[method-assign, assignment]


def port_for_a_kernel(cache: LocalPortCache, ip: str) -> int:
    """A free port below those that systems give to connections: one of these may be gone when the kernel starts."""
    while True:
        port = SystemRandom().randrange(20_000, 32_768)
        with socket.socket() as trial:
            free = trial.connect_ex((ip, port)) != 0
        if free and port not in cache.currently_used_ports:
            cache.currently_used_ports.add(port)
            return port


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
