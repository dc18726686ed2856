# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/composite.py
"""Base of the generated composites: QAT modules that are small graphs of other QAT modules.

In: a float module with a `qconfig`. Out: a module whose children are ordinary QAT modules, each with a qconfig that is
derived from the composite's. Conversion replaces the children, one by one, by their quantized forms; the composite stays
what it is and then passes integers along. A composite has no arithmetic of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import reduce
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from . import observers_v1
from .constant import Constant, QATConstant
from .fake_quantize import FakeQuantize
from .module_tree import adopt, swappable
from .observers import ClipObserver, FixedScaleObserver, MinMaxObserver
from .partial_class import PartialClass
from .qat_module import QATModule
from .qconfig import QConfig
from .qtensor import QTensor
from .quantized_module import Scaled
from .support import integer_sources, require_cell
from .table_options import shifted
from .uncompiled import uncompiled

Known = Any  # Scaled, None for what is not known, or a tuple of these

_RANGE_ARGUMENTS = frozenset({"scale", "zero_point", "xmin", "xmax", "alpha", "quant_min", "quant_max", "dtype"})
_LEARNED_ARGUMENTS = frozenset({"use_grad_scaling"})


class QATComposite(QATModule):
    """A module that is a graph of its children; a generated class says which graph.

    `_NEEDS` are the settings that must not be None, `_CONSTANTS` the parameters that are operands (parameter -> dtype),
    `_PARAMETERS` the parameters that moved into children (key here -> key in the float module, which part, of how many).
    """

    _NEEDS: ClassVar[tuple[str, ...]] = ()
    _CONSTANTS: ClassVar[Mapping[str, str]] = {}
    _PARAMETERS: ClassVar[Mapping[str, tuple[str, int, int]]] = {}
    bind: Callable[..., Known]
    """Derive the integers of the children for inputs of known scales; gives what is known of the output."""
    _graph: Callable[..., Any]
    """The graph on QTensors; a generated class says which."""
    _bind_graph: Callable[..., Known]
    """The same graph on scales."""
    _RESULTS: ClassVar[tuple[str, ...]] = ()
    """The children that the results come from."""
    _OPTIONAL: ClassVar[tuple[str, ...]] = ()
    """The children that work on optional inputs only."""
    _REPEATS: ClassVar[bool] = False
    """Whether one instance serves several steps, whose ranges differ: inside, the extremes of all are observed."""
    _inner = False  # a child of another composite answers to the support of that one

    @uncompiled
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run forward; in exact QAT the children give exact values, so this module does."""
        return nn.Module.__call__(self, *args, **kwargs)

    def _set_up(self) -> None:
        """Make the children, and drop the parameters that moved into them."""
        for name in self._NEEDS:
            if getattr(self, name) is None:
                raise ValueError(f"{type(self).__name__}: {name}=None has no integer form; give it a value")
        fake_quant: Any = self._activation_fake_quant()
        if fake_quant is None:
            raise ValueError(f"{type(self).__name__}: its output must be quantized; give its qconfig an activation")
        self._output_dtype = str(fake_quant.dtype)
        for name, dtype in self._CONSTANTS.items():
            if getattr(self, name) is not None:
                setattr(self, f"{name}_quant", QATConstant(dtype))
        self._make_children()
        for name, _, _ in self._PARAMETERS.values():
            self._parameters.pop(name, None)

    def _make_children(self) -> None:
        """Set the attributes that hold the children; a generated class says which."""
        raise NotImplementedError

    def _child(self, module: nn.Module, dtype: str | None) -> nn.Module:
        """The QAT form of a child: with this module's qconfig, or with another output dtype."""
        from .._tables import TABLES

        module.__dict__["qconfig"] = self._output_qconfig() if dtype is None else self._inner_qconfig(dtype)
        made: nn.Module = TABLES.qat_modules[type(module)].from_float(module)  # type: ignore[attr-defined]
        for part in made.modules():
            if isinstance(part, QATModule):
                part.of_composite = bool(integer_sources(self._OP, self.march, self._output_dtype))
        if isinstance(made, QATComposite):
            made._inner = True
        return made

    def _inner_qconfig(self, dtype: str) -> QConfig:
        return inner_qconfig(self.qconfig, dtype, self._REPEATS)

    def _output_qconfig(self) -> QConfig:
        """The qconfig of the module; where the output comes in several steps, with the extremes of all of them."""
        given = self.qconfig.activation
        observed = isinstance(given, PartialClass) and given.cls is FakeQuantize and not _has_range(given)
        return self._inner_qconfig(self._output_dtype) if self._REPEATS and observed else self.qconfig

    def _weighted(self, float_class: Callable[..., nn.Module], child: str) -> nn.Module:
        """A fully connected float child that holds this module's parameters: the same objects, or parts of them."""
        weight, bias = (self._taken(f"{child}.{key}") for key in ("weight", "bias"))
        assert weight is not None
        module = float_class(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        module.register_parameter("weight", weight)
        module.register_parameter("bias", bias)
        return module

    def _table(self, function_class: Callable[[], Any], child: str, offset: float = 0.0, **options: Any) -> nn.Module:
        """The float table of a function, with other settings than its own and with those that the user gave.

        Args:
            function_class: the function in module form.
            child: its name here.
            offset: what is added to x before.
            options: fields of TableOptions.
        """
        table: Any = function_class().table
        given = self.__dict__.pop(f"{child}_kwargs", None) or {}
        table.options = replace(table.options, **options)
        if offset:
            table.simulated_func, table.options = shifted(table.simulated_func, table.options, offset)
        table.options = replace(table.options, **given)
        return table  # type: ignore[no-any-return]

    def _taken(self, key: str) -> nn.Parameter | None:
        name, part, count = self._PARAMETERS[key]
        parameter: nn.Parameter | None = reduce(getattr, name.split("."), self)  # type: ignore[assignment]
        if parameter is None or count == 1:
            return parameter
        return nn.Parameter(parameter.detach().chunk(count)[part].clone(), parameter.requires_grad)

    def _admit(self, x: Tensor) -> Tensor:
        """The input as it is, once the march is known to support its dtype."""
        if isinstance(x, QTensor) and not self._inner and x.dtype not in self._admitted:
            require_cell(self._OP, self.march, str(x.dtype), self._output_dtype, type(self).__name__)
            self._admitted.add(x.dtype)
        return x

    def finish_conversion(self) -> None:
        """Called once the children are quantized: the operands that are parameters become integers."""
        for name in self._CONSTANTS:
            fake_quant = getattr(self, f"{name}_quant", None)
            if isinstance(fake_quant, QATConstant):
                setattr(self, f"{name}_quant", Constant.from_float(fake_quant, getattr(self, name)))
                self.register_parameter(name, None)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Accept the keys of the float module for parameters that moved into children."""
        for key, (name, part, count) in self._PARAMETERS.items():
            saved = state_dict.get(prefix + name)
            if saved is not None and prefix + key not in state_dict:
                state_dict[prefix + key] = saved.chunk(count)[part]
        for name in {name for key, (name, _, _) in self._PARAMETERS.items() if name != key}:
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class QuantizedComposite(QATComposite):
    """A composite whose children are integers, as a class of its own."""

    _QAT_MODULES: ClassVar[tuple[type[QATComposite], ...]]

    @classmethod
    def from_float(cls, mod: nn.Module) -> Self:
        """Take over a QAT composite; its children are converted one by one."""
        from .._tables import TABLES

        if type(mod) not in cls._QAT_MODULES:
            expected = ", ".join(t.__name__ for t in cls._QAT_MODULES)
            raise TypeError(f"quantized.{cls.__name__}.from_float takes qat.{expected}, not {type(mod).__name__}")
        module = cls.__new__(cls)
        adopt(module, mod)
        for name, child in swappable(module, TABLES.quantized_modules):
            quantized_class: Any = TABLES.quantized_modules[type(child)]
            module._modules[name] = quantized_class.from_float(child)
        module.finish_conversion()
        return module.eval()


def tunable(child: str) -> Any:
    """A property: the settings of a child's table, which may be changed until conversion."""

    def get(self: QATComposite) -> dict[str, Any]:
        options = getattr(self, child).options
        return {field.name: getattr(options, field.name) for field in fields(options)}

    def change(self: QATComposite, settings: Mapping[str, Any] | None) -> None:
        table = getattr(self, child)
        table.options = replace(table.options, **(settings or {}))

    return property(get, change, doc=f"The settings of the table {child!r}; assign a dict to change some.")


def inner_qconfig(qconfig: QConfig, dtype: str, repeats: bool = False) -> QConfig:
    """The qconfig of a child whose output is not the composite's: observed as the output is, but with a dtype of its own.

    A range that the user gave for the output (a fixed scale, clipping, PACT's alpha) says nothing about what is inside,
    so there the range is observed. Where one child serves several steps, it is the range of all of them.
    """
    given = qconfig.activation
    if not isinstance(given, PartialClass):
        raise TypeError(f"qconfig.activation must be made by FakeQuantize.with_args, not be {given!r}")
    kept = {k: v for k, v in given.keywords.items() if k not in _RANGE_ARGUMENTS | _LEARNED_ARGUMENTS}
    if repeats or _has_range(given):
        kept = {"observer": observers_v1.MinMaxObserver if repeats else MinMaxObserver}
    return QConfig(FakeQuantize.with_args(**{**kept, "dtype": dtype}), qconfig.weight, getattr(qconfig, "stage", None))


def _has_range(quantizer: PartialClass) -> bool:
    """Whether a fake quantizer's range is given, not observed."""
    observer = quantizer.keywords.get("observer", MinMaxObserver)
    return isinstance(observer, type) and issubclass(observer, FixedScaleObserver | ClipObserver)


def scale_of(child: Any, method: str | None, *args: Known | float) -> Known:
    """What is known of a child's output; the child, if it is quantized, derives its integers on the way.

    Args:
        child: QAT, when conversion left it so, or quantized.
        method: its method that is called; None: it is called itself.
        args: what is known of its operands; numbers are themselves.
    """
    inputs: list[Scaled | None] = [x for x in args if x is None or isinstance(x, Scaled)]
    if method is not None:
        return child.bind_method(method, inputs, args) if hasattr(child, "bind_method") else None
    return child.bind(*inputs) if hasattr(child, "bind") else None


def zeros_like_output(child: Any, shape: torch.Size | tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros in the form of a child's output: a QTensor of its scale, integers when it is quantized."""
    fake_quant = getattr(child, "activation_post_process", None)
    scale, dtype = (child.scale, child.dtype) if fake_quant is None else (fake_quant.scale, fake_quant.dtype)
    storage = like.as_subclass(Tensor).dtype if fake_quant is not None else dtype.storage
    return QTensor(torch.zeros(shape, dtype=storage, device=like.device), scale, dtype)
