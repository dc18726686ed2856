"""horizon.nn.functional.filter: which positions stay, and in which form, on float maps, fake-quantized maps and integers."""

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import DTYPES
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import functional
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

MARCHES = {"bernoulli": False, "bernoulli2": False, "bayes": True, "bayes-e": True}
"""March -> whether a score equal to the threshold passes."""


def slow(inputs: list[Tensor], passes: object, first: int, last: int) -> list[list[list[object]]]:
    """The definition, position by position; float values in, `passes` says of a score whether it stays."""
    images = []
    for n in range(inputs[0].shape[0]):
        rows: list[list[object]] = []
        for h in range(inputs[0].shape[2]):
            for w in range(inputs[0].shape[3]):
                scores = inputs[0][n, first:last, h, w].tolist()
                best = max(scores)
                if passes(best):
                    data = [x[n, :, h, w].tolist() for x in inputs]
                    rows.append([best, first + scores.index(best), [h, w], *data])
        images.append(rows)
    return images


def listed(result: list[list[Tensor]]) -> list[list[list[object]]]:
    return [[list(row) for row in zip(*(t.tolist() for t in image), strict=True)] for image in result]


def quantized(values: Tensor, scale: float, dtype: str = "qint8") -> QTensor:
    return QTensor(values, torch.tensor([scale]), DTYPES[dtype])


@pytest.mark.parametrize(("march", "inclusive"), MARCHES.items())
def test_float_maps_equal_the_definition(march: str, inclusive: bool) -> None:
    set_march(march)
    maps = [torch.randint(-4, 5, (2, 5, 4, 3)) / 4, torch.rand(2, 2, 4, 3)]
    given = functional.filter(*maps, threshold=0.5, idx_range=(1, 4))
    assert listed(given) == slow(maps, (lambda s: s >= 0.5) if inclusive else (lambda s: s > 0.5), 1, 4)


@pytest.mark.parametrize("threshold", [0.5, 0.52, -0.3, 100.0, -100.0])
@pytest.mark.parametrize(("march", "inclusive"), MARCHES.items())
def test_integers_equal_the_definition(march: str, inclusive: bool, threshold: float) -> None:
    set_march(march)
    scale = torch.tensor(0.05)
    integers = torch.randint(-20, 20, (2, 3, 5, 4), dtype=torch.int8)
    data = torch.randint(-128, 128, (2, 2, 5, 4), dtype=torch.int8)
    given = functional.filter(quantized(integers, 0.05), quantized(data, 0.2), threshold=threshold)
    ratio = torch.tensor(threshold) / scale
    bound = (ratio.ceil() if inclusive else ratio.floor()).clamp(-128, 127).item()
    values = [integers.float() * scale, data.float() * 0.2]

    def passes(score: float) -> bool:
        step = round(score / 0.05)
        return step >= bound if inclusive else step > bound

    assert listed(given) == slow(values, passes, 0, 3)


@pytest.mark.parametrize("march", MARCHES)
def test_fake_quantized_maps_keep_what_integers_keep(march: str) -> None:
    set_march(march)
    integers = torch.randint(-128, 128, (2, 3, 8, 8), dtype=torch.int8)
    whole = functional.filter(quantized(integers, 0.03), threshold=1.0)
    fake = functional.filter(quantized(integers.float() * torch.tensor(0.03), 0.03), threshold=1.0)
    assert listed(whole) == listed(fake)


def test_types_of_the_results() -> None:
    set_march("bayes")
    (score, index, place, data), _ = functional.filter(torch.rand(2, 3, 4, 5), threshold=0.1)
    assert (score.dtype, index.dtype, place.dtype, data.dtype) == (
        torch.float32,
        torch.int16,
        torch.int16,
        torch.float32,
    )
    assert place.shape == (len(score), 2)
    assert data.shape == (len(score), 3)


def test_of_equal_scores_the_first_channel_counts() -> None:
    set_march("bayes")
    image = functional.filter(torch.ones(1, 4, 1, 1), threshold=0.5, idx_range=(1, 4))[0]
    assert image[1].tolist() == [1]


def test_nothing_passes() -> None:
    set_march("bayes")
    for image in functional.filter(torch.zeros(2, 3, 4, 4), torch.zeros(2, 6, 4, 4), threshold=0.5):
        assert [list(t.shape) for t in image] == [[0], [0], [0, 2], [0, 3], [0, 6]]


def test_a_batch_of_no_images() -> None:
    set_march("bayes")
    assert functional.filter(torch.zeros(0, 3, 4, 4), threshold=0.5) == []


def test_gradients_reach_the_values_that_stay() -> None:
    set_march("bayes")
    x = torch.rand(1, 2, 3, 3, requires_grad=True)
    functional.filter(x, threshold=0.0)[0][3].sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))


class Scores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 16)
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        return functional.filter(self.conv(self.quant(x)), threshold=0.25)


@pytest.mark.parametrize("march", MARCHES)
def test_a_model_keeps_it_as_one_call(march: str) -> None:
    set_march(march)
    x = torch.rand(2, 3, 4, 4)
    qat = prepare_qat_fx(Scores(), {"": get_default_qconfig()}).eval()
    set_fake_quantize(qat, FakeQuantState.CALIBRATION)
    qat(x)
    converted = convert_fx(qat)
    assert [n.target for n in converted.graph.nodes if n.op == "call_function"] == [functional.filter]
    scores = converted.conv(converted.quant(x))
    assert listed(converted(x)) == listed(functional.filter(scores, threshold=0.25))
    assert sum(len(image[0]) for image in converted(x)) > 0


def test_int16_scores_on_a_march_without_them() -> None:
    set_march("bernoulli2")
    with pytest.raises(NotImplementedError, match="filter is not supported on bernoulli2: qint16 input"):
        functional.filter(quantized(torch.zeros(1, 2, 3, 3, dtype=torch.int16), 0.1, "qint16"), threshold=0.5)


@pytest.mark.parametrize(
    ("inputs", "arguments", "message"),
    [
        ((), {}, "at least one"),
        (((1, 2, 3, 3), (1, 2, 3, 4)), {}, "same N, H and W"),
        (((2, 3, 3),), {}, "same N, H and W"),
        (((1, 2, 3, 3),), {"idx_range": (1, 1)}, "holds no channels"),
        (((1, 2, 3, 3),), {"idx_range": (0, 3)}, "holds no channels"),
    ],
)
def test_bad_input(inputs: tuple[tuple[int, ...], ...], arguments: dict[str, object], message: str) -> None:
    set_march("bayes")
    with pytest.raises(ValueError, match=message):
        functional.filter(*(torch.zeros(shape) for shape in inputs), threshold=0.5, **arguments)


def test_a_scale_a_channel_has_no_threshold() -> None:
    set_march("bayes")
    x = QTensor(torch.zeros(1, 2, 3, 3, dtype=torch.int8), torch.tensor([0.1, 0.2]), DTYPES["qint8"], 1)
    with pytest.raises(ValueError, match="one scale"):
        functional.filter(x, threshold=0.5)
