"""What must hold between specs: every reference leads somewhere, nothing stands there unused.

In: the Catalog. Out: diagnostics. One small function a rule; `check_catalog` runs them all.
"""

from collections.abc import Callable, Iterator
from itertools import chain

from generator.diag import Diagnostic, Span, did_you_mean
from generator.link import Catalog, Linked
from generator.schema import Op

_NEEDS = {
    "weighted": ("mac", "kernel", "python.file", "python.class_", "python.fused", "python.child"),
    "norm": (),
    "binary": ("kernel", "formula", "python.method"),
    "concat": ("kernel", "python.method"),
    "reduction": ("kernel", "python.method"),
    "window_max": ("window", "python.file", "python.class_"),
    "window_mean": ("window", "kernel", "python.file", "python.class_"),
    "clamp": ("tail",),
    "passthrough": (),
    "identity": (),
    "quantize_stub": ("kernel", "python.class_"),
    "dequantize_stub": ("kernel", "python.class_"),
    "color_inverse": ("color", "python.function"),
}
"""Fields that the templates of a family read."""


def check_catalog(catalog: Catalog) -> tuple[Diagnostic, ...]:
    """Run every rule."""
    return tuple(chain.from_iterable(rule(catalog) for rule in RULES))


def _dtype_ranges(catalog: Catalog) -> Iterator[Diagnostic]:
    for name, dtype in catalog.dtypes.spec.dtypes.items():
        span = catalog.dtypes.span("dtypes", name)
        if not dtype.min <= 0 < dtype.max or dtype.max - dtype.min != 2**dtype.bits - 1:
            yield Diagnostic(
                "C020", f"{name}: {dtype.min}..{dtype.max} is not a range of {dtype.bits} bits around 0", span
            )


def _rounding_modes(catalog: Catalog) -> Iterator[Diagnostic]:
    modes = catalog.rounding.spec.modes
    for march in catalog.marches.values():
        for site, mode in march.spec.rounding.items():
            if mode not in modes:
                yield Diagnostic(
                    "C021",
                    f"unknown rounding mode {mode!r}",
                    march.span("rounding", site),
                    hint=did_you_mean(mode, modes),
                )


def _unused_sites(catalog: Catalog) -> Iterator[Diagnostic]:
    """A rounding site that no formula reads, on any march, is a leftover or a misspelling."""
    text = " ".join(_formula_texts(catalog))
    sites = {site for entry in catalog.kernels for site in entry.kernel.sites.values()}
    for march in catalog.marches.values():
        for site in march.spec.rounding:
            if site not in sites and site not in text and march.origin("rounding", site).how == "own":
                yield Diagnostic(
                    "C022",
                    f"no kernel reads the rounding site {site!r}",
                    march.span("rounding", site),
                    hint=did_you_mean(site, sites),
                )


def _formula_texts(catalog: Catalog) -> Iterator[str]:
    for entry in catalog.kernels:
        yield from (str(text) for text in (*entry.kernel.derive.values(), *entry.kernel.compute.values()))


def _duplicate_kernels(catalog: Catalog) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, str | None], Span] = {}
    for entry in catalog.kernels:
        key = (entry.kernel.id, entry.kernel.variant)
        if key in seen:
            yield Diagnostic(
                "C023",
                f"kernel {entry.kernel.id!r} is defined twice",
                entry.span("id"),
                related=((seen[key], "first here"),),
            )
        seen.setdefault(key, entry.span("id"))


def _kernel_dtypes(catalog: Catalog) -> Iterator[Diagnostic]:
    dtypes = catalog.dtypes.spec.dtypes
    for entry in catalog.kernels:
        for parameter, allowed in entry.kernel.types.items():
            for index, name in enumerate(allowed):
                if name not in dtypes:
                    yield Diagnostic(
                        "C024",
                        f"unknown dtype {name!r}",
                        entry.span("types", parameter, index),
                        hint=did_you_mean(name, dtypes),
                    )


def _feature_dtypes(catalog: Catalog) -> Iterator[Diagnostic]:
    known = (*catalog.dtypes.spec.dtypes, "float32")
    for march in catalog.marches.values():
        for name in march.spec.features:
            if name not in known:
                yield Diagnostic(
                    "C024", f"unknown dtype {name!r}", march.span("features", name), hint=did_you_mean(name, known)
                )


def _march_constants(catalog: Catalog) -> Iterator[Diagnostic]:
    """Two marches must not have one name in class March, nor one kernel module."""
    seen: dict[str, Span] = {}
    for name, march in catalog.marches.items():
        constant = march.spec.constant or name.replace("-", "_").upper()
        for written in (constant, *march.spec.aliases):
            span = march.span("id")
            if written in seen:
                yield Diagnostic(
                    "C025",
                    f"{written!r} names two marches",
                    span,
                    hint="give one of them another constant",
                    related=((seen[written], "the other"),),
                )
            seen.setdefault(written, span)


