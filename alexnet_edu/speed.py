"""The same network, as fast as the device at hand can run it, with what that costs in exactness."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from alexnet_edu.errors import check_type
from alexnet_edu.images import sample_images
from alexnet_edu.inference import channels_last, class_probabilities, like_parameters
from alexnet_edu.models import AlexNet
from alexnet_edu.weights import Preprocess, Pretrained

__all__ = ["bf16_hardware", "keep_freed_memory", "optimize_for_inference"]

Given = TypeVar("Given", Pretrained, AlexNet, nn.Module)
Module = TypeVar("Module", bound=nn.Module)


def bf16_hardware(device: torch.device | str = "cpu") -> bool:
    """Whether the device multiplies bfloat16 numbers itself; elsewhere they are converted, which is slower."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "avx512_bf16" in flags.read_text(encoding="utf-8")


def optimize_for_inference(
    network: Given, *, compiled: bool = False, announce: Callable[[str], object] = print
) -> Given:
    """A copy that gives the same answers sooner: channels last in memory, and bfloat16 where the device has it.

    The copy and the original classify the sample pictures. Where their first labels differ in bfloat16, the copy is
    made in float32. One line says what was chosen and how far the probabilities are off.

    Args:
        network: a network of ours, what ``load_pretrained`` gives, or any classifier of 224 x 224 pictures, such as
            ``torchvision.models.alexnet()``; left as it is.
        compiled: also ``torch.compile``, which takes up to a minute at the first pass and needs a C++ compiler.
        announce: gets the line.

    Returns:
        The copy, of the kind given, for everything that takes the original, or to call with float32 pictures; its
        scores are of its own dtype, and it is not for training. Functions that look inside a compiled copy, as
        ``feature_maps`` and ``embed`` do, run it uncompiled.

    Example:
        >>> fast = ae.optimize_for_inference(ae.load_pretrained("small"), announce=lambda line: None)
        >>> fast.name
        'small'
    """
    check_type("network", network, (Pretrained, nn.Module), "what load_pretrained or get_model gives")
    model = network.model if isinstance(network, Pretrained) else network
    if isinstance(network, Pretrained):
        preprocess = network.preprocess
    else:
        preprocess = Preprocess(size=network.spec.input_size) if isinstance(network, AlexNet) else Preprocess()
    x = preprocess.batch([preprocess.crop(sample) for sample in sample_images().values()])
    expected = class_probabilities(model, x)
    device = next(model.parameters()).device
    for dtype in [torch.bfloat16] * bf16_hardware(device) + [torch.float32]:
        fast = _converted(model, dtype, compiled)
        found = class_probabilities(fast, x)
        if found.argmax(1).equal(expected.argmax(1)):
            break
    announce(_report(dtype, compiled, found, expected))
    return replace(network, model=fast) if isinstance(network, Pretrained) else fast  # type: ignore[arg-type]


def _converted(model: Module, dtype: torch.dtype, compiled: bool) -> Module:
    fast = deepcopy(model).eval().requires_grad_(False).to(dtype)
    fast = nn.Module.to(fast, memory_format=torch.channels_last)
    fast.register_forward_pre_hook(_convert_inputs)
    return torch.compile(fast) if compiled else fast  # type: ignore[return-value]


def _convert_inputs(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(channels_last(like_parameters(model, x)) for x in inputs)


def _report(dtype: torch.dtype, compiled: bool, found: Tensor, expected: Tensor) -> str:
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    return (
        f"Optimized: {str(dtype).removeprefix('torch.')}, channels last{', compiled' * compiled}; on the sample "
        f"pictures {same} of {len(found)} first labels agree, probabilities differ by up to "
        f"{float((found - expected).abs().max()):.1g}."
    )


def keep_freed_memory() -> bool:
    """Asks glibc to keep freed memory for the next use, as the allocators of servers do.

    Returns whether glibc is the C library and took the setting.

    It lasts as long as the process, so ``alexnet-edu train`` and ``evaluate`` ask and a library call does not. By
    default blocks over 32 MiB go back to the system at once, and the next one is mapped again page by page. At
    batch 32 the first maps are 35 MiB in the paper's network and 24 in torchvision's.
    """
    m_trim_threshold, m_mmap_max = -1, -4  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(mallopt(m_mmap_max, 0) and mallopt(m_trim_threshold, 2**31 - 1))
