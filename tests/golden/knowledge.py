"""Facts about specs that decide no integers: which chains fuse, what operators are. Written by hand.

In: the catalog as it is, then catalogs in which one spec was changed. Out: the first check that refuses such a catalog, or the first
fact that does not hold, or ''. Only what the changed spec can reach is decided anew.
"""

from dataclasses import replace
from itertools import product

from generator.composite.check import check_composites
from generator.decide import decide
from generator.diag import errors
from generator.link import Catalog
from generator.overlaps import diagnostics
from generator.patterns import Expanded, expand
from generator.ratchet import check_todo_cells

from .operators import OperatorFacts
from .policies import declarations, label, policy_properties
from .properties import written

LAYERS = ("conv2d", "conv_transpose2d", "conv3d", "linear")
ACTIVATIONS = ("", "relu", "relu6")
NORMS = {"batch_norm1d", "batch_norm2d", "batch_norm3d"}


def fusable_chains(catalog: Catalog, patterns: tuple[Expanded, ...]) -> bool:
    """layer [norm] [add] [activation], in this order, for every layer and activation, with at least one of the three."""
    expected = {
        (layer, tuple(step for step, used in (("norm", norm), ("add", add), ("activation", act)) if used), act)
        for layer, norm, add, act in product(LAYERS, (False, True), (False, True), ACTIVATIONS)
        if norm or add or act
    }
    found = [(pattern.base, pattern.steps[1:], pattern.activation) for pattern in patterns]
    sets = all(set(pattern.norms) == NORMS and set(pattern.adds) == {"add"} for pattern in patterns)
    return sets and set(found) == expected and len(found) == len(expected)


class Knowledge:
    """What the hand-written tables and the checks of decisions, patterns and composites say of catalogs near one."""

    def __init__(self, catalog: Catalog) -> None:
        """Decide what is decided in the catalog as it is."""
        self.base = catalog
        self.decisions = decide(catalog)[0]
        self.operators = OperatorFacts(catalog)

    def contradiction(self, catalog: Catalog, kind: str) -> str:
        """What is wrong with a catalog in which one spec of a kind is another; '' when nothing is."""
        steps = {
            "op": (self._decided, self._fused),
            "march": (self._decided, self._said),
            "dtypes": (self._said, self._decided),
            "patterns": (self._fused, self._said),
            "kernels": (self._declared,),
            "rounding": (),
            "color": (),
        }
        return next((by for step in steps.get(kind, (self._said,)) if (by := step(catalog))), "")

    def _decided(self, catalog: Catalog) -> str:
        """Cells, composites and properties of the operators that can be others than before."""
        ops = self._reached(catalog)
        needed = {linked.spec.id for op in ops for linked in catalog.likes(op)}
        part = replace(catalog, ops={name: op for name, op in catalog.ops.items() if name in needed})
        decided, undecided = decide(part)
        decisions = {**self.decisions, **decided}
        if undecided:
            return f"check {undecided[0].id}"
        if by := self.operators.contradiction(catalog, decisions, ops):
            return by
        found = errors((*check_todo_cells(catalog, decisions), *check_composites(catalog, decisions)))
        return f"check {found[0].id}" if found else ""

    def _reached(self, catalog: Catalog) -> list[str]:
        if catalog.marches is not self.base.marches or catalog.dtypes is not self.base.dtypes:
            return list(catalog.ops)
        changed = {name for name, op in catalog.ops.items() if op is not self.base.ops.get(name)}
        return [op for op in catalog.ops if changed & {linked.spec.id for linked in catalog.likes(op)}]

    def _fused(self, catalog: Catalog) -> str:
        patterns, nameless = expand(catalog)
        found = errors((*nameless, *diagnostics(patterns)))
        return f"check {found[0].id}" if found else "" if fusable_chains(catalog, patterns) else "fusable_chains"

    def _declared(self, catalog: Catalog) -> str:
        """Whether the kernels of changed families declare what is written of them."""
        book = written("declarations.yaml")
        known = {id(entry) for entry in self.base.kernels}
        wrong = (e for e in catalog.kernels if id(e) not in known and declarations(e) != book.get(label(e)))
        gone = book.keys() - {label(entry) for entry in catalog.kernels}
        return next((f"declaration of {name}" for name in (*map(label, wrong), *sorted(gone))), "")

    def _said(self, catalog: Catalog) -> str:
        """Whether specs that are no operators have the properties that are written of them."""
        found = policy_properties(catalog)
        return next((f"properties of {owner}" for owner, said in found.items() if said != written().get(owner)), "")
