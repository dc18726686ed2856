"""The documented flow in one call, and what tests look at in its results."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    default_calib_8bit_fake_quant_qconfig,
    default_qat_8bit_fake_quant_qconfig,
    default_qat_8bit_weight_32bit_out_fake_quant_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)


def calibrated(model: nn.Module, march: str, batches: list[Tensor], output: str | None = None) -> nn.Module:
    """Prepare with calibration presets and collect statistics."""
    set_march(march)
    rules: dict[str, object] = {"": default_calib_8bit_fake_quant_qconfig}
    if output is not None:
        rules["module_name"] = {output: default_qat_8bit_weight_32bit_out_fake_quant_qconfig}
    prepared = prepare_qat_fx(model, rules).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        for batch in batches:
            prepared(batch)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    return prepared


def trained(
    model: nn.Module, calibration: nn.Module, march: str, batches: list[Tensor], output: str | None = None
) -> nn.Module:
    """Prepare with QAT presets, load the calibration and make a step a batch."""
    set_march(march)
    rules: dict[str, object] = {"": default_qat_8bit_fake_quant_qconfig}
    if output is not None:
        rules["module_name"] = {output: default_qat_8bit_weight_32bit_out_fake_quant_qconfig}
    qat = prepare_qat_fx(model, rules)
    qat.load_state_dict(calibration.state_dict())
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT)
    optimizer = torch.optim.SGD(qat.parameters(), lr=1e-3)
    for batch in batches:
        optimizer.zero_grad()
        qat(batch).square().mean().backward()
        optimizer.step()
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION)
    return qat


def layer_inputs(
    quantized: nn.Module, x: Tensor
) -> Iterator[tuple[str, tuple[object, ...], dict[str, object], QTensor]]:
    """(name, arguments, keywords, output) of every module or method of the quantized graph that makes a QTensor."""
    env: dict[object, object] = {}

    def value(item: object) -> object:
        return torch.fx.node.map_arg(item, lambda n: env[n])

    with torch.no_grad():
        for node in quantized.graph.nodes:
            args, kwargs = value(node.args), value(node.kwargs)
            if node.op == "placeholder":
                env[node] = x
            elif node.op == "get_attr":
                env[node] = (quantized.get_submodule(node.target), node.target)
            elif node.op == "call_module":
                env[node] = quantized.get_submodule(node.target)(*args, **kwargs)
                if isinstance(env[node], QTensor):
                    yield node.target, tuple(args), dict(kwargs), env[node]
            elif node.op == "call_method" and isinstance(args[0], tuple) and isinstance(args[0][0], nn.Module):
                (owner, name), *rest = args
                env[node] = getattr(owner, node.target)(*rest, **kwargs)
                yield f"{name}.{node.target}", tuple(rest), dict(kwargs), env[node]
            elif node.op == "call_method":
                env[node] = getattr(args[0], node.target)(*args[1:], **kwargs)
            elif node.op == "call_function":
                env[node] = node.target(*args, **kwargs)


def as_float(item: object) -> object:
    """Integer QTensors as QTensors of floats on the grid, as a QAT module takes them."""
    if isinstance(item, QTensor):
        return QTensor(item.dequantize(), item.q_scale(), item.dtype, item.q_per_channel_axis())
    if isinstance(item, (list, tuple)):
        return type(item)(as_float(part) for part in item)
    return item


def steps_apart(qat: nn.Module, quantized: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """For each layer the differences in output steps, when QAT and integers are fed the same integers."""
    differences: dict[str, Tensor] = {}
    for name, args, kwargs, out in layer_inputs(quantized, x):
        if not args or not all(isinstance(a, (QTensor, list, tuple, int)) for a in args):
            continue
        module, _, method = name.partition(".") if "." in name and not _is_module(qat, name) else (name, "", "")
        if not _is_module(qat, module):
            module, _, method = name.rpartition(".")
        called = qat.get_submodule(module)
        call = getattr(called, method) if method else called
        with torch.no_grad():
            expected = call(*(as_float(a) for a in args), **kwargs)
        values = expected.as_subclass(Tensor) if isinstance(expected, QTensor) else expected
        differences[name] = (out.dequantize() - values) / _step(out)
    return differences


def _is_module(model: nn.Module, name: str) -> bool:
    return name in dict(model.named_modules(remove_duplicate=False))


def _step(out: QTensor) -> Tensor:
    scale = out.q_scale()
    if scale.numel() == 1:
        return scale
    return scale.reshape(-1, *([1] * (out.dim() - 1 - out.q_per_channel_axis())))


def twin(model: nn.Module) -> nn.Module:
    """An independent copy."""
    return copy.deepcopy(model)
