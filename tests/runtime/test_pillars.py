"""point_pillars_preprocess and PointPillarsScatter: clouds to pillars, and pillars to an image."""

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import PointPillarsScatter, qat
from horizon_plugin_pytorch.nn.functional import point_pillars_preprocess
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, get_default_qconfig, prepare_qat_fx

RANGE, VOXEL = (0.0, -4.0, -1.0, 8.0, 4.0, 1.0), (1.0, 2.0, 2.0)


def cloud(count: int) -> Tensor:
    return torch.rand(count, 4) * torch.tensor([12.0, 12.0, 4.0, 1.0]) - torch.tensor([2.0, 6.0, 2.0, 0.0])


def slow(clouds: list[Tensor], most: int, points: int) -> tuple[list[Tensor], list[list[int]]]:
    """Voxels in the order in which they are met, point by point."""
    rows, places = [], []
    for index, given in enumerate(clouds):
        voxels: dict[tuple[int, ...], list[Tensor]] = {}
        for point in given:
            cell = tuple(int((point[i].item() - RANGE[i]) // VOXEL[i]) for i in range(3))
            counts = [round((RANGE[3 + i] - RANGE[i]) / VOXEL[i]) for i in range(3)]
            if all(0 <= c < n for c, n in zip(cell, counts, strict=True)):
                voxels.setdefault(cell, []).append(point)
        for cell, held in list(voxels.items())[:most]:
            padded = torch.zeros(points, 4)
            padded[: len(held[:points])] = torch.stack(held[:points])
            rows.append(padded)
            places.append([index, *reversed(cell)])
    return rows, places


@pytest.mark.parametrize(("most", "points"), [(100, 50), (10, 50), (100, 3), (7, 2)])
def test_pillars_equal_the_definition(most: int, points: int) -> None:
    clouds = [cloud(150), cloud(40)]
    features, coords = point_pillars_preprocess(clouds, RANGE, VOXEL, most, points, False)
    rows, places = slow(clouds, most, points)
    assert coords.tolist() == places
    assert coords.dtype == torch.int32
    assert torch.equal(features, torch.stack(rows))


def test_deployed_sizes_are_fixed() -> None:
    clouds = [cloud(30), torch.zeros(0, 4)]
    features, coords = point_pillars_preprocess(clouds, RANGE, VOXEL, 64, 5, True)
    free, places = point_pillars_preprocess(clouds, RANGE, VOXEL, 64, 5, False)
    assert features.shape == (128, 5, 4)
    assert torch.equal(features[: len(free)], free)
    assert torch.equal(coords[: len(places)], places)
    assert features[len(free) :].abs().sum() == 0
    assert coords[len(places) :].unique().tolist() == [-1]


def test_points_on_the_upper_end_are_outside() -> None:
    points = torch.tensor([[8.0, 0, 0, 1], [0.0, 4, 0, 1], [0.0, 0, 1, 1], [0.0, -4, -1, 1]])
    assert point_pillars_preprocess([points], RANGE, VOXEL, 9, 9, False)[1].tolist() == [[0, 0, 0, 0]]


def test_normalized_columns() -> None:
    points = torch.tensor([[4.0, 0.0, 0.0, 0.5], [4.0, 1.0, 0.5, 0.25]])
    features, _ = point_pillars_preprocess([points], RANGE, VOXEL, 4, 3, False, (0.0, 0.0, 8.0, 2.0), (0, 3))
    expected = torch.tensor([[0.5, 0.0, 0.0, 0.25], [0.5, 1.0, 0.5, 0.125], [0.0, 0.0, 0.0, 0.0]])
    assert torch.equal(features, expected[None])


def test_a_cloud_without_points() -> None:
    features, coords = point_pillars_preprocess([torch.zeros(0, 5)], RANGE, VOXEL, 4, 3, False)
    assert features.shape == (0, 3, 5)
    assert coords.shape == (0, 4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([], RANGE, VOXEL, 4, 3, False), "no point clouds"),
        (([torch.zeros(1, 4)], RANGE[:5], VOXEL, 4, 3, False), "pc_range needs 6"),
        (([torch.zeros(1, 4)], RANGE, (1.0, 0.0, 1.0), 4, 3, False), "no room"),
        (([torch.zeros(1, 4)], RANGE, VOXEL, 4, 3, False, (0.0, 1.0), (0, 1)), "norm_range needs 4"),
    ],
)
def test_bad_arguments(given: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        point_pillars_preprocess(*given)


def slow_image(features: Tensor, coords: Tensor, shape: tuple[int, ...]) -> Tensor:
    image = torch.zeros(shape[0], features.shape[1], *shape[2:])
    for row, place in zip(features, coords.tolist(), strict=True):
        if place[0] >= 0:
            image[place[0], :, place[-2], place[-1]] = row
    return image


def test_scattered_rows_equal_the_definition() -> None:
    coords = torch.cat([torch.randint(0, 2, (30, 1)), torch.zeros(30, 1), torch.randint(0, 5, (30, 2))], 1).int()
    coords[3] = -1
    features = torch.rand(30, 6)
    expected = slow_image(features, coords, (2, 6, 5, 5))  # some places come twice: the last row stays
    assert torch.equal(PointPillarsScatter((2, 6, 5, 5))(features, coords), expected)
    assert torch.equal(PointPillarsScatter()(features[:, :, None, None], coords, torch.tensor([2, 6, 5, 5])), expected)


def test_no_pillars_give_an_empty_image() -> None:
    out = PointPillarsScatter((1, 4, 2, 3))(torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.int32))
    assert torch.equal(out, torch.zeros(1, 4, 2, 3))


