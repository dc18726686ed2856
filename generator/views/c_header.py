"""Views of generated/c/<march>.h: the integer kernels of a march as C99 functions, for firmware.

In: compiled kernels with an integer result, lowered to C here. Out: `CHeaderView`, whose lines are final: indented, and
wrapped to the width of the file. One kernel becomes, for example::

    typedef struct {...} x9_mul_params;
    static inline x9_mul_params x9_derive_mul(float s_x, float s_y, float s_out, bpu_dtype output) {...}
    static inline int32_t x9_mul(int64_t x, int64_t y, const x9_mul_params *p, bpu_dtype output) {...}
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from textwrap import wrap

from generator.formula.c_helpers import C_HELPERS
from generator.formula.lower_c import c_name, lower_c
from generator.formula.model import Arg, Compiled
from generator.link import Catalog, KernelEntry
from generator.proven import CompiledMarches
from generator.schema_policy import Color
from generator.views.names import label_of, module_path, sentence

WIDTH = 100
_INT32 = 2**31
_JOINED = "\0"  # stands for a blank where no line is broken
_TYPES = {"tensor": "int64_t", "table": "const int64_t *", "scale": "float", "int": "int64_t", "dtype": "bpu_dtype"}
_PARAM_TYPES = {"real": "float", "mask": "int", "integer": "int64_t"}


@dataclass(frozen=True, slots=True)
class CKernelView:
    """One kernel: a comment, a struct and two functions; `fields` is empty where nothing is derived."""

    comment: tuple[str, ...]
    params: str
    fields: tuple[str, ...]
    derive_head: tuple[str, ...]
    derive_lines: tuple[str, ...]
    head: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CTableView:
    """One constant: a matrix row by row."""

    comment: str
    declaration: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CHeaderView:
    """A whole header."""

    guard: str
    comment: tuple[str, ...]
    helpers: tuple[str, ...]
    dtypes: tuple[str, ...]
    kernels: tuple[CKernelView, ...]
    tables: tuple[CTableView, ...]


def header_view(catalog: Catalog, compiled: CompiledMarches, march: str | None) -> CHeaderView:
    """The header of a march, or of what is common to all for None, colour matrices included."""
    kernels = compiled.by_march[march] if march else compiled.common
    prefix = module_path(march)
    entries = {label_of(entry.kernel): entry for entry in catalog.kernels}
    title = f"Integer kernels of {march}: {catalog.marches[march].spec.doc}" if march else "Kernels of every march."
    return CHeaderView(
        guard=f"BPU_{prefix.upper()}_H",
        comment=tuple(wrap(" ".join(title.split()), WIDTH - 3)),
        helpers=tuple(C_HELPERS.rstrip().split("\n")),
        dtypes=tuple(
            f"static const bpu_dtype bpu_{name} = {{{d.bits}, {d.bits - 1}, {_literal(d.min)}, {_literal(d.max)}}};"
            for name, d in catalog.dtypes.spec.dtypes.items()
        ),
        kernels=tuple(
            kernels.derived(role, "C", partial(_kernel, entries, f"{prefix}_{role}", prefix))
            for role in kernels
            if not kernels.facts[role].is_real
        ),
        tables=() if march else tuple(t for color in catalog.colors.values() for t in _tables(color.spec)),
    )


def _kernel(entries: Mapping[str, KernelEntry], name: str, prefix: str, kernel: Compiled) -> CKernelView:
    entry, body = entries[kernel.label], lower_c(kernel.proved)
    params = f"{name}_params"
    reals = {tensor for tensor, kind in entry.kernel.tensors.items() if kind == "real"}
    pointer = [f"const {params} *p"] if kernel.params else []
    derived = [_argument(arg, reals) for arg in kernel.derive_args if arg.name in body.derive_reads]
    values = [_argument(arg, reals) for arg in kernel.compute_args if arg.kind != "dtype"]
    read = [arg for arg in kernel.compute_args if arg.kind == "dtype" and arg.name in body.compute_reads]
    unread = [arg.name for arg in kernel.compute_args if arg.kind == "tensor" and arg.name not in body.compute_reads]
    stores = tuple(f"p.{c_name(param.name)} = {c_name(param.name)};" for param in kernel.params)
    result = _result(kernel)
    compute = (*(f"(void){c_name(n)};" for n in unread), *body.compute, f"return ({result}){body.result};")
    return CKernelView(
        comment=_comment(entry, kernel),
        params=params,
        fields=tuple(_field(kernel, index) for index in range(len(kernel.params))),
        derive_head=_head(f"{params} {prefix}_derive_{kernel.proved.kernel.id}", derived),
        derive_lines=_block((*body.derive, f"{params} p;", *stores, "return p;")),
        head=_head(f"{result} {name}", [*values, *pointer, *(_argument(arg, reals) for arg in read)]),
        lines=_block(compute),
    )


def _field(kernel: Compiled, index: int) -> str:
    param = kernel.params[index]
    declared = f"{_PARAM_TYPES[param.kind]} {c_name(param.name)};"
    return declared if param.kind == "real" else f"{declared} /* {int(param.lo)} .. {int(param.hi)} */"


def _argument(arg: Arg, reals: set[str]) -> str:
    declared = "float" if arg.name in reals else _TYPES[arg.kind]
    return f"{declared}{'' if declared.endswith('*') else ' '}{c_name(arg.name)}"


def _result(kernel: Compiled) -> str:
    """The narrowest type of at least 32 bits that the proof allows."""
    lo, hi = kernel.ranges[kernel.proved.compute[-1].targets[-1]]
    return "int32_t" if lo >= -_INT32 and hi < _INT32 else "int64_t"


def _comment(entry: KernelEntry, kernel: Compiled) -> tuple[str, ...]:
    text = [sentence(line) for line in entry.kernel.doc.strip().splitlines()]
    lines = [part for line in text for part in wrap(line, WIDTH - 3)]
    proof = [f"    {line}" for line in kernel.proof]
    return (
        *lines,
        f"Source: {entry.kernel.source}, specs: kernels, {kernel.label}.",
        *(["Proved ranges:"] if proof else []),
        *proof,
    )


def _head(declared: str, arguments: list[str]) -> tuple[str, ...]:
    kept = ", ".join(argument.replace(" ", _JOINED) for argument in arguments) or "void"
    return tuple(line.replace(_JOINED, " ") for line in _wrapped(f"static inline {declared}({kept})"))


def _block(statements: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line for text in statements for part in text.split("\n") if part for line in _wrapped(f"    {part}"))


def _wrapped(text: str) -> Iterator[str]:
    """A statement in lines of the file's width; C lets it break at any blank."""
    indent = " " * (len(text) - len(text.lstrip()))
    lines = wrap(text.strip(), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}    ", break_on_hyphens=False)
    yield from lines


def _literal(value: int) -> str:
    """An integer constant; the smallest 32-bit one has no literal of its own."""
    return f"INT64_C({value})" if abs(value) >= _INT32 else str(value)


def _tables(color: Color) -> Iterator[CTableView]:
    for name, swing in color.swings.items():
        prefix = f"common_{color.id}_{name}".replace("-", "_")
        rows = tuple(f"{{{', '.join(map(str, row))}}}," for row in swing.forward)
        what = f"{color.title}, {name}: {swing.doc}"
        yield CTableView(f"{what}; rows of color_forward, in 1/256", f"int16_t {prefix}_forward[3][3]", rows)
        offsets = (f"{', '.join(map(str, swing.forward_offset))},",)
        yield CTableView(f"{what}; offsets of color_forward", f"int16_t {prefix}_forward_offset[3]", offsets)
