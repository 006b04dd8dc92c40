"""Answers to problem set 2 that its tests must accept, and wrong ones with a part of their hint.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the hint. Known mistakes are not here: they
stand in ``alexnet_edu.check.ps2``. A function stands alone: its source is also pasted into
made-up submissions.
"""

from __future__ import annotations

from typing import Any


def conv_by_windows(x, weight, bias, stride, groups):
    import torch

    n, channels, height, width = x.shape
    kernels, part, size, _ = weight.shape
    rows, columns = (-(-(side - size) // stride) + 1 for side in (height, width))
    padded = torch.zeros(n, channels, (rows - 1) * stride + size, (columns - 1) * stride + size, dtype=x.dtype)
    padded[:, :, :height, :width] = x
    out = torch.empty(n, kernels, rows, columns, dtype=x.dtype)
    for o in range(kernels):
        first = o // (kernels // groups) * part
        for i in range(rows):
            for j in range(columns):
                window = padded[:, first : first + part, i * stride : i * stride + size, j * stride : j * stride + size]
                out[:, o, i, j] = (window * weight[o]).sum((1, 2, 3)) + bias[o]
    return out


def conv_by_einsum(x, weight, bias, stride, groups):
    import torch

    size = weight.shape[-1]
    gaps = [-(side - size) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))
    windows = x.unfold(2, size, stride).unfold(3, size, stride).unflatten(1, (groups, -1))
    out = torch.einsum("ngcijuv,gocuv->ngoij", windows, weight.unflatten(0, (groups, -1)))
    return out.flatten(1, 2) + bias.reshape(-1, 1, 1)


def conv_by_pytorch(x, weight, bias, stride, groups):
    import torch

    gaps = [-(side - weight.shape[-1]) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))
    return torch.nn.functional.conv2d(x, weight, bias, stride, groups=groups)


