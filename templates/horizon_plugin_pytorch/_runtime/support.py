# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/support.py
"""The support matrix at run time: what an operator does with a dtype on a march, and the error where it does not.

In: the generated table `SUPPORT`. Out: nothing, or a NotImplementedError that names the operator, the march, the reason
and the remedy. Checked when a model is prepared and when a layer is bound to its scales, never while it runs.
"""

import functools
from collections.abc import Callable

import torch

from .._support import INTEGER_FORWARD, SUPPORT
from .dtype import QuantDType
from .locate import calling_place
from .march import get_march

ACCUMULATOR = "qint32"
"""The dtype of sums that are not requantized."""

Cells = dict[str, tuple[str, ...] | str]


def require_operator(op: str, march: str, where: str) -> None:
    """Raise NotImplementedError when `op` takes no dtype at all on `march`."""
    cells = SUPPORT[op, march]
    if all(isinstance(cell, str) for cell in cells.values()):
        own_reason = str(next(iter(cells.values())))  # the table lists what the operator itself says first
        raise NotImplementedError(_text(op, march, where, own_reason))


def require_cell(op: str, march: str, source: str, target: str, where: str) -> None:
    """Raise NotImplementedError unless `op` turns dtype `source` into `target` on `march`."""
    cell = SUPPORT[op, march].get(source, f"{source} is not a feature dtype")
    if isinstance(cell, str):
        raise NotImplementedError(_text(op, march, where, f"{source} input: {cell}"))
    if target not in cell:
        raise NotImplementedError(_text(op, march, where, f"{source} input gives {', '.join(cell)}, not {target}"))


@functools.cache
def integer_sources(op: str, march: str, target: str) -> frozenset[str]:
    """The input dtypes for which values of `target` are, in QAT, the integers of the march."""
    return frozenset(source for source, targets in INTEGER_FORWARD.get((op, march), {}).items() if target in targets)


def support_row(op: str, march: str) -> str:
    """The cells of one operator on one march as one line: "qint8 -> qint8, qint32; qint16: <reason>"."""
    return "; ".join(
        f"{dtype}: {cell}" if isinstance(cell, str) else f"{dtype} -> {', '.join(cell)}"
        for dtype, cell in SUPPORT[op, march].items()
    )


def _text(op: str, march: str, where: str, reason: str) -> str:
    return (
        f"{where}: {op} is not supported on {march}: {reason}. "
        f"Support: {support_row(op, march)}. Change its qconfig, or set qconfig None to leave it in float."
    )


def dtype_name(dtype: QuantDType | None) -> str:
    """The name of an output dtype; an unquantized output is the int32 accumulator."""
    return ACCUMULATOR if dtype is None else str(dtype)


def refuse_call(func: Callable[..., object], reason: str = "") -> str:
    """The whole message for a function that has no rule, or none for these arguments."""
    place, march = calling_place(), get_march()
    name = torch.overrides.resolve_name(func) or getattr(func, "__qualname__", str(func))
    return (
        f"{name} is not implemented for QTensor{f': {reason},' if reason else ''}"
        f"{f' in {place}' if place else ''} (march: {march or 'not set'}){_row(func, march)}. "
        "Insert a DeQuantStub before it, use a module that has a quantized form, wrap it, or set qconfig None "
        f"on the layers around it to leave them in float; when calling function {func}"
    )


def refuse_input(op: str, march: str, source: str, func: Callable[..., object]) -> str:
    """The whole message where `op` takes no input of dtype `source` on `march`; empty where it does."""
    cell = SUPPORT[op, march].get(source, f"{source} is not a feature dtype")
    return refuse_call(func, f"{source} input: {cell}") if isinstance(cell, str) else ""


def _row(func: Callable[..., object], march: str | None) -> str:
    """What the support matrix says of the operator that `func` is, if it is one."""
    from .._tables import TABLES

    rows = [(rule.op, rule.functions) for rule in TABLES.tensor_rules if rule.op]
    rows += [(replacement.op, replacement.functions) for replacement in TABLES.replacements]
    op = next((op for op, functions in rows if func in functions), getattr(func, "__name__", ""))
    return f". Support of {op}: {support_row(op, march)}" if march is not None and (op, march) in SUPPORT else ""
