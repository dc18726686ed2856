"""Kernels as compiled loops and tables: the integers of the torch kernels, for all integers, shapes and layouts."""

import re
import shutil
from typing import Any

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime import byte_table, compiled_kernels
from horizon_plugin_pytorch._runtime.compiled_kernels import CompiledKernels
from horizon_plugin_pytorch._runtime.native_loop import functions_of, header_of
from horizon_plugin_pytorch._runtime.segment_table import SegmentTable, make_table
from horizon_plugin_pytorch._runtime.table_options import TableOptions
from horizon_plugin_pytorch.dtype import qint8, qint16, qint32
from horizon_plugin_pytorch.kernels import load

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
BYTES = torch.arange(-128, 128).to(torch.int8)
PAIRS = BYTES.repeat_interleave(256), BYTES.repeat(256)
SHORTS = torch.arange(-(1 << 15), 1 << 15).to(torch.int16)
SUMS = torch.tensor(
    [-(2**31), 1 - 2**31, -1, 0, 1, 2**31 - 1, *range(-5000, 5000, 3), *(3 << n for n in range(29))]
).int()
IMAGES = torch.arange(2 * 5 * 4 * 3).mul(37).remainder(256).sub(128).to(torch.int8).reshape(2, 5, 4, 3)


def scales(*values: float) -> tuple[Tensor, ...]:
    return tuple(torch.tensor([value]) for value in values)


def check(march: str, name: str, *args: Any, **dtypes: Any) -> str:
    """That a kernel and its compiled form agree; how that one computes."""
    made = CompiledKernels(load(march))
    expected, found = getattr(load(march), name)(*args, **dtypes), getattr(made, name)(*args, **dtypes)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)
    assert expected.unique().numel() > 1
    (proof,) = made.proofs
    return proof


