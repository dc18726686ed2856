"""DetectionPostProcess and RcnnPostProcess: float post processing against a slow reference in Python floats."""

import math

import pytest
import torch
from test_suppression import overlap
from torch import Tensor, nn

from horizon_plugin_pytorch.functional import rgb2yuv
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import BgrToYuv444, DetectionPostProcess, RcnnPostProcess
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import QuantStub, get_default_qconfig, prepare_qat_fx

Found = list[tuple[list[float], float, int]]


def decoded(a: list[float], d: list[float], absolute: bool = False) -> list[float]:
    size = [a[2] - a[0], a[3] - a[1]]
    out = [0.0] * 4
    for i in (0, 1):
        center = (a[i] + a[2 + i]) / 2 + (d[i] if absolute else d[i] * size[i])
        half = size[i] * math.exp(d[2 + i]) / 2
        out[i], out[2 + i] = center - half, center + half
    return out


def clipped(box: list[float], image: tuple[int, int]) -> list[float]:
    h, w = image
    return [min(max(v, 0.0), float(end)) for v, end in zip(box, (w, h, w, h), strict=True)]


def suppressed(found: Found, threshold: float) -> Found:
    kept: Found = []
    for one in sorted(found, key=lambda f: -f[1]):
        if all(one[2] != k[2] or overlap(k[0], one[0]) <= threshold for k in kept):
            kept.append(one)
    return kept


