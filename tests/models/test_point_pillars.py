"""PointPillars (Lang et al. 2019) in small, from float to integers where pillars are scattered; elsewhere it says so."""

import pytest
import torch
from layers import conv_bn, randomized
from model_flow import Batch, computes_in_integers, cosine, deployed, prepared, squares
from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub

from horizon_plugin_pytorch.nn import PointPillarsScatter, quantized
from horizon_plugin_pytorch.nn.functional import point_pillars_preprocess
from horizon_plugin_pytorch.quantization import QuantStub


class PointPillars(nn.Module):
    """A pillar feature net, its scatter, and a backbone of two scales."""

    def __init__(self, most: int = 64, points: int = 8) -> None:
        super().__init__()
        self.voxels = ((0.0, -8.0, -2.0, 16.0, 8.0, 2.0), (1.0, 1.0, 4.0), most, points, True)
        self.norm = (0.0, -8.0, -2.0, 0.0, 16.0, 8.0, 2.0, 1.0)
        self.quant = QuantStub()
        self.net = conv_bn(4, 16, kernel=1)
        self.most_of_points = nn.MaxPool2d((points, 1))
        self.scatter = PointPillarsScatter((2, 16, 16, 16))
        self.down = conv_bn(16, 24, stride=2)
        self.up = nn.ConvTranspose2d(24, 16, 2, 2)
        self.head = nn.Conv2d(32, 7, 1)
        self.dequant = DeQuantStub()

    def forward(self, points: list[Tensor]) -> Tensor:
        pillars = point_pillars_preprocess(points, *self.voxels, norm_range=self.norm, norm_dims=(0, 1, 2, 3))
        x = self.net(self.quant(pillars[0].permute(2, 1, 0).unsqueeze(0)))
        x = self.most_of_points(x).squeeze(2).squeeze(0).transpose(0, 1)
        image = self.scatter(x, pillars[1])
        both = torch.cat([image, self.up(self.down(image))], dim=1)
        return self.dequant(self.head(both))


def clouds() -> list[Batch]:
    low, size = torch.tensor([0.0, -8.0, -2.0, 0.0]), torch.tensor([16.0, 16.0, 4.0, 1.0])
    return [([torch.rand(count, 4) * size + low for count in (200, 120)],) for _ in range(2)]


@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
def test_point_pillars(march: str) -> None:
    batches = clouds()
    qat, converted = deployed(randomized(PointPillars()), march, batches, ("head",), squares)
    assert computes_in_integers(converted)
    assert type(converted.scatter) is quantized.PointPillarsScatter
    with torch.no_grad():
        given, expected = converted(*batches[0]), qat(*batches[0])
    assert given.shape == (2, 7, 16, 16)
    assert cosine(given, expected) > 0.98


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_point_pillars_elsewhere(march: str) -> None:
    with pytest.raises(NotImplementedError, match=f"scatter: .*point_pillars_scatter is not supported on {march}"):
        prepared(PointPillars(), march, ("head",), calibrate=False)