def _op_kernels(catalog: Catalog) -> Iterator[Diagnostic]:
    roles = {entry.kernel.id for entry in catalog.kernels}
    for op in catalog.ops.values():
        if op.spec.kernel is not None and op.spec.kernel not in roles:
            yield Diagnostic(
                "C026",
                f"unknown kernel {op.spec.kernel!r}",
                op.span("kernel"),
                hint=did_you_mean(op.spec.kernel, roles),
            )


def _op_fields(catalog: Catalog) -> Iterator[Diagnostic]:
    for op in catalog.ops.values():
        for needed in _NEEDS[op.spec.family]:
            value: object = op.spec
            for step in needed.split("."):
                value = getattr(value, step)
            if value is None:
                written = needed.replace("class_", "class")
                yield Diagnostic(
                    "C027", f"{op.spec.id}: an operator of family {op.spec.family} needs {written!r}", op.span("family")
                )


def _op_colors(catalog: Catalog) -> Iterator[Diagnostic]:
    for op in catalog.ops.values():
        if op.spec.color is not None and op.spec.color.space not in catalog.colors:
            name = op.spec.color.space
            yield Diagnostic(
                "C028",
                f"unknown colour space {name!r}",
                op.span("color", "space"),
                hint=did_you_mean(name, catalog.colors),
            )


def _op_functions(catalog: Catalog) -> Iterator[Diagnostic]:
    """One function is one operator."""
    seen: dict[str, Linked[Op]] = {}
    for op in catalog.ops.values():
        for section in ("modules", "functions"):
            for index, name in enumerate(getattr(op.spec.float, section)):
                if name in seen:
                    other = seen[name]
                    span = op.span("float", section, index)
                    yield Diagnostic(
                        "C029",
                        f"{name} belongs to two operators: {other.spec.id} and {op.spec.id}",
                        span,
                        related=((other.span("id"), "the other"),),
                    )
                seen.setdefault(name, op)


def _march_scales(catalog: Catalog) -> Iterator[Diagnostic]:
    for op in catalog.ops.values():
        for march in op.spec.march_scale:
            if march not in catalog.marches:
                yield Diagnostic(
                    "C030",
                    f"unknown march {march!r}",
                    op.span("march_scale", march),
                    hint=did_you_mean(march, catalog.marches),
                )


def _colors(catalog: Catalog) -> Iterator[Diagnostic]:
    for color in catalog.colors.values():
        for span, name in (
            (color.span("default"), color.spec.default),
            (color.span("gray", "swing"), color.spec.gray.swing),
        ):
            if name not in color.spec.swings:
                yield Diagnostic("C031", f"unknown swing {name!r}", span, hint=did_you_mean(name, color.spec.swings))


def _qconfigs(catalog: Catalog) -> Iterator[Diagnostic]:
    spec, observers = catalog.qconfigs, catalog.observers.spec
    for name, quantizer in spec.spec.quantizers.items():
        tables = (
            ("observer", observers.observers),
            ("fake_quant", observers.fake_quants),
            ("dtype", catalog.dtypes.spec.dtypes),
        )
        for field, known in tables:
            value = getattr(quantizer, field)
            if value not in known:
                yield Diagnostic(
                    "C032",
                    f"unknown {field} {value!r}",
                    spec.span("quantizers", name, field),
                    hint=did_you_mean(value, known),
                )
    quantizers = (*spec.spec.quantizers, "none")
    for name, preset in spec.spec.presets.items():
        for field in ("activation", "weight"):
            value = getattr(preset, field)
            if value not in quantizers:
                yield Diagnostic(
                    "C033",
                    f"unknown quantizer {value!r}",
                    spec.span("presets", name, field),
                    hint=did_you_mean(value, quantizers),
                )


def _unused_quantizers(catalog: Catalog) -> Iterator[Diagnostic]:
    spec = catalog.qconfigs
    used = {name for preset in spec.spec.presets.values() for name in (preset.activation, preset.weight)}
    for name in spec.spec.quantizers:
        if name not in used:
            yield Diagnostic(
                "C034",
                f"no preset uses the quantizer {name!r}",
                spec.span("quantizers", name),
                hint="remove it, or name it in a preset",
            )


def _unused_kernels(catalog: Catalog) -> Iterator[Diagnostic]:
    """A kernel that no operator computes with, no formula calls and the mechanism does not know is dead."""
    used = {op.spec.kernel for op in catalog.ops.values()}
    text = " ".join(_formula_texts(catalog))
    for entry in catalog.kernels:
        kernel = entry.kernel
        if kernel.id not in used and f"{kernel.id}(" not in text and not kernel.library:
            hint = "remove it, or say 'library: true' if the mechanism calls it"
            yield Diagnostic(
                "C035", f"no operator and no formula uses the kernel {kernel.id!r}", entry.span("id"), hint=hint
            )


RULES: tuple[Callable[[Catalog], Iterator[Diagnostic]], ...] = (
    _dtype_ranges,
    _rounding_modes,
    _unused_sites,
    _duplicate_kernels,
    _kernel_dtypes,
    _feature_dtypes,
    _march_constants,
    _op_kernels,
    _op_fields,
    _op_colors,
    _op_functions,
    _march_scales,
    _colors,
    _qconfigs,
    _unused_quantizers,
    _unused_kernels,
)