@needs_compiler
@pytest.mark.parametrize(("march", "bits"), [*((march, 32) for march in MARCH_IDS), ("bayes", 64)])
@pytest.mark.parametrize("name", ["add", "mul"])
def test_two_operands(march: str, name: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if bits == 64:  # although 32 would do
        monkeypatch.setattr(compiled_kernels.CompiledKernel, "_bits", lambda *_: (64, "int64"))
    k = load(march)
    for s_out in (0.002, 0.011, 3.0):  # saturates, ties, is small
        derive = getattr(k, f"derive_{name}")
        sizes = dict(zip(("s_x", "s_y", "s_out"), scales(0.125, 0.11, s_out), strict=True))
        p = derive(**sizes, input=qint8, other=qint8, output=qint8)
        assert f"int{bits}" in check(march, name, *PAIRS, p, output=qint8)


@needs_compiler
@pytest.mark.parametrize("march", MARCH_IDS)
def test_requantization_of_every_width(march: str) -> None:
    k = load(march)
    for x, dtype, output in ((BYTES, qint8, qint8), (SHORTS, qint16, qint8), (SUMS, qint32, qint16)):
        for s_out in (0.25, 0.75, 40.0):
            p = k.derive_requantize(*scales(0.375, s_out), input=dtype, output=output)
            proof = check(march, "requantize", x, p, output=output)
            assert ("256 entries" in proof) == (x is BYTES)


@needs_compiler
@pytest.mark.parametrize("march", MARCH_IDS)
def test_sums_of_products(march: str) -> None:
    k = load(march)
    for s_out in (0.5, 1000.0):
        assert "matmul" in check(
            march, "matmul", SUMS, k.derive_matmul(*scales(0.5, s_out), output=qint8), output=qint8
        )


@needs_compiler
def test_derived_integers_of_each_channel() -> None:
    k, slopes = load("bayes"), torch.tensor([-0.5, 0.0, 0.25, 1.5, 3.0]).reshape(5, 1, 1)
    p = k.derive_channel_slope(*scales(0.1, 0.001, 0.07), slopes, input=qint8, output=qint8)
    for x in (IMAGES, IMAGES.contiguous(memory_format=torch.channels_last)):
        assert "channel_slope: compiled" in check("bayes", "channel_slope", x, p, output=qint8)


@needs_compiler
@pytest.mark.parametrize("odd", [False, True])
def test_segments_for_every_input(odd: bool) -> None:
    k, made = load("bayes"), CompiledKernels(load("bayes"))
    options = TableOptions(is_centrosymmetric=odd)
    table = make_table(k, torch.tanh, options, *scales(2.0**-12, 2.0**-15), qint16, qint16)
    assert isinstance(table, SegmentTable)
    assert torch.equal(table.look_up(made, SHORTS), table.look_up(k, SHORTS))
    assert any("segment_lookup: compiled, int64" in proof for proof in made.proofs)


@needs_compiler
@pytest.mark.parametrize("scale", [torch.tensor(0.1), torch.rand(5, 1, 1)])
def test_values_of_integers(scale: Tensor) -> None:
    for x in (
        IMAGES,
        IMAGES.to(torch.int16) * 255,
        IMAGES.int() * (1 << 24),
        IMAGES.transpose(1, 3).contiguous().transpose(1, 3),
    ):
        check("bayes", "dequantize", x, scale)


def operands() -> dict[str, tuple[Tensor, Tensor]]:
    last = IMAGES.contiguous(memory_format=torch.channels_last)
    deep = BYTES.repeat(8).reshape(2, 4, 2, 4, 2, 4, 2, 2)
    return {
        "an image and its channels": (IMAGES, IMAGES[:, :, :1, :1]),
        "channels last": (last, last[:, :, 2:3, 2:3]),
        "channels last and not": (last, IMAGES.flip(0)),
        "half of the channels": (last[:, 1:3], last[:, 3:]),
        "every other column": (IMAGES[..., ::2], IMAGES[..., 1:]),
        "transposed": (IMAGES.mT, IMAGES.mT),
        "rows and columns": (BYTES[:, None], BYTES),
        "expanded": (BYTES[:1].expand(7, 3), BYTES[5:6].expand(7, 3)),
        "another rank": (BYTES[:3], IMAGES),
        "one element": (BYTES[3], BYTES[200]),
        "too many dimensions": (deep, deep[:1, :, :1, :, :1, :, :1]),
        "nothing": (BYTES[:0], BYTES[:1]),
        "more than a piece": (BYTES.repeat(100), BYTES[7:8]),
    }


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", list(operands()))
def test_shapes_and_layouts(name: str, threads: int) -> None:
    k, made, (x, y) = load("bayes"), CompiledKernels(load("bayes")), operands()[name]
    p = k.derive_mul(*scales(0.1, 0.2, 0.7), input=qint8, other=qint8, output=qint8)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = made.mul(x, y, p, output=qint8)
    finally:
        torch.set_num_threads(before)
    expected = k.mul(x, y, p, output=qint8)
    assert torch.equal(found, expected)
    assert found.shape == expected.shape
    if name.startswith("channels last"):
        assert found.is_contiguous(memory_format=torch.channels_last)


def portable(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops without the instructions that not every processor has."""
    built = module.library
    monkeypatch.setattr(module, "library", lambda source: built(f"#define PORTABLE\n{source}"))
    monkeypatch.setattr(module, "_compiled", module._compiled.__wrapped__)


@needs_compiler
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 70001])
def test_tables_of_bytes(count: int) -> None:
    entries, x = BYTES.flip(0).roll(3), BYTES.repeat(300)[:count]
    found = CompiledKernels(load("bayes")).lut(x, entries)
    assert torch.equal(found, load("bayes").lut(x, entries))


@needs_compiler
def test_tables_of_bytes_in_plain_c(monkeypatch: pytest.MonkeyPatch) -> None:
    portable(byte_table, monkeypatch)
    test_tables_of_bytes(70001)


@needs_compiler
def test_a_table_that_lies_otherwise() -> None:
    entries, x = BYTES.flip(0), IMAGES[:, 1:3].mT
    assert torch.equal(CompiledKernels(load("bayes")).lut(x, entries), load("bayes").lut(x, entries))


@needs_compiler
def test_settings_beyond_what_is_remembered() -> None:
    k, made = load("bayes"), CompiledKernels(load("bayes"))
    for i in range(2 * compiled_kernels._MOST):
        p = k.derive_requantize(*scales(0.5 + i, 0.75), input=qint8, output=qint8)
        assert torch.equal(made.requantize(BYTES, p, output=qint8), k.requantize(BYTES, p, output=qint8))


@pytest.mark.parametrize("march", MARCH_IDS)
def test_what_c_functions_call_is_there(march: str) -> None:
    header = header_of(load(march))
    helpers = set(re.findall(r"^static inline \w+ (\w+)\(", header.with_name("elements.h").read_text(), re.MULTILINE))
    for function in functions_of(header).values():
        assert set(re.findall(r"bpu_\w+(?=\()", function.text)) <= helpers
