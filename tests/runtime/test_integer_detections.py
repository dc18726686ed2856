"""DetectionPostProcessV1: integers against a reference in Python's own numbers, QAT against integers, float near both."""

import copy
import math
import pickle
from fractions import Fraction

import pytest
import torch
from slow_detections import (
    MARCH,
    anchors,
    as_integers,
    as_qat,
    branches,
    halves_up,
    made,
    reference,
    rows,
)
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import AnchorGenerator, qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march(MARCH)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nms_margin": 0.3},
        {"use_clippings": False, "bbox_min_hw": (0, 0)},
        {"pre_nms_top_k": 7, "post_nms_top_k": 3},
        {"nms_threshold": 0.0, "box_filter_threshold": -8.0, "pre_nms_top_k": 500},
    ],
)
def test_integers_equal_the_reference(changes: dict[str, object]) -> None:
    data, boxes = branches(), anchors()
    given = as_integers(made(**changes))(data, boxes)
    assert len(given) == 2
    for n, found in enumerate(given):
        expected = reference(data, boxes, n, **changes)
        assert rows(found) == expected
        assert len(expected) > 2


def test_what_comes_out() -> None:
    boxes, scores, classes = as_integers(made())(branches(), anchors())[0]
    assert (str(boxes.dtype), boxes.q_scale().tolist()) == ("qint16", [0.25])
    assert (str(scores.dtype), scores.q_scale().tolist()) == ("qint8", [1 / 16])
    assert classes.dtype == torch.int64
    assert boxes.shape == (len(scores), 4)


def test_qat_gives_the_values_of_the_integers() -> None:
    data, boxes = branches(), anchors()
    fake = [QTensor(x.dequantize(), x.q_scale(), x.dtype) for x in data]
    for a, b in zip(as_qat(made())(fake, boxes), as_integers(made())(data, boxes), strict=True):
        assert [x.is_quantized for x in (a[0], a[1], b[0], b[1])] == [False, False, True, True]
        assert torch.equal(a[0].dequantize(), b[0].dequantize())
        assert torch.equal(a[1].dequantize(), b[1].dequantize())
        assert torch.equal(a[2], b[2])


def test_float_boxes_lie_within_two_quarter_pixels() -> None:
    data, boxes = branches(), [b.clamp(min=0) for b in anchors()]
    values = [x.dequantize() for x in data]
    exact = made(nms_threshold=1.0, pre_nms_top_k=500, post_nms_top_k=500, bbox_min_hw=(0, 0))
    for a, b in zip(copy.deepcopy(exact)(values, boxes), as_integers(exact)(data, boxes), strict=True):
        assert torch.equal(a[1], b[1].dequantize())
        assert torch.equal(a[2], b[2])
        assert (a[0] - b[0].dequantize()).abs().max() <= 0.5


@pytest.mark.parametrize("scale", [1 / 16, 0.05, 0.11])
def test_another_scale_is_brought_to_that_of_the_unit(scale: float) -> None:
    data, boxes = branches(scale), anchors()
    ratio = Fraction(float(torch.tensor(scale) / torch.tensor(1 / 16)))
    mantissa, exponent = math.frexp(ratio)
    multiplier = halves_up(Fraction(mantissa) * 2**15)
    moved = [
        [
            min(max(halves_up(Fraction(v * multiplier, 2 ** (15 - exponent))), -128), 127)
            for v in x.int_repr().flatten().tolist()
        ]
        for x in data
    ]
    at_unit = [
        QTensor(torch.tensor(v, dtype=torch.int8).reshape(x.shape), torch.tensor([1 / 16]), "qint8")
        for v, x in zip(moved, data, strict=True)
    ]
    module = as_integers(made())
    assert [rows(f) for f in module(data, boxes)] == [rows(f) for f in module(at_unit, boxes)]


def test_equal_scores_do_not_suppress_each_other() -> None:
    boxes = [torch.tensor([0.0, 0, 10, 10, 0, 0, 10, 10]).reshape(1, 8, 1, 1)]
    for second, kept in ((20, 2), (19, 1)):
        data = torch.tensor([0, 0, 0, 0, 20, 0, 0, 0, 0, second], dtype=torch.int8).reshape(1, 10, 1, 1)
        x = QTensor(data, torch.tensor([1 / 16]), "qint8")
        module = made(num_classes=1, class_offsets=[0])
        assert len(as_integers(module)([x], boxes)[0][1]) == kept
        assert len(copy.deepcopy(module)([x.dequantize()], boxes)[0][1]) == kept


@pytest.mark.parametrize("mode", [None, "pad_zero", "rollover"])
def test_padding(mode: str | None) -> None:
    data, boxes = branches(), anchors()
    bare = rows(as_integers(made(box_filter_threshold=1.7))(data, boxes)[0])
    given = rows(as_integers(made(box_filter_threshold=1.7, nms_padding_mode=mode))(data, boxes)[0])
    assert 0 < len(bare) < 40
    zeros = [((0, 0, 0, 0), 0, 0)] * (40 - len(bare))
    expected = {None: bare, "pad_zero": bare + zeros, "rollover": (bare * 40)[:40]}
    assert given == expected[mode]