def a_level(count: int, classes: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    low = torch.rand(count, 2) * 60
    return (
        torch.cat([low, low + 4 + torch.rand(count, 2) * 30], 1),
        torch.rand(batch, count, classes),
        torch.randn(batch, count, 4) * 0.3,
    )


def compare(given: tuple[tuple[Tensor, ...], ...], expected: list[Found]) -> None:
    for boxes, scores, labels, found in zip(*given, expected, strict=True):
        assert labels.tolist() == [f[2] for f in found]
        assert torch.allclose(scores, torch.tensor([f[1] for f in found]))
        assert torch.allclose(boxes, torch.tensor([f[0] for f in found]).reshape(-1, 4), atol=1e-3)


def test_normal_mode_equals_the_definition() -> None:
    levels = [a_level(40, 4), a_level(25, 4)]
    post = DetectionPostProcess(
        score_threshold=0.6, regression_scale=(0.5, 0.5, 1.0, 2.0), background_class_idx=0, size_threshold=3.0,
        image_size=(64, 80), iou_threshold=0.4, post_nms_top_n=30,
    )  # fmt: skip
    expected = []
    for n in range(2):
        found: Found = []
        for anchors, scores, deltas in levels:
            for k in range(len(anchors)):
                delta = [v * f for v, f in zip(deltas[n, k].tolist(), (0.5, 0.5, 1.0, 2.0), strict=True)]
                box = clipped(decoded(anchors[k].tolist(), delta), (64, 80))
                if min(box[2] - box[0], box[3] - box[1]) >= 3.0:
                    found += [(box, s, c) for c, s in enumerate(scores[n, k].tolist()) if c and s >= 0.6]
        expected.append(suppressed(found, 0.4)[:30])
    compare(post(*zip(*levels, strict=True)), expected)
    assert all(len(found) > 10 for found in expected)


def test_yolo_mode_equals_the_definition() -> None:
    anchors, scores, deltas = a_level(50, 5)
    post = DetectionPostProcess(score_threshold=0.5, iou_threshold=0.3, mode="yolo")
    expected = []
    for n in range(2):
        found: Found = []
        for k in range(50):
            objectness, *classes = scores[n, k].tolist()
            if objectness >= 0.5:
                box = decoded(anchors[k].tolist(), deltas[n, k].tolist(), absolute=True)
                found.append((box, max(classes) * objectness, classes.index(max(classes))))
        expected.append(suppressed(found, 0.3))
    compare(post([anchors], [scores], [deltas]), expected)


def test_suppression_in_each_level_alone() -> None:
    anchors, scores, deltas = a_level(20, 1)
    twice = [[x, x] for x in (anchors, scores, deltas)]
    apart = DetectionPostProcess(iou_threshold=0.5, nms_on_each_level=True)(*twice)[1][0]
    alone = DetectionPostProcess(iou_threshold=0.5)([anchors], [scores], [deltas])[1][0]
    assert apart.tolist() == sorted([*alone.tolist()] * 2, reverse=True)
    assert DetectionPostProcess(iou_threshold=0.5)(*twice)[1][0].tolist() == alone.tolist()


def test_the_best_are_kept_before_and_after_decoding() -> None:
    anchors, scores, deltas = a_level(30, 2)
    given = DetectionPostProcess(pre_decode_top_n=5, post_decode_top_n=7)([anchors], [scores], [deltas])
    rows = scores[0, :, 0].sort(descending=True)[1][:5]
    assert given[1][0].tolist() == scores[0, rows].flatten().sort(descending=True)[0][:7].tolist()


def test_without_a_threshold_of_overlap_nothing_is_suppressed() -> None:
    anchors, scores, deltas = a_level(30, 2)
    assert len(DetectionPostProcess()([anchors], [scores], [deltas])[1][0]) == 60
    assert len(DetectionPostProcess(pre_nms_top_n=9)([anchors], [scores], [deltas])[1][0]) == 9


def test_maps_are_rows_in_the_order_of_positions() -> None:
    maps = torch.rand(2, 3 * 4, 2, 5), torch.rand(2, 3 * 6, 2, 5), torch.rand(2, 3 * 4, 2, 5)
    rows = [x.reshape(2, 3, -1, 2, 5).permute(0, 3, 4, 1, 2).reshape(2, 30, -1) for x in maps]
    post = DetectionPostProcess(score_threshold=0.3)
    for a, b in zip(post(*([x] for x in maps)), post(*([x] for x in rows)), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_each_image_has_its_shape() -> None:
    anchors, scores, deltas = a_level(30, 1)
    boxes = DetectionPostProcess(image_size=(9, 9))([anchors], [scores], [deltas], torch.tensor([[20, 30], [5, 6]]))[0]
    assert boxes[0].amax(0).tolist() == [30.0, 20.0, 30.0, 20.0]
    assert boxes[1].amax(0).tolist() == [6.0, 5.0, 6.0, 5.0]


@pytest.mark.parametrize("mode", ["normal", "yolo"])
def test_nothing_scores_enough(mode: str) -> None:
    boxes, scores, labels = DetectionPostProcess(score_threshold=2, iou_threshold=0.5, mode=mode)(
        *([x] for x in a_level(9, 3))
    )
    assert [list(x[0].shape) for x in (boxes, scores, labels)] == [[0, 4], [0], [0]]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="mode must be one of 'normal', 'yolo', not 'ssd'"):
        DetectionPostProcess(mode="ssd")
    with pytest.raises(ValueError, match="a level has 3 boxes, 2 scores and 2 regressions"):
        DetectionPostProcess()([torch.zeros(3, 4)], [torch.zeros(1, 2, 3)], [torch.zeros(1, 2, 4)])


class Head(nn.Module):
    def __init__(self, post: nn.Module) -> None:
        super().__init__()
        self.quant, self.conv, self.post = QuantStub(scale=1 / 64), nn.Conv2d(3, 4, 1), post

    def forward(self, x: Tensor) -> object:
        x = self.conv(self.quant(x))
        return self.post([x], [x], [x])


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes", "bayes-e"])
def test_without_a_dequant_stub_the_error_names_it(march: str) -> None:
    set_march(march)
    qat = prepare_qat_fx(Head(DetectionPostProcess()), {"": get_default_qconfig()})
    with pytest.raises(
        NotImplementedError, match=f"{march}: qint8 input: .*host CPU; use it on float32, after a DeQuantStub"
    ):
        qat(torch.rand(1, 3, 4, 4))


def rcnn_input(counts: list[int], classes: int) -> tuple[list[Tensor], Tensor, Tensor]:
    boxes = [a_level(count, 1)[0] for count in counts]
    scores = torch.rand(sum(counts), classes + 1).softmax(1)[:, :, None, None]
    return boxes, scores, torch.randn(sum(counts), (classes + 1) * 4, 1, 1)


def test_regions_equal_the_definition() -> None:
    boxes, scores, deltas = rcnn_input([40, 40], 3)
    std, sizes = (0.1, 0.1, 0.2, 0.2), torch.tensor([[60, 70], [200, 200]], dtype=torch.int32)
    post = RcnnPostProcess(
        nms_threshold=0.4, box_filter_threshold=0.25, num_classes=3, post_nms_top_k=25, delta_std=std
    )
    given = post(boxes, scores, deltas, sizes)
    for n in range(2):
        found: Found = []
        for k, anchor in enumerate(boxes[n].tolist()):
            row = scores[n * 40 + k].flatten().tolist()
            label = row.index(max(row))
            delta = deltas[n * 40 + k].flatten()[label * 4 : label * 4 + 4].tolist()
            if label and row[label] > 0.25:
                box = decoded(anchor, [d * s for d, s in zip(delta, std, strict=True)])
                found.append((clipped(box, tuple(sizes[n].tolist())), row[label], label - 1))
        rows = [[*box, score, label] for box, score, label in suppressed(found, 0.4)[:25]]
        assert len(rows) > 5
        rows += [[-1.0] * 6] * (25 - len(rows))
        assert torch.allclose(given[n], torch.tensor(rows), atol=1e-3)


def test_images_without_regions_or_detections() -> None:
    boxes, scores, deltas = rcnn_input([0, 3], 2)
    out = RcnnPostProcess(num_classes=2, box_filter_threshold=1.0, post_nms_top_k=4)(boxes, scores, deltas)
    assert torch.equal(out, torch.full((2, 4, 6), -1.0))


def test_regions_need_their_scores() -> None:
    boxes, scores, deltas = rcnn_input([2, 3], 2)
    with pytest.raises(ValueError, match="5 regions of 3 classes"):
        RcnnPostProcess(num_classes=2)(boxes, scores[:4], deltas)


@pytest.mark.parametrize(
    ("march", "supported"), [("bernoulli", False), ("bernoulli2", False), ("bayes", True), ("bayes-e", True)]
)
def test_marches_without_a_second_stage_say_so(march: str, supported: bool) -> None:
    set_march(march)
    if supported:
        prepare_qat_fx(Head(RcnnPostProcess()), {"": get_default_qconfig()})
        return
    with pytest.raises(
        NotImplementedError, match=f"post: RcnnPostProcess: rcnn_post_process is not supported on {march}"
    ):
        prepare_qat_fx(Head(RcnnPostProcess()), {"": get_default_qconfig()})


def test_colours_become_yuv_before_the_stub() -> None:
    image = torch.randint(0, 256, (2, 3, 4, 5))
    assert torch.equal(BgrToYuv444(channel_reversal=True)(image), rgb2yuv(image).float())
    assert torch.equal(BgrToYuv444()(image.flip(1)), rgb2yuv(image).float())
    assert BgrToYuv444()(image.double()).dtype == torch.float64
    set_march("bayes")
    with pytest.raises(NotImplementedError, match="before the QuantStubs"):
        BgrToYuv444()(QTensor(image.to(torch.int8), torch.tensor([1.0]), "qint8"))
