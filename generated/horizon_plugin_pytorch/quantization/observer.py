# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/observer.py
"""Observers under their first names; `observer_v2` has the present ones."""

from .._runtime.observer_histogram import CalibObserver
from .._runtime.observers_v1 import (
    ClipObserver,
    FixedScaleObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
)

MovingAveragePerTensorMinMaxObserver = MovingAverageMinMaxObserver

__all__ = [
    "CalibObserver",
    "ClipObserver",
    "FixedScaleObserver",
    "MinMaxObserver",
    "MovingAverageMinMaxObserver",
    "MovingAveragePerChannelMinMaxObserver",
    "MovingAveragePerTensorMinMaxObserver",
    "PerChannelMinMaxObserver",
]
