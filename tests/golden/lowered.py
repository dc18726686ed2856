"""Generated text executed in memory: lowered kernels as functions, rendered templates as modules.

In: `Compiled` kernels, views. Out: Python objects. What they import comes from the package on disk, save what is given.
"""

import builtins
import functools
from collections import namedtuple
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any

import torch
from golden_support import ROOT
from torch import Tensor

from generator.formula.lower_torch import TORCH_HELPERS
from generator.formula.model import Compiled
from generator.render import make_environment


@functools.cache
def _helpers() -> dict[str, Any]:
    """The functions that lowered lines call."""
    found: dict[str, Any] = {"torch": torch, "Tensor": Tensor}
    for text in TORCH_HELPERS.values():
        exec(text, found)
    return found


def functions(role: str, compiled: Compiled) -> dict[str, Any]:
    """A compiled kernel as functions with the signatures of the generated modules."""
    names = [param.name for param in compiled.params]
    text = _function(role, compiled.compute_args, compiled.torch_compute, params=bool(names))
    if names:
        result = f"return _Params({', '.join(names)})"
        text += _function(f"derive_{role}", compiled.derive_args, (*compiled.torch_derive, result), params=False)
    scope = {**_helpers(), "_Params": namedtuple("_Params", names)}  # noqa: PYI024 - its fields are known now only
    exec(text, scope)
    return {name: scope[name] for name in (role, f"derive_{role}") if name in scope}


def _function(name: str, args: Any, lines: tuple[str, ...], *, params: bool) -> str:
    first = [arg.name for arg in args if arg.kind in ("tensor", "table", "scale")] + (["p"] if params else [])
    last = [arg.name for arg in args if arg.kind in ("int", "dtype")]
    signature = ", ".join([*first, *(["*", *last] if last else [])])
    return "\n".join([f"def {name}({signature}):", *(f"    {line}" for line in lines), ""])


COLOR_SOURCE = compile(
    (ROOT / "templates/horizon_plugin_pytorch/_runtime/color.py").read_text("utf-8"), "color.py", "exec"
)


@functools.cache
def _environment() -> Any:
    return make_environment(ROOT / "templates")


def render(name: str, view: Any) -> str:
    text: str = _environment().get_template(f"horizon_plugin_pytorch/{name}.j2").render(v=view)
    return text


def execute(name: str, source: str | CodeType, relative: Mapping[str, Any], folder: str = "") -> ModuleType:
    """Execute a module of the package whose relative imports come from `relative`, else from the package on disk."""

    def find(module: str, scope: Any, local: Any, wanted: Any, level: int) -> Any:
        if level and module in relative:
            return relative[module]
        return builtins.__import__(module, scope, local, wanted, level)

    module = ModuleType(f"in_memory_{name}")
    scope = module.__dict__
    scope["__builtins__"] = {**vars(builtins), "__import__": find}
    scope["__package__"] = f"horizon_plugin_pytorch.{folder}".rstrip(".")
    exec(source, scope)
    return module
