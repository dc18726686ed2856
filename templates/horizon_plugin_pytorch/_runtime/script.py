# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/script.py
"""TorchScript of converted models: files that say which version wrote them, and a move to another device.

In: what `torch.jit.trace` made of a converted model. Out: files that plain `torch.jit.load` reads too, for a trace holds
torch's own operators only.
"""

import io
import os
import warnings
from collections.abc import Iterator
from typing import IO, Any

import torch
from torch.jit import ScriptModule

VERSION_FILE = "horizon_plugin_version"
"""The entry of a file that holds the version."""

Target = str | os.PathLike[str] | IO[bytes]


def save(m: ScriptModule, f: Target, _extra_files: dict[str, Any] | None = None) -> None:
    """Write a TorchScript module with the version of this package.

    Args:
        m: what `torch.jit.trace` or `torch.jit.script` returned.
        f: path or binary file.
        _extra_files: further entries, name -> text or bytes.

    Raises:
        TypeError: not a ScriptModule.
    """
    _require_script(m, "jit.save")
    torch.jit.save(m, f, {**(_extra_files or {}), VERSION_FILE: _version()})


def load(f: Target, map_location: Any = None, _extra_files: dict[str, Any] | None = None) -> ScriptModule:
    """Read a TorchScript module; warns when another version wrote it.

    Args:
        f: path or binary file.
        map_location: device of the result; constants of the graph come along.
        _extra_files: entries to read: the values are replaced.
    """
    wanted = {} if _extra_files is None else _extra_files
    entries = {**wanted, VERSION_FILE: ""}
    module: ScriptModule = torch.jit.load(f, None, entries)  # type: ignore[no-untyped-call]
    wanted.update((name, value) for name, value in entries.items() if name in wanted)
    _check_version(entries[VERSION_FILE])
    return module if map_location is None else to_device(module, map_location)


def to_device(script_module: ScriptModule, device: torch.device | str | int) -> ScriptModule:
    """A copy of a TorchScript module that computes on another device.

    `ScriptModule.to` moves parameters and buffers only; a trace also holds devices and tensors as constants of its graph.

    Raises:
        TypeError: not a ScriptModule.
    """
    _require_script(script_module, "jit.to_device")
    target = torch.device(device)
    buffer = io.BytesIO()
    torch.jit.save(script_module, buffer)
    buffer.seek(0)
    moved: ScriptModule = torch.jit.load(buffer, target)  # type: ignore[no-untyped-call]
    for node in _constants(moved):
        kind = node.kindOf("value")
        if kind == "t":
            node.t_("value", node.t("value").to(target))
        elif kind == "s" and str(node.output().type()) == "Device":
            node.s_("value", str(target))
    return moved


def _constants(module: ScriptModule) -> Iterator[Any]:
    """The constants with a value, of all methods of a module and of the modules in it."""
    for part in module.modules():
        inner: Any = part
        for name in inner._c._method_names():
            graph = inner._c._get_method(name).graph
            yield from (node for node in graph.findAllNodes("prim::Constant") if node.hasAttribute("value"))


def _check_version(saved: bytes | str) -> None:
    found = saved.decode() if isinstance(saved, bytes) else saved
    if not found:
        warnings.warn(
            "the file says no version of horizon_plugin_pytorch: it was written by torch.jit.save",
            UserWarning,
            stacklevel=3,
        )
    elif found != _version():
        warnings.warn(
            f"the file was written by horizon_plugin_pytorch {found}, and this is {_version()}: integers may differ; convert "
            "and trace the model anew",
            UserWarning,
            stacklevel=3,
        )


def _require_script(m: object, where: str) -> None:
    if not isinstance(m, ScriptModule):
        raise TypeError(f"{where} takes what torch.jit.trace returns, not a {type(m).__name__}")


def _version() -> str:
    from .. import __version__

    return __version__
