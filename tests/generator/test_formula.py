"""The formula compiler: numerics that are known from elsewhere, and the kit that runs both lowerings of a kernel.

The kernels here are written for the tests; tests/test_golden_vectors.py holds the real specs against the same facts.
"""

import bisect
import math
import struct
from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from generator.formula.compiler import compile_kernel
from generator.formula.lower_python import PYTHON_HELPERS
from generator.formula.lower_torch import TORCH_HELPERS
from generator.formula.model import Compiled, Dtype, Formula, Kernel, MarchFacts, RoundingMode
from generator.formula.problems import Problem

DTYPES = {
    name: Dtype(name, bits, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, storage)
    for name, bits, storage in (("qint4", 4, "int8"), ("qint8", 8, "int8"), ("qint16", 16, "int16"), ("qint32", 32, "int32"))
}  # fmt: skip
MODES = {
    mode.id: mode
    for mode in (
        RoundingMode("floor", "floor(x)", "x >> n"),
        RoundingMode("half_up", "floor(x + 0.5)", "(x >> n) + (((x << 1) >> n) & 1)"),
        RoundingMode("half_even", "round_half_even(x)"),
        RoundingMode("half_away", "select(x < 0, ceil(x - 0.5), floor(x + 0.5))"),
    )
}
MARCH = MarchFacts(
    "m", {"pre.max": 17, "mid": 16}, {"pre": "floor", "post": "half_up", "even": "half_even", "away": "half_away"}, {}
)


def formulas(lines: dict[str, str]) -> tuple[Formula, ...]:
    return tuple(Formula(tuple(t.strip() for t in name.split(",")), text, name) for name, text in lines.items())


def kernel(id: str = "k", **parts: Any) -> Kernel:
    derive, compute = (formulas(parts.pop(section, {})) for section in ("derive", "compute"))
    return Kernel(id, derive=derive, compute=compute, **parts)


def compiled(main: Kernel, *others: Kernel, march: MarchFacts = MARCH) -> Compiled | tuple[Problem, ...]:
    return compile_kernel(main, march, {(k.id, k.variant): k for k in (main, *others)}, DTYPES, MODES)


def quant(name: str) -> SimpleNamespace:
    """What generated code sees of a dtype."""
    d = DTYPES[name]
    storage = getattr(torch, d.storage)
    return SimpleNamespace(bits=d.bits, min=d.min, max=d.max, fraction_bits=d.bits - 1, storage=storage)


class Lowered:
    """Both lowerings of a kernel as functions: `torch(...)` and `python(...)`, operands by name."""

    def __init__(self, main: Kernel, *others: Kernel, march: MarchFacts = MARCH) -> None:
        code = compiled(main, *others, march=march)
        assert isinstance(code, Compiled), code
        self.code, self.params = code, namedtuple("Params", [param.name for param in code.params])  # noqa: PYI024
        self._torch = self._functions(TORCH_HELPERS.values(), code.torch_derive, code.torch_compute)
        self._python = self._functions(PYTHON_HELPERS.values(), code.python_derive, code.python_compute)

    def _functions(self, helpers: Any, derive: tuple[str, ...], compute: tuple[str, ...]) -> dict[str, Any]:
        scope: dict[str, Any] = {
            "torch": torch,
            "Tensor": Tensor,
            "math": math,
            "bisect": bisect,
            "struct": struct,
            "Params": self.params,
        }
        exec("\n".join(("from collections.abc import Callable, Sequence", *helpers)), scope)
        result = f"return Params({', '.join(self.params._fields)})"
        for name, args, lines in (
            ("derive", self.code.derive_args, (*derive, result)),
            ("compute", (*self.code.compute_args, SimpleNamespace(name="p")), compute),
        ):
            exec(f"def {name}({', '.join(arg.name for arg in args)}):\n    " + "\n    ".join(lines), scope)
        return scope

    def _run(self, scope: dict[str, Any], values: dict[str, Any]) -> tuple[Any, Any]:
        p = scope["derive"](**{arg.name: values[arg.name] for arg in self.code.derive_args})
        return p, scope["compute"](**{arg.name: values[arg.name] for arg in self.code.compute_args}, p=p)

    def torch(self, **values: Any) -> tuple[Any, Tensor]:
        """Parameters and result for tensors; dtypes are given by name."""
        floats = {k: torch.tensor(v, dtype=torch.float32) for k, v in values.items() if isinstance(v, float)}
        return self._run(self._torch, {**values, **floats, **_dtypes(values)})

    def python(self, **values: Any) -> tuple[Any, Any]:
        """The same for numbers."""
        return self._run(self._python, {**values, **_dtypes(values)})

    def both(self, **values: Any) -> tuple[tuple[int, ...], list[int]]:
        """Parameters and result of torch, after comparing them with Python; tensors are given as lists."""
        tensors = {k: torch.tensor(v) for k, v in values.items() if isinstance(v, list)}
        p, result = self.torch(**{**values, **tensors})
        rows = [dict(zip(tensors, row, strict=True)) for row in zip(*(values[k] for k in tensors), strict=True)]
        scalar = {k: f32(v) if isinstance(v, float) else v for k, v in values.items()}
        assert [self.python(**{**scalar, **row})[1] for row in rows] == result.tolist()
        assert tuple(self.python(**{**scalar, **rows[0]})[0]) == tuple(field.item() for field in p)
        return tuple(int(field) for field in p), result.tolist()


