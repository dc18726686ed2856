"""What must hold of kernels before they are compiled: types that exist, names that code can have, nothing unused.

In: the Catalog. Out: diagnostics; `check_catalog` runs these rules with its own.
"""

import keyword
import re
from collections.abc import Callable, Iterator

from generator.diag import Diagnostic, Span, did_you_mean
from generator.link import Catalog, KernelEntry
from generator.schema import Kernel

_REAL = "real"
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")


def _dangling_sites(catalog: Catalog) -> Iterator[Diagnostic]:
    """A rounding site that a kernel names and no march has."""
    known = {site for march in catalog.marches.values() for site in march.spec.rounding}
    for entry, place, offset, site in _read_sites(catalog):
        if site not in known:
            span = entry.span(*place)
            span = Span(span.path, span.line, span.col + offset)
            yield Diagnostic("C040", f"no march has the rounding site {site!r}", span, hint=did_you_mean(site, known))


def _unused_sites(catalog: Catalog) -> Iterator[Diagnostic]:
    """A rounding site that no kernel reads, on any march, is a leftover or a misspelling."""
    named = {site for *_, site in _read_sites(catalog)}
    read = named | {word for text in _formula_texts(catalog) for word in _WORD.findall(text)}
    known = {site for march in catalog.marches.values() for site in march.spec.rounding}
    if named - known:
        return  # a misspelled one may be meant
    for march in catalog.marches.values():
        for site in march.spec.rounding:
            if site not in read and march.origin("rounding", site).how == "own":
                span = march.key_span("rounding", site)
                yield Diagnostic(
                    "C022", f"no kernel reads the rounding site {site!r}", span, hint=did_you_mean(site, read & known)
                )


def _read_sites(catalog: Catalog) -> Iterator[tuple[KernelEntry, tuple[str, str], int, str]]:
    """(kernel, field, column in it, site) wherever a kernel declares a site, or gives one to a kernel that it calls."""
    keys = {key for entry in catalog.kernels for key in entry.kernel.sites}
    given = re.compile(rf"\b(?:{'|'.join(keys)})\s*=\s*({_WORD.pattern})") if keys else re.compile(r"(?!)")
    for entry in catalog.kernels:
        for key, site in entry.kernel.sites.items():
            yield entry, ("sites", key), 0, site
        for section in ("derive", "compute"):
            for target, text in getattr(entry.kernel, section).items():
                for match in given.finditer(str(text)):
                    if match[1] not in entry.kernel.sites:
                        yield entry, (section, target), match.start(1), match[1]


def _formula_texts(catalog: Catalog) -> Iterator[str]:
    for entry in catalog.kernels:
        yield from (str(text) for text in (*entry.kernel.derive.values(), *entry.kernel.compute.values()))


def _duplicate_kernels(catalog: Catalog) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, str | None], KernelEntry] = {}
    for entry in catalog.kernels:
        kernel = entry.kernel
        key = (kernel.id, kernel.variant)
        name = f"{kernel.id}/{kernel.variant}" if kernel.variant else kernel.id
        if key in seen:
            related = ((seen[key].span("id"), "first here"),)
            yield Diagnostic("C023", f"kernel {name!r} is defined twice", entry.span("id"), related=related)
        seen.setdefault(key, entry)


def _kernel_dtypes(catalog: Catalog) -> Iterator[Diagnostic]:
    """Every type of a kernel exists."""
    dtypes = catalog.dtypes.spec.dtypes
    for entry in catalog.kernels:
        for parameter, allowed in entry.kernel.types.items():
            if not allowed:
                span = entry.span("types", parameter)
                yield Diagnostic("C024", f"{parameter!r} may be no dtype at all", span, hint="name one or more dtypes")
            for index, name in enumerate(allowed):
                if name not in dtypes:
                    span = entry.span("types", parameter, index)
                    yield Diagnostic("C024", f"unknown dtype {name!r}", span, hint=did_you_mean(name, dtypes))
        known = {*entry.kernel.types, *dtypes, _REAL}
        for place, name in _used_types(entry.kernel):
            if name not in known:
                span = entry.span(*place)
                message = f"{name!r} is no dtype and no type parameter of {entry.kernel.id}"
                yield Diagnostic("C024", message, span, hint=did_you_mean(name, known))


def _used_types(kernel: Kernel) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The types that tensors and the result name, and the fields that name them; ranges of integers name none."""
    for tensor, kind in kernel.tensors.items():
        if isinstance(kind, str):
            yield ("tensors", tensor), kind
    for table, (kind, _) in kernel.tables.items():
        if isinstance(kind, str):
            yield ("tables", table, 0), kind
    if isinstance(kernel.result, str):
        yield ("result",), kernel.result


def _kernel_ranges(catalog: Catalog) -> Iterator[Diagnostic]:
    for entry in catalog.kernels:
        kernel = entry.kernel
        ranges = [(("integers", name), value) for name, value in kernel.integers.items()]
        ranges += [(("tensors", name), value) for name, value in kernel.tensors.items() if isinstance(value, tuple)]
        ranges += [(("tables", name), kind) for name, (kind, _) in kernel.tables.items() if isinstance(kind, tuple)]
        for place, (low, high) in ranges:
            if low > high:
                span = entry.span(*place)
                yield Diagnostic(
                    "C039", f"{place[1]!r}: the range {low} .. {high} is empty", span, hint="swap its ends"
                )


def _kernel_names(catalog: Catalog) -> Iterator[Diagnostic]:
    """The names of a kernel become names in code."""
    for entry in catalog.kernels:
        for section, name in _names(entry.kernel):
            for part in (target.strip() for target in name.split(",")):
                if not part.isidentifier() or keyword.iskeyword(part):
                    place = (section, name) if section != "id" else ("id",)
                    span = entry.family.key_span("kernels", entry.index, *place)
                    hint = "letters, digits and _, no digit first, no keyword of Python"
                    yield Diagnostic("C036", f"{part!r} cannot be a name in code", span, hint=hint)


def _names(kernel: Kernel) -> Iterator[tuple[str, str]]:
    yield "id", kernel.id
    for section in ("types", "scales", "integers", "tensors", "tables", "sites", "derive", "compute"):
        yield from ((section, name) for name in getattr(kernel, section))


def _unused_kernels(catalog: Catalog) -> Iterator[Diagnostic]:
    """A kernel that no operator computes with, no formula calls and the mechanism does not know is dead."""
    used = {op.spec.kernel for op in catalog.ops.values()} - {None}
    if used - {entry.kernel.id for entry in catalog.kernels}:
        return  # a misspelled one may be meant
    called = {name for text in _formula_texts(catalog) for name in _CALL.findall(text)}
    for entry in catalog.kernels:
        kernel = entry.kernel
        if kernel.id not in used | called and not kernel.library:
            hint = "remove it, or say 'library: true' if the mechanism calls it"
            message = f"no operator and no formula uses the kernel {kernel.id!r}"
            yield Diagnostic("C035", message, entry.span("id"), hint=hint)


KERNEL_RULES: tuple[Callable[[Catalog], Iterator[Diagnostic]], ...] = (
    _dangling_sites,
    _unused_sites,
    _duplicate_kernels,
    _kernel_dtypes,
    _kernel_ranges,
    _kernel_names,
    _unused_kernels,
)
