import pytest
import torch
from torch import nn

from alexnet_edu.layers import CeilConv2d, Dropout2012, LocalResponseNorm, MaxPool2d, SpatialResponseNorm


def activations(*shape: int, dtype: torch.dtype = torch.float32, scale: float = 50.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(*shape, generator=generator) * scale).to(dtype)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", [(3, 96, 55, 55), (2, 7, 5, 6), (1, 5, 3, 3), (0, 8, 4, 4)])
def test_lrn_equals_torch_forward_and_backward(shape: tuple[int, ...], channels_last: bool) -> None:
    x = activations(*shape)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    grad = activations(*shape, scale=1.0)
    y = LocalResponseNorm(5, 1e-2, 0.75, 2.0)(ours)
    z = nn.LocalResponseNorm(5, 1e-2, 0.75, 2.0)(theirs) if len(x) else theirs * 1
    torch.testing.assert_close(y, z, rtol=1e-5, atol=1e-5)
    assert y.stride() == x.stride()
    y.backward(grad)
    z.backward(grad)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_the_2012_code_equals_torch_and_the_paper_needs_five_times_its_alpha() -> None:
    x = activations(2, 16, 6, 6, dtype=torch.float64)
    padded = nn.functional.pad(x.square(), (0, 0, 0, 0, 2, 2))
    sums = sum(padded[:, i : i + 16] for i in range(5))
    code = x / (2 + 1e-4 / 5 * sums) ** 0.75
    paper = x / (2 + 1e-4 * sums) ** 0.75
    torch.testing.assert_close(nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)(x), code)
    torch.testing.assert_close(LocalResponseNorm(5, 1e-4, 0.75, 2.0)(x), code)
    torch.testing.assert_close(LocalResponseNorm(5, 5e-4, 0.75, 2.0)(x), paper)


@pytest.mark.parametrize(("size", "beta", "groups"), [(5, 0.75, 1), (5, 0.75, 2), (3, 0.6, 4), (9, 0.75, 1)])
def test_lrn_gradient_in_float64(size: int, beta: float, groups: int) -> None:
    x = activations(2, 8, 3, 3, dtype=torch.float64, scale=1.0).requires_grad_()
    assert torch.autograd.gradcheck(LocalResponseNorm(size, 0.5, beta, 2.0, groups), (x,))


def test_lrn_groups_differ_from_one_stream_only_beside_the_border() -> None:
    x = activations(1, 96, 4, 4)
    one, two = (LocalResponseNorm(5, 1e-4, 0.75, 2.0, groups)(x) for groups in (1, 2))
    changed = (one - two).abs().amax((0, 2, 3)).nonzero().flatten().tolist()
    assert changed == [46, 47, 48, 49]
    halves = torch.cat([nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)(half) for half in x.chunk(2, 1)], 1)
    torch.testing.assert_close(two, halves)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("scale", "roundings"), [(50.0, 1.1), (5000.0, 2.5)])
def test_lrn_in_bfloat16_is_exact_up_to_its_roundings(scale: float, roundings: float, channels_last: bool) -> None:
    x = activations(2, 48, 8, 8, dtype=torch.bfloat16, scale=scale)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    exact = LocalResponseNorm(5, 1e-4, 0.75, 2.0)(x.double())
    with torch.autocast("cpu", torch.bfloat16):
        result = LocalResponseNorm(5, 1e-4, 0.75, 2.0)(x)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.double(), exact, rtol=roundings * 2**-8, atol=0)


def test_lrn_in_float16_takes_squares_that_float16_can_not_hold() -> None:
    x = activations(2, 12, 4, 4, scale=1000.0).half()
    exact = LocalResponseNorm(5, 1e-4, 0.75, 2.0)(x.double())
    torch.testing.assert_close(LocalResponseNorm(5, 1e-4, 0.75, 2.0)(x).double(), exact, rtol=2**-10, atol=0)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_lrn_exports_to_the_same_function(groups: int, channels_last: bool) -> None:
    layer, x = LocalResponseNorm(5, 1e-2, 0.75, 2.0, groups), activations(2, 12, 5, 5)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x), rtol=1e-5, atol=1e-6)


