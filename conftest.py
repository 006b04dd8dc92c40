"""Settings of every test run: no network beyond this machine, the embedded weights, and the cores put to use."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import SystemRandom
from tempfile import gettempdir

import pytest
from filelock import ReadWriteLock
from jupyter_client.connect import LocalPortCache

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools" / "offline"))

import offline_guard  # noqa: E402

MAX_WORKERS = 2  # each may hold a kernel of 1.3 GB beside its own PyTorch
LOCK_FILE = Path(gettempdir()) / f"alexnet-edu-tests-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
MACHINE = ReadWriteLock(LOCK_FILE)


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


def pytest_unconfigure(config: pytest.Config) -> None:
    """A worker that goes on has nobody to wait for: there are two at most."""
    MACHINE.close()
    LOCK_FILE.unlink(missing_ok=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests share the machine with those of other workers, unless one of them wants it ``alone``."""
    with MACHINE.read_lock():
        return (yield)


@pytest.fixture
def alone() -> Callable[[], AbstractContextManager[None]]:
    """A context in which the other workers wait between two tests, for what is timed."""

    @contextmanager
    def alone() -> Iterator[None]:
        MACHINE.release()
        try:
            with MACHINE.write_lock():
                yield
        finally:
            MACHINE.acquire_read()

    return alone


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
