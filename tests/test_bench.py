"""The plan of the benchmark and the shape of its results. No test here asks how fast this machine is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from alexnet_edu.cli import bench
from alexnet_edu.cli.main import main
from alexnet_edu.measure import Timing
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import scaled
from alexnet_edu.variants import get_spec

TINY: dict[str, Any] = {"seconds": 0.001, "batches": (1, 2), "sides": (64,), "widths": (0.125,)}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """A whole run on networks an eighth as wide, compiler left out."""
    small = {name: scaled(get_spec(name), 0.125) for name in ("paper", "torchvision")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "QUICK", TINY)
        patch.setattr(bench, "get_model", lambda name: AlexNet(small[name]))
        patch.setattr(bench, "_torchvision", lambda: AlexNet(small["torchvision"]))
        patch.setattr(bench, "get_spec", small.__getitem__)
        patch.setattr(bench, "matmul_peak", lambda *args, **kwargs: 1e11)
        patch.setattr(bench, "bandwidth", lambda *args, **kwargs: 1e10)
        patch.setattr(bench, "keep_freed_memory", lambda: True)  # it would last as long as this process
        return bench.benchmark(quick=True, parts=[part for part in bench.PARTS if part != "picture"])


def test_a_run_is_json_with_machine_versions_and_threads(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result)) == result
    assert {"cpu", "cores", "threads", "torch", "python"} <= result["machine"].keys()
    assert result["machine"]["torch"] == torch.__version__


def test_rows_hold_rates_that_follow_from_their_times(result: dict[str, Any]) -> None:
    assert len(result["rows"]) > 20
    for row in result["rows"]:
        timing = row["timing"]
        assert 0 < timing["low"] <= timing["median"] <= timing["high"]
        if row["macs"]:
            assert row["flops"] == pytest.approx(2 * row["macs"] / timing["median"])
            assert row["share_of_peak"] == pytest.approx(row["flops"] / 1e11)
        assert bench.row_as_text(row).startswith(row["group"])


def test_groups_hold_their_peers(result: dict[str, Any]) -> None:
    groups: dict[str, list[str]] = {}
    for row in result["rows"]:
        groups.setdefault(row["group"], []).append(row["name"])
    assert groups["LRN, 2 × 96 × 55 × 55"] == [
        "F.relu",
        "torch.nn.LocalResponseNorm",
        "alexnet_edu LocalResponseNorm",
    ]
    for network in ("torchvision", "paper"):
        assert groups[f"freed memory kept, {network}"] == groups[f"batch, {network}"]
    assert groups["mode, torchvision, batch 2"][:4] == [
        "eager float32",
        "channels_last float32",
        "eager bfloat16",
        "channels_last bfloat16",
    ]


def test_modes_compute_the_same_network(result: dict[str, Any]) -> None:
    differing = [row for row in result["rows"] if row["note"].startswith("differs by")]
    assert len(differing) >= 12
    for row in differing:
        assert float(row["note"].split()[2]) < (0.05 if "bfloat16" in row["name"] else 1e-4)


def test_what_is_optimized_says_how(result: dict[str, Any]) -> None:
    notes = [row["note"] for row in result["rows"] if row["name"].endswith(", optimized")]
    assert len(notes) == 3 and all(note.startswith("Optimized: ") for note in notes)


def test_the_filter_picture_has_its_peer() -> None:
    plan = bench.Plan(torch.device("cpu"), 0.0, (1,), (), (), False)
    usual, composed = (row.timing.median for row in bench.by_picture(plan))
    print(f"one subplot per filter: {usual * 1e3:.0f} ms; one composed picture: {composed * 1e3:.1f} ms")
    assert composed < usual / 5


def test_the_command_prints_a_table_or_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = bench.Row("group", "name", Timing(0.25, 0.2, 0.3, 5), pictures=4, macs=10**9)
    other = replace(row, name="other", macs=0, bytes=100)
    monkeypatch.setattr(bench, "PARTS", {"one": lambda plan: iter([row]), "two": lambda plan: iter([other])})
    monkeypatch.setattr(bench, "_peaks", lambda plan: {"float32 FLOP": 1e11, "memory bytes": 1e10})
    assert main(["bench", "--quick"]) == 0
    text = capsys.readouterr().out
    assert "250 ms (200 to 300, 5 runs)" in text and "8% of peak" in text and "torch" in text
    assert main(["bench", "--quick", "--json"]) == 0
    captured = capsys.readouterr()
    assert [row["name"] for row in json.loads(captured.out)["rows"]] == ["name", "other"]
    assert "250 ms" in captured.err
    assert main(["bench", "--quick", "--json", "--parts", "two"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["other"]


def test_a_device_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--device", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("error: There is no device 'nonsense' here")


def test_an_accelerator_is_also_timed_with_tf32_and_cuda_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "has_compiler", lambda: True)
    plan = bench.Plan(torch.device("cuda"), compiled=True, **TINY)
    names = [mode.name for mode in bench._modes(plan)]
    assert len(names) == len(set(names)) == 8
    assert {"eager TF32", "CUDA graphs, channels_last bfloat16"} <= set(names)
    assert not any(
        "TF32" in mode.name or "CUDA" in mode.name for mode in bench._modes(replace(plan, device=torch.device("cpu")))
    )


def test_tf32_is_as_before_after_a_mode() -> None:
    flags = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [flag.allow_tf32 for flag in flags]
    for allowed in (True, False):
        with bench._tf32(allowed):
            assert [flag.allow_tf32 for flag in flags] == [allowed, allowed]
    assert [flag.allow_tf32 for flag in flags] == before
