import platform
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from trained_files import random_pretrained

from alexnet_edu import speed
from alexnet_edu.features import embed, feature_maps, filters, layer_modules, occlusion, top_patches
from alexnet_edu.images import sample_images
from alexnet_edu.inference import predict, ten_crop
from alexnet_edu.models import AlexNet
from alexnet_edu.speed import optimize_for_inference


@pytest.mark.parametrize("bf16", [False, True])
def test_the_copy_gives_the_same_labels_and_says_what_it_costs(bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "bf16_hardware", lambda device: bf16)
    pretrained = random_pretrained()
    before = {name: value.clone() for name, value in pretrained.model.state_dict().items()}
    lines: list[str] = []
    fast = optimize_for_inference(pretrained, announce=lines.append)
    assert len(lines) == 1 and "9 of 9" in lines[0] and "differ by up to" in lines[0]
    assert next(fast.model.parameters()).dtype in ((torch.bfloat16, torch.float32) if bf16 else (torch.float32,))
    samples = list(sample_images().values())
    for quick, exact in zip(predict(samples, fast, 1), predict(samples, pretrained, 1), strict=True):
        assert quick.labels == exact.labels and abs(quick.probabilities[0] - exact.probabilities[0]) < 0.02
    assert ten_crop(samples[0], fast).model == "random"
    assert occlusion(fast, samples[0], 0, patch=100, stride=100).shape == (2, 2)
    for name, value in pretrained.model.state_dict().items():
        assert value.equal(before[name])
    assert all(parameter.requires_grad for parameter in pretrained.model.parameters())


@pytest.mark.parametrize("wrap", ["compiled", "parallel"])
def test_a_wrapped_network_keeps_the_names_of_its_layers(wrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # no C++ compiler, no minute
    pretrained, cat = random_pretrained(), sample_images()["cat"]
    if wrap == "compiled":
        wrapped = optimize_for_inference(pretrained, compiled=True, announce=lambda line: None)
    else:
        wrapped = replace(pretrained, model=nn.DataParallel(pretrained.model))  # type: ignore[arg-type]
    assert repr(wrapped) == repr(pretrained) and predict(cat, wrapped, 1).labels == predict(cat, pretrained, 1).labels
    assert list(layer_modules(wrapped)) == list(layer_modules(pretrained))
    for one in (wrapped, wrapped.model):
        assert filters(one).shape == (48, 3, 11, 11)
        x = wrapped.preprocess(cat)
        torch.testing.assert_close(
            feature_maps(one, x, "conv1")["conv1"].float(),
            feature_maps(pretrained, x, "conv1")["conv1"],
            rtol=0.05,
            atol=0.1,
        )
    assert embed(wrapped, [cat]).shape == embed(pretrained, [cat]).shape
    assert len(top_patches(wrapped, [cat], "relu5", 0, 2)) == len(top_patches(pretrained, [cat], "relu5", 0, 2))
    assert occlusion(wrapped, cat, 0, patch=100, stride=100).shape == (2, 2)


@pytest.mark.parametrize("bf16", [False, True])
def test_any_network_is_taken_and_called_with_float32_pictures(bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "bf16_hardware", lambda device: bf16)
    model, x = torchvision.models.AlexNet().eval(), torch.randn(2, 3, 224, 224)
    fast = optimize_for_inference(model, announce=lambda line: None)
    with torch.inference_mode():
        torch.testing.assert_close(fast(x).float(), model(x), rtol=0.05, atol=0.002)


def test_answers_that_would_be_wrong_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 that garbles the last layer: the copy is made in float32 instead."""
    monkeypatch.setattr(speed, "bf16_hardware", lambda device: True)
    convert = speed._converted

    def garbled(model: nn.Module, dtype: torch.dtype, compiled: bool) -> nn.Module:
        fast = convert(model, dtype, compiled)
        if dtype is torch.bfloat16:
            fast.get_parameter("fc8.weight").neg_()
        return fast

    monkeypatch.setattr(speed, "_converted", garbled)
    lines: list[str] = []
    fast = optimize_for_inference(random_pretrained().model, announce=lines.append)
    assert isinstance(fast, AlexNet) and next(fast.parameters()).dtype == torch.float32
    assert "float32" in lines[0] and "9 of 9" in lines[0]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_memory_is_kept_for_the_next_use() -> None:
    count_faults = """
import resource, torch
from alexnet_edu.speed import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(16, 1024, 1024)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
usual = min(faults() for _ in range(20))
assert keep_freed_memory()
print(usual, min(faults() for _ in range(20)))  # the least: a small block may sit in the freed one for some rounds
"""
    printed = subprocess.run([sys.executable, "-c", count_faults], capture_output=True, text=True, check=True).stdout
    usual, kept = map(int, printed.split())
    assert kept < usual / 2
