"""The trainer's parts together do what a plain loop over the same numbers does, bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2
from train_pictures import write_pictures

from alexnet_edu.models import get_model
from alexnet_edu.train.data import open_data
from alexnet_edu.train.loop import trainer_for
from alexnet_edu.train.network import start_weights, training_network
from alexnet_edu.train.optim import Sgd2012
from alexnet_edu.train.pictures import EpochOrder, seed_from
from alexnet_edu.train.place import Place
from alexnet_edu.train.recipes import Recipe, get_recipe
from alexnet_edu.train.settings import Settings
from alexnet_edu.train.transforms import ColourJitter, CropAndFlip, PCANoise, SubtractMeanImage, colour_statistics
from alexnet_edu.weights import Preprocess

SEED = 3
STEPS = 24 // 6  # 24 pictures, none held out, in batches of 6


def plain_modern(net: nn.Sequential, pictures: Any, recipe: Recipe) -> dict[str, Tensor]:
    """Cosine, Nesterov, mixup, jitter and running average, written out."""
    pre = Preprocess(size=227)
    jitter = ColourJitter(recipe.colour_jitter, [255 * m for m in pre.mean], [255 * d for d in pre.std], torch.bfloat16)
    mixup = v2.MixUp(alpha=recipe.mixup, num_classes=3)
    cut = v2.Compose([v2.RandomResizedCrop(227, scale=(0.3, 1.0), antialias=True), v2.RandomHorizontalFlip()])
    named = dict(net.named_parameters())
    decays = {name: 0.0 if p.ndim == 1 else 0.002 if name.startswith("conv1.") else 0.0005 for name, p in named.items()}
    groups = [{"params": [p], "weight_decay": decays[name]} for name, p in named.items()]
    optimiser = torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=True)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    order = EpochOrder(pictures.labels, 6, recipe.class_power, SEED)
    done, total = 0, recipe.epochs * STEPS
    for epoch in range(recipe.epochs):
        order.epoch = epoch
        for step, batch in enumerate(order):
            for group in optimiser.param_groups:
                warm = min(1.0, (done + 1) / (recipe.warmup * STEPS))
                group["lr"] = recipe.lr * (warm * (1 + math.cos(math.pi * done / total)) / 2)
            x, labels = read(pictures, batch, cut)
            torch.manual_seed(seed_from(SEED, epoch, step, 0))
            mixed, targets = mixup(jitter(x), labels)
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(mixed.contiguous(memory_format=torch.channels_last)).float()
            optimiser.zero_grad()
            F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                share = 1 - min(recipe.ema, (1 + done) / (10 + done))
                for name, value in net.state_dict().items():
                    kept = average[name]
                    if done and torch.is_floating_point(kept):
                        kept.lerp_(value, share)
                    else:
                        kept.copy_(value)
            done += 1
    return average


def plain_2012(net: nn.Sequential, pictures: Any, recipe: Recipe) -> dict[str, Tensor]:
    """Mean image, crops, colour noise and the update of 2012, written out; the rate never falls in three epochs."""
    to_square = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(256)])
    rows = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(SEED)).tolist()
    mean, deviations, directions = colour_statistics(to_square(pictures.picture(row)) for row in rows)
    change = v2.Compose(
        [
            SubtractMeanImage(mean),
            CropAndFlip(227, all_positions=True, shared=32),
            PCANoise(deviations, directions, std=recipe.pca_noise, by="deviations", divide=True),
        ]
    )
    groups = [
        {"params": [p], "lr": recipe.lr * (2 if p.ndim == 1 else 1), "weight_decay": 0.0005 * (p.ndim > 1)}
        for p in net.parameters()
    ]
    optimiser = Sgd2012(groups, recipe.lr, recipe.momentum)
    order = EpochOrder(pictures.labels, 6, 0.0, SEED)
    for epoch in range(recipe.epochs):
        order.epoch = epoch
        for step, batch in enumerate(order):
            x, labels = read(pictures, batch, to_square)
            torch.manual_seed(seed_from(SEED, epoch, step, 0))
            logits = net(change(x))
            optimiser.zero_grad()
            F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return net.state_dict()


def read(pictures: Any, batch: list[tuple[int, int]], transform: Any) -> tuple[Tensor, Tensor]:
    """A batch, each picture transformed after its own seed."""
    found = []
    for seed, index in batch:
        torch.manual_seed(seed)
        found.append(transform(pictures.picture(index)))
    return torch.stack(found), torch.tensor([pictures.labels[index] for _, index in batch])


@pytest.mark.parametrize(("name", "plain"), [("modern", plain_modern), ("paper", plain_2012)])
def test_a_plain_loop_gives_the_same_weights_bit_for_bit(tmp_path: Path, name: str, plain: Any) -> None:
    root = write_pictures(tmp_path, train=8)
    (root / "val").rename(root / "test")
    changes: dict[str, Any] = {"modern": {"warmup": 1.0}, "paper": {"lr": 0.0005}}[name]
    recipe = replace(get_recipe(name), epochs=3, batch_size=6, **changes)
    settings = Settings("folder", str(root), "small", recipe, seed=SEED, train_on="train+val")
    data = open_data("folder", root, seed=SEED)
    trainer = trainer_for(settings, data, Place(torch.device("cpu")), tmp_path / "run")
    trainer.run()

    torch.manual_seed(seed_from(SEED))
    model = get_model("small", num_classes=3)
    start_weights(model, recipe)
    net = training_network(model, recipe)
    if recipe.channels_last:
        net = net.to(memory_format=torch.channels_last)
    expected = plain(net, trainer.material.train, recipe)
    found = trainer.learner.best.state_dict()
    assert found.keys() == expected.keys()
    assert [key for key in found if not torch.equal(found[key], expected[key])] == []
