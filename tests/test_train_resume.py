"""Going on: from a checkpoint that is damaged or of another training, and in two processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_train_loop import CPU, environment, made, settings
from train_pictures import write_pictures

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.loop import train
from alexnet_edu.train.recipes import get_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and beside them a folder with the checkpoint of one epoch."""
    root = write_pictures(tmp_path_factory.mktemp("data"))
    train(settings(root), root / "run", device="cpu")
    return root


def without(key: str) -> Callable[[Any], Any]:
    return lambda state: {name: value for name, value in state.items() if name != key}


def shortened(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"net": dict(list(state["net"].items())[1:])}


def misshapen(state: dict[str, Any]) -> dict[str, Any]:
    kept = state["optimiser"]["state"]
    wrong = {number: {"velocity": torch.zeros(3)} for number in kept}
    return state | {"optimiser": state["optimiser"] | {"state": wrong}}


@pytest.mark.parametrize(
    "change",
    [
        *map(without, ("settings", "net", "optimiser", "schedule", "epoch", "history", "sums")),
        shortened,
        misshapen,
        lambda state: [state],
        lambda state: torch.zeros(3),
        lambda state: state | {"settings": 5},
        lambda state: state | {"settings": state["settings"] | {"recipe": None}},
        lambda state: state | {"epoch": "one"},
        lambda state: state | {"history": [{}]},
        lambda state: state | {"history": 3},
        lambda state: state | {"sums": torch.zeros(3)},
    ],
)
def test_a_malformed_checkpoint_is_one_sentence(run: Path, tmp_path: Path, change: Callable[[Any], Any]) -> None:
    state = torch.load(run / "run" / "checkpoint.pt", weights_only=True)
    torch.save(change(state), tmp_path / "checkpoint.pt")
    with pytest.raises(AlexNetError, match=r"checkpoint\.pt is damaged or no checkpoint of this program; delete it"):
        train(settings(run), tmp_path, device="cpu")


def test_the_settings_that_differ_are_named(run: Path) -> None:
    other = settings(run, lr=0.02, batch_size=8)
    with pytest.raises(AlexNetError) as caught:
        train(replace(other, seed=7), run / "run", device="cpu")
    assert "(seed 0, not 7; batch_size 6, not 8; lr 0.01, not 0.02); choose another --out" in str(caught.value)


def test_a_checkpoint_from_before_a_setting_existed_goes_on(run: Path, tmp_path: Path) -> None:
    """Its absence means what is the default today."""
    state = torch.load(run / "run" / "checkpoint.pt", weights_only=True)
    del state["settings"]["recipe"]["head_rate"]
    state["sums"] = torch.zeros(4, dtype=torch.float64)  # as it was: of the first process alone
    torch.save(state, tmp_path / "checkpoint.pt")
    train(settings(run), tmp_path, device="cpu")


@pytest.mark.parametrize("content", [b"", b"no file of torch's", None])
def test_damaged_statistics_are_made_anew(run: Path, tmp_path: Path, content: bytes | None) -> None:
    chosen = settings(run, pca_noise=0.1)
    whole = made(chosen, CPU, "whole").material.augmentation.prepare.mean_image
    file = run / "damaged" / "statistics.pt"
    file.parent.mkdir(exist_ok=True)
    if content is None:
        torch.save({"of": chosen.identity(), "values": [1, 2, 3]}, file)
    else:
        file.write_bytes(content)
    again = made(chosen, CPU, "damaged").material.augmentation.prepare.mean_image
    assert whole is not None and again is not None and torch.equal(whole, again)


TWO = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from alexnet_edu.train import loop
from test_train_resume import on_two

root, out, stop = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
step = loop.Trainer.train_step

def watched(trainer, *batch):
    if trainer.place.rank == 0 and (trainer.progress.epoch, trainer.progress.step) == (1, stop):
        os.kill(os.getpid(), signal.SIGINT)
    return step(trainer, *batch)

loop.Trainer.train_step = watched
try:
    loop.train(on_two(root), out, device="cpu")
except loop.Interrupted:
    assert stop >= 0
"""


def on_two(root: Path) -> Any:
    """Plateau without selection pictures: the logged loss steers the rate."""
    changes = {"epochs": 3, "patience": 0, "dropout": None, "pixels": "imagenet", "lr": 0.003}
    return replace(settings(root, **changes), train_on="train+val")


def test_two_processes_go_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """The log too: each process gets its own sums back, not the first one's."""
    root = write_pictures(tmp_path / "data")
    (tmp_path / "two.py").write_text(TWO)
    env = environment() | {"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parent}", "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for out, stop in (("whole", -1), ("parts", 2), ("parts", -1)):
        call = [*launch, str(tmp_path / "two.py"), str(root), str(tmp_path / out), str(stop)]
        subprocess.run(call, env=env, check=True, timeout=300, capture_output=True)
        if stop >= 0:
            stopped = torch.load(tmp_path / out / "checkpoint.pt", weights_only=True)
            assert (stopped["epoch"], stopped["step"]) == (1, stop + 1) and stopped["sums"].shape == (2, 4)
            assert not torch.equal(stopped["sums"][0], stopped["sums"][1])
    whole, parts = (torch.load(tmp_path / out / "checkpoint.pt", weights_only=True) for out in ("whole", "parts"))
    logs = [
        [{key: value for key, value in line.items() if "second" not in key} for line in state["history"]]
        for state in (whole, parts)
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 3, json.dumps(logs)
    assert all(torch.equal(whole["net"][name], value) for name, value in parts["net"].items())
    assert whole["schedule"] == parts["schedule"]


def test_sums_of_more_processes_than_now_are_not_lost(run: Path, tmp_path: Path) -> None:
    state = torch.load(run / "run" / "checkpoint.pt", weights_only=True)
    state["sums"] = torch.tensor([[1.0, 2, 3, 4], [10.0, 20, 30, 40]], dtype=torch.float64)
    (run / "fewer").mkdir()
    torch.save(state, run / "fewer" / "checkpoint.pt")
    assert made(settings(run), CPU, "fewer").progress.sums.tolist() == [11, 22, 33, 44]


def test_the_recipe_of_this_test_is_one_of_2012() -> None:
    assert settings(Path(".")).recipe.schedule == get_recipe("paper").schedule == "plateau"
