import pytest
import torch

from alexnet_edu import AlexNetError, get_model, get_spec, layer_table, receptive_field_box, valid_input_sizes
from alexnet_edu.variants import PAPER, SPECS

TOTALS = {  # parameters, MACs of one forward pass
    "paper": (60_965_224, 724_406_816),
    "museum": (60_965_224, 724_406_816),
    "caffe": (60_965_224, 724_406_816),
    "caffenet": (60_965_224, 724_406_816),
    "torchvision": (61_100_840, 714_188_480),
    "d2l": (50_844_008, None),
    "ict1022": (62_378_344, 1_135_256_096),
}
# name: output, parameters, MACs, receptive field, jump
PAPER_ROWS = {
    "conv1": ((96, 55, 55), 34_944, 105_415_200, 11, 4),
    "pool1": ((96, 27, 27), 0, 0, 19, 8),
    "conv2": ((256, 27, 27), 307_456, 223_948_800, 51, 8),
    "pool2": ((256, 13, 13), 0, 0, 67, 16),
    "conv3": ((384, 13, 13), 885_120, 149_520_384, 99, 16),
    "conv4": ((384, 13, 13), 663_936, 112_140_288, 131, 16),
    "conv5": ((256, 13, 13), 442_624, 74_760_192, 163, 16),
    "pool5": ((256, 6, 6), 0, 0, 195, 32),
    "fc6": ((4096,), 37_752_832, 37_748_736, None, None),
    "fc7": ((4096,), 16_781_312, 16_777_216, None, None),
    "fc8": ((1000,), 4_097_000, 4_096_000, None, None),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    table = layer_table(get_spec(name))
    parameters, macs = TOTALS[name]
    assert table.total_parameters == parameters
    assert macs is None or table.total_macs == macs


@pytest.mark.parametrize("name", PAPER_ROWS)
def test_rows_of_the_paper(name: str) -> None:
    row = layer_table(PAPER)[name]
    assert (row.output_shape, row.parameters, row.macs, row.receptive_field, row.jump) == PAPER_ROWS[name]


@pytest.mark.parametrize("name", SPECS)
def test_the_table_is_what_the_module_does(name: str) -> None:
    table = layer_table(SPECS[name])
    with torch.device("meta"):
        model = get_model(name).eval()
        x = torch.empty(1, *SPECS[name].input_shape)
        for row, layer in zip(table, model.children(), strict=True):
            assert tuple(x.shape[1:]) == row.input_shape
            x = layer(x)
            assert tuple(x.shape[1:]) == row.output_shape
            assert sum(p.numel() for p in layer.parameters()) == row.parameters


@pytest.mark.parametrize("name", ["paper", "torchvision", "small"])
def test_macs_are_half_the_flops_that_torch_counts(name: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        get_model(name).eval()(torch.empty(1, *SPECS[name].input_shape))
    # LRN's windows are a matrix product to torch; they are no weights' work and no MACs of the table.
    assert counter.get_flop_counts()["Global"][torch.ops.aten.convolution] == 2 * sum(
        row.macs for row in layer_table(SPECS[name]) if row.kind == "Conv"
    )
    assert counter.get_flop_counts()["Global"][torch.ops.aten.addmm] == 2 * sum(
        row.macs for row in layer_table(SPECS[name]) if row.kind == "Linear"
    )


def test_printed_columns_add_up_to_the_printed_totals() -> None:
    lines = [line.split() for line in str(layer_table(PAPER)).splitlines()]
    learning = [line for line in lines if line[0].startswith(("conv", "fc"))]
    total = next(line for line in lines if line[0] == "total")
    assert sum(int(line[-6 if line[0].startswith("conv") else -5].replace(",", "")) for line in learning) == int(
        total[1].replace(",", "")
    )
    html = layer_table(PAPER)._repr_html_()
    assert "60,965,224" in html and "<caption>" in html


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("paper", [(224, 255)]),
        ("museum", [(196, 227)]),
        ("ict1022", [(223, 254)]),
        ("torchvision", [(63, 1024)]),
    ],
)
def test_valid_input_sizes(name: str, ranges: list[tuple[int, int]]) -> None:
    assert valid_input_sizes(get_spec(name)) == ranges


def test_wrong_sizes_are_answered_with_the_valid_ones() -> None:
    with pytest.raises(AlexNetError, match=r"224 to 255 pixels.*not 256 × 256"):
        layer_table(PAPER, 256)
    assert layer_table(get_spec("torchvision"), 2000).input_shape == (3, 2000, 2000)


@pytest.mark.parametrize(("layer", "row", "col"), [("conv1", 0, 0), ("conv2", 5, 20), ("conv5", 6, 6), ("pool5", 5, 5)])
def test_a_receptive_field_holds_exactly_the_pixels_that_matter(layer: str, row: int, col: int) -> None:
    """The gradient of one activation with respect to the picture is nonzero inside the box and zero outside."""
    torch.manual_seed(0)
    model = get_model("small", num_classes=2).double()
    for p in model.parameters():
        torch.nn.init.uniform_(p, 0.01, 0.02)
    x = torch.rand(1, 3, 227, 227, dtype=torch.float64, requires_grad=True)
    y = x
    for name, module in model.named_children():
        # Averages in place of maxima: every pixel of a window counts.
        y = torch.nn.functional.avg_pool2d(y, 3, 2) if name.startswith("pool") else module(y)
        if name == layer:
            break
    y[0, 0, row, col].backward()
    assert x.grad is not None
    touched = x.grad[0].abs().sum(0).nonzero()
    top, left, bottom, right = receptive_field_box(model.spec, layer, row, col)
    assert touched.min(0).values.tolist() == [top, left]
    assert touched.max(0).values.tolist() == [bottom - 1, right - 1]


def test_receptive_field_of_a_vector_is_the_picture_and_wrong_positions_are_refused() -> None:
    assert receptive_field_box(PAPER, "fc7", 0, 0) == (0, 0, 224, 224)
    with pytest.raises(AlexNetError, match=r"13 × 13 positions"):
        receptive_field_box(PAPER, "conv5", 13, 0)
