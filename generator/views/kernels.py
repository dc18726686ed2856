"""Views of generated kernels/<march>.py and of the exact-integer references that tests compare them with.

In: compiled kernels. Out: `KernelModuleView` (torch code) and `ReferenceModuleView` (Python integers), for example::

    def derive_half(s_in: Tensor, *, output: QuantDType) -> HalfParams: ...
    def half(x: Tensor, p: HalfParams, *, output: QuantDType) -> Tensor: ...
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from generator.formula.c_helpers import c_helpers_for
from generator.formula.lower_c import c_name, lower_c
from generator.formula.lower_python import PYTHON_HELPERS
from generator.formula.lower_torch import TORCH_HELPERS
from generator.formula.model import Arg, Compiled, Param
from generator.link import Catalog, KernelEntry
from generator.proven import CompiledMarches, Kernels
from generator.schema import Kernel
from generator.views.names import camel, label_of, sentence

_TORCH_TYPES = {"tensor": "Tensor", "table": "Tensor", "scale": "Tensor", "int": "int", "dtype": "QuantDType"}
_C_TYPES = {"tensor": "float", "dtype": "bpu_dtype"}
_PYTHON_TYPES = {"tensor": "int", "table": "Sequence[int]", "scale": "float", "int": "int", "dtype": "QuantDType"}


@dataclass(frozen=True, slots=True)
class ParamView:
    """A derived integer: its name and its range."""

    name: str
    annotation: str
    doc: str


@dataclass(frozen=True, slots=True)
class KernelView:
    """One kernel: signatures, docstrings and straight-line bodies."""

    name: str
    params_class: str
    params: tuple[ParamView, ...]
    params_call: str
    derive_signature: str
    derive_doc: tuple[str, ...]
    derive_lines: tuple[str, ...]
    compute_signature: str
    summary: str
    compute_doc: tuple[str, ...]
    compute_lines: tuple[str, ...]
    result: str


@dataclass(frozen=True, slots=True)
class KernelModuleView:
    """A whole kernel module."""

    title: str
    doc: str
    package: str
    helpers: tuple[str, ...]
    derives: bool
    takes_dtypes: bool
    kernels: tuple[KernelView, ...]
    c_functions: tuple[str, ...]


def torch_module(catalog: Catalog, compiled: CompiledMarches, march: str | None) -> KernelModuleView:
    """The torch kernels of a march, or those common to all for None."""
    return _module(catalog, compiled, march, torch=True)


def reference_module(catalog: Catalog, compiled: CompiledMarches, march: str | None) -> KernelModuleView:
    """The same kernels as exact Python integers."""
    return _module(catalog, compiled, march, torch=False)


def _chosen(compiled: CompiledMarches, march: str | None) -> Kernels:
    return compiled.common if march is None else compiled.by_march[march]


def _module(catalog: Catalog, compiled: CompiledMarches, march: str | None, *, torch: bool) -> KernelModuleView:
    kernels = _chosen(compiled, march)
    entries = {entry.kernel.id: entry for entry in _entries(catalog, kernels)}
    needed = [
        name for kernel in kernels.values() for name in (kernel.torch_helpers if torch else kernel.python_helpers)
    ]
    helpers = TORCH_HELPERS if torch else PYTHON_HELPERS
    arguments = [arg for kernel in kernels.values() for arg in (*kernel.derive_args, *kernel.compute_args)]
    return KernelModuleView(
        title=f"Integer kernels of {march}." if march else "Kernels that are the same on every march.",
        doc=catalog.marches[march].spec.doc if march else "Colour conversion and the like.",
        package="..",
        helpers=tuple(text for name, text in _closure(helpers, needed).items()),
        derives=any(kernel.params for kernel in kernels.values()),
        takes_dtypes=any(arg.kind == "dtype" for arg in arguments),
        kernels=tuple(
            _kernel(
                entries[role].kernel.doc,
                entries[role].kernel.source,
                kernel,
                role,
                compiled.compute_dtypes(role),
                torch=torch,
            )
            for role, kernel in kernels.items()
        ),
        c_functions=_c_functions(kernels, entries) if torch else (),
    )


def _c_functions(kernels: Kernels, entries: Mapping[str, KernelEntry]) -> tuple[str, ...]:
    """The kernels of floats alone as C, after the helpers that they call."""
    functions = [_c_function(kernel) for role, kernel in kernels.items() if _is_of_floats(kernel, entries[role].kernel)]
    return (*c_helpers_for("\n".join(functions)), *functions)


def _is_of_floats(kernel: Compiled, spec: Kernel) -> bool:
    """Whether the kernel makes a float32 of float32s by the march's own rule: how it rounds, or what range it has."""
    kinds = {arg.kind for arg in kernel.compute_args}
    floats = set(spec.tensors.values()) == {"real"} and kinds <= _C_TYPES.keys() and not (spec.scales or kernel.params)
    return floats and kernel.result == "real" and ("dtype" in kinds or bool(kernel.sites))