@pytest.mark.parametrize(
    ("shape", "coords", "message"),
    [
        (None, [[0, 0, 0, 0]], "neither to the constructor"),
        ((1, 2, 3), [[0, 0, 0, 0]], "must be"),
        ((1, 2, 3, 3), [[0, 0]], "coordinates must be"),
        ((1, 2, 3, 3), [[0, 0, 3, 0]], "coordinates of y are 3 .. 3"),
        ((1, 2, 3, 3), [[1, 0, 0, 0]], "coordinates of image are 1 .. 1"),
    ],
)
def test_places_that_do_not_fit(shape: tuple[int, ...] | None, coords: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointPillarsScatter(shape)(torch.zeros(1, 2), torch.tensor(coords))


class Scattered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 64)
        self.scatter = PointPillarsScatter((2, 3, 4, 4))

    def forward(self, x: Tensor, coords: Tensor) -> Tensor:
        return self.scatter(self.quant(x), coords)


def pillars() -> tuple[Tensor, Tensor]:
    places = torch.randperm(32)[:12]
    return torch.randn(12, 3), torch.stack([places // 16, places * 0, places // 4 % 4, places % 4], 1)


@pytest.mark.parametrize("dtype", ["qint8", "qint16"])
@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
def test_integers_are_moved_not_changed(march: str, dtype: str) -> None:
    set_march(march)
    x, coords = pillars()
    prepared = prepare_qat_fx(Scattered(), {"": get_default_qconfig(activation_qkwargs={"dtype": dtype})}).eval()
    fake = prepared(x, coords)
    assert type(prepared.scatter) is qat.PointPillarsScatter
    converted = convert_fx(prepared)
    whole = converted(x, coords)
    assert (str(whole.dtype), str(fake.dtype)) == (dtype, dtype)
    assert torch.equal(whole.q_scale(), fake.q_scale())
    assert torch.equal(whole.int_repr(), fake.int_repr())
    integers = converted.quant(x).int_repr()
    assert torch.equal(whole.int_repr().float(), slow_image(integers.float(), coords, (2, 3, 4, 4)))


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_marches_that_cannot_scatter_say_so(march: str) -> None:
    set_march(march)
    with pytest.raises(NotImplementedError, match=f"scatter: .*{march}: pillars are scattered on bayes"):
        prepare_qat_fx(Scattered(), {"": get_default_qconfig()})


def test_a_traced_scatter_follows_its_input() -> None:
    x, coords = pillars()
    traced = torch.jit.trace(PointPillarsScatter((2, 3, 4, 4)), (x, coords))
    other, places = pillars()
    assert torch.equal(traced(other, places), PointPillarsScatter((2, 3, 4, 4))(other, places))


def test_a_float_operator_refuses_integers() -> None:
    set_march("bayes")
    points = QTensor(torch.zeros(3, 4, dtype=torch.int8), torch.tensor([0.1]), "qint8")
    with pytest.raises(NotImplementedError, match="host CPU; use it on float32, before the QuantStubs"):
        point_pillars_preprocess([points], RANGE, VOXEL, 4, 3, False)
