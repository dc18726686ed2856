"""Views of the package's own modules: marches, dtypes, the support matrix, colours.

In: the catalog and the decisions. Out: views of `_marches.py`, `march.py`, `dtype.py`, `_support.py`, `_colors.py` and
`functional.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from generator.decide import Decisions, feature_dtypes
from generator.inputs import Inputs
from generator.integer_forward import integer_cells
from generator.link import Catalog
from generator.schema import March
from generator.schema_op import Op
from generator.schema_policy import Color, Swing
from generator.views.names import constant_name, module_name, sentence

_TORCH_QUANTIZED = ("qint8", "qint32")  # the quantized dtypes that torch itself has


@dataclass(frozen=True, slots=True)
class MarchView:
    """One march."""

    id: str
    module: str
    constant: str
    aliases: tuple[str, ...]
    title: str
    aligned_corners: bool
    fractional_nearest: bool
    float_boxes: bool
    aligned_regions: bool
    mixed_scales: bool
    stable_sort: bool
    reverse_fold: bool


@dataclass(frozen=True, slots=True)
class MarchesView:
    """Every march."""

    ids: tuple[str, ...]
    marches: tuple[MarchView, ...]


@dataclass(frozen=True, slots=True)
class DtypeView:
    """One quantized dtype."""

    name: str
    bits: int
    min: int
    max: int
    storage: str


@dataclass(frozen=True, slots=True)
class DtypesView:
    """Every quantized dtype, and the torch dtypes that mean one of them."""

    dtypes: tuple[DtypeView, ...]
    exports: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell of the support matrix: output dtypes, or a reason."""

    dtype: str
    value: tuple[str, ...] | str


@dataclass(frozen=True, slots=True)
class SupportRowView:
    """One operator on one march; what the operator itself says comes before what the march says of a dtype."""

    key: tuple[str, str]
    cells: tuple[CellView, ...]


@dataclass(frozen=True, slots=True)
class SupportView:
    """The support matrix, and the rows with cells whose values in QAT are the march's integers."""

    rows: tuple[SupportRowView, ...]
    integer_forward: tuple[SupportRowView, ...]


@dataclass(frozen=True, slots=True)
class SwingView:
    """One swing of a colour space."""

    name: str
    forward: tuple[tuple[int, int, int], ...]
    forward_offset: tuple[int, int, int]
    inverse: tuple[tuple[float, float, float], ...]
    inverse_scale: tuple[float, float, float]
    inverse_offset: float


@dataclass(frozen=True, slots=True)
class SpaceView:
    """One colour space."""

    table: str
    title: str
    swings: tuple[SwingView, ...]


@dataclass(frozen=True, slots=True)
class ColorFunctionView:
    """One conversion function."""

    name: str
    doc: str
    order: str
    table: str
    default: str
    swing_doc: str
    reverse: bool
    centered: bool
    row: int
    mean: float
    std: float
    scale: float
    op: str


@dataclass(frozen=True, slots=True)
class ColorsView:
    """Every colour space and conversion function."""

    exports: tuple[str, ...]
    tables: str
    spaces: tuple[SpaceView, ...]
    forward: tuple[ColorFunctionView, ...]
    gray: tuple[ColorFunctionView, ...]
    inverse: tuple[ColorFunctionView, ...]


def marches_view(catalog: Catalog) -> MarchesView:
    """Every march in the order of its file."""
    marches = tuple(_march(name, m.spec) for name, m in catalog.marches.items())
    return MarchesView(tuple(m.id for m in marches), marches)


def _march(name: str, march: March) -> MarchView:
    return MarchView(
        id=name,
        module=module_name(name),
        constant=march.constant or constant_name(name),
        aliases=march.aliases,
        title=sentence(march.title),
        aligned_corners=march.sampling.aligned_corners,
        fractional_nearest=march.sampling.fractional_nearest,
        float_boxes=march.regions.float_boxes,
        aligned_regions=march.regions.aligned,
        mixed_scales=march.regions.mixed_scales,
        stable_sort=march.detection.stable_sort,
        reverse_fold=march.training.reverse_fold,
    )


