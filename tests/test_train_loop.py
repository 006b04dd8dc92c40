from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train_pictures import write_pictures

from alexnet_edu.cli import main as cli
from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.data import open_data
from alexnet_edu.train.loop import Trainer, curves, train, trainer_for
from alexnet_edu.train.optim import optimiser_for, schedule_for
from alexnet_edu.train.pictures import loader
from alexnet_edu.train.place import Place
from alexnet_edu.train.recipes import Recipe, get_recipe
from alexnet_edu.train.settings import Settings
from alexnet_edu.weights import load_pretrained

TINY = ["--set", "epochs=2", "--set", "batch_size=6"]
CPU = Place(torch.device("cpu"))


def command(root: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--data", "folder", "--root", str(root), "--out", str(out), "--workers", "0", *TINY, *more]


def environment() -> dict[str, str]:
    """Children compute with as many threads as this process: the same sums in the same order."""
    return os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": str(Path(__file__).parents[1])}


def weights(out: Path) -> dict[str, Any]:
    return torch.load(out / "checkpoint.pt", weights_only=True)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pictures, and the run folder of recipe ``modern`` (batch norm, mixup, dropout, averaging, bf16) on them."""
    root = write_pictures(tmp_path_factory.mktemp("data"))
    out = root / "whole"
    assert cli.main(command(root, out, "--export", str(root / "w.safetensors"), "--half")) == 0
    return root, out


def same_end(out: Path, whole: Path) -> None:
    resumed, expected = weights(out), weights(whole)
    for part in ("net", "ema"):
        assert all(torch.equal(resumed[part][name], value) for name, value in expected[part].items()), part
    assert [line["loss"] for line in resumed["history"]] == [line["loss"] for line in expected["history"]]


def test_killed_and_resumed_ends_with_the_same_weights(uninterrupted: tuple[Path, Path]) -> None:
    """Resumed with a loader process, which must not matter either."""
    root, whole = uninterrupted
    out = root / "killed"
    call = [sys.executable, "-m", "alexnet_edu", *command(root, out, "--save-every", "0")]
    process = subprocess.Popen(call, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    stopped = weights(out)
    assert (0, 0) < (stopped["epoch"], stopped["step"]) < (2, 0)
    assert cli.main([*command(root, out), "--workers", "1"]) == 0
    same_end(out, whole)


def test_ctrl_c_saves_says_so_and_goes_on(
    uninterrupted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, whole = uninterrupted
    out, step, handler = root / "asked", Trainer.train_step, signal.getsignal(signal.SIGINT)

    def interrupted_step(trainer: Trainer, *batch: Any) -> torch.Tensor:
        if trainer.progress.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(trainer, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted_step)
        assert cli.main(command(root, out)) == 130
    assert f"Saved in {out}; the same command goes on from here." in capsys.readouterr().err
    assert (weights(out)["epoch"], weights(out)["step"]) == (0, 3)
    assert signal.getsignal(signal.SIGINT) is handler
    assert cli.main(command(root, out)) == 0
    same_end(out, whole)


def test_what_a_run_leaves(uninterrupted: tuple[Path, Path]) -> None:
    root, out = uninterrupted
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert {"loss", "train_top1", "lr", "skipped", "pictures_per_second", "val_top1", "val_mean_per_class"} <= lines[
        0
    ].keys()
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG") and not list(out.glob("*.tmp"))
    result = json.loads((out / "result.json").read_text())
    assert result["one_crop"]["pictures"] == result["ten_crops"]["pictures"] == 6
    assert result["export_difference"]["largest"] < 0.02 * result["export_difference"]["spread"]
    pretrained = load_pretrained(root / "w.safetensors")
    assert pretrained.categories == ("blue", "green", "red") and pretrained.model.spec.name == "small"


def test_a_finished_run_only_measures_again_and_other_settings_are_refused(
    uninterrupted: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = uninterrupted
    before = (out / "checkpoint.pt").read_bytes()
    assert cli.main(command(root, out)) == 0
    assert (out / "checkpoint.pt").read_bytes() == before
    capsys.readouterr()
    assert cli.main(command(root, out, "--seed", "1")) == 1
    assert "belongs to a training with other settings (seed 0, not 1); choose another --out" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_one_sentence(
    uninterrupted: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes((uninterrupted[1] / "checkpoint.pt").read_bytes()[:5000])
    assert cli.main(command(uninterrupted[0], tmp_path)) == 1
    assert (
        "checkpoint.pt is damaged or no checkpoint of this program; delete it to start again" in capsys.readouterr().err
    )


def settings(root: Path, **changes: Any) -> Settings:
    """The 2012 recipe on a few pictures, without anything random but the crop of each picture."""
    plain: dict[str, Any] = {"epochs": 1, "batch_size": 6, "crop": "resized", "pca_noise": 0.0, "dropout": {}}
    return Settings("folder", str(root), "small", replace(get_recipe("paper", "paper"), **plain | changes))


def made(chosen: Settings, place: Place = CPU, folder: str = "run") -> Trainer:
    """The trainer of these settings, its folder beside the pictures."""
    data = open_data(chosen.data, chosen.root, seed=chosen.seed)
    return trainer_for(chosen, data, place, Path(chosen.root) / folder)


def test_a_full_disk_is_one_sentence_and_the_old_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = made(settings(write_pictures(tmp_path)))
    trainer.save()
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(AlexNetError, match=r"checkpoint\.pt: the disk is full; free some space"):
        trainer.save()
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before
    assert not list((tmp_path / "run").glob(".*"))


def test_a_corrupt_picture_is_counted_in_the_log(tmp_path: Path) -> None:
    (write_pictures(tmp_path) / "train" / "red" / "03.jpg").write_bytes(b"")
    train(settings(tmp_path), tmp_path / "run", device="cpu")
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text())["skipped"] == 1


def test_a_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    trainer = made(settings(write_pictures(tmp_path), lr=1e30))
    with pytest.raises(AlexNetError, match="The loss is not a number in epoch"):
        trainer.run()


def test_training_on_all_pictures_reports_no_selection(tmp_path: Path) -> None:
    chosen = replace(settings(write_pictures(tmp_path)), train_on="train+val")
    trainer = made(chosen)
    assert len(trainer.material.train) == 24 and trainer.material.val is None
    trainer.run()
    assert "val_top1" not in trainer.progress.history[0]


def one_step(root: Path, place: Place) -> dict[str, Any]:
    """Gradients and weights after one batch of 6 pictures, shared by all processes."""
    trainer = made(settings(root), place, f"run{place.world}")
    x, labels, _ = next(iter(loader(trainer.material.train, trainer.material.order, 0)))
    trainer.train_step(x, labels, 0)
    network = trainer.learner.network
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return {"gradients": gradients, "weights": network.state_dict()}


STEP = """
import sys
from pathlib import Path
import torch
from test_train_loop import one_step
from alexnet_edu.train.place import Place

with Place.find("cpu") as place:
    found = one_step(Path(sys.argv[1]), place)
    if place.rank == 0:
        torch.save(found, sys.argv[2])
"""


def test_two_processes_make_the_step_of_one(tmp_path: Path) -> None:
    """Without batch norm and dropout: the same global batch, so the same mean gradient up to the order of a sum."""
    root = write_pictures(tmp_path / "data")
    script, target = tmp_path / "step.py", tmp_path / "two.pt"
    script.write_text(STEP)
    env = environment() | {"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parent}"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launch, str(script), str(root), str(target)], env=env, check=True, timeout=300)
    one, two = one_step(root, CPU), torch.load(target, weights_only=True)
    for part in ("gradients", "weights"):
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=1e-4, atol=1e-6, msg=name)


def plateau(recipe: Recipe, errors: list[float]) -> list[tuple[float, float]]:
    """Rates of weights and biases after each validation error."""
    from alexnet_edu.models import get_model

    optimiser = optimiser_for(get_model("small", num_classes=2), recipe)
    schedule, rates = schedule_for(optimiser, recipe, 1), []
    for error in errors:
        schedule.step(error)
        rates.append((optimiser.param_groups[0]["lr"], optimiser.param_groups[2]["lr"]))
    return rates


def test_rates_of_2012_fall_three_times_at_most_and_biases_learn_twice_as_fast() -> None:
    worse = [0.5] * 9
    text = plateau(replace(get_recipe("paper", "paper"), patience=1), worse)
    assert (
        text[0] == (0.01, 0.02) and text[2] == pytest.approx((0.001, 0.002)) and text[-1] == pytest.approx((1e-5, 2e-5))
    )
    code = plateau(replace(get_recipe("paper", "source"), patience=1), worse)
    assert code[-1] == pytest.approx((1e-5, 0.02))


def test_cosine_starts_linearly_and_ends_at_nothing() -> None:
    from alexnet_edu.models import get_model

    recipe = replace(get_recipe("modern"), epochs=10, warmup=2.0, lr=1.0)
    optimiser = optimiser_for(get_model("small", num_classes=2), recipe)
    schedule, rates = schedule_for(optimiser, recipe, 4), []
    for _ in range(40):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert (
        rates[0] == pytest.approx(1 / 8)
        and max(rates) == pytest.approx(rates[7])
        and optimiser.param_groups[0]["lr"] == 0
    )
    assert optimiser.param_groups[0]["weight_decay"] == recipe.conv1_weight_decay
    assert optimiser.param_groups[2]["weight_decay"] == 0


def test_learning_curves_show_what_was_logged() -> None:
    history = [{"epoch": i, "loss": 2.0 / i, "train_top1": 0.1 * i, "val_top1": 0.2 * i} for i in (1, 2)]
    loss, error = curves(history).axes
    assert list(np.asarray(loss.lines[0].get_ydata())) == [2.0, 1.0]
    assert [line.get_label() for line in error.lines] == ["training, augmented", "validation"]
    assert list(np.asarray(error.lines[1].get_ydata())) == pytest.approx([80.0, 60.0])
