"""Segment tables and calibrated models of one function."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import torch
from golden_support import current_march, f32
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.segment_table import SegmentTable, make_table
from horizon_plugin_pytorch._runtime.table_options import TableOptions, Tabulated
from horizon_plugin_pytorch.dtype import DTYPES
from horizon_plugin_pytorch.kernels import load
from horizon_plugin_pytorch.nn import unary
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

BAYES = load("bayes")


INT8, INT16 = DTYPES["qint8"], DTYPES["qint16"]


EVERY_INT8 = torch.arange(-128, 128).to(torch.int8)


EVERY_INT16 = torch.arange(-32768, 32768).to(torch.int16)


PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "prelu": {"weight": torch.tensor([0.25])},
    "number_over": {"number": 0.7},
}
"""Of the functions that take more than x."""


def tabulated_by(module: ModuleType) -> dict[str, Tabulated]:
    """The table of each operator whose class a module holds, with values for its parameters."""
    classes = (value for value in vars(module).values() if isinstance(value, type))
    rows = [row for each in classes if isinstance(row := getattr(each, "_TABULATED", None), Tabulated)]
    return {row.op: replace(row, function=partial(row.function, **PARAMETERS.get(row.op, {}))) for row in rows}


UNARY = tuple(tabulated_by(unary).values())


def segment_table(function: Callable[[Tensor], Tensor], s_in: float, s_out: float, **options: Any) -> SegmentTable:
    """An int16 table."""
    made = make_table(BAYES, function, TableOptions(**options), f32(s_in), f32(s_out), INT16, INT16)
    assert isinstance(made, SegmentTable)
    return made


def quantized_model(layer: nn.Module, x: Tensor, source: str, output: str, march: str) -> tuple[nn.Module, nn.Module]:
    """(QAT, converted) of a stub and a layer, calibrated with x."""
    model = nn.Sequential(QuantStub(), layer).eval()
    with current_march(march):
        rules = {"": _qconfig(output), "module_name": {"0": _qconfig(source)}}
        qat_model = prepare_qat_fx(model, rules).eval()
        set_fake_quantize(qat_model, FakeQuantState.CALIBRATION)
        qat_model(x)
        qat_model.eval()
        set_fake_quantize(qat_model, FakeQuantState.VALIDATION)
        return qat_model, convert_fx(qat_model)


def _qconfig(dtype: str) -> Any:
    return get_default_qconfig(activation_qkwargs={"dtype": dtype})
