# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/integer_detections.py
"""The detection unit as modules: float, QAT and integers.

In: for each branch of a head one map of regressions and scores, and the anchors. Out: for each image boxes, scores and
classes. QAT computes the very integers of the quantized form and gives them as floats on their grid; no gradient passes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..dtype import qint8, qint16
from ..kernels import common, load
from .branch_detections import PADDINGS, FloatBoxes, Found, IntegerBoxes, Settings, detect
from .errors import ArgumentError
from .march import require_march
from .qat_module import QATModule
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule, Scaled

_NUMBER = (int, float)
_MOST_SHIFT = 7


class BranchDetections(nn.Module):
    """Post process of the branches of a detector's head.

    Args:
        num_classes: of each branch.
        box_filter_threshold: keep anchors whose best class scores more (or as much, if the march says so).
        class_offsets: for each branch, what is added to its classes.
        use_clippings: whether boxes are clipped to the image.
        image_size: (height, width).
        nms_threshold: suppress boxes of one class that overlap more.
        pre_nms_top_k: keep so many boxes before the suppression.
        post_nms_top_k: keep so many after it.
        nms_padding_mode: None: as many rows as were found; "pad_zero": post_nms_top_k rows, zeros at the end;
            "rollover": post_nms_top_k rows, the found ones again and again.
        nms_margin: a box suppresses another only when it scores higher by more than this.
        use_stable_sort: whether equal scores keep their order; None: as the march sorts.
        bbox_min_hw: the least (height, width) of a box, in pixels.
        exp_overwrite: what is computed of dw and dh.
        input_shift: the fraction bits of the integers: their scale is 2 to minus this.

    Raises:
        ArgumentError: an argument of another type, or out of range; it is an AssertionError.
    """

    _OP: str
    settings: Settings

    def __init__(
        self,
        num_classes: int,
        box_filter_threshold: float,
        class_offsets: Sequence[int],
        use_clippings: bool,
        image_size: tuple[int, int],
        nms_threshold: float,
        pre_nms_top_k: int,
        post_nms_top_k: int,
        nms_padding_mode: str | None = None,
        nms_margin: float = 0.0,
        use_stable_sort: bool | None = None,
        bbox_min_hw: tuple[float, float] = (0, 0),
        exp_overwrite: Callable[[Tensor], Tensor] = torch.exp,
        input_shift: int = 4,
    ) -> None:
        super().__init__()
        _integers(num_classes=num_classes, pre_nms_top_k=pre_nms_top_k, post_nms_top_k=post_nms_top_k)
        _require(type(input_shift) is int and 0 <= input_shift <= _MOST_SHIFT, "input_shift", "0 .. 7", input_shift)
        _numbers(box_filter_threshold=box_filter_threshold, nms_threshold=nms_threshold, nms_margin=nms_margin)
        _sequence("class_offsets", class_offsets, None, int)
        _sequence("image_size", image_size, 2, int)
        _sequence("bbox_min_hw", bbox_min_hw, 2, _NUMBER)
        _require(type(use_clippings) is bool, "use_clippings", "a bool", use_clippings)
        _require(use_stable_sort in (None, True, False), "use_stable_sort", "a bool or None", use_stable_sort)
        _require(nms_padding_mode in PADDINGS, "nms_padding_mode", f"one of {PADDINGS}", nms_padding_mode)
        _require(callable(exp_overwrite), "exp_overwrite", "a function of a tensor", exp_overwrite)
        self.settings = Settings(
            num_classes, float(box_filter_threshold), tuple(class_offsets), use_clippings,
            (image_size[0], image_size[1]), float(nms_threshold), pre_nms_top_k, post_nms_top_k, nms_padding_mode,
            float(nms_margin), use_stable_sort, (bbox_min_hw[0], bbox_min_hw[1]), exp_overwrite, input_shift,
        )  # fmt: skip

    def forward(self, data: Sequence[Tensor], anchors: Sequence[Tensor], image_sizes: Any = None) -> list[Found]:
        """Detections of each image.

        Args:
            data: for each branch [N, A * (4 + num_classes), H, W]: for each anchor dx, dy, dw, dh, then its scores.
            anchors: for each branch float32 [N, A * 4, H, W]: x1, y1, x2, y2 of each anchor.
            image_sizes: (height, width) of each image; the constructor's by default.

        Returns:
            For each image boxes [K, 4] (x1, y1, x2, y2), scores [K] and classes int64 [K], best first.

        Raises:
            RuntimeError: no march is set.
            ArgumentError: shapes that do not fit.
        """
        check_branches(self.settings, data, anchors)
        kernels = load(require_march(type(self).__name__))
        return detect(self.settings, FloatBoxes(self.settings, kernels), data, anchors, image_sizes)

    def extra_repr(self) -> str:
        """What was asked for."""
        return f"num_classes={self.settings.num_classes}, class_offsets={self.settings.class_offsets}"


class QATBranchDetections(QATModule):
    """The integers of the quantized form, as floats on their grid."""

    settings: Settings

    def _set_up(self) -> None:
        """Scales are fixed; nothing is observed."""

    def _result_dtype(self, x: QTensor) -> str:
        return str(qint16)

    def forward(self, data: Sequence[Tensor], anchors: Sequence[Tensor], image_sizes: Any = None) -> list[Found]:
        """As the float module; boxes and scores are QTensors."""
        for x in data:
            self._admit(x)
        with torch.no_grad():
            found = run_integers(self, [self._rescaled(x) for x in data], data, anchors, image_sizes)
            return [
                (_as_float(boxes, self.kernels), _as_float(scores, self.kernels), classes)
                for boxes, scores, classes in found
            ]

    def _rescaled(self, x: Tensor) -> Tensor:
        scale = input_scale(self.settings, x)
        if not isinstance(x, QTensor):
            return torch.as_tensor(self.kernels.quantize_activation(x, scale, output=qint8))
        p = self.kernels.derive_requantize(x.q_scale(), scale, input=x.dtype, output=qint8)
        return torch.as_tensor(self.kernels.requantize(x.int_repr(), p, output=qint8))


class QuantizedBranchDetections(QuantizedModule):
    """Integers in; boxes int16 in quarter pixels and scores int8 out."""

    settings: Settings

    def _result_dtype(self, x: Input) -> str:
        return str(qint16)

    def bind(self, *inputs: Scaled | None) -> None:
        """Derive the integers that bring each branch to the unit's scale."""
        for x in inputs:
            if x is not None:
                self.bound(self._derive_rescale, x)

    def _derive_rescale(self, x: Input) -> Any:
        scale = input_scale(self.settings, x.q_scale())
        return self.kernels.derive_requantize(x.q_scale(), scale, input=x.dtype, output=qint8)

    def forward(self, data: Sequence[QTensor], anchors: Sequence[Tensor], image_sizes: Any = None) -> list[Found]:
        """As the float module; boxes and scores are QTensors."""
        rescaled = []
        for x in data:
            p = self.bound(self._derive_rescale, x)
            rescaled.append(self.kernels.requantize(x.int_repr(), p, output=qint8))
        return run_integers(self, rescaled, data, anchors, image_sizes)


