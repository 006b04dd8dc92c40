"""Answers to problem set 2 that its tests must accept, and wrong ones with the feedback they must get, for teachers.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the feedback. A function stands alone: its
source is also pasted into made-up submissions.
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


def conv_turned(x, weight, bias, stride, groups):
    import torch

    size = weight.shape[-1]
    gaps = [-(side - size) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))
    windows = x.unfold(2, size, stride).unfold(3, size, stride).unflatten(1, (groups, -1))
    out = torch.einsum("ngcijuv,gocuv->ngoij", windows, weight.flip(-1, -2).unflatten(0, (groups, -1)))
    return out.flatten(1, 2) + bias.reshape(-1, 1, 1)


def conv_rounded_down(x, weight, bias, stride, groups):
    import torch

    size = weight.shape[-1]
    windows = x.unfold(2, size, stride).unfold(3, size, stride).unflatten(1, (groups, -1))
    out = torch.einsum("ngcijuv,gocuv->ngoij", windows, weight.unflatten(0, (groups, -1)))
    return out.flatten(1, 2) + bias.reshape(-1, 1, 1)


def conv_zeros_first(x, weight, bias, stride, groups):
    import torch

    size = weight.shape[-1]
    gaps = [-(side - size) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (gaps[1], 0, gaps[0], 0))
    windows = x.unfold(2, size, stride).unfold(3, size, stride).unflatten(1, (groups, -1))
    out = torch.einsum("ngcijuv,gocuv->ngoij", windows, weight.unflatten(0, (groups, -1)))
    return out.flatten(1, 2) + bias.reshape(-1, 1, 1)


def conv_first_maps_only(x, weight, bias, stride, groups):
    import torch

    size, part = weight.shape[-1], weight.shape[1]
    gaps = [-(side - size) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))[:, :part]
    windows = x.unfold(2, size, stride).unfold(3, size, stride)
    return torch.einsum("ncijuv,ocuv->noij", windows, weight) + bias.reshape(-1, 1, 1)


def conv_woven_groups(x, weight, bias, stride, groups):
    import torch

    size = weight.shape[-1]
    gaps = [-(side - size) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))
    windows = x.unfold(2, size, stride).unfold(3, size, stride).unflatten(1, (-1, groups)).transpose(1, 2)
    out = torch.einsum("ngcijuv,gocuv->ngoij", windows, weight.unflatten(0, (groups, -1)))
    return out.flatten(1, 2) + bias.reshape(-1, 1, 1)


def conv_without_bias(x, weight, bias, stride, groups):
    import torch

    size = weight.shape[-1]
    gaps = [-(side - size) % stride for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))
    windows = x.unfold(2, size, stride).unfold(3, size, stride).unflatten(1, (groups, -1))
    return torch.einsum("ngcijuv,gocuv->ngoij", windows, weight.unflatten(0, (groups, -1))).flatten(1, 2)


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


def pool_with_zeros(x, size, stride, ceil):
    import torch

    gaps = [-(side - size) % stride * ceil for side in x.shape[-2:]]
    x = torch.nn.functional.pad(x, (0, gaps[1], 0, gaps[0]))
    return x.unfold(2, size, stride).unfold(3, size, stride).amax((-1, -2))


def pool_always_down(x, size, stride, ceil):
    return x.unfold(2, size, stride).unfold(3, size, stride).amax((-1, -2))


def pool_side_by_side(x, size, stride, ceil):
    return x.unfold(2, size, size).unfold(3, size, size).amax((-1, -2))


def pool_by_mean(x, size, stride, ceil):
    return x.unfold(2, size, stride).unfold(3, size, stride).mean((-1, -2))


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


def back_overwritten(x, grad, size, stride):
    import torch

    result = torch.zeros_like(x)
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, grad.shape)).tolist():
        top, left = i * stride, j * stride
        window = x[n, c, top : top + size, left : left + size]
        row, column = divmod(int(window.argmax()), size)
        result[n, c, top + row, left + column] = grad[n, c, i, j]
    return result


def back_to_all(x, grad, size, stride):
    import torch

    result = torch.zeros_like(x)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            result[:, :, i * stride : i * stride + size, j * stride : j * stride + size] += grad[
                :, :, i : i + 1, j : j + 1
            ]
    return result


def back_as_mask(x, grad, size, stride):
    import torch

    result = torch.zeros_like(x)
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, grad.shape)).tolist():
        top, left = i * stride, j * stride
        row, column = divmod(int(x[n, c, top : top + size, left : left + size].argmax()), size)
        result[n, c, top + row, left + column] = 1
    return result


def back_as_count(x, grad, size, stride):
    import torch

    result = torch.zeros_like(x)
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, grad.shape)).tolist():
        top, left = i * stride, j * stride
        row, column = divmod(int(x[n, c, top : top + size, left : left + size].argmax()), size)
        result[n, c, top + row, left + column] += 1
    return result


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


def lrn_of_the_paper(x, size, scale, power, min_div, towers):
    import torch

    out, width, reach = torch.empty_like(x), x.shape[1] // towers, size // 2
    for i in range(x.shape[1]):
        start = i // width * width
        near = x[:, max(start, i - reach) : min(start + width, i + reach + 1)]
        out[:, i] = x[:, i] * (min_div + scale * near.pow(2).sum(1)) ** -power
    return out


def lrn_across_towers(x, size, scale, power, min_div, towers):
    import torch

    out, reach = torch.empty_like(x), size // 2
    for i in range(x.shape[1]):
        near = x[:, max(0, i - reach) : i + reach + 1]
        out[:, i] = x[:, i] * (min_div + scale * near.pow(2).sum(1) / size) ** -power
    return out


def lrn_of_existing_maps(x, size, scale, power, min_div, towers):
    import torch

    out, width, reach = torch.empty_like(x), x.shape[1] // towers, size // 2
    for i in range(x.shape[1]):
        start = i // width * width
        near = x[:, max(start, i - reach) : min(start + width, i + reach + 1)]
        out[:, i] = x[:, i] * (min_div + scale * near.pow(2).mean(1)) ** -power
    return out


def lrn_over_pixels(x, size, scale, power, min_div, towers):
    import torch

    mean = torch.nn.functional.avg_pool2d(x.square(), size, 1, size // 2)
    return x / (min_div + scale * mean) ** power


def lrn_with_k_one(x, size, scale, power, min_div, towers):
    import torch

    return torch.cat([torch.nn.LocalResponseNorm(size, scale, power, 1.0)(t) for t in x.chunk(towers, 1)], 1)


def lrn_with_k_one_by_hand(x, size, scale, power, min_div, towers):
    import torch

    out, width, reach = torch.empty_like(x), x.shape[1] // towers, size // 2
    for i in range(x.shape[1]):
        start = i // width * width
        near = x[:, max(start, i - reach) : min(start + width, i + reach + 1)]
        out[:, i] = x[:, i] * (1 + scale * near.pow(2).sum(1) / size) ** -power
    return out


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


def half_of_five(scale, power, min_div):
    return (min_div * (2 ** (1 / power) - 1) / scale / 5) ** 0.5


def half_squared(scale, power, min_div):
    return min_div * (2 ** (1 / power) - 1) / scale


def half_without_power(scale, power, min_div):
    return (min_div / scale) ** 0.5


def half_of_one(scale, power, min_div):
    return max(0.0, (2 ** (1 / power) - min_div) / scale) ** 0.5


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


def today_with_bias(weight, bias, p):
    return weight * (1 - p), bias * (1 - p)


def today_divided(weight, bias, p):
    return weight / (1 - p), bias


def today_unchanged(weight, bias, p):
    return weight, bias


def today_by_p(weight, bias, p):
    return weight * p, bias


def today_weight_only(weight, bias, p):
    return weight * (1 - p)


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
    ("conv_2012", {"conv_2012": conv_turned}, "180 degrees"),
    ("conv_2012", {"conv_2012": conv_rounded_down}, "rounded the size down"),
    ("conv_2012", {"conv_2012": conv_zeros_first}, "at the left and at the top"),
    ("conv_2012", {"conv_2012": conv_first_maps_only}, "Every group reads the first maps"),
    ("conv_2012", {"conv_2012": conv_woven_groups}, "not every second map"),
    ("conv_2012", {"conv_2012": conv_without_bias}, "bias is missing"),
    ("conv_2012", {"conv_2012": conv_by_pytorch}, "write it without"),
    ("max_pool", {"max_pool": pool_with_zeros}, "fill with -inf"),
    ("max_pool", {"max_pool": pool_always_down}, "rounds up"),
    ("max_pool", {"max_pool": pool_side_by_side}, "do not overlap"),
    ("max_pool", {"max_pool": pool_by_mean}, "mean of each window"),
    ("max_pool", {"max_pool": pool_by_pytorch}, "write it without"),
    ("max_pool_backward", {"max_pool_backward": back_overwritten}, "`+=`, not `=`"),
    ("max_pool_backward", {"max_pool_backward": back_to_all}, "only the largest one"),
    ("max_pool_backward", {"max_pool_backward": back_as_mask}, "multiply by the gradient"),
    ("max_pool_backward", {"max_pool_backward": back_as_count}, "counts windows"),
    ("max_pool_backward", {"max_pool_backward": back_by_autograd}, "write it without"),
    ("lrn_2012", {"lrn_2012": lrn_of_the_paper}, "the code divides it by the size"),
    ("lrn_2012", {"lrn_2012": lrn_across_towers}, "from one tower into another"),
    ("lrn_2012", {"lrn_2012": lrn_of_existing_maps}, "maps that exist"),
    ("lrn_2012", {"lrn_2012": lrn_over_pixels}, "rows and columns"),
    ("lrn_2012", {"lrn_2012": lrn_with_k_one}, "write it without"),
    ("lrn_2012", {"lrn_2012": lrn_with_k_one_by_hand}, "minDiv is an argument"),
    ("half_strength", {"half_strength": half_of_five}, "the mean is just a²"),
    ("half_strength", {"half_strength": half_squared}, "take the root"),
    ("half_strength", {"half_strength": half_without_power}, "the power comes after"),
    ("half_strength", {"half_strength": half_of_one}, "not 1/2"),
    ("half_strength", {"half_strength": half_of_2012}, "scale 0.001, pow 0.75"),
    ("dropout", {"dropout": dropout_kept_for_dropped}, "p is the share that is dropped"),
    ("dropout", {"dropout": dropout_when_testing}, "in training only"),
    ("dropout", {"dropout": dropout_of_columns}, "not whole rows or columns"),
    ("dropout", {"dropout": dropout_always_today}, "testing: every value should be multiplied"),
    ("dropout", {"dropout": dropout_without_scale}, "what is kept should be multiplied by 2"),
    ("dropout", {"dropout": dropout_frozen}, "draw anew"),
    ("to_today", {"to_today": today_with_bias}, "The bias is added after"),
    ("to_today", {"to_today": today_divided}, "yours become larger"),
    ("to_today", {"to_today": today_unchanged}, "2012's did not"),
    ("to_today", {"to_today": today_by_p}, "the factor is what is kept"),
    ("to_today", {"to_today": today_weight_only}, "two tensors"),
]
