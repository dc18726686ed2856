# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/legacy_calibration.py
"""The calibration flow of older releases: models that are prepared in the state CALIBRATION.

In: a float model. Out: what `prepare_qat_fx` and `prepare_qat` return, in eval mode and observing, so that running it over
data is all there is to do. `load_observer_params(calibrated, qat)` takes what was observed to a model for QAT.
"""

import copy
from typing import Any, TypeVar

from torch import nn

from .eager import prepare_qat
from .fake_quant_state import FakeQuantState, set_fake_quantize
from .graph_module import ObservedGraphModule
from .prepare import prepare_qat_fx

M = TypeVar("M", bound=nn.Module)


def prepare_calibration_fx(
    model: nn.Module,
    qconfig_dict: dict[str, Any] | None = None,
    prepare_custom_config_dict: dict[str, Any] | None = None,
    optimize_graph: bool = False,
    hybrid: bool = False,
    hybrid_dict: dict[str, Any] | None = None,
) -> ObservedGraphModule:
    """`prepare_qat_fx`, then the state CALIBRATION. Without any qconfig it is that of `get_default_calib_qconfig`.

    Args, Raises:
        As of `prepare_qat_fx`.
    """
    if qconfig_dict is None and not _has_qconfig(model):
        qconfig_dict = {"": _default_qconfig()}
    arguments = (qconfig_dict, prepare_custom_config_dict, optimize_graph, hybrid, hybrid_dict)
    return _observing(prepare_qat_fx(model, *arguments))


def prepare_calibration(model: nn.Module, inplace: bool = False) -> nn.Module:
    """`prepare_qat`, then the state CALIBRATION. Without any qconfig it is that of `get_default_calib_qconfig`.

    Args, Raises:
        As of `prepare_qat`.
    """
    own = model if inplace else copy.deepcopy(model)
    if not _has_qconfig(own):
        own.qconfig = _default_qconfig()
    return _observing(prepare_qat(own, inplace=True))


def _default_qconfig() -> Any:
    from ..quantization.qconfig_factories import get_default_calib_qconfig

    return get_default_calib_qconfig()


def _has_qconfig(model: nn.Module) -> bool:
    return any(getattr(module, "qconfig", None) is not None for module in model.modules())


def _observing(model: M) -> M:
    set_fake_quantize(model.eval(), FakeQuantState.CALIBRATION)
    return model