def run_integers(
    module: Any, integers: Sequence[Tensor], data: Sequence[Tensor], anchors: Sequence[Tensor], image_sizes: Any
) -> list[Found]:
    """Detections in integers, of branches that have the unit's scale; `data` are the branches as they came."""
    settings: Settings = module.settings
    check_branches(settings, data, anchors)
    scale = input_scale(settings, integers[0])
    step = common.box_pixels(torch.ones(1, dtype=torch.int16, device=scale.device))
    found = detect(settings, IntegerBoxes(settings, module.kernels, qint8, scale), integers, anchors, image_sizes)
    return [(QTensor(boxes, step, qint16), QTensor(scores, scale, qint8), classes) for boxes, scores, classes in found]


def input_scale(settings: Settings, like: Tensor) -> Tensor:
    """The scale that the unit works in, float32 [1]."""
    return torch.tensor([2.0**-settings.input_shift], device=like.device)


def check_branches(settings: Settings, data: Sequence[Tensor], anchors: Sequence[Tensor]) -> None:
    """Raise ArgumentError when branches, anchors and offsets do not fit together."""
    counts = {len(data), len(anchors), len(settings.class_offsets)}
    if len(counts) != 1 or not data:
        raise ArgumentError(
            f"class_offsets name {len(settings.class_offsets)} branches, but {len(data)} branches and "
            f"{len(anchors)} maps of anchors came in"
        )
    for index, (x, boxes) in enumerate(zip(data, anchors, strict=True)):
        wanted = boxes.shape[1] // 4 * (4 + settings.num_classes)
        if x.shape[1] != wanted or x.shape[0] != boxes.shape[0] or x.shape[2:] != boxes.shape[2:]:
            raise ArgumentError(
                f"branch {index}: anchors {list(boxes.shape)} of {settings.num_classes} classes need data "
                f"[{boxes.shape[0]}, {wanted}, {boxes.shape[2]}, {boxes.shape[3]}], not {list(x.shape)}"
            )


def _as_float(x: Any, kernels: Any) -> QTensor:
    return QTensor(kernels.dequantize(x.int_repr(), x.q_scale()), x.q_scale(), x.dtype)


def _require(holds: bool, name: str, what: str, given: object) -> None:
    if not holds:
        raise ArgumentError(f"{name} must be {what}, not {given!r}")


def _integers(**given: object) -> None:
    for name, value in given.items():
        _require(type(value) is int and value > 0, name, "a positive int", value)


def _numbers(**given: object) -> None:
    for name, value in given.items():
        _require(isinstance(value, _NUMBER) and not isinstance(value, bool), name, "a number", value)


def _sequence(name: str, given: Any, length: int | None, kinds: Any) -> None:
    of = isinstance(given, list | tuple) and all(isinstance(item, kinds) and type(item) is not bool for item in given)
    what = f"{'a list' if length is None else 'a pair'} of {'ints' if kinds is int else 'numbers'}"
    _require(of and length in (None, len(given)), name, what, given)
