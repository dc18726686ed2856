# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/utils/quant_profiler.py
"""Analysis tools: compare two stages of a model, look at its tensors, check its configuration, rank its layers."""

from .._runtime.onnx_export import export_quantized_onnx, export_to_onnx
from .._runtime.profiler.called_count import get_module_called_count
from .._runtime.profiler.deploy import check_deploy_device, set_preserve_qat_mode
from .._runtime.profiler.memory import show_cuda_memory_consumption
from .._runtime.profiler.profile import model_profiler
from .._runtime.profiler.qconfig_check import check_qconfig
from .._runtime.profiler.script import compare_script_models, script_profile
from .._runtime.profiler.sensitivity import Sensitivity, sensitivity
from .._runtime.profiler.similarity import featuremap_similarity
from .._runtime.profiler.statistics import get_raw_features, profile_featuremap
from .._runtime.profiler.unfused import check_unfused_operations
from .._runtime.profiler.weights import compare_weights

__all__ = [
    "Sensitivity",
    "check_deploy_device",
    "check_qconfig",
    "check_unfused_operations",
    "compare_script_models",
    "compare_weights",
    "export_quantized_onnx",
    "export_to_onnx",
    "featuremap_similarity",
    "get_module_called_count",
    "get_raw_features",
    "model_profiler",
    "profile_featuremap",
    "script_profile",
    "sensitivity",
    "set_preserve_qat_mode",
    "show_cuda_memory_consumption",
]
