"""A few integers as QTensors, integer and fake-quantized, and their values as lists."""

from typing import Any

import torch
from torch import Tensor

from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.qtensor import QTensor

SCALE = torch.tensor([0.25])


INTEGERS = torch.tensor([[-128, -127, -1], [0, 1, 127], [5, 5, -7]], dtype=torch.int8)


OTHERS = torch.tensor([[-3, 4, 4], [0, 9, -9], [3, 2, 127]], dtype=torch.int8)


MASK = torch.tensor([[True, False, False], [False, True, False], [True, True, False]])


INDEX = torch.tensor([[0, 2, 1], [1, 1, 0]])


def integer(data: Tensor = INTEGERS, scale: Tensor = SCALE) -> QTensor:
    return QTensor(data.clone(), scale, qint8)


def fake(data: Tensor = INTEGERS, scale: Tensor = SCALE) -> QTensor:
    return QTensor(data * scale, scale, qint8)


def plain(value: Any) -> Any:
    """Integers of QTensors, values of tensors, as nested lists."""
    if isinstance(value, QTensor):
        return value.int_repr().tolist()
    if isinstance(value, Tensor):
        return value.tolist()
    return [plain(item) for item in value]


def flat(data: Tensor = INTEGERS) -> list[int]:
    return data.flatten().tolist()
