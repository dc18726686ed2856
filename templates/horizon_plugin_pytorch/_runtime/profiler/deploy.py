# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/deploy.py
"""`check_deploy_device` and `set_preserve_qat_mode`: what runs where, and what is kept from conversion.

In: a model made by prepare_qat_fx or convert_fx. Out: the device of each operation, or the marked model.
"""

from collections.abc import Iterator
from pathlib import Path

from torch import fx, nn
from torch.ao.quantization import FakeQuantizeBase

from ..._tools import TOOLS
from ..errors import ArgumentError
from ..graph_module import GraphModuleWithAttr, ObservedGraphModule, QuantizedGraphModule
from ..match import called_module
from ..qat_module import QATModule
from ..quantized_module import QuantizedModule
from ..stubs import QATDeQuantStub, QATQuantStub
from .text_table import draw, say, table_of, write

_QUANTIZED = (QATModule, QuantizedModule)


def check_deploy_device(
    model: fx.GraphModule, print_tabulate: bool = True, out_dir: str | Path | None = None
) -> dict[str, tuple[str, str]]:
    """Tell where each operation of a model will run; write deploy_device.txt.

    Args:
        model: what `prepare_qat_fx` or `convert_fx` returned.
        print_tabulate: print the table.
        out_dir: where the file goes; None: the current directory.

    Returns:
        Name of the operation -> (device, module, function or method). Stubs, which convert, count to the float side.

    Raises:
        ArgumentError: not such a model.
    """
    if not isinstance(model, ObservedGraphModule | QuantizedGraphModule):
        raise ArgumentError(
            f"check_deploy_device takes what prepare_qat_fx or convert_fx returns, not {type(model).__name__}"
        )
    found = {name: (device, kind) for name, device, kind in _devices(model)}
    table = table_of("deploy_device")
    drawn = draw(table, ((name, *row) for name, row in found.items()))
    write(out_dir, (table, drawn))
    if print_tabulate:
        say(drawn)
    return found


def _devices(model: GraphModuleWithAttr) -> Iterator[tuple[str, str, str]]:
    carries: dict[fx.Node, bool] = {}
    for node in model.graph.nodes:
        name = called_module(node)
        read = [carries.get(source, False) for source in node.all_input_nodes]
        if name is not None and node.op != "get_attr":
            runs, carries[node] = _of_module(model.get_submodule(name), read)
            shown = f"{name}[{node.target}]" if node.op == "call_method" else name
        elif node.op in {"call_function", "call_method"}:
            runs = carries[node] = any(read)
            shown = node.name
        else:
            continue
        kind = node.op.removeprefix("call_") if name is None or node.op == "call_module" else "module"
        yield shown, TOOLS.quantized_device if runs else TOOLS.float_device, kind


def _of_module(module: nn.Module, read: list[bool]) -> tuple[bool, bool]:
    """(whether it runs quantized, whether what comes out is quantized)."""
    stub = {"entry": True, "exit": False}.get(_stub(module))
    if stub is not None:
        return False, stub
    if isinstance(module, FakeQuantizeBase):
        return False, True
    quantized = isinstance(module, _QUANTIZED)
    return quantized, quantized or (any(read) and not any(True for _ in module.parameters()))


def _stub(module: nn.Module) -> str:
    sources = (type(module), *getattr(type(module), "_QAT_MODULES", ()))
    if any(issubclass(source, QATQuantStub) for source in sources):
        return "entry"
    return "exit" if any(issubclass(source, QATDeQuantStub) for source in sources) else ""


def set_preserve_qat_mode(
    model: nn.Module, prefixes: tuple[str, ...] = (), types: tuple[type, ...] = (), value: bool = True
) -> None:
    """Keep modules from being converted: `convert_fx` leaves them as they are in the QAT model.

    Args:
        model: a float model (mark the layer that others are fused into) or a QAT model.
        prefixes: names, or what lies in them.
        types: classes, float or QAT.
        value: False takes it back.

    Raises:
        ArgumentError: neither prefixes nor types, or no module fits.
    """
    if not prefixes and not types:
        raise ArgumentError("set_preserve_qat_mode needs prefixes or types")
    fitting = [module for name, module in model.named_modules() if _fits(name, module, prefixes, types)]
    if not fitting:
        raise ArgumentError(f"set_preserve_qat_mode: no module has the prefix {prefixes} or the type {types}")
    for module in fitting:
        module.preserve_qat_mode = value


def _fits(name: str, module: nn.Module, prefixes: tuple[str, ...], types: tuple[type, ...]) -> bool:
    if not name or isinstance(module, FakeQuantizeBase):
        return False
    classes = (type(module), *getattr(type(module), "_FLOAT_MODULES", ()))
    return any(cls in types for cls in classes) or any(name == p or name.startswith(f"{p}.") for p in prefixes)
