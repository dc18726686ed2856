# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/observer_v2.py
"""Observers with a moving average each; see `get_default_qconfig` for their short names."""

from .._runtime.observer_entropy import KLObserver
from .._runtime.observer_histogram import CalibObserver, HistogramObserver
from .._runtime.observer_search import MixObserver, MSEObserver, NormObserver
from .._runtime.observers import ClipObserver, ClipStdObserver, FixedScaleObserver, MinMaxObserver, PercentileObserver

__all__ = [
    "CalibObserver",
    "ClipObserver",
    "ClipStdObserver",
    "FixedScaleObserver",
    "HistogramObserver",
    "KLObserver",
    "MSEObserver",
    "MinMaxObserver",
    "MixObserver",
    "NormObserver",
    "PercentileObserver",
]
