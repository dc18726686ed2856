"""The code of the two source documents runs as printed.

The printed pages lost their indentation, and one of them a colon; `*_as_printed.txt` is the pages' text, `*.py` the same
lines, indented. A test compares them line by line.
"""

import contextlib
import io
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch import nn as hnn
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    QuantStub,
    convert_fx,
    default_qat_8bit_fake_quant_qconfig,
    fuse_fx,
    prepare_qat_fx,
)

HERE = Path(__file__).parent
LOST_COLON = "def _post_process(self, data, feat, cls_scores, bbox_preds)"


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    code = [line + ":" if line == LOST_COLON else line for line in lines]
    return [line for line in code if line and not line.startswith("#")]


@pytest.mark.parametrize("name", ["rgb888", "retinanet"])
def test_the_code_is_the_printed_one(name: str) -> None:
    printed = _lines(HERE / f"{name}_as_printed.txt")
    code = _lines(HERE / f"{name}.py")
    assert code[len(code) - len(printed) :] == printed


def _words(tables: str) -> list[list[str]]:
    """The words of each printed row; dashes and addresses are layout."""
    rows = [re.sub(r" at 0x[0-9a-f]+", "", line).split() for line in tables.splitlines()]
    return [row for row in rows if row and set("".join(row)) != {"-"}]


def _run_rgb888() -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        runpy.run_path(str(HERE / "rgb888.py"))
    return out.getvalue()


@pytest.mark.parametrize("fuse_first", [False, True])
def test_rgb888_prints_its_two_tables(fuse_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if fuse_first:
        prepare_fused = lambda net, *args: prepare_qat_fx(fuse_fx(net), *args)  # noqa: E731
        monkeypatch.setattr("horizon_plugin_pytorch.quantization.prepare_qat_fx", prepare_fused)
    assert _words(_run_rgb888()) == _words((HERE / "rgb888_tables.txt").read_text(encoding="utf-8"))


def test_the_tables_need_no_third_party_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tabulate", None)
    head = _run_rgb888().splitlines()[1:3]
    assert head == [
        "opcode       name     target    args        kwargs",
        "-----------  -------  --------  ----------  --------",
    ]


class _Head(nn.Module):
    num_classes = 3

    def __init__(self) -> None:
        super().__init__()
        self.cls, self.reg = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 4, 1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, feat: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [self.dequant(self.cls(f)) for f in feat], [self.dequant(self.reg(f)) for f in feat]


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(self.quant(x))
        return [x, self.down(x)]


class _Anchors(nn.Module):
    """Uses a convolution, so that it shows whether modules inside of a wrapped method are quantized."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 4, 1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, feat: list[Tensor]) -> list[Tensor]:
        return [self.dequant(self.conv(f)) for f in feat]


class _Targets(nn.Module):
    def forward(self, anchors: list[Tensor], gt: list[Tensor]) -> tuple[None, dict[str, Tensor]]:
        n, count = anchors[0].shape[0], sum(a.shape[2] * a.shape[3] for a in anchors)
        label = torch.zeros(n, count, 3), torch.zeros(n, count, 4)
        return None, {
            "cls_label": label[0] + gt[0].mean() * 0,
            "cls_label_mask": torch.ones_like(label[0]),
            "reg_label": label[1],
            "reg_label_mask": torch.ones_like(label[1]),
        }


class _PostProcess(nn.Module):
    def forward(self, anchors: Any, cls_scores: Any, bbox_preds: Any, shapes: list[Tensor]) -> list[Tensor]:
        return [b + a for a, b in zip(anchors, bbox_preds, strict=True)]


class _Loss(nn.Module):
    def forward(self, pred: Tensor, target: Tensor, weight: Tensor, avg_factor: Tensor) -> Tensor:
        return ((pred - target) * weight).square().sum() / avg_factor


def _data() -> dict[str, Any]:
    return {
        "img": torch.rand(2, 3, 16, 16),
        "gt_bboxes": [torch.rand(2, 4), torch.rand(1, 4)],
        "gt_classes": [torch.tensor([0, 1]), torch.tensor([2])],
        "resized_shape": [(16, 16), (16, 16)],
    }


@pytest.mark.parametrize("march", ["bernoulli2", "bayes", "bayes-e"])
def test_retinanet_trains_evaluates_and_converts(march: str) -> None:
    retinanet = runpy.run_path(str(HERE / "retinanet.py"))["RetinaNet"]
    model = retinanet(_Backbone(), None, _Head(), _Anchors(), _Targets(), _PostProcess(), _Loss(), _Loss())
    set_march(march)
    qat = prepare_qat_fx(model, {"": default_qat_8bit_fake_quant_qconfig})
    assert type(qat.anchors.conv) is hnn.qat.Conv2d
    losses = qat.train()(_data())
    assert set(losses) == {"cls_loss", "reg_loss"}
    (losses["cls_loss"] + losses["reg_loss"]).backward()
    assert qat.head.cls.weight.grad is not None
    evaluated = qat.eval()(_data())
    assert len(evaluated["pred_bboxes"]) == 2
    quantized = convert_fx(qat)
    assert type(quantized.anchors.conv) is hnn.quantized.Conv2d
    data = _data()
    expected, given = qat(dict(data))["pred_bboxes"], quantized(dict(data))["pred_bboxes"]
    for left, right in zip(expected, given, strict=True):
        scale = quantized.head.reg.scale + quantized.anchors.conv.scale
        assert (left - right).abs().max() <= 2.001 * scale
