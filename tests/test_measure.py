"""The instruments. No test here asks how fast this machine is."""

from __future__ import annotations

import time

import pytest
import torch
from torch.utils.benchmark import Timer

from alexnet_edu import measure as instruments
from alexnet_edu.measure import (
    Noise,
    Timing,
    bandwidth,
    committed_results,
    layer_times,
    matmul_peak,
    measure,
    noise,
    unsteady,
)
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import scaled
from alexnet_edu.variants import get_spec


def test_measure_counts_runs_and_orders_quartiles() -> None:
    calls: list[float] = []

    def call() -> None:
        calls.append(1.0)
        time.sleep(0.001)

    timing = measure(call, seconds=0.01, warm_up=3, least=4)
    assert len(calls) == timing.runs + 3 and timing.runs >= 4
    assert 0.001 <= timing.low <= timing.median <= timing.high
    assert "ms" in str(timing) and f"{timing.runs} runs" in str(timing)


def test_measure_does_not_wait_for_ever_on_a_slow_call() -> None:
    assert measure(lambda: time.sleep(0.3), seconds=0.01, warm_up=0, least=50).runs < 10


def test_the_median_ignores_one_slow_run() -> None:
    pauses = iter([0.0, 0.0, 0.05] + [0.0] * 100)
    timing = measure(lambda: time.sleep(next(pauses)), seconds=0, warm_up=0, least=9)
    assert timing.median < 0.02


def test_the_timer_of_torch_finds_the_same() -> None:
    theirs = Timer("sleep(0.002)", "from time import sleep").blocked_autorange(min_run_time=0.1)
    ours = measure(lambda: time.sleep(0.002), seconds=0.1)
    assert 0.5 < ours.median / theirs.median < 2


def test_peaks_are_positive() -> None:
    assert matmul_peak(side=128, seconds=0.01) > 1e6
    assert bandwidth(megabytes=8, seconds=0.01) > 1e6


def test_layer_times_name_every_layer() -> None:
    model = AlexNet(scaled(get_spec("paper"), 0.125)).eval()
    assert list(layer_times(model, torch.zeros(1, 3, 224, 224), seconds=0)) == [
        name for name, _ in model.named_children()
    ]


def test_the_committed_runs_say_where_they_come_from() -> None:
    runs = committed_results()
    assert runs
    for run in runs.values():
        assert not run["quick"] and {"cpu", "threads", "torch"} <= run["machine"].keys()
        groups = {row["group"].partition(",")[0] for row in run["rows"]}
        assert {"batch", "mode", "LRN", "layer", "resolution"} <= groups
    assert any("width" in row["group"] for row in runs["cpu_xeon_2cores"]["rows"])
    assert "TF32 FLOP" in runs["gpu_h100"]["peaks"] and "H100" in runs["gpu_h100"]["machine"]["device"]


STEADY, WILD = Timing(1.0, 0.95, 1.05, 9), Timing(1.0, 0.9, 1.4, 9)


def test_figures_whose_runs_disagree_are_named() -> None:
    assert unsteady({"fc6": STEADY, "fc7": STEADY}).startswith("Steady")
    assert unsteady({"fc6": STEADY, "fc7": WILD}).startswith("Not to be trusted: fc7 (")


@pytest.mark.parametrize(
    ("share", "timing", "quiet"), [(0.95, STEADY, True), (0.5, STEADY, False), (0.95, WILD, False)]
)
def test_a_machine_is_quiet_when_it_gives_its_time_and_gives_it_evenly(
    share: float, timing: Timing, quiet: bool
) -> None:
    found = Noise(share, timing)
    assert found.quiet == quiet
    assert ("trust no time" in str(found)) == (not quiet)


@pytest.mark.parametrize("got", [1.0, 0.25])
def test_noise_holds_processor_time_against_the_clock(monkeypatch: pytest.MonkeyPatch, got: float) -> None:
    """Each look at a clock takes a second of it, and this process gets its share of that on every thread."""
    now = [0.0]

    def clock() -> float:
        now[0] += 1
        return now[0]

    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(instruments, "perf_counter", clock)
    monkeypatch.setattr(instruments, "process_time", lambda: got * now[0])
    found = noise(seconds=20)
    assert abs(found.share - got) < 0.1 and found.timing.spread == 0
