"""What specs say beside operators and formulas: marches, declarations of kernels, tensor functions, observers, defaults of qconfigs.

In: a catalog. Out: their properties, as properties.yaml and declarations.yaml write them. Roundings, algorithms and widths of a march are held by
the goldens of integers, presets by those of facts.yaml, and not said again.
"""

from collections.abc import Iterator

from generator.link import _SINGLE_KINDS, Catalog, KernelEntry
from generator.schema import March

from .contract import notation
from .properties import Property, properties

ELSEWHERE = ("rounding", "ratchet", "qconfigs")
COMPUTED = ("extends", "rounding", "algorithm", "accumulator", "requantize", "segments", "scalar", "limits", "features")


def policy_properties(catalog: Catalog) -> dict[str, frozenset[Property]]:
    """March, or kind of spec -> its properties."""
    single = (linked for linked in catalog.specs() if linked.kind in _SINGLE_KINDS and linked.kind not in ELSEWHERE)
    found = {linked.kind: frozenset(properties(linked.spec)) for linked in single}
    found["qconfigs"] = frozenset((*properties(catalog.qconfigs.spec, ("quantizers", "presets")), *_names(catalog)))
    forced = (("forced." + word, op) for linked in catalog.patterns for word, op in linked.spec.forced.items())
    found["patterns"] = frozenset(forced)
    return {**found, **{name: _of_march(linked.spec) for name, linked in catalog.marches.items()}}


def label(entry: KernelEntry) -> str:
    """The kernel and its variant."""
    return f"{entry.kernel.id}/{entry.kernel.variant or ''}".rstrip("/")


def declarations(entry: KernelEntry) -> frozenset[Property]:
    """What a kernel says beside its formulas: its operands, their types and ranges, its rounding sites, its result."""
    family = entry.family.spec
    own = properties(entry.kernel, ("derive", "compute", "scales"))
    return frozenset({*own, ("family", family.family), ("scope", family.scope)})


def _names(catalog: Catalog) -> Iterator[Property]:
    """The further names of presets, and the public ones of quantizers."""
    for name, quantizer in catalog.qconfigs.spec.quantizers.items():
        yield from ((f"quantizers.{name}.public", public) for public in quantizer.public)
    for name, preset in catalog.qconfigs.spec.presets.items():
        yield from ((f"presets.{name}.aliases", alias) for alias in preset.aliases)
        yield from ((f"presets.{name}.deprecated", old) for old in preset.deprecated)


def _of_march(spec: March) -> frozenset[Property]:
    features = {(f"features.{dtype}", str(said == "supported").lower()) for dtype, said in spec.features.items()}
    limits = {("limits", notation(limit)) for limit in spec.limits}
    return frozenset({*properties(spec, COMPUTED), *features, *limits})
