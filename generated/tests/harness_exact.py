# mirrored to generated/ by the generator; edit only templates/tests/harness_exact.py
"""What exact means for a converted operator: nothing but kernels changes integers, and every kernel keeps its definition.

In: a converted model with one operator, and what it is fed. While it runs, each call of a kernel is compared, element by
element, with the kernel's definition in exact integers (generated/tests/reference). An operator that calls no kernel moves,
picks or compares integers, or computes in float32 on the host: its result is the float operator's on the same numbers.
"""

import functools
import importlib
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.kernels import common, load
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import by_definition


def check_definitions(march: str, model: nn.Module, quantized: nn.Module, inputs: list[Any], stubs: int) -> None:
    """Assert that a converted operator is exact.

    Args:
        march: whose kernels it has.
        model: the float operator behind its stubs.
        quantized: the converted one, which did not run: what it holds for the next run holds the compared kernels.
        inputs: what both take.
        stubs: how many of them are quantized before the operator.
    """
    called: list[str] = []
    own, shared = (load(march), march.replace("-", "_")), (common, "common")
    with torch.no_grad():
        with by_definition(), _compared(*own, called), _compared(*shared, called):
            result = quantized(*inputs)
        for planned, defined in zip(listed(quantized(*inputs)), listed(result), strict=True):
            assert torch.equal(_numbers(planned), _numbers(defined)), "the chosen way gives other integers"
        if len(called) == stubs:  # each calls one kernel
            quants: Any = quantized.quants
            numbers = [_numbers(stub(x)) for stub, x in zip(quants.children(), inputs, strict=False)]
            expected = model(*numbers, *inputs[len(numbers) :])
            results = list(zip(listed(result), listed(expected), strict=True))
            for given, moved in results[:1] + [pair for pair in results[1:] if pair[0].is_floating_point()]:
                assert torch.equal(_numbers(given), _numbers(moved)), "no kernel is called, but integers change"


def listed(result: Any) -> list[Any]:
    """The tensors of a result, in order."""
    if isinstance(result, list | tuple):
        return [tensor for part in result for tensor in listed(part)]
    return [] if result is None else [result]


def _numbers(x: Any) -> Tensor:
    return x.int_repr().to(torch.float32) if isinstance(x, QTensor) else x.as_subclass(Tensor)


@contextmanager
def _compared(kernels: ModuleType, definitions: str, called: list[str]) -> Iterator[None]:
    """Kernels that compare what they give with their definitions."""
    reference = importlib.import_module(f"reference.{definitions}")
    originals = {name: getattr(kernels, name) for name in vars(reference) if _is_kernel(kernels, reference, name)}
    for name, function in originals.items():
        setattr(kernels, name, _comparing(function, getattr(reference, name), called))
    try:
        yield
    finally:
        for name, function in originals.items():
            setattr(kernels, name, function)


def _is_kernel(kernels: ModuleType, reference: ModuleType, name: str) -> bool:
    kernel = getattr(kernels, name, None)
    if not inspect.isfunction(kernel) or name.startswith("derive_"):
        return False
    return list(inspect.signature(kernel).parameters) == list(inspect.signature(getattr(reference, name)).parameters)


def _comparing(kernel: Callable[..., Any], definition: Callable[..., Any], called: list[str]) -> Callable[..., Any]:
    signature = inspect.signature(kernel)

    @functools.wraps(kernel)
    def compared(*args: Any, **kwargs: Any) -> Any:
        result = kernel(*args, **kwargs)
        if not isinstance(result, Tensor):
            return result  # intervals, from which the width of a computation is chosen
        called.append(kernel.__name__)
        _compare(definition, dict(signature.bind(*args, **kwargs).arguments), result)
        return result

    return compared


def _compare(definition: Callable[..., Any], given: dict[str, Any], result: Tensor) -> None:
    """Element by element; equal operands are computed once."""
    hints = definition.__annotations__
    tables = {name: value.tolist() for name, value in given.items() if "Sequence" in str(hints[name])}
    fixed = {name: value for name, value in given.items() if not isinstance(value, Tensor | tuple)}
    params = given.get("p", ())
    varying = [name for name, value in given.items() if isinstance(value, Tensor) and name not in tables]
    operands = [*(given[name] for name in varying), *(torch.as_tensor(value) for value in params)]
    columns = [x.expand(result.shape).flatten().tolist() for x in operands] or [[None] * result.numel()]
    known: dict[tuple[Any, ...], Any] = {}
    for row, found in zip(zip(*columns, strict=True), result.flatten().tolist(), strict=True):
        if row not in known:
            values = dict(zip(varying, row, strict=False))
            integers = {"p": hints["p"](*row[len(varying) :])} if "p" in given else {}
            known[row] = definition(**values, **integers, **tables, **fixed)
        expected = known[row]
        same = found == expected or (math.isnan(found) and math.isnan(expected))
        assert same, f"{definition.__name__}{row} is {found}, its definition gives {expected}"
