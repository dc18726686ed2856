# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/tracer.py
"""Symbolic tracing: a model in, the graph of its operations out.

Beyond torch.fx: operations of the tables are leaves; methods of functional modules and wrapped methods are kept as
`get_attr` of the module and `call_method`; every node knows the module whose forward made the call. What tracing cannot
follow is one error that names the line and the remedy. Testing `training`, which freezes a branch, is warned of.
"""

import functools
import linecache
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import fx, nn
from torch.fx.proxy import TraceError

from .._tables import TABLES
from .graph_module import SELF
from .module_tree import named_modules
from .recognize import recognized
from .wrap import is_leaf_class, methods_recorded, noted_functions, noted_names_replaced

MODULE_METHOD = "module_method"
"""Key in `node.meta`: the call is that of a method of a module, not of a tensor."""
SOURCE = "source"
"""Key in `node.meta`: (file, line) of the user's code that made the call."""

_NOT_USER_CODE = (str(Path(torch.__file__).parent), str(Path(__file__).parent), functools.__file__)
_REMEDY = (
    "Tracing sees no values; put this code in a function or method and decorate it with "
    "horizon_plugin_pytorch.utils.fx_helper.wrap()."
)


class QuantTracer(fx.Tracer):
    """The tracer of `fuse_fx` and `prepare_qat_fx`; `node.meta["scope"]` names the module that made the call."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=noted_functions())
        self._leaves: dict[type[nn.Module], bool] = {}

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> fx.Graph:
        """The graph of `root`'s forward.

        Raises:
            TraceError: the code depends on values, or passes a traced value where none can be.
        """
        with ExitStack() as stack:
            stack.enter_context(noted_names_replaced())
            stack.enter_context(methods_recorded(TABLES.leaf_method_modules))
            stack.enter_context(_training_watched(self, root))
            try:
                return super().trace(root, concrete_args)
            except (TypeError, RuntimeError, AttributeError, NotImplementedError) as error:
                if "Proxy" not in str(error) and "symbolic" not in str(error):
                    raise
                place = _line_of(*_raising_frame(error))
                raise TraceError(f"{place}: {error}. {_REMEDY}") from error
            finally:  # torch's closures keep the tracer until the collector comes; the model shall not wait for it
                self.root, self.tensor_attrs = nn.Module(), {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Layers of torch.nn, classes of the tables, wrapped classes."""
        kind = type(m)
        if kind not in self._leaves:
            known = isinstance(m, TABLES.leaf_modules) or kind in TABLES.qat_modules or recognized(m) is not None
            leaf = known or is_leaf_class(kind) or super().is_leaf_module(m, module_qualified_name)
            self._leaves[kind] = leaf
        return self._leaves[kind]

    def call_leaf_method(
        self, owner: nn.Module, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> fx.Proxy:
        """Record `owner.method(*args, **kwargs)` as one node."""
        module = self.create_proxy("get_attr", self.path_of_module(owner) or SELF, (), {})
        call = self.create_proxy("call_method", method, (module, *args), kwargs)
        call.node.meta[MODULE_METHOD] = True
        return call

    def path_of_module(self, mod: nn.Module) -> str:
        """The qualified name of a sub-module; "" for the root.

        Raises:
            TraceError: the module is not registered in the model.
        """
        try:
            return super().path_of_module(mod)
        except NameError as error:
            raise TraceError(
                f"{_line_of(*_user_frame())}: the {type(mod).__name__} used here is not a sub-module of the model; "
                f"assign it to an attribute, or keep it in an nn.ModuleList or nn.ModuleDict"
            ) from error

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """As torch.fx does, with the scope and the line of code noted."""
        node = super().create_node(*args, **kwargs)
        node.meta["scope"] = self.scope.module_path
        node.meta[SOURCE] = _user_frame()
        return node

    def create_arg(self, a: Any) -> Any:
        """As torch.fx does; the root is an argument like any other module, and `training` is read when the graph runs."""
        if type(a) is fx.Proxy:  # most are; torch.fx asks after all that is rare before
            return a.node
        if type(a) is tuple:
            return tuple([self.create_arg(item) for item in a])
        if isinstance(a, _TrainingFlag):
            return self.create_node("get_attr", f"{a.module}.training" if a.module else "training", (), {})
        if isinstance(a, nn.Module):
            return self.create_node("get_attr", self.path_of_module(a) or SELF, (), {})
        return super().create_arg(a)

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Raise TraceError: a branch on a value."""
        raise TraceError(f"{_line_of(*_user_frame())}: a traced value decides which branch is taken. {_REMEDY}")

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        """Raise TraceError: a loop over a value."""
        raise TraceError(f"{_line_of(*_user_frame())}: a traced value is iterated over. {_REMEDY}")


class _TrainingFlag(int):
    """`module.training` while it is traced: an answer that says that it was asked."""

    module: str

    def __bool__(self) -> bool:
        value = int(self) != 0
        where = f"'{self.module}'" if self.module else "the model"
        file, line = _user_frame()
        warnings.warn(
            f"{_line_of(file, line)}: training of {where} is tested while the model is traced, so only the branch for "
            f"training={value} is kept. To keep both, put the test in a method and decorate it with "
            f"horizon_plugin_pytorch.utils.fx_helper.wrap().",
            UserWarning,
            stacklevel=2,
        )
        return value


@contextmanager
def _training_watched(tracer: QuantTracer, root: nn.Module) -> Iterator[None]:
    traced = [
        (name, module) for name, module in named_modules(root) if not name or not tracer.is_leaf_module(module, name)
    ]
    for name, module in traced:
        flag = _TrainingFlag(module.training)
        flag.module = name
        module.__dict__["training"] = flag
    try:
        yield
    finally:
        for _, module in traced:
            module.__dict__["training"] = int(module.training) != 0


@functools.lru_cache(maxsize=1024)
def _is_user_code(file: str) -> bool:
    return not file.startswith((*_NOT_USER_CODE, "<"))


def _user_frame() -> tuple[str, int]:
    """File and line of the innermost running frame that is the user's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_user_code(frame.f_code.co_filename):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("<unknown>", 0)


def _raising_frame(error: BaseException) -> tuple[str, int]:
    """File and line of the innermost frame of a traceback that is the user's."""
    frames = [
        (f.filename, f.lineno or 0) for f in traceback.extract_tb(error.__traceback__) if _is_user_code(f.filename)
    ]
    return frames[-1] if frames else ("<unknown>", 0)


def _line_of(file: str, line: int) -> str:
    return f"{file}:{line}: `{linecache.getline(file, line).strip()}`"


def source_line(node: fx.Node) -> str:
    """Where the user's code made the call of a node: file, line and text; "" when it is not known."""
    file, line = node.meta.get(SOURCE, ("", 0))
    return _line_of(file, line) if line else ""