def _c_function(kernel: Compiled) -> str:
    """For example `static inline float round_weight(float v)`, with its body."""
    body = lower_c(kernel.proved)
    arguments = ", ".join(f"{_C_TYPES[arg.kind]} {c_name(arg.name)}" for arg in kernel.compute_args)
    statements = "".join(f"    {line}\n" for line in (*body.compute, f"return {body.result};"))
    return f"static inline float {kernel.proved.kernel.id}({arguments})\n{{\n{statements}}}"


def _entries(catalog: Catalog, kernels: Kernels) -> Iterable[KernelEntry]:
    labels = {kernel.label for kernel in kernels.values()}
    return (entry for entry in catalog.kernels if label_of(entry.kernel) in labels)


def _closure(helpers: Mapping[str, str], needed: Iterable[str]) -> dict[str, str]:
    """The helper functions named, and those that they call, in the order of the table."""
    wanted = set(needed)
    while True:
        called = {name for name in helpers if any(f"{name}(" in helpers[other] for other in wanted)}
        if called <= wanted:
            return {name: text.rstrip("\n") for name, text in helpers.items() if name in wanted}
        wanted |= called


def _kernel(doc: str, source: str, kernel: Compiled, role: str, dtypes: tuple[str, ...], *, torch: bool) -> KernelView:
    params_class = camel(role) + "Params"
    types = _TORCH_TYPES if torch else _PYTHON_TYPES
    summary, *rest = doc.strip().splitlines()
    ranges = _proof_lines(kernel)
    plain = (arg for arg in kernel.compute_args if arg.kind != "dtype")
    compute_args = (*plain, *(Arg(name, "dtype") for name in dtypes))
    return KernelView(
        name=role,
        params_class=params_class,
        params=tuple(_param(param, torch=torch) for param in kernel.params),
        params_call=", ".join(param.name for param in kernel.params),
        derive_signature=_signature(kernel.derive_args, types),
        derive_doc=_arguments(kernel.derive_args, torch=torch) if torch else (f"Source: {source}.",),
        derive_lines=kernel.torch_derive if torch else kernel.python_derive,
        compute_signature=_signature(compute_args, types, params_class if kernel.params else ""),
        summary=sentence(summary),
        compute_doc=(*rest, *([""] if rest else []), *ranges, f"Source: {source}."),
        compute_lines=kernel.torch_compute if torch else kernel.python_compute,
        result="float" if kernel.result == "real" else "int",
    )


def _param(param: Param, *, torch: bool) -> ParamView:
    real = param.kind == "real"
    doc = "float32" if real else f"{_number(param.lo)} .. {_number(param.hi)}"
    return ParamView(param.name, "Tensor" if torch else "float" if real else "int", doc)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _signature(args: tuple[Arg, ...], types: Mapping[str, str], params_class: str = "") -> str:
    """`x: Tensor, p: AddParams, *, output: QuantDType`: tensors, then parameters, then the rest by keyword."""
    first = [f"{arg.name}: {types[arg.kind]}" for arg in args if arg.kind in ("tensor", "table", "scale")]
    last = [f"{arg.name}: {types[arg.kind]}" for arg in args if arg.kind in ("int", "dtype")]
    params = [f"p: {params_class}"] if params_class else []
    return ", ".join([*first, *params, *(["*", *last] if last else [])])


def _arguments(args: tuple[Arg, ...], *, torch: bool) -> tuple[str, ...]:
    scales = ", ".join(arg.name for arg in args if arg.kind == "scale")
    return (
        (f"{scales or 'Everything'}: float32 tensors, 0-d or broadcastable per channel; results are int64.",)
        if scales and torch
        else ("All arguments are host values.",)
    )


def _proof_lines(kernel: Compiled) -> tuple[str, ...]:
    return ("Proved ranges:", *(f"    {line}" for line in kernel.proof), "") if kernel.proof else ()