def test_lrn_refuses_what_has_no_meaning() -> None:
    with pytest.raises(ValueError, match="odd number"):
        LocalResponseNorm(4)
    with pytest.raises(ValueError, match="7 maps can't be divided into 2"):
        LocalResponseNorm(5, groups=2)(torch.zeros(1, 7, 2, 2))


def test_spatial_norm_is_its_definition() -> None:
    x = activations(1, 2, 6, 6, dtype=torch.float64)
    y = SpatialResponseNorm(5, 1e-3, 0.75, 1.0)(x)
    for row, col in [(0, 0), (2, 3), (5, 5)]:
        window = x[0, 1, max(0, row - 2) : row + 3, max(0, col - 2) : col + 3]
        expected = x[0, 1, row, col] / (1 + 1e-3 / 25 * window.square().sum()) ** 0.75
        torch.testing.assert_close(y[0, 1, row, col], expected)


@pytest.mark.parametrize("side", [224, 225, 226, 227])
def test_ceil_conv_gives_55_rows_and_counts_missing_pixels_as_zero(side: int) -> None:
    torch.manual_seed(0)
    conv, x = CeilConv2d(3, 4, 11, stride=4), torch.randn(1, 3, side, side)
    whole = torch.zeros(1, 3, 227, 227)
    whole[..., :side, :side] = x
    assert conv(x).shape == (1, 4, 55, 55)
    torch.testing.assert_close(conv(x), nn.functional.conv2d(whole, conv.weight, conv.bias, 4))


def test_dropout_of_2012_scales_when_testing() -> None:
    torch.manual_seed(0)
    layer, x = Dropout2012(0.5), torch.ones(10_000)
    trained = layer.train()(x)
    assert set(trained.unique().tolist()) == {0.0, 1.0}
    assert trained.mean().item() == pytest.approx(0.5, abs=0.02)
    assert layer.eval()(x).unique().tolist() == [0.5]


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("shape", [(2, 96, 55, 55), (1, 3, 6, 7), (96, 13, 13), (0, 4, 5, 5)])
@pytest.mark.parametrize("layout", ["maps first", "maps last", "strided"])
def test_pooling_equals_torch_to_the_bit_forward_and_backward(shape: tuple[int, ...], ceil: bool, layout: str) -> None:
    x = activations(*shape).round()  # rounding makes ties, whose gradient goes to one place
    if layout == "maps last" and len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    if layout == "strided":
        x = x.transpose(-1, -2)
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    pool = MaxPool2d(3, 2, ceil_mode=ceil)
    y, z = pool(ours), nn.MaxPool2d(3, 2, ceil_mode=ceil)(theirs)
    assert y.equal(z) and y.stride() == z.stride()
    quick = pool(x)  # another way, where nothing is kept for a gradient
    assert quick.equal(z) and quick.stride() == z.stride()
    y.sum().backward()
    z.sum().backward()
    assert ours.grad is not None and theirs.grad is not None
    assert ours.grad.equal(theirs.grad)


def test_pooling_hands_on_what_is_no_number() -> None:
    x = activations(1, 2, 7, 7)
    x[0, 0, 3, 3], x[0, 1] = torch.nan, -torch.inf
    torch.testing.assert_close(MaxPool2d(3, 2)(x), nn.MaxPool2d(3, 2)(x), rtol=0, atol=0, equal_nan=True)


@pytest.mark.filterwarnings("ignore:`torch.jit:")
def test_recorded_pooling_is_one_operation() -> None:
    traced = torch.jit.trace(MaxPool2d(3, 2), activations(1, 2, 7, 7))
    assert "aten::max_pool2d" in str(traced.inlined_graph)
