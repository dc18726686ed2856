# mirrored to generated/ by the generator; edit only templates/tests/harness_kernels.py
"""The body of every kernel test: a torch kernel against its exact definition, element by element.

In: a table row that names operands and their ranges. Values are chosen where kernels break: ends of ranges, ties, signs,
powers of two and their neighbours, equal and extreme scales; then at random with a fixed seed.
"""

import itertools
import math
import random
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from horizon_plugin_pytorch.dtype import DTYPES

ROUNDS = 24
ELEMENTS = 48


@dataclass(frozen=True, slots=True)
class KernelCase:
    """One kernel with one combination of dtypes."""

    id: str
    kernel: str
    tensors: tuple[tuple[str, int, int], ...]
    reals: tuple[str, ...]
    tables: tuple[tuple[str, int, int, int], ...]
    scales: tuple[str, ...]
    integers: tuple[tuple[str, int, int], ...]
    derive_dtypes: tuple[tuple[str, str], ...]
    compute_dtypes: tuple[tuple[str, str], ...]
    derived: bool


def check_kernel(kernels: ModuleType, reference: ModuleType, case: KernelCase) -> None:
    """Assert that the kernel and its definition give equal integers and equal results."""
    random_source = random.Random(case.id)
    for number in range(ROUNDS):
        scales = _scales(random_source, case.scales, number)
        integers = {name: _integer(random_source, lo, hi) for name, lo, hi in case.integers}
        params, exact = _derive(kernels, reference, case, scales, integers)
        operands: dict[str, list[Any]] = {name: _integers(random_source, lo, hi) for name, lo, hi in case.tensors}
        stored = {name: _storage(lo, hi) for name, lo, hi in case.tensors}
        operands |= {name: _reals(random_source) for name in case.reals}
        tables = {name: _table(random_source, lo, hi, size) for name, lo, hi, size in case.tables}
        _compare(kernels, reference, case, operands, stored, tables, (params, exact), scales, integers)


def _derive(
    kernels: ModuleType, reference: ModuleType, case: KernelCase, scales: dict[str, float], integers: dict[str, int]
) -> tuple[Any, Any]:
    if not case.derived:
        return None, None
    dtypes = {name: DTYPES[dtype] for name, dtype in case.derive_dtypes}
    tensors = {name: torch.tensor(value) for name, value in scales.items()}
    params = getattr(kernels, f"derive_{case.kernel}")(**tensors, **integers, **dtypes)
    exact = getattr(reference, f"derive_{case.kernel}")(**scales, **integers, **dtypes)
    for name, value in exact._asdict().items():
        given = getattr(params, name)
        given = given.item() if isinstance(given, torch.Tensor) else given
        assert given == value, f"{case.id}: {name} is {given}, its definition gives {value}; {scales} {integers}"
    return params, exact


def _compare(
    kernels: ModuleType,
    reference: ModuleType,
    case: KernelCase,
    operands: dict[str, list[Any]],
    stored: dict[str, torch.dtype],
    tables: dict[str, list[int]],
    derived: tuple[Any, Any],
    scales: dict[str, float],
    integers: dict[str, int],
) -> None:
    params, exact = derived
    dtypes = {name: DTYPES[dtype] for name, dtype in case.compute_dtypes}
    plain: dict[str, Any] = {} if case.derived else {**scales, **integers}
    scaled = {name: torch.tensor(value) if isinstance(value, float) else value for name, value in plain.items()}
    tensors = [torch.tensor(values, dtype=stored.get(name)) for name, values in operands.items()]
    tables_given = {name: torch.tensor(values) for name, values in tables.items()}
    settings = {**scaled, **dtypes, **({"p": params} if case.derived else {})}
    result = getattr(kernels, case.kernel)(*tensors, **tables_given, **settings)
    for index, row in enumerate(zip(*operands.values(), strict=True)):
        settings = {**plain, **dtypes, **({"p": exact} if case.derived else {})}
        expected = getattr(reference, case.kernel)(*row, **tables, **settings)
        given = result[index].item() if result.dim() else result.item()
        same = given == expected or (math.isnan(given) and math.isnan(expected))
        assert same, f"{case.id}{row}: {given}, its definition gives {expected}; {scales} {integers} {exact}"


def _scales(source: random.Random, names: tuple[str, ...], number: int) -> dict[str, float]:
    """Equal scales, powers of two, extreme ratios, then log-uniform ones; all positive float32."""
    if number == 0:
        values = [0.05] * len(names)
    elif number <= ROUNDS // 4:
        values = [2.0 ** -source.randint(0, 15) for _ in names]
    elif number <= ROUNDS // 3:
        values = [2.0 ** -source.randint(-20, 40) for _ in names]
    else:
        values = [math.exp(source.uniform(math.log(1e-5), math.log(2.0))) for _ in names]
    return {name: torch.tensor(value, dtype=torch.float32).item() for name, value in zip(names, values, strict=True)}


def _integer(source: random.Random, lo: int, hi: int) -> int:
    return source.choice([lo, hi, *(min(max(lo, value), hi) for value in (1, 2, 3, 7, 8, 9))])


def _integers(source: random.Random, lo: int, hi: int) -> list[int]:
    near_powers = (sign * 2**k + d for k, sign, d in itertools.product((0, 3, 7, 11, 15, 20, 30), (1, -1), (-1, 0, 1)))
    adversarial = [value for value in (lo, lo + 1, -1, 0, 1, hi - 1, hi, *near_powers) if lo <= value <= hi]
    spread = [source.randint(lo, hi) for _ in range(ELEMENTS // 2)]
    small = [min(max(lo, source.randint(-(2**16), 2**16)), hi) for _ in range(ELEMENTS // 2)]
    values = [*adversarial, *spread, *small]
    source.shuffle(values)
    return values[:ELEMENTS]


def _storage(lo: int, hi: int) -> torch.dtype:
    """The narrowest dtype that holds a range, for that is what a kernel is given."""
    narrow = (torch.int8, torch.int16, torch.int32)
    return next((t for t in narrow if torch.iinfo(t).min <= lo and hi <= torch.iinfo(t).max), torch.int64)


def _table(source: random.Random, lo: int, hi: int, size: int) -> list[int]:
    """Entries in rising order, as search needs them; their ends are those of their range."""
    return [lo, *sorted(source.randint(lo, hi) for _ in range(size - 2)), hi]


def _reals(source: random.Random) -> list[float]:
    ties = [n + 0.5 for n in range(-6, 6)]
    extremes = [0.0, -0.0, 1e-30, 1e10, -1e10, 127.49, 127.5, -128.5, 32767.5]
    spread = [source.uniform(-300, 300) for _ in range(ELEMENTS)]
    values = [torch.tensor(v, dtype=torch.float32).item() for v in (*ties, *extremes, *spread)]
    source.shuffle(values)
    return values[:ELEMENTS]
