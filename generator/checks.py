"""What must hold between specs: every reference leads somewhere, nothing stands there unused.

In: the Catalog. Out: diagnostics. One small function a rule; `check_catalog` runs them all.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from generator.checks_kernels import KERNEL_RULES
from generator.checks_limits import check_limits
from generator.checks_onnx import check_onnx
from generator.checks_tools import check_tools
from generator.diag import Diagnostic, Span, did_you_mean
from generator.link import Catalog, Linked
from generator.ratchet import check_ratchet_names, check_reasons
from generator.schema_op import Op, Refusal

NEEDS = {
    "weighted": ("mac", "kernel", "python.file", "python.class_", "python.fused", "python.child", "float.modules"),
    "norm": (),
    "binary": ("kernel", "formula", "python.method"),
    "pairwise": ("kernel", "python.method"),
    "concat": ("kernel", "python.method"),
    "product": ("kernel", "python.method"),
    "scalar": ("kernel", "formula", "python.method"),
    "scaling": ("kernel", "formula", "python.method"),
    "reduction": ("kernel", "python.method"),
    "window_max": ("window", "python.file", "python.class_", "float.modules"),
    "window_mean": ("window", "kernel", "python.file", "python.class_", "float.modules"),
    "clamp": ("tail", "float.modules", "float.functions"),
    "tensor_function": ("behaviour",),
    "tensor_module": ("tensor", "python.file", "python.class_"),
    "passthrough": (),
    "identity": (),
    "quantize_stub": ("kernel", "python.class_"),
    "dequantize_stub": ("kernel", "python.class_"),
    "color_inverse": ("color", "python.function"),
    "recurrent": ("cell", "python.file", "python.class_"),
    "composite": ("composite", "python.file", "python.class_"),
    "table": ("python.file", "python.class_"),
    "unary": (),
    "power": ("python.module",),
    "slope": ("kernel", "python.class_"),
    "runtime_module": ("runtime", "python.file", "python.class_"),
    "runtime_function": ("runtime.function", "python.file", "python.function"),
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


def _feature_dtypes(catalog: Catalog) -> Iterator[Diagnostic]:
    known = (*catalog.dtypes.spec.dtypes, "float32")
    for march in catalog.marches.values():
        for name in march.spec.features:
            if name not in known:
                yield Diagnostic(
                    "C024", f"unknown dtype {name!r}", march.key_span("features", name), hint=did_you_mean(name, known)
                )


def _march_constants(catalog: Catalog) -> Iterator[Diagnostic]:
    """Two marches must not have one name in class March, nor one kernel module."""
    seen: dict[str, Span] = {}
    for name, march in catalog.marches.items():
        constant = march.spec.constant or name.replace("-", "_").upper()
        for written in (constant, *march.spec.aliases):
            span = march.span("constant" if march.spec.constant else "id")
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
        for needed in NEEDS[op.spec.family]:
            value: object = op.spec
            for step in needed.split("."):
                value = getattr(value, step, None)
            if value is None or value == ():
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


def _op_likes(catalog: Catalog) -> Iterator[Diagnostic]:
    """An operator is like another one that exists, and not in a circle."""
    for op in catalog.ops.values():
        liked = [source.spec for source in catalog.likes(op.spec.id)]
        if op.spec.like is not None and op.spec.like not in catalog.ops:
            hint = did_you_mean(op.spec.like, catalog.ops)
            yield Diagnostic("C042", f"unknown operator {op.spec.like!r}", op.span("like"), hint=hint)
        elif liked[-1].like == op.spec.id == min(spec.id for spec in liked):
            yield Diagnostic("C042", f"{op.spec.id} is like itself, in a circle", op.span("like"))


def _op_marches(catalog: Catalog) -> Iterator[Diagnostic]:
    """Marches and dtypes that fields of an operator are keyed by."""
    dtypes = catalog.dtypes.spec.dtypes
    for op in catalog.ops.values():
        keys = [("march_scale", march) for march in op.spec.march_scale] + [("steps", march) for march in op.spec.steps]
        for section, march in keys:
            if march not in catalog.marches:
                span = op.key_span(section, march)
                yield Diagnostic("C030", f"unknown march {march!r}", span, hint=did_you_mean(march, catalog.marches))
        for march, steps in op.spec.steps.items():
            for name in steps:
                if name not in dtypes:
                    span = op.key_span("steps", march, name)
                    yield Diagnostic("C024", f"unknown dtype {name!r}", span, hint=did_you_mean(name, dtypes))


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
    if used - {*spec.spec.quantizers, "none"}:
        return  # a misspelled one may be meant
    for name, quantizer in spec.spec.quantizers.items():
        if name not in used and not quantizer.public:
            span = spec.key_span("quantizers", name)
            hint = "remove it, name it in a preset, or give it a public name"
            yield Diagnostic("C034", f"no preset uses the quantizer {name!r}", span, hint=hint)


def _qconfig_defaults(catalog: Catalog) -> Iterator[Diagnostic]:
    spec, observers = catalog.qconfigs, catalog.observers.spec
    defaults = spec.spec.defaults
    known: dict[str, Iterable[str]] = {
        "fake_quant": observers.fake_quants,
        "observer": observers.observers,
        "calibration_observer": observers.observers,
        "search_observer": observers.observers,
        "dtype": catalog.dtypes.spec.dtypes,
    }
    named = [(spec.span("defaults", field), getattr(defaults, field), names) for field, names in known.items()]
    for key, value in defaults.weight_fake_quants.items():
        place = ("defaults", "weight_fake_quants", key)
        named += [
            (spec.key_span(*place), key, observers.fake_quants),
            (spec.span(*place), value, observers.fake_quants),
        ]
    for span, value, names in named:
        if value not in names:
            yield Diagnostic("C037", f"unknown default {value!r}", span, hint=did_you_mean(value, names))


def _refusals(catalog: Catalog) -> Iterator[Diagnostic]:
    """A cell is refused for good, or for now."""
    for op in catalog.ops.values():
        for march, row in op.spec.support.items():
            for dtype, cell in row.items():
                if isinstance(cell, Refusal) and (cell.unsupported is None) == (cell.todo is None):
                    says = "no reason" if cell.todo is None else "both 'unsupported' and 'todo'"
                    message = f"{op.spec.id} on {march}, {dtype}: the refusal says {says}"
                    hint = "one of {unsupported: why it never will be} and {todo: what is missing}"
                    yield Diagnostic("C038", message, op.span("support", march, dtype), hint=hint)


RULES: tuple[Callable[[Catalog], Iterator[Diagnostic]], ...] = (
    _dtype_ranges,
    _rounding_modes,
    _feature_dtypes,
    _march_constants,
    _op_kernels,
    _op_fields,
    _op_colors,
    _op_functions,
    _op_likes,
    _op_marches,
    _colors,
    _qconfigs,
    _unused_quantizers,
    _qconfig_defaults,
    _refusals,
    check_limits,
    check_ratchet_names,
    check_reasons,
    check_onnx,
    check_tools,
    *KERNEL_RULES,
)
