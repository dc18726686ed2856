"""The specs of this checkout, which goldens and mutations start from."""

from golden_support import ROOT

from generator.link import Catalog, link
from generator.source import Doc, load_tree


def load_specs() -> tuple[tuple[Doc, ...], Catalog]:
    """The specs of this checkout, which must be sound."""
    docs, unreadable = load_tree(ROOT / "specs", ROOT)
    catalog, mistyped = link(docs)
    assert catalog is not None, [*unreadable, *mistyped]
    return docs, catalog
