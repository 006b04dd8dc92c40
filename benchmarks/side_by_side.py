"""Timing two ways of one thing in turns, so that whatever else the machine does hits both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 5


def in_turns(*calls: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """The median processor time of each call, in milliseconds."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, found in zip(calls, times, strict=True):
            start = time.process_time()
            call()
            found.append((time.process_time() - start) * 1e3)
    return [statistics.median(found) for found in times]
