"""The claims lab: its arms, its trainings, what it does next."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from alexnet_edu.errors import AlexNetError
from alexnet_edu.geometry import layer_table, trace
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import MaxPool
from alexnet_edu.train.claims import runs as lab_runs
from alexnet_edu.train.claims.arms import ARMS, TASKS, Task, network_of
from alexnet_edu.train.claims.pictures import Material, material_for, squares
from alexnet_edu.train.claims.runs import Run, Trial, best_rate, measured, missing, pooled, read_runs
from alexnet_edu.train.claims.trial import Laboratory, orders
from experiments import claims_lab

TINY = replace(TASKS["squares"], train=72, epochs=2, batch=16, rates=(0.001, 0.01))


@pytest.fixture(scope="module")
def material() -> Material:
    return squares(TINY)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setitem(TASKS, "squares", TINY)
    return TINY


def made_up(arm: str = "base", rate: float = 0.01, seed: int = 1, **errors: Any) -> Run:
    values: dict[str, Any] = {"curve": [0.9, 0.5], "select": 0.4, "trained": 0.3, "test": 0.4} | errors
    return Run("squares", arm, rate, seed, **values)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_each_arm_differs_from_the_base_in_what_its_name_says(task: Task) -> None:
    kinds = {name: [layer.kind for layer in network_of(task, arm).layers] for name, arm in ARMS.items()}
    base = kinds["base"]
    assert kinds["tanh"] == [{"ReLU": "Tanh"}.get(kind, kind) for kind in base]
    assert kinds["no LRN"] == [kind for kind in base if kind != "LRN"]
    assert kinds["batch norm for LRN"] == [{"LRN": "BatchNorm"}.get(kind, kind) for kind in base]
    assert kinds["no dropout"] == [kind for kind in base if kind != "Dropout"]
    plain = network_of(task, ARMS["plain pooling"])
    assert [(p.kernel_size, p.stride) for p in plain.layers if isinstance(p, MaxPool)] == [(2, 2)] * 3
    zero = network_of(task, ARMS["biases 0"])
    assert all(not getattr(layer, "init", None) or layer.init.bias == 0 for layer in zero.layers)  # type: ignore[attr-defined]
    assert {name for name, arm in ARMS.items() if arm.views != ARMS["base"].views} == {
        "no augmentation", "no mirror images", "no crops", "no colour noise",
    }  # fmt: skip


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_pools_with_and_without_overlap_make_the_same_sizes(task: Task) -> None:
    shapes = [
        [shape for layer, shape in trace(spec, spec.input_shape) if layer.name in ("lrn1", "conv2", "conv3", "flatten")]
        for spec in (network_of(task, ARMS[name]) for name in ("base", "plain pooling"))
    ]
    assert shapes[0] == shapes[1] and [shape[1] for shape in shapes[0]] == [23, 11, 5, 2]


def test_one_tower_of_equal_parameters_has_as_many_within_five_percent() -> None:
    counts = {name: layer_table(network_of(TASKS["caltech101"], arm)).total_parameters for name, arm in ARMS.items()}
    assert abs(counts["one tower, equal parameters"] / counts["base"] - 1) < 0.05  # 2 % in 2012
    assert counts["one tower, equal maps"] > counts["base"]


def test_weights_start_with_he_s_deviation_whatever_the_arm_does_to_the_inputs() -> None:
    for name in ("base", "one tower, equal maps"):
        model = AlexNet(network_of(TASKS["squares"], ARMS[name]))
        weight = model.get_submodule("conv2").weight
        assert isinstance(weight, torch.Tensor)
        assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.05)


def test_layers_that_two_arms_share_start_alike(material: Material) -> None:
    lab = Laboratory(TINY, material, torch.device("cpu"))
    states = []
    for arm in ("base", "no LRN", "batch norm for LRN"):
        network = lab._network(arm)
        lab._start(network, Trial("squares", arm, 0.01, 5))
        states.append(network.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]) and torch.equal(value, states[2][name])


def test_draws_depend_on_the_seed_alone() -> None:
    first, again, other = (list(orders(seed, 100, 32, 5, 2)) for seed in (1, 1, 2))
    assert [len(order.squares) for order in first] == [3, 3]
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.pictures, b.pictures) and a.squares == b.squares and torch.equal(a.colours, b.colours)
    assert not torch.equal(first[0].pictures, other[0].pictures)
    assert not torch.equal(first[0].pictures, first[1].pictures)


def test_an_arm_without_a_kind_of_view_sees_the_same_pictures_in_the_same_order(material: Material) -> None:
    lab = Laboratory(TINY, material, torch.device("cpu"))
    order = next(orders(3, 72, 16, 5, 1))
    batches = {name: list(lab._batches(order, arm.views)) for name, arm in ARMS.items()}
    for name, found in batches.items():
        assert all(torch.equal(y, labels) for (_, y), (_, labels) in zip(found, batches["base"], strict=True))
        same = all(torch.equal(x, base) for (x, _), (base, _) in zip(found, batches["base"], strict=True))
        assert same == (ARMS[name].views == ARMS["base"].views)
    x, _ = batches["no augmentation"][0]
    picture = material.images["train"][order.pictures[0]].float() - material.mean
    assert torch.allclose(x[0] * 64, picture[:, 2:29, 2:29], atol=1e-4)


def test_a_run_can_be_repeated_and_sees_the_test_pictures_only_when_measured(material: Material) -> None:
    lab = Laboratory(TINY, material, torch.device("cpu"))
    over: list[int] = []
    chosen, one, again = (lab.run(Trial("squares", "base", 0.01, seed), over.append) for seed in (0, 1, 1))
    assert over == 3 * list(range(1, TINY.epochs + 1))
    assert chosen.test is None and one.test is not None
    assert (one.curve, one.select, one.trained, one.test) == (again.curve, again.select, again.trained, again.test)
    assert len(one.curve) == TINY.epochs and all(0 <= error <= 1 for error in one.curve)
    assert "torch" in one.machine and lab.seconds_a_run(steps=1) > 0


def test_a_line_is_a_run_again(tmp_path: Path, tiny: Task) -> None:
    path = tmp_path / "a.jsonl"
    found = [made_up(seed=seed) for seed in (1, 2)]
    path.write_text("".join(f"{run.line()}\n" for run in found), encoding="utf-8")
    assert read_runs(path) == found == read_runs(tmp_path)
    assert pooled([*found, made_up(seed=2, test=0.1)]) == found


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 1 is no run of the lab"),
        ('{"task": "squares"}', "each line must have task, arm, rate"),
        (made_up(arm="sigmoid").line(), "there is no arm 'sigmoid' of 'squares'"),
        (made_up(curve=[0.5]).line(), "another budget can't be pooled"),
    ],
)
def test_what_is_no_run_is_named(tmp_path: Path, tiny: Task, line: str, sentence: str) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(AlexNetError, match=sentence):
        read_runs(path)


def test_rates_come_first_then_seed_after_seed_of_all_arms(tiny: Task) -> None:
    arms = ["base", "tanh"]
    first = list(missing([], ["squares"], arms, range(1, 3)))
    assert [(trial.arm, trial.rate, trial.seed) for trial in first] == [
        ("base", 0.001, 0), ("base", 0.01, 0), ("tanh", 0.001, 0), ("tanh", 0.01, 0),
    ]  # fmt: skip
    judged = [made_up(trial.arm, trial.rate, 0, test=None, select=trial.rate) for trial in first]
    assert best_rate(judged[:1], "squares", "base") is None
    rest = list(missing(judged, ["squares"], arms, range(1, 3)))
    assert [(trial.seed, trial.arm, trial.rate) for trial in rest] == [
        (1, "base", 0.001), (1, "tanh", 0.001), (2, "base", 0.001), (2, "tanh", 0.001),
    ]  # fmt: skip
    half = [*judged, made_up("base", 0.001, 1), made_up("base", 0.01, 2)]
    assert [(t.seed, t.arm) for t in missing(half, ["squares"], arms, range(1, 3))] == [
        (1, "tanh"),
        (2, "base"),
        (2, "tanh"),
    ]
    assert measured(half) == [half[4]]  # the other one ran at a rate that was not chosen


def test_it_stops_in_time_and_goes_on_where_it_was(tiny: Task) -> None:
    trained: list[Trial] = []

    def train(trial: Trial) -> Run:
        trained.append(trial)
        return made_up(trial.arm, trial.rate, trial.seed, select=trial.rate, seconds=0.01)

    def ask(runs: list[Run]) -> Any:
        return missing(runs, ["squares"], ["base", "tanh"], range(1, 4))

    with ThreadPoolExecutor(2) as pool:
        some = list(islice((train(trial) for trial in ask([])), 3))
        kept: list[Run] = []
        claims_lab.conduct(pool, 2, some, ask, {"squares": 0.01}, time.monotonic() + 60, kept.append, train)
        assert len(trained) == len(set(trained)) == 4 + 2 * 3 == len(some) and len(kept) == 7
        late: list[Run] = []
        claims_lab.conduct(pool, 2, [], ask, {"squares": 9.0}, time.monotonic() + 1, late.append, train)
        assert not late


def test_the_forecast_counts_what_the_time_is_enough_for(tiny: Task) -> None:
    grid = [made_up(arm, rate, 0) for arm in ("base", "tanh") for rate in tiny.rates]
    seeds, seconds = range(1, 9), {"squares": 10.0}
    sentence = claims_lab.forecast(grid, ["squares"], ["base", "tanh"], seeds, seconds, 65.0)
    assert "about 3 more seeds of every arm" in sentence and "squares 10.0 s" in sentence
    done = [*grid, *(made_up(arm, 0.01, 1) for arm in ("base", "tanh"))]
    assert "Complete: 1 seeds of 2 arms" in claims_lab.forecast(
        done, ["squares"], ["base", "tanh"], seeds, seconds, 1e4
    )
    assert "about 7 more" in claims_lab.forecast(done, ["squares"], ["base", "tanh"], seeds, seconds, 1e4)
    assert "takes it all" in claims_lab.forecast([], ["squares"], ["base"], seeds, seconds, 15.0)


def test_the_command_trains_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Task) -> None:
    class Here(ThreadPoolExecutor):
        """Threads in place of processes, which would not know the tiny task."""

        def __init__(self, workers: int, context: object, begin: Any, settings: Any) -> None:
            super().__init__(1, initializer=begin, initargs=settings)

    monkeypatch.setattr(claims_lab, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(claims_lab, "_laboratories", {})
    monkeypatch.setattr(lab_runs, "COMMITTED", tmp_path / "none")
    threads, out = torch.get_num_threads(), tmp_path / "runs.jsonl"
    try:
        for seeds in ("1", "2"):
            arguments = ["--arms", "base", "--seeds", seeds, "--workers", "1", "--device", "cpu", "--out", str(out)]
            claims_lab.main(arguments)
            assert len(measured(read_runs(out))) == int(seeds)
    finally:
        torch.set_num_threads(threads)


def test_all_arms_are_the_default_and_one_with_a_comma_can_be_named() -> None:
    assert claims_lab._arguments([]).arms == list(ARMS)
    assert claims_lab._arguments(["--arms", "base", "one tower, equal maps"]).arms == ["base", "one tower, equal maps"]


@pytest.mark.parametrize(
    ("arguments", "sentence"), [(["--arms", "sigmoid"], "no arm 'sigmoid'"), (["--hours", "0"], "above 0")]
)
def test_the_command_s_mistakes_are_sentences(arguments: list[str], sentence: str) -> None:
    with pytest.raises(AlexNetError, match=sentence):
        claims_lab.main(arguments)


def test_pictures_are_kept_and_read_again(tmp_path: Path) -> None:
    for part, number in (("train", 20), ("test", 4)):
        for i in range(number):
            path = tmp_path / part / "ab"[i % 2] / f"{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 32), (10 * i, 100, 0)).save(path)
    task, kept = replace(TASKS["cifar10"], train=9), tmp_path / "kept.safetensors"
    first = material_for(task, tmp_path, kept)
    assert {name: tuple(part.shape) for name, part in first.images.items()} == {
        "train": (9, 3, 32, 32), "select": (2, 3, 32, 32), "test": (4, 3, 32, 32),
    }  # fmt: skip
    again = material_for(task, None, kept)
    for name in ("train", "select", "test"):
        assert torch.equal(first.images[name], again.images[name])
        assert torch.equal(first.labels[name], again.labels[name])
    assert torch.allclose(again.mean, first.images["train"].float().mean(0))
    with pytest.raises(AlexNetError, match="give the folder"):
        material_for(task, None, tmp_path / "other.safetensors")