def dtypes_view(catalog: Catalog) -> DtypesView:
    """Every dtype in the order of the spec."""
    views = tuple(DtypeView(n, d.bits, d.min, d.max, d.storage) for n, d in catalog.dtypes.spec.dtypes.items())
    exports = ", ".join(f'"{name}"' for name in sorted(v.name for v in views))
    return DtypesView(views, exports, tuple(v.name for v in views if v.name in _TORCH_QUANTIZED))


def support_view(catalog: Catalog, decisions: Decisions, inputs: Inputs) -> SupportView:
    """The matrix as a table."""
    rows = chain.from_iterable(inputs.every("support", partial(_support, catalog, decisions)))
    return SupportView(tuple(rows), tuple(_integer_rows(catalog)))


def _integer_rows(catalog: Catalog) -> Iterator[SupportRowView]:
    for op in catalog.ops:
        for march in catalog.marches:
            cells = tuple(CellView(*cell) for cell in integer_cells(catalog, op, march).items())
            if cells:
                yield SupportRowView((op, march), cells)


def _support(catalog: Catalog, decisions: Decisions, op: str) -> tuple[SupportRowView, ...]:
    """A row a march; what the march says stands behind what the operator says."""
    rows = []
    for march in catalog.marches:
        row = (decisions[op, march, dtype] for dtype in feature_dtypes(catalog))
        cells = sorted(row, key=lambda cell: cell.of_march)
        rows.append(SupportRowView((op, march), tuple(CellView(c.dtype, c.outputs or c.reason) for c in cells)))
    return tuple(rows)


def colors_view(catalog: Catalog) -> ColorsView:
    """Forward functions of every colour space, inverse functions of the operators that use one."""
    forward, gray = [], []
    for color in catalog.colors.values():
        for order in ("rgb", "bgr"):
            for centered in (False, True):
                prefix = "centered_" if centered else ""
                what = "centered YUV444" if centered else "YUV444"
                text = sentence(f"Convert an image from {order.upper()} to {what}, {color.spec.title}")
                forward.append(_function(color.spec, f"{order}2{prefix}yuv", text, order, centered=centered))
                text = f"The {prefix.replace('_', ' ')}gray value"
                gray.append(_function(color.spec, f"{order}2{prefix}gray", text, order, centered=centered))
    users = ((op.spec, op.spec.color) for op in catalog.ops.values())
    inverse = [_inverse(catalog.colors[use.space].spec, op) for op, use in users if use is not None]
    names = ["rgb2bgr", "bgr2rgb", *(f.name for f in (*forward, *gray, *inverse))]
    spaces = tuple(_space(color.spec) for color in catalog.colors.values())
    return ColorsView(
        tuple(sorted(names)), ", ".join(s.table for s in spaces), spaces, tuple(forward), tuple(gray), tuple(inverse)
    )


def _space(color: Color) -> SpaceView:
    return SpaceView(_table(color), color.title, tuple(_swing(n, s) for n, s in color.swings.items()))


def _swing(name: str, swing: Swing) -> SwingView:
    return SwingView(
        name, swing.forward, swing.forward_offset, swing.inverse, swing.inverse_scale, swing.inverse_offset
    )


def _table(color: Color) -> str:
    return color.id.upper()


def _swing_doc(color: Color) -> str:
    return "; ".join(f'"{name}": {swing.doc}' for name, swing in color.swings.items())


def _function(color: Color, name: str, doc: str, order: str, *, centered: bool) -> ColorFunctionView:
    gray = "gray" in name
    return ColorFunctionView(
        name=name,
        doc=doc,
        order=order.upper(),
        table=_table(color),
        default=color.gray.swing if gray else color.default,
        swing_doc=_swing_doc(color),
        reverse=order == "bgr",
        centered=centered,
        row=color.gray.row,
        mean=color.normalization.mean,
        std=color.normalization.std,
        scale=color.normalization.scale,
        op="",
    )


def _inverse(color: Color, op: Op) -> ColorFunctionView:
    assert op.color is not None
    name = op.python.function or op.id
    return replace(_function(color, name, op.doc, op.color.channels, centered=True), op=op.id)