@pytest.mark.parametrize(("mode", "count"), [(None, 0), ("pad_zero", 40), ("rollover", 40)])
def test_nothing_found(mode: str | None, count: int) -> None:
    data, boxes = branches(), anchors()
    module = made(box_filter_threshold=100.0, nms_padding_mode=mode)
    for found in as_integers(module)(data, boxes):
        assert rows(found) == [((0, 0, 0, 0), 0, 0)] * count
    for found in copy.deepcopy(module)([x.dequantize() for x in data], boxes):
        assert [len(column) for column in found] == [count] * 3


def test_each_image_has_its_size() -> None:
    data, boxes = branches(), anchors()
    first, second = as_integers(made())(data, boxes, torch.tensor([[20, 30], [40, 50]]))
    assert rows(first) == reference(data, boxes, 0, image_size=(20, 30))
    assert rows(second) == reference(data, boxes, 1, image_size=(40, 50))


def test_another_function_than_exp() -> None:
    data, boxes = branches(), anchors()
    flat = made(exp_overwrite=torch.ones_like, use_clippings=False)
    still = [QTensor(x.int_repr().clone(), x.q_scale(), x.dtype) for x in data]
    for x in still:
        x.int_repr().reshape(2, -1, 7, *x.shape[2:])[:, :, 2:4] = 0
    as_is = as_integers(made(use_clippings=False))(still, boxes)
    assert [rows(f) for f in as_integers(flat)(data, boxes)] == [rows(f) for f in as_is]


def test_a_copy_and_a_pickle_give_the_same() -> None:
    data, boxes = branches(), anchors()
    module = as_integers(made())
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert [rows(f) for f in other(data, boxes)] == [rows(f) for f in module(data, boxes)]


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 64)
        self.heads = nn.ModuleList(nn.Conv2d(3, count * 7, 3, stride, 1) for count, stride in ((4, 8), (2, 16)))
        self.anchors = AnchorGenerator(((12, 20), (30,)), ((0.5, 2.0), (1.0, 2.0)), (8, 16), layout="maps")
        self.post = made(box_filter_threshold=0.1)

    def forward(self, x: Tensor) -> object:
        x = self.quant(x)
        maps = [head(x) for head in self.heads]
        return self.post(maps, self.anchors(maps))


def test_a_detector_from_float_to_integers() -> None:
    x = torch.randn(2, 3, 64, 96)
    prepared = prepare_qat_fx(Detector(), {"": get_default_qconfig()}).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    prepared(x)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    assert type(prepared.post) is qat.DetectionPostProcessV1
    converted = convert_fx(prepared)
    assert type(converted.post) is quantized.DetectionPostProcessV1
    assert len(converted.post._bindings) == 2  # one for each branch, derived by conversion
    given = converted(x)
    assert sum(len(found[1]) for found in given) > 0
    whole = converted.quant(x)
    maps = [head(whole) for head in converted.heads]
    assert [rows(f) for f in given] == [rows(f) for f in converted.post(maps, converted.anchors(maps))]


@pytest.mark.parametrize("march", ["bernoulli", "bayes", "bayes-e"])
def test_other_marches_say_so(march: str) -> None:
    set_march(march)
    with pytest.raises(NotImplementedError, match=f"post: .*{march}: the detection unit is that of bernoulli2"):
        prepare_qat_fx(Detector(), {"": get_default_qconfig()})


def test_int16_branches_are_refused() -> None:
    data = [QTensor(x.int_repr().short(), x.q_scale(), "qint16") for x in branches()]
    with pytest.raises(NotImplementedError, match="takes int8 of scale 1/16"):
        as_integers(made())(data, anchors())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 2.0}, "num_classes must be a positive int, not 2.0"),
        ({"num_classes": 0}, "num_classes must be a positive int"),
        ({"box_filter_threshold": "0.5"}, "box_filter_threshold must be a number, not '0.5'"),
        ({"class_offsets": 3}, "class_offsets must be a list of ints, not 3"),
        ({"class_offsets": [0.5]}, "class_offsets must be a list of ints"),
        ({"use_clippings": 1}, "use_clippings must be a bool, not 1"),
        ({"image_size": (1, 2, 3)}, "image_size must be a pair of ints"),
        ({"nms_threshold": None}, "nms_threshold must be a number"),
        ({"pre_nms_top_k": True}, "pre_nms_top_k must be a positive int"),
        ({"post_nms_top_k": -1}, "post_nms_top_k must be a positive int"),
        ({"nms_padding_mode": "pad"}, "nms_padding_mode must be one of"),
        ({"nms_margin": "0"}, "nms_margin must be a number"),
        ({"use_stable_sort": "yes"}, "use_stable_sort must be a bool or None"),
        ({"bbox_min_hw": (1,)}, "bbox_min_hw must be a pair of numbers"),
        ({"exp_overwrite": 2}, "exp_overwrite must be a function"),
        ({"input_shift": 8}, "input_shift must be 0 .. 7"),
    ],
)
def test_every_argument_is_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        made(**changes)


def test_branches_that_do_not_fit() -> None:
    data, boxes = branches(), anchors()
    with pytest.raises(ValueError, match="class_offsets name 2 branches, but 1 branches"):
        as_integers(made())(data[:1], boxes[:1])
    with pytest.raises(ValueError, match=r"branch 0: anchors .* of 2 classes need data"):
        as_integers(made(num_classes=2))(data, boxes)