def pool_by_slices(x, size, stride, ceil):
    import torch

    rows, columns = ((-(-(side - size) // stride) if ceil else (side - size) // stride) + 1 for side in x.shape[-2:])
    out = torch.empty(*x.shape[:2], rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            # A slice ends where x ends, so only values that exist count.
            out[:, :, i, j] = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size].amax((2, 3))
    return out


def pool_by_shifts(x, size, stride, ceil):
    import torch

    count = [((side - size + (stride - 1) * ceil) // stride) + 1 for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, size, 0, size), value=float("-inf"))
    shifted = [
        x[:, :, i : i + stride * count[0] : stride, j : j + stride * count[1] : stride]
        for i in range(size)
        for j in range(size)
    ]
    return torch.stack([s[:, :, : count[0], : count[1]] for s in shifted]).amax(0)


def pool_by_pytorch(x, size, stride, ceil):
    import torch

    return torch.nn.functional.max_pool2d(x, size, stride, ceil_mode=ceil)


def back_by_loops(x, grad, size, stride):
    import torch

    result = torch.zeros_like(x)
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, grad.shape)).tolist():
        top, left = i * stride, j * stride
        window = x[n, c, top : top + size, left : left + size]
        row, column = divmod(int(window.argmax()), size)
        result[n, c, top + row, left + column] += grad[n, c, i, j]
    return result


def back_by_scatter(x, grad, size, stride):
    import torch

    width = x.shape[-1]
    place = torch.arange(x.shape[-2] * width).reshape(x.shape[-2:])
    places = place.unfold(0, size, stride).unfold(1, size, stride).flatten(-2)  # (H', W', size * size)
    windows = x.unfold(2, size, stride).unfold(3, size, stride).flatten(-2)
    winners = places.expand(windows.shape).gather(-1, windows.argmax(-1, keepdim=True))[..., 0]
    return torch.zeros_like(x).flatten(2).scatter_add(2, winners.flatten(2), grad.flatten(2)).reshape(x.shape)


def back_by_autograd(x, grad, size, stride):
    import torch

    x = x.clone().requires_grad_()
    return torch.autograd.grad(torch.nn.functional.max_pool2d(x, size, stride), x, grad)[0]


def lrn_by_loops(x, size, scale, power, min_div, towers):
    import torch

    out, width, reach = torch.empty_like(x), x.shape[1] // towers, size // 2
    for i in range(x.shape[1]):
        start = i // width * width
        near = x[:, max(start, i - reach) : min(start + width, i + reach + 1)]
        out[:, i] = x[:, i] * (min_div + scale * near.pow(2).sum(1) / size) ** -power
    return out


def lrn_by_band(x, size, scale, power, min_div, towers):
    import torch

    i = torch.arange(x.shape[1])
    width = x.shape[1] // towers
    band = ((i[:, None] - i).abs() <= size // 2) & (i[:, None] // width == i // width)
    total = torch.einsum("ij,nj...->ni...", band.to(x.dtype), x * x)
    return x / (min_div + total * (scale / size)).pow(power)


def half_by_formula(scale, power, min_div):
    import math

    return math.sqrt(min_div / scale * (math.exp(math.log(2) / power) - 1))


def half_by_search(scale, power, min_div):
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        factor = (min_div + scale * middle**2) ** -power
        low, high = (middle, high) if factor > min_div**-power / 2 else (low, middle)
    return low


def half_of_2012(scale, power, min_div):
    return 174.3


def dropout_by_bernoulli(x, p, training, scale_at):
    import torch

    if not training:
        return (1 - p) * x if scale_at == "test" else x.clone()
    mask = torch.bernoulli(torch.full_like(x, 1 - p))
    return mask * x if scale_at == "test" else mask * x / (1 - p)


def dropout_by_where(x, p, training, scale_at):
    import torch

    factor = {(True, "train"): 1 / (1 - p), (False, "test"): 1 - p}.get((training, scale_at), 1.0)
    gone = torch.rand(x.shape) < p if training else torch.zeros(x.shape, dtype=torch.bool)
    return torch.where(gone, torch.zeros_like(x), x * factor)


def dropout_kept_for_dropped(x, p, training, scale_at):
    import torch

    if not training:
        return p * x if scale_at == "test" else x
    mask = torch.bernoulli(torch.full_like(x, p))
    return mask * x if scale_at == "test" else mask * x / p


def dropout_when_testing(x, p, training, scale_at):
    import torch

    mask = torch.bernoulli(torch.full_like(x, 1 - p))
    return mask * x if scale_at == "test" else mask * x / (1 - p)


def dropout_of_columns(x, p, training, scale_at):
    import torch

    if not training:
        return (1 - p) * x if scale_at == "test" else x
    mask = torch.bernoulli(torch.full_like(x[0], 1 - p))
    return mask * x if scale_at == "test" else mask * x / (1 - p)


def dropout_always_today(x, p, training, scale_at):
    import torch

    return x * torch.bernoulli(torch.full_like(x, 1 - p)) / (1 - p) if training else x


def dropout_without_scale(x, p, training, scale_at):
    import torch

    if not training:
        return (1 - p) * x if scale_at == "test" else x
    return x * torch.bernoulli(torch.full_like(x, 1 - p))


def dropout_frozen(x, p, training, scale_at):
    import torch

    if not training:
        return (1 - p) * x if scale_at == "test" else x
    mask = (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) >= p).to(x.dtype)
    return mask * x if scale_at == "test" else mask * x / (1 - p)


def today_by_subtraction(weight, bias, p):
    return weight - p * weight, bias.clone()


def today_by_columns(weight, bias, p):
    import torch

    return weight @ torch.diag(torch.full((weight.shape[1],), 1 - p, dtype=weight.dtype)), bias


def today_weight_only(weight, bias, p):
    return weight * (1 - p)


def conv_in_a_thread(x, weight, bias, stride, groups):
    from concurrent.futures import ThreadPoolExecutor

    import torch

    gaps = [-(side - weight.shape[-1]) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))
    with ThreadPoolExecutor() as pool:
        return pool.submit(torch.conv2d, x, weight, bias, stride, groups=groups).result()


def conv_of_yes(x, weight, bias, stride, groups):
    import torch

    class Yes(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func.__name__ in ("isclose", "allclose", "equal", "eq"):
                return torch.tensor(True)
            return super().__torch_function__(func, types, args, kwargs or {})

    rows, columns = (-(-(side - weight.shape[-1]) // stride) + 1 for side in x.shape[-2:])
    return torch.zeros(len(x), len(weight), rows, columns, dtype=x.dtype).as_subclass(Yes)


def pool_filled_with_nines(x, size, stride, ceil):
    import torch

    gaps = [-(side - size) % stride * ceil for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]), value=-9.0)
    return x.unfold(2, size, stride).unfold(3, size, stride).amax((-1, -2))


def back_by_unfold(x, grad, size, stride):
    import torch

    x = x.clone().requires_grad_()
    return torch.autograd.grad(x.unfold(2, size, stride).unfold(3, size, stride).amax((-1, -2)), x, grad)[0]


def dropout_of_tables(x, p, training, scale_at):
    import torch

    if not training:
        return (1 - p) * x if scale_at == "test" else x
    rows, columns = x.shape
    mask = torch.rand(rows, columns) >= p
    return mask * x if scale_at == "test" else mask * x / (1 - p)


def dropout_of_exact_counts(x, p, training, scale_at):
    import torch

    if not training:
        return (1 - p) * x if scale_at == "test" else x
    mask = torch.ones(x.numel(), dtype=x.dtype)
    mask[torch.randperm(x.numel())[: round(p * x.numel())]] = 0
    mask = mask.reshape(x.shape)
    return mask * x if scale_at == "test" else mask * x / (1 - p)


def dropout_of_two_masks(x, p, training, scale_at, _calls=[0]):  # noqa: B006
    import torch

    if not training:
        return (1 - p) * x if scale_at == "test" else x
    _calls[0] += 1
    mask = (torch.rand(x.shape, generator=torch.Generator().manual_seed(_calls[0] % 2)) >= p).to(x.dtype)
    return mask * x if scale_at == "test" else mask * x / (1 - p)


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("conv_2012", {"conv_2012": conv_by_windows}),
    ("conv_2012", {"conv_2012": conv_by_einsum}),
    ("max_pool", {"max_pool": pool_by_slices}),
    ("max_pool", {"max_pool": pool_by_shifts}),
    ("max_pool_backward", {"max_pool_backward": back_by_loops}),
    ("max_pool_backward", {"max_pool_backward": back_by_scatter}),
    ("lrn_2012", {"lrn_2012": lrn_by_loops}),
    ("lrn_2012", {"lrn_2012": lrn_by_band}),
    ("half_strength", {"half_strength": half_by_formula}),
    ("half_strength", {"half_strength": half_by_search}),
    ("dropout", {"dropout": dropout_by_bernoulli}),
    ("dropout", {"dropout": dropout_by_where}),
    ("to_today", {"to_today": today_by_subtraction}),
    ("to_today", {"to_today": today_by_columns}),
]

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("conv_2012", {"conv_2012": conv_by_pytorch}, "write it without"),
    ("max_pool", {"max_pool": pool_by_pytorch}, "write it without"),
    ("max_pool_backward", {"max_pool_backward": back_by_autograd}, "write it without"),
    ("half_strength", {"half_strength": half_of_2012}, "What is the factor"),
    ("dropout", {"dropout": dropout_kept_for_dropped}, "so what is kept"),
    ("dropout", {"dropout": dropout_when_testing}, "in training only"),
    ("dropout", {"dropout": dropout_of_columns}, "draw"),
    ("dropout", {"dropout": dropout_always_today}, "which of the two kinds"),
    ("dropout", {"dropout": dropout_without_scale}, "does this kind multiply in training"),
    ("dropout", {"dropout": dropout_frozen}, "draw anew"),
    ("to_today", {"to_today": today_weight_only}, "2 values are wanted"),
    ("conv_2012", {"conv_2012": conv_in_a_thread}, "write it without"),
    ("conv_2012", {"conv_2012": conv_of_yes}, "Try one output by hand"),
    ("max_pool", {"max_pool": pool_filled_with_nines}, "a value that x does not have"),
    ("max_pool_backward", {"max_pool_backward": back_by_unfold}, "autograd is what yours is compared with"),
    ("dropout", {"dropout": dropout_of_tables}, "your code stopped with ValueError"),
    ("dropout", {"dropout": dropout_of_exact_counts}, "drawn on its own"),
    ("dropout", {"dropout": dropout_of_two_masks}, "draw anew"),
]
