"""FlowNetC's correlation block (Dosovitskiy et al. 2015): two images, shared features, their correlation, a head."""

import pytest
import torch
from layers import conv_bn, randomized
from model_flow import computes_in_integers, cosine, deployed, prepared, squares
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.quantization import QuantStub

COSINE = 0.97  # of int8 models with random weights; a broken layer is far below


class CorrelationBlock(nn.Module):
    """Features of both images, their correlation next to a reduction of the first, a flow of two channels."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.quant1, self.quant2 = QuantStub(), QuantStub()
        self.features = conv_bn(3, 8, 2)
        self.correlation = horizon.nn.Correlation(kernel_size, 4, 1, 2, 4 + kernel_size // 2)
        self.redirect = conv_bn(8, 4, 1, 1)
        self.flow = nn.Conv2d(29, 2, 3, padding=1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, image1: Tensor, image2: Tensor) -> Tensor:
        first, second = self.features(self.quant1(image1)), self.features(self.quant2(image2))
        costs = self.correlation(first, second)
        return self.dequant(self.flow(torch.cat((self.redirect(first), costs), dim=1)))


def _images() -> tuple[Tensor, Tensor]:
    image = torch.randn(2, 3, 16, 16)
    return image, image.roll(2, -1)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
def test_flow_of_two_images_in_integers(march: str, kernel_size: int) -> None:
    torch.manual_seed(0)
    model = randomized(CorrelationBlock(kernel_size)).eval()
    images = _images()
    qat, converted = deployed(model, march, [images], (), squares)
    with torch.no_grad():
        integers, simulated, expected = converted(*images), qat(*images), model(*images)
    assert computes_in_integers(converted)
    assert cosine(integers, simulated) > COSINE
    assert cosine(integers, expected) > COSINE


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_a_march_without_correlation_names_the_layer(march: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"(?s)correlation.*{march}"):
        prepared(CorrelationBlock(1), march, (), calibrate=True)