def _dtypes(values: dict[str, Any]) -> dict[str, Any]:
    return {k: quant(v) for k, v in values.items() if isinstance(v, str)}


def f32(v: float) -> float:
    return torch.tensor(v, dtype=torch.float32).item()


# What is known from elsewhere.


def requantize(post: str = "post") -> Kernel:
    return kernel(
        "requantize",
        types={"input": ("qint8", "qint16", "qint32"), "output": ("qint8", "qint16")},
        scales={"s_in": "", "s_out": ""},
        tensors={"x": "input"},
        sites={"rounded": post, "first": "pre"},
        derive={
            "r": "clip(s_in / s_out, -32768, 32767)",
            "m, e": "frexp(r)",
            "mult": "clip(floor(m * 2**15 + 0.5), -32768, 32767)",
            "rs": "15 - e",
            "pre_n": "select(input.bits > 16, clip(rs - (29 - output.fraction_bits), 0, march.pre.max), 0)",
            "post_n": "clip(rs - pre_n, 0, 31)",
        },
        compute={
            "t": "saturate(shift_right(x, pre_n, first), march.mid)",
            "y": "saturate(shift_right(t * mult, post_n, rounded), output)",
        },
        result="output",
    )


E5 = [
    ("qint32", "qint8", 0.0003, (20133, 4, 22)),
    ("qint32", "qint8", 1e-7, (27488, 16, 22)),
    ("qint32", "qint16", 0.01, (20972, 7, 14)),
    ("qint8", "qint8", 0.5, (16384, 0, 15)),
    ("qint16", "qint8", 1 / 256, (16384, 0, 22)),
    ("qint8", "qint16", 256.0, (16384, 0, 6)),
    ("qint8", "qint8", -0.3, (-19661, 0, 16)),
    ("qint8", "qint8", 0.99999, (32767, 0, 15)),
]


@pytest.mark.parametrize(("given", "wanted", "ratio", "expected"), E5)
def test_multiplier_and_shifts_of_a_ratio(given: str, wanted: str, ratio: float, expected: tuple[int, ...]) -> None:
    params, _ = Lowered(requantize()).both(x=[0], s_in=ratio, s_out=1.0, input=given, output=wanted)
    assert params == expected


E6: list[tuple[str, str, float, str, list[int], list[int]]] = [
    ("qint8", "qint8", 0.5, "post", [-128, -127, -3, -2, -1, 0, 1, 2, 3, 5, 127], [-64, -63, -1, -1, 0, 0, 1, 1, 2, 3, 64]),
    ("qint16", "qint8", 1 / 256, "post", [-32768, -384, -129, -128, -127, 127, 128, 384, 32640, 32767], [-128, -1, -1, 0, 0, 0, 1, 2, 127, 127]),
    ("qint32", "qint8", 1e-7, "post", [5000000, -5000000, 12345678, 2**31 - 1, -(2**31)], [0, -1, 1, 127, -128]),
    ("qint32", "qint8", 3e-4, "post", [5000, -5000, 1666, 1667, -1666, -1667, 425000, -427000], [1, -2, 0, 0, -1, -1, 127, -128]),
    ("qint32", "qint16", 1e-2, "post", [150, -150, 50, -50, 3276750, -3276850, 12345], [1, -3, 0, -1, 32767, -32768, 123]),
    ("qint32", "qint8", 3e-4, "pre", [5000, -5000, 1666, 1667, -1666, -1667], [1, -2, 0, 0, -1, -1]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "wanted", "ratio", "post", "x", "expected"), E6)
