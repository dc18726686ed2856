"""Views of normalizations that stand alone.

In: the catalog. Out: one view for the module that holds them all.
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.schema_op import Op
from generator.views.modules import class_name, of_family
from generator.views.names import sentence


@dataclass(frozen=True, slots=True)
class NormView:
    """A standalone normalization."""

    op: str
    doc: str
    class_name: str
    float_class: str
    float_classes: str
    kernel: str
    scale_kernel: str
    trailing: int


@dataclass(frozen=True, slots=True)
class NormModuleView:
    """Every standalone normalization of one module."""

    norms: tuple[NormView, ...]


def norm_view(catalog: Catalog) -> NormModuleView:
    """Every normalization that can stand alone."""
    return NormModuleView(tuple(_norm(op) for op in of_family(catalog, "norm") if op.mac is not None))


def _norm(op: Op) -> NormView:
    assert op.mac is not None
    return NormView(
        op=op.id,
        doc=sentence(op.doc),
        class_name=class_name(op),
        float_class=op.float.modules[0],
        float_classes="".join(f"{name}, " for name in op.float.modules),
        kernel=op.kernel or "",
        scale_kernel="norm_scale",
        trailing=op.mac.spatial_dims,
    )
