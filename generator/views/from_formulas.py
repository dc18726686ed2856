"""The views that read the formulas of kernels, by the march or family that they are of.

In: the catalog and the compiled kernels. Out: what the modules of these views make. They are imported when a view is asked for:
with the formula language they cost a tenth of an edit, and most edits leave every kernel as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generator.link import Catalog, Linked
    from generator.proven import CompiledMarches
    from generator.schema import Kernels


@dataclass(frozen=True, slots=True)
class FormulaViews:
    """Makes views of kernels; march None: of those that are the same on every march."""

    catalog: Catalog
    compiled: CompiledMarches

    def torch_module(self, march: str | None) -> object:
        """The kernels as torch code."""
        from generator.views.kernels import torch_module

        return torch_module(self.catalog, self.compiled, march)

    def reference_module(self, march: str | None) -> object:
        """The kernels as exact Python integers."""
        from generator.views.kernels import reference_module

        return reference_module(self.catalog, self.compiled, march)

    def c_header(self, march: str | None) -> object:
        """The kernels as a C header for firmware."""
        from generator.views.c_header import header_view

        return header_view(self.catalog, self.compiled, march)

    def element_functions(self, march: str) -> object:
        """The kernels of a march as C functions of one element."""
        from generator.views.native import native_view

        return native_view(self.compiled, march)

    def page(self, family: Linked[Kernels]) -> object:
        """The page of formulas of one family of kernels."""
        from generator.views.formula_pages import page_view

        return page_view(family, self.compiled)
