"""Views of nn.intrinsic, nn.qat and nn.quantized: classes by operator family.

In: the catalog and the expanded patterns. Out: views; every class name, call and docstring is final.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from generator.link import Catalog
from generator.patterns import Expanded
from generator.schema_op import Mac, Op
from generator.views.names import sentence

_WINDOW = ("stride", "padding", "dilation", "groups")
_SPREAD = ("stride", "padding", "output_padding", "groups", "dilation")


@dataclass(frozen=True, slots=True)
class FusedView:
    """One fused class of a weighted layer."""

    name: str
    doc: str
    add: bool
    activation_class: str
    activation_function: str
    activation_kernel: str
    qat_classes: str


@dataclass(frozen=True, slots=True)
class NormFusedView:
    """One fused class of a weighted layer that keeps its normalization."""

    name: str
    doc: str
    folded: str
    norms: str
    add: bool
    activation_class: str


@dataclass(frozen=True, slots=True)
class WeightedView:
    """A weighted operator with all of its fused forms."""

    op: str
    doc: str
    qat_doc: str
    base_class: str
    float_class: str
    child: str
    function: str
    float_call: str
    integer_call: str
    arguments: tuple[str, ...]
    weight_layout: str
    window: tuple[str, ...]
    spread: tuple[str, ...]
    narrower_forward: bool
    trailing: int
    requires: str
    qat_classes: str
    fused: tuple[FusedView, ...]
    with_norm: tuple[NormFusedView, ...]
    quantized_fused: tuple[FusedView, ...]


@dataclass(frozen=True, slots=True)
class WindowView:
    """A pooling operator."""

    op: str
    doc: str
    class_name: str
    float_class: str
    function: str
    call: str
    arguments: tuple[str, ...]
    kernel: str
    requires: str
    input_scale_marches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClampView:
    """An activation that clamps integers."""

    op: str
    doc: str
    class_name: str
    float_class: str
    function: str
    kernel: str


@dataclass(frozen=True, slots=True)
class TensorModuleView:
    """A module that is a tensor function."""

    op: str
    doc: str
    class_name: str
    float_class: str
    function: str
    arguments: str
    attributes: tuple[str, ...]


def of_family(catalog: Catalog, *families: str) -> Iterable[Op]:
    """The operators of some families, in the order of their files."""
    return (op.spec for op in catalog.ops.values() if op.spec.family in families)


def weighted_view(catalog: Catalog, op: Op, patterns: tuple[Expanded, ...]) -> WeightedView:
    """A weighted operator; its fused forms are those that patterns name."""
    assert op.mac is not None
    base = class_name(op)
    tails = list(dict.fromkeys((p.add, p.activation) for p in patterns if p.base == op.id and p.tail))
    fused = tuple(_fused(catalog, op, add, activation) for add, activation in tails)
    arguments = [f"self.{name}" for name in op.mac.arguments]
    return WeightedView(
        op=op.id,
        doc=sentence(op.doc),
        qat_doc="Float tensor on its integer grid in; QTensor out, or a plain tensor without activation quantizer.",
        base_class=base,
        float_class=op.float.modules[0],
        child=op.python.child or "",
        function=op.mac.function,
        float_call=", ".join(["x", "weight", "bias", *arguments]),
        integer_call=", ".join(["x", "weight", "None", *arguments]),
        arguments=op.mac.arguments,
        weight_layout=op.mac.weight_layout,
        window=_WINDOW if _is_on_images(op.mac, "out_in", _WINDOW) else (),
        spread=_SPREAD if _is_on_images(op.mac, "in_out", _SPREAD) else (),
        narrower_forward=op.mac.weight_layout == "in_out",
        trailing=op.mac.spatial_dims,
        requires=repr(op.requires),
        qat_classes=f"qat.{base}",
        fused=fused,
        with_norm=tuple(_with_norm(catalog, op, pattern) for pattern in norm_patterns(catalog, op, patterns)),
        quantized_fused=_quantized(fused),
    )


def _is_on_images(mac: Mac, layout: str, arguments: tuple[str, ...]) -> bool:
    """Whether a layer moves a window on images, and takes these arguments."""
    return (mac.spatial_dims, mac.weight_layout, mac.arguments) == (2, layout, arguments)


def class_name(op: Op) -> str:
    """The generated class of an operator."""
    return op.python.class_ or ""


def norm_patterns(catalog: Catalog, op: Op, patterns: Iterable[Expanded]) -> Iterable[Expanded]:
    """One pattern for each class of a weighted operator that keeps its normalization, as they are declared."""
    order = {name: index for index, name in enumerate(catalog.ops)}
    found = {(p.add, order.get(p.activation, -1)): p for p in patterns if p.base == op.id and p.norm}
    return (found[key] for key in sorted(found))


def tail_of(catalog: Catalog, pattern: Expanded, *, keeps_norm: bool = False) -> str:
    """What the class name of a fused form says beside its base: normalization if it is kept, add, activation."""
    norm = (catalog.ops[pattern.norms[0]].spec.tail or "") if keeps_norm else ""
    activation = (catalog.ops[pattern.activation].spec.tail or "") if pattern.activation else ""
    return norm + ("Add" if pattern.add else "") + activation


def _with_norm(catalog: Catalog, op: Op, pattern: Expanded) -> NormFusedView:
    act = catalog.ops[pattern.activation].spec if pattern.activation else None
    folded = fused_name(op, tail_of(catalog, pattern)) if pattern.tail else class_name(op)
    return NormFusedView(
        name=fused_name(op, tail_of(catalog, pattern, keeps_norm=True)),
        doc=f"{folded} whose normalization goes on training; it is folded at conversion.",
        folded=folded,
        norms="".join(f"{module}, " for norm in pattern.norms for module in catalog.ops[norm].spec.float.modules),
        add=pattern.add,
        activation_class=act.float.modules[0] if act else "",
    )


def fused_name(op: Op, tail: str) -> str:
    """The class of a fused form: the tail stands where the spec says."""
    return (op.python.fused or "{tail}").replace("{tail}", tail)


def _fused(catalog: Catalog, op: Op, add: bool, activation: str) -> FusedView:
    act = catalog.ops[activation].spec if activation else None
    tail = ("Add" if add else "") + ((act.tail or "") if act else "")
    parts = [
        class_name(op),
        *(["a second operand"] if add else []),
        *([act.float.modules[0].rpartition(".")[2]] if act else []),
    ]
    return FusedView(
        name=fused_name(op, tail),
        doc=sentence(" + ".join(parts)),
        add=add,
        activation_class=act.float.modules[0] if act else "",
        activation_function=act.float.functions[0] if act else "",
        activation_kernel=_kernel_of_activation(catalog, act) if act else "",
        qat_classes=f"qat.{fused_name(op, tail)}",
    )


def _kernel_of_activation(catalog: Catalog, act: Op) -> str:
    """Its own kernel, or that of the clamp whose upper bound the output range absorbs."""
    if act.kernel:
        return act.kernel
    return next(op.kernel for op in of_family(catalog, "clamp") if op.kernel)


def _quantized(fused: tuple[FusedView, ...]) -> tuple[FusedView, ...]:
    """Fused forms with the same integer computation are one quantized class: the first of them gives the name."""
    groups: dict[tuple[bool, str], list[FusedView]] = {}
    for view in fused:
        groups.setdefault((view.add, view.activation_kernel), []).append(view)
    return tuple(
        FusedView(
            name=views[0].name,
            doc=views[0].doc,
            add=add,
            activation_class="",
            activation_function="",
            activation_kernel=kernel,
            qat_classes=", ".join(view.qat_classes for view in views),
        )
        for (add, kernel), views in groups.items()
    )


def window_view(catalog: Catalog, op: Op) -> WindowView:
    """A pooling operator."""
    assert op.window is not None
    return WindowView(
        op=op.id,
        doc=sentence(op.doc),
        class_name=class_name(op),
        float_class=op.float.modules[0],
        function=op.window.function,
        call=", ".join(["x", *(f"{name}=self.{name}" for name in op.window.arguments)]),
        arguments=op.window.arguments,
        kernel=op.kernel or "",
        requires=repr(op.requires),
        input_scale_marches=tuple(m for m in catalog.marches if keeps_scale(catalog, op, m)),
    )


def keeps_scale(catalog: Catalog, op: Op, march: str) -> bool:
    """Whether the output of an operator keeps the scale of its input on a march."""
    for ancestor in catalog.lineage(march):
        if ancestor in op.march_scale:
            return op.march_scale[ancestor] == "input"
    return op.scale == "input"


def clamp_view(op: Op) -> ClampView:
    """A standalone activation."""
    return ClampView(
        op.id, sentence(op.doc), class_name(op), op.float.modules[0], op.float.functions[0], op.kernel or ""
    )


def tensor_module_view(op: Op) -> TensorModuleView:
    """A module that is a tensor function."""
    assert op.tensor is not None
    attributes = tuple(name for name in op.tensor.arguments if isinstance(name, str))
    arguments = [f"self.{value}" if isinstance(value, str) else repr(value) for value in op.tensor.arguments]
    if op.tensor.mode is not None:
        arguments.insert(1, f'"{op.tensor.mode}"')
    return TensorModuleView(
        op=op.id,
        doc=sentence(op.doc),
        class_name=class_name(op),
        float_class=op.float.modules[0],
        function=op.tensor.function,
        arguments=", ".join(arguments),
        attributes=attributes,
    )
