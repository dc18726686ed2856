"""RetinaNet and PointPillars from float to integers on each march that supports them; the others say which operator."""

import pytest
import torch
from detectors import RETINA_WIDE, PointPillars, RetinaNet
from model_flow import Batch, computes_in_integers, cosine, deployed, prepared
from torch import Tensor, nn

from horizon_plugin_pytorch.nn import quantized


def randomized(model: nn.Module) -> nn.Module:
    """Statistics of batch norms that are not those of a new module."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.4)
            nn.init.normal_(module.bias, 0, 0.2)
    return model


def images() -> list[Batch]:
    return [(torch.rand(2, 3, 64, 64) * 2 - 1,) for _ in range(2)]


def squares(found: object) -> Tensor:
    tensors = [found] if isinstance(found, Tensor) else [x for part in found for x in part]
    return torch.stack([x.square().mean() for x in tensors]).sum()


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes", "bayes-e"])
def test_retinanet(march: str) -> None:
    batches = images()
    qat, converted = deployed(randomized(RetinaNet()), march, batches, RETINA_WIDE, squares)
    assert computes_in_integers(converted)
    with torch.no_grad():
        expected_scores, expected_boxes, _ = qat(*batches[0])
        scores, boxes, found = converted(*batches[0])
    for given, expected in zip((*scores, *boxes), (*expected_scores, *expected_boxes), strict=True):
        assert given.dtype == torch.float32
        assert cosine(given, expected) > 0.98
    again = converted.post(converted.anchors(boxes), [s.sigmoid() for s in scores], boxes)
    for column, other in zip(found, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(column, other, strict=True))
    assert all(len(image) > 0 for image in found[1])
    assert all(float(image.max()) <= 64 and float(image.min()) >= 0 for image in found[0])


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
