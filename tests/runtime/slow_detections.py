"""DetectionPostProcessV1 in Python's own numbers, and the branches that tests take."""

import math
from fractions import Fraction

import torch
from torch import Tensor

from horizon_plugin_pytorch.nn import AnchorGenerator, DetectionPostProcessV1, qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    get_default_qconfig,
)

MARCH = "bernoulli2"


SETTINGS = {
    "num_classes": 3,
    "box_filter_threshold": 0.55,
    "class_offsets": [0, 10],
    "use_clippings": True,
    "image_size": (64, 96),
    "nms_threshold": 0.45,
    "pre_nms_top_k": 60,
    "post_nms_top_k": 40,
    "use_stable_sort": True,
    "bbox_min_hw": (2.0, 3.0),
}


Row = tuple[tuple[int, ...], int, int]


def made(**changes: object) -> DetectionPostProcessV1:
    return DetectionPostProcessV1(**{**SETTINGS, **changes})


def anchors() -> list[Tensor]:
    generator = AnchorGenerator(((12, 20), (30,)), ((0.5, 2.0), (1.0, 2.0)), (8, 16), layout="maps")
    return generator([torch.zeros(2, 1, 8, 12), torch.zeros(2, 1, 4, 6)])


def branches(scale: float = 1 / 16, shift: int = 0) -> list[QTensor]:
    """Random integers; regressions are small, scores are wide."""
    made_ = []
    for per_position, (h, w) in ((4, (8, 12)), (2, (4, 6))):
        deltas = torch.randint(-14, 15, (2, per_position, 4, h, w))
        scores = torch.randint(-60, 30, (2, per_position, 3, h, w)) + shift
        data = torch.cat([deltas, scores], 2).reshape(2, per_position * 7, h, w)
        made_.append(QTensor(data.to(torch.int8), torch.tensor([scale]), "qint8"))
    return made_


def halves_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def an_edge(low: int, high: int, offset: int, growth: int, side: int) -> int:
    size = max(high - low, 0)
    exact = Fraction(low + high, 2) + Fraction(offset * size, 16) + side * Fraction(size * growth, 2**17)
    return min(max(halves_up(exact), -(2**15)), 2**15 - 1)


def area(box: tuple[int, ...]) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def wins(a: Row, b: Row, iou: float, margin: float) -> bool:
    both = area((max(a[0][0], b[0][0]), max(a[0][1], b[0][1]), min(a[0][2], b[0][2]), min(a[0][3], b[0][3])))
    either = area(a[0]) + area(b[0]) - both
    least = halves_up(Fraction(float(torch.tensor(iou)) * 2**16))
    ahead = a[1] - b[1] > math.floor(float(torch.tensor(margin)) * 16)
    return a[2] == b[2] and ahead and both * 2**16 > least * either


def reference(data: list[QTensor], boxes: list[Tensor], n: int, **changes: object) -> list[Row]:
    s = {**SETTINGS, "nms_margin": 0.0, **changes}
    limit = math.floor(s["box_filter_threshold"] * 16)
    h, w = s["image_size"]
    found: list[Row] = []
    for x, level, offset in zip(data, boxes, s["class_offsets"], strict=True):
        count, integers = level.shape[1] // 4, x.int_repr()
        for y in range(x.shape[2]):
            for i in range(x.shape[3]):
                for k in range(count):
                    row = integers[n, k * 7 : k * 7 + 7, y, i].tolist()
                    anchor = [halves_up(Fraction(v) * 4) for v in level[n, k * 4 : k * 4 + 4, y, i].tolist()]
                    anchor = [min(max(v, 0), 65535) for v in anchor]
                    best = max(row[4:])
                    if best <= limit:
                        continue
                    growth = [int(torch.floor(torch.exp(torch.tensor(v / 16)) * 2**16 + 0.5)) for v in row[2:4]]
                    edges = [an_edge(anchor[j], anchor[j + 2], row[j], growth[j], e) for e in (-1, 1) for j in (0, 1)]
                    if s["use_clippings"]:
                        edges = [min(max(v, 0), 4 * end) for v, end in zip(edges, (w, h, w, h), strict=True)]
                    least = [math.ceil(4 * v) for v in s["bbox_min_hw"]]
                    if edges[3] - edges[1] >= least[0] and edges[2] - edges[0] >= least[1]:
                        found.append((tuple(edges), best, row[4:].index(best) + offset))
    found = sorted(found, key=lambda r: -r[1])[: s["pre_nms_top_k"]]
    kept: list[Row] = []
    for one in found:
        if not any(wins(k, one, s["nms_threshold"], s["nms_margin"]) for k in kept):
            kept.append(one)
    return kept[: s["post_nms_top_k"]]


def as_qat(module: DetectionPostProcessV1) -> qat.DetectionPostProcessV1:
    module.qconfig = get_default_qconfig()
    return qat.DetectionPostProcessV1.from_float(module)


def as_integers(module: DetectionPostProcessV1) -> quantized.DetectionPostProcessV1:
    return quantized.DetectionPostProcessV1.from_float(as_qat(module))


def rows(found: tuple[QTensor, QTensor, Tensor]) -> list[Row]:
    boxes, scores, classes = found
    columns = boxes.int_repr().tolist(), scores.int_repr().tolist(), classes.tolist()
    return [(tuple(box), score, label) for box, score, label in zip(*columns, strict=True)]
