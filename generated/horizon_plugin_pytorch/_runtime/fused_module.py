# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/fused_module.py
"""Float containers of fused layers: base layer, optional normalization, add and activation, computed as one.

A generated class states its parts; this base checks their types and computes the float value. Fusing replaces the parts
of a model by a container, preparing replaces the container by its QAT class.
"""

from typing import ClassVar, Self

from torch import Tensor, nn


class FusedModule(nn.Module):
    """Base of every fused container.

    Class attributes say what the container is made of: `_BASE` is the exact type of the layer, `_CHILD` its attribute,
    `_NORMS` the exact types of a normalization that is kept (none: there is none), `_ACTIVATION` the exact type of the activation or None, `_ADD` whether a second operand is added before it.
    """

    _BASE: ClassVar[type[nn.Module]]
    _CHILD: ClassVar[str]
    _ACTIVATION: ClassVar[type[nn.Module] | None] = None
    _ADD: ClassVar[bool] = False
    _NORMS: ClassVar[tuple[type[nn.Module], ...]] = ()

    def __init__(self, base: nn.Module, *others: nn.Module) -> None:
        super().__init__()
        expected = [(self._BASE,), *([self._NORMS] if self._NORMS else [])]
        expected += [(self._ACTIVATION,)] if self._ACTIVATION is not None else []
        given = [type(base), *map(type, others)]
        if len(given) != len(expected) or not all(map(tuple.__contains__, expected, given)):
            names = ", ".join(t.__name__ for t in given)
            msg = f"Incorrect types for input modules of {type(self).__name__}: got {names}, expected {expected}"
            raise TypeError(msg)
        self.add_module(self._CHILD, base)
        if self._NORMS:
            self.bn = others[0]
        if self._ACTIVATION is not None:
            activation = others[-1]
            self.add_module(type(activation).__name__.lower(), activation)
        self._swap_inputs = False

    @classmethod
    def from_parts(cls, base: nn.Module, *others: nn.Module) -> Self:
        """Build the container from a layer and, where it has them, a normalization and an activation, in this order."""
        return cls(base, *others)

    @property
    def base(self) -> nn.Module:
        """The layer."""
        return self.get_submodule(self._CHILD)

    def swap_inputs(self) -> None:
        """Note that the layer's result was the second operand of the add."""
        self._swap_inputs = not self._swap_inputs

    def add(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The same as calling the container, so that code written for FloatFunctional keeps working."""
        result: Tensor = self(x1, x2)
        return result

    def forward(self, x1: Tensor, x2: Tensor | None = None) -> Tensor:
        """Float value: the layer of one operand, plus the other, then the activation."""
        if self._ADD and self._swap_inputs:
            x1, x2 = x2, x1  # type: ignore[assignment]  # an add container is always called with two operands
        out: Tensor = self.base(x1)
        if self._NORMS:
            out = self.bn(out)
        if self._ADD:
            out = out + x2  # type: ignore[operator]
        for name, child in self.named_children():
            if name not in {self._CHILD, "bn"}:
                out = child(out)
        return out
