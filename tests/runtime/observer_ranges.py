"""The observers that average ranges, and the ranges that they have."""

from typing import Any

import torch

from horizon_plugin_pytorch.quantization import observer_v2 as v2

CHANNELS: dict[str, Any] = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0}


ALL = (v2.MinMaxObserver, v2.PercentileObserver, v2.MSEObserver, v2.ClipObserver, v2.ClipStdObserver)


def limits(observer: Any) -> tuple[list[float], list[float]]:
    return observer.min_val.tolist(), observer.max_val.tolist()
