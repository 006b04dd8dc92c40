"""A network in two processes, a tower each: the same numbers as in one, and what is sent is what the spec says."""

from __future__ import annotations

import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_train_loop import CPU, environment, made, settings, weights
from torch import Tensor
from train_pictures import write_pictures

from alexnet_edu.division import LOGITS, PLANS, copies, held_parameters, messages, one_weird_trick, towers
from alexnet_edu.errors import AlexNetError
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import Conv, Spec, scaled
from alexnet_edu.train.learner import Learner, learner_for
from alexnet_edu.train.network import start_weights
from alexnet_edu.train.place import ONE_LEFT, Place
from alexnet_edu.train.recipes import Recipe, get_recipe
from alexnet_edu.train.rehearsal import Job, alone, rehearse
from alexnet_edu.variants import PAPER, SPECS, get_spec
from alexnet_edu.weights import load_pretrained

PAIR = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def surroundings() -> dict[str, str]:
    paths = f"{Path(__file__).parents[1]}{os.pathsep}{Path(__file__).parent}"
    return environment() | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


# What follows from the spec alone.


def test_the_paper_exchanges_where_it_says() -> None:
    """Section 3.2: "the kernels of layer 3 take input from all kernel maps in layer 2", and so do the full layers."""
    plan = towers(PAPER)
    assert list(plan.exchanges) == ["conv3", "fc6", "fc7", "fc8", LOGITS]
    assert plan.divided == {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"}


def test_an_exchange_sends_half_of_what_enters_the_layer() -> None:
    found = {(m.layer, m.phase): m.bytes for m in messages(PAPER, towers(PAPER), 128)}
    half_of_pool2 = 128 * 13 * 13
    assert found["conv3", "forward"] == found["conv3", "backward"] == 4 * 128 * half_of_pool2
    assert found["fc7", "forward"] == 4 * 128 * 2048
    assert (LOGITS, "backward") not in found


def test_data_parallelism_sends_every_weight_s_gradient_once_with_two_processes() -> None:
    assert sum(m.bytes for m in messages(PAPER, copies(PAPER), 128)) == 4 * 60_965_224
    three = sum(m.bytes for m in messages(PAPER, copies(PAPER, 3), 128))
    assert three == pytest.approx(4 / 3 * 4 * 60_965_224, rel=1e-6)


def test_towers_send_with_the_batch_and_copies_with_the_weights() -> None:
    for name, grows in (("towers", 2.0), ("copies", 1.0)):
        sent = [sum(m.bytes for m in messages(PAPER, PLANS[name](PAPER), batch)) for batch in (64, 128)]
        assert sent[1] == grows * sent[0]


def test_who_holds_what() -> None:
    assert held_parameters(PAPER, copies(PAPER)) == 60_965_224
    assert held_parameters(PAPER, towers(PAPER)) == 60_965_224 // 2
    held = held_parameters(PAPER, one_weird_trick(PAPER))
    assert 60_965_224 // 2 < held < 60_965_224 // 2 + 2_400_000


@pytest.mark.parametrize("name", SPECS)
def test_every_network_can_be_divided(name: str) -> None:
    """Those without groups exchange before every convolution, which is why the paper has groups."""
    spec = get_spec(name)
    exchanged = {layer for layer in towers(spec).exchanges if layer.startswith("conv")}
    two_towers = "conv2" not in exchanged
    assert exchanged == ({"conv3"} if two_towers else {"conv2", "conv3", "conv4", "conv5"})
    conv2 = spec["conv2"]
    assert isinstance(conv2, Conv) and two_towers == (conv2.groups == 2)


def test_what_cannot_be_divided_is_one_sentence() -> None:
    with pytest.raises(AlexNetError, match="3 processes can't divide the 2 groups of lrn1"):
        towers(PAPER, 3)
    with pytest.raises(AlexNetError, match="2 processes can't divide the 97 channels of conv1"):
        towers(PAPER.with_widths({"conv1": 97}))


def test_towers_without_other_processes_say_how_to_start_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with (
        pytest.raises(AlexNetError, match="torchrun --nproc-per-node 2 -m alexnet_edu train --towers"),
        Place.find("cpu", towers=True),
    ):
        pass


def test_more_processes_than_gpus_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(AlexNetError, match=r"more processes than GPUs \(1\); start as many"), Place.find("cuda"):
        pass


# What two processes compute.


def test_twenty_steps_in_two_processes_are_those_of_one() -> None:
    """By each plan; in float64, so that only the order of sums may differ. What is sent is what the spec says."""
    job = Job(width=1 / 16, classes=10, batch=4, steps=20, double=True)
    one = alone(job)
    for name, two in rehearse(job, threads=1).items():
        assert len(two.losses) == 20 and one.losses[0] != one.losses[-1]
        torch.testing.assert_close(two.losses, one.losses, rtol=1e-10, atol=1e-10)
        assert two.weights.keys() == one.weights.keys()
        for key, value in one.weights.items():
            torch.testing.assert_close(two.weights[key], value, rtol=1e-10, atol=1e-10, msg=f"{name}: {key}")
        planned = 2 * sum(m.bytes for m in messages(job.spec, PLANS[name](job.spec), job.batch))  # float64
        assert {step.bytes for steps in two.steps for step in steps} == {planned}, name


def test_a_rehearsal_without_one_of_its_processes_is_one_sentence() -> None:
    job = Job(width=1 / 16, classes=10, batch=2, steps=2, ends=1)
    with pytest.raises(AlexNetError, match="One of the 2 processes has ended, and none can go on alone"):
        rehearse(job, ["towers"], threads=1)


RECIPES = {
    "museum": get_recipe("paper"),
    "caffe": get_recipe("paper"),  # its normalisation looks across the towers
    "small": replace(get_recipe("modern"), precision="fp32", conv1_std=None),  # batch norm, whitening, an average
}


def small_spec(name: str) -> Spec:
    """An odd number of classes: the last layer's halves are not equal."""
    return scaled(get_spec(name), 1 / 16).with_classes(11)


def fresh(name: str, recipe: Recipe, place: Place) -> Learner:
    torch.manual_seed(1)
    model = AlexNet(small_spec(name))
    start_weights(model, recipe)
    learner = learner_for(model, recipe, 10, place)
    for part in (learner.network, learner.average):
        if part is not None:
            part.double()
    return learner


def learned(name: str, place: Place) -> dict[str, Any]:
    """Logits, the first step's gradients and the state after two steps; then the logits of one step more."""
    learner = fresh(name, RECIPES[name], place)
    side, found = small_spec(name).input_size, dict[str, Any](logits=[])
    for step in range(3):
        torch.manual_seed(step)
        x, labels = torch.randn(4, 3, side, side, dtype=torch.double), torch.randint(11, (4,))
        found["logits"].append(learner.step(x, labels)[0].detach())
        if step == 0:
            gradients = {key: p.grad for key, p in learner.network.named_parameters()}
            found["gradients"] = gradients if place.towers == 1 else learner.network.joined(gradients)  # type: ignore[operator]
        if step == 1:  # saved, and taken up again by a learner that knows nothing yet
            saved = learner.state()
            found["state"] = deepcopy(saved)  # a loaded optimiser goes on with the very tensors
            learner = fresh(name, RECIPES[name], place)
            learner.load(everyone_s(saved, place))
    return found


def everyone_s(saved: Any, place: Place) -> Any:
    """As from a file, which all can read."""
    box = [saved]
    if place.towers > 1:
        torch.distributed.broadcast_object_list(box)
    return box[0]


LEARN = """
import sys, torch
from test_train_towers import RECIPES, learned
from alexnet_edu.train.place import Place

with Place.find("cpu", towers=True) as place:
    found = {name: learned(name, place) for name in RECIPES}
    if place.first:
        torch.save(found, sys.argv[1])
"""


def flat(value: Any, name: str = "") -> dict[str, Tensor]:
    if isinstance(value, Tensor):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return {key: tensor for part, inner in items for key, tensor in flat(inner, f"{name}.{part}").items()}


def test_every_kind_of_network_and_recipe_learns_in_two_towers_as_in_one(tmp_path: Path) -> None:
    """Also its gradients, its optimiser, its running average, and after saving and loading."""
    (tmp_path / "learn.py").write_text(LEARN)
    call = [*PAIR, str(tmp_path / "learn.py"), str(tmp_path / "two.pt")]
    done = subprocess.run(call, env=surroundings(), timeout=500, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    for name in RECIPES:
        one = flat(learned(name, CPU), name)
        other = flat(two[name], name)
        assert one.keys() == other.keys()
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=1e-10, atol=1e-10, msg=key)


TRAIN = """
import os, sys
from dataclasses import replace
from pathlib import Path
from alexnet_edu.cli.main import report
from alexnet_edu.errors import AlexNetError
from alexnet_edu.train import loop
from test_train_towers import chosen

root, dies = Path(sys.argv[1]), sys.argv[2] == "dies"
step = loop.Trainer.train_step

def watched(trainer, *batch):
    if dies and trainer.place.tower == 1 and trainer.progress.epoch == 1:
        os._exit(9)
    return step(trainer, *batch)

loop.Trainer.train_step = watched
try:
    loop.train(chosen(root), root / "towers", device="cpu", towers=True, export=root / "two.safetensors")
except AlexNetError as problem:
    sys.exit(report(problem))
"""


def chosen(root: Path) -> Any:
    return settings(root, epochs=2, batch_size=6)


def test_training_in_two_towers_goes_on_after_a_death_and_ends_as_in_one_process(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "data")
    script = tmp_path / "train.py"
    script.write_text(TRAIN)

    def towers_run(how: str) -> subprocess.CompletedProcess[str]:
        call = [*PAIR, str(script), str(root), how]
        return subprocess.run(call, env=surroundings(), timeout=500, capture_output=True, text=True)

    died = towers_run("dies")
    assert died.returncode and ONE_LEFT in died.stderr
    assert "Traceback" not in died.stderr.partition(ONE_LEFT)[0]
    assert weights(root / "towers")["epoch"] == 1
    assert (ended := towers_run("lives")).returncode == 0, ended.stderr
    trainer = made(chosen(root), CPU, "one")
    trainer.run()
    one, two = weights(root / "one"), weights(root / "towers")
    assert one.keys() == two.keys() and one["settings"] == two["settings"] and two["sums"].shape == (1, 4)
    for key, value in flat({part: one[part] for part in ("net", "optimiser")}).items():
        torch.testing.assert_close(
            flat({part: two[part] for part in ("net", "optimiser")})[key], value, rtol=1e-3, atol=1e-5, msg=key
        )
    for ours, theirs in zip(one["history"], two["history"], strict=True):
        assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-3)
        assert (theirs["skipped"], theirs["val_top1"]) == (ours["skipped"], ours["val_top1"])
    assert load_pretrained(root / "two.safetensors").model.spec.name == chosen(root).model
