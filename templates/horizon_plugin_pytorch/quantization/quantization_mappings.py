# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/quantization_mappings.py
"""Which class takes the place of which: float -> QAT -> quantized."""

from torch import nn

from .._tables import TABLES


def get_qat_module_mappings() -> dict[type[nn.Module], type[nn.Module]]:
    """Float or fused class -> QAT class, a copy."""
    return dict(TABLES.qat_modules)


def get_quantized_operator_mappings() -> dict[type[nn.Module], type[nn.Module]]:
    """QAT class -> quantized class, a copy."""
    return dict(TABLES.quantized_modules)


def get_qconfig_propagation_list() -> set[type[nn.Module]]:
    """Every class that a qconfig has an effect on."""
    return set(TABLES.qat_modules)