def test_requantized_integers(
    given: str, wanted: str, ratio: float, post: str, x: list[int], expected: list[int]
) -> None:
    _, result = Lowered(requantize(post)).both(x=x, s_in=ratio, s_out=1.0, input=given, output=wanted)
    assert result == expected


TWO: dict[str, Any] = {
    "types": {"input": ("qint8", "qint16"), "output": ("qint8", "qint16")},
    "scales": {"s_x": "", "s_y": "", "s_out": ""},
    "tensors": {"x": "input", "y": "input"},
    "result": "output",
}
ADD = kernel(
    derive={
        "s": "clip(floor(log2(32767 * s_x / s_y)), 0, select(input.bits > 8, 15, 23))",
        "k": "clip(floor(s_y * 2**s / s_x + 0.5), -32767, 32767)",
        "inter": "s_x / 2**s",
    },
    compute={
        "acc": "(x << s) + y * k",
        "z": "requantize(acc, s_in=inter, s_out=s_out, input=qint32, output=output)",
    },
    **TWO,
)
WEIGHTED = kernel(
    derive={
        "t": "max(s_y / 127, s_x / 2**25)",
        "w": "clip(round_half_away(s_y / t), -128, 127)",
        "m, e": "frexp(round_half_away(s_x / t))",
        "q": "min(trunc(2**min(e, 15) * m), 32767)",
        "left": "clip(e - 15, 0, 11)",
    },
    compute={
        "acc": "wrap(y * w + (x << left) * q, 32)",
        "z": "requantize(acc, s_in=t, s_out=s_out, input=qint32, output=output)",
    },
    **TWO,
)
MUL = kernel(
    compute={
        "acc": "wrap(x * y, 32)",
        "z": "requantize(acc, s_in=s_x * s_y, s_out=s_out, input=qint32, output=output)",
    },
    **TWO,
)
SCALES8 = {"s_x": 0.05, "s_y": 0.02, "s_out": 0.06, "input": "qint8", "output": "qint8"}
ADDENDS = {"x": [100, -100, 127, -128, 3, -3], "y": [50, -50, 127, -128, 1, 2]}


def test_shift_and_scale_add() -> None:
    params, result = Lowered(ADD, requantize()).both(**ADDENDS, **SCALES8)
    assert params[:2] == (16, 26214)
    assert result == [100, -100, 127, -128, 3, -2]
    wide = {"s_x": 0.001, "s_y": 0.0007, "s_out": 0.0015, "input": "qint16", "output": "qint16"}
    params, result = Lowered(ADD, requantize()).both(x=[1000, -32768, 32767], y=[2000, -32768, 32767], **wide)
    assert params[:2] == (15, 22938)
    assert result == [1600, -32768, 32767]


def test_the_sum_of_a_shift_and_scale_add_fits_int32() -> None:
    assert Lowered(ADD, requantize()).code.ranges["acc"] == (-(2**31) + 32768, 2**31 - 65536)


def test_weighted_add() -> None:
    params, result = Lowered(WEIGHTED, requantize()).both(**ADDENDS, **SCALES8)
    assert params[:3] == (127, 318, 0)
    assert result == [100, -100, 127, -128, 3, -2]


def test_product() -> None:
    scales = {**SCALES8, "s_out": 0.04}
    params, result = Lowered(MUL, requantize()).both(x=[100, -100, 7, -7, 127], y=[50, 50, 3, 3, 127], **scales)
    assert params == (26214, 0, 20)
    assert result == [125, -125, 1, -1, 127]
