"""What the specs say that are neither operators nor formulas: marches, tensor functions, observers, defaults of qconfigs.

In: a catalog. Out: their properties, as properties.yaml writes them. Roundings, algorithms and widths of a march are held by
the goldens of integers, presets by those of facts.yaml, and not said again.
"""

from collections.abc import Iterator

from generator.link import Catalog
from generator.schema import March

from .contract import notation
from .properties import Property, properties

COMPUTED = ("extends", "rounding", "algorithm", "accumulator", "requantize", "segments", "scalar", "limits", "features")


def policy_properties(catalog: Catalog) -> dict[str, frozenset[Property]]:
    """March, or kind of spec -> its properties."""
    found = {linked.kind: frozenset(properties(linked.spec)) for linked in (catalog.qtensor, catalog.observers)}
    found["qconfigs"] = frozenset((*properties(catalog.qconfigs.spec, ("quantizers", "presets")), *_names(catalog)))
    return {**found, **{name: _of_march(linked.spec) for name, linked in catalog.marches.items()}}


def _names(catalog: Catalog) -> Iterator[Property]:
    """The further names of presets."""
    for name, preset in catalog.qconfigs.spec.presets.items():
        yield from ((f"presets.{name}.aliases", alias) for alias in preset.aliases)
        yield from ((f"presets.{name}.deprecated", old) for old in preset.deprecated)


def _of_march(spec: March) -> frozenset[Property]:
    features = {(f"features.{dtype}", str(said == "supported").lower()) for dtype, said in spec.features.items()}
    limits = {("limits", notation(limit)) for limit in spec.limits}
    return frozenset({*properties(spec, COMPUTED), *features, *limits})
