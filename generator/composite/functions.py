"""What a graph may call beside its children: functions that move or select elements, and functions of settings.

In: nothing. Out: `FUNCTIONS`, name -> kinds of the operands, kind of the result, and the Python that it becomes; and
`OPERANDS`, operator family -> kinds of the operands of a child. None of the functions computes with values, so none of
them has a scale of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["data", "list", "setting"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of graphs.

    Attributes:
        operands: the kind of each operand.
        result: "data", a "list" of data, or a "setting".
        code: the call as Python, with `{0}`, `{1}`, ... for the operands.
    """

    operands: tuple[Kind, ...]
    result: Kind
    code: str


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "max": Function(("data", "setting"), "data", "largest({0}, {1})"),
        "chunk": Function(("data", "setting", "setting"), "list", "{0}.chunk({1}, {2})"),
        "transposed": Function(("data",), "data", "{0}.transpose(-2, -1)"),
        "split_heads": Function(("data", "setting"), "data", "split_heads({0}, {1})"),
        "merge_heads": Function(("data", "setting"), "data", "merge_heads({0}, {1})"),
        "group_heads": Function(("data", "setting"), "data", "group_heads({0}, {1})"),
        "trailing": Function(("setting",), "setting", "tuple(range(-len({0}), 0))"),
        "inverse_root": Function(("setting",), "setting", "{0} ** -0.5"),
    }
)

OPERANDS: Final[Mapping[str, tuple[Kind, ...]]] = MappingProxyType(
    {
        "weighted": ("data",),
        "clamp": ("data",),
        "unary": ("data",),
        "quantize_stub": ("data",),
        "binary": ("data", "data"),
        "pairwise": ("data", "data"),
        "product": ("data", "data"),
        "scalar": ("data", "setting"),
        "scaling": ("data", "setting"),
        "reduction": ("data", "setting"),
    }
)
