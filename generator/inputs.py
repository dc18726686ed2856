"""What each output follows from, as digests: an output whose inputs are those of an earlier run needs no new view.

In: the linked specs, the compiled kernels and the patterns of one run. Out: a digest for each group of outputs. A digest may
cover too much, which costs time; it must not cover too little, and a test that edits every kind of leaf holds it to that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeVar

from generator.decide import march_facts
from generator.link import Catalog, Linked
from generator.memo import Memo, digest
from generator.proven import CompiledMarches
from generator.schema import Kernels

T = TypeVar("T")


@dataclass(frozen=True)
class Inputs:
    """Digests over the specs of one run."""

    catalog: Catalog
    compiled: CompiledMarches
    memo: Memo = field(default_factory=Memo)

    def every(self, name: str, make: Callable[[str], T]) -> Iterator[T]:
        """What follows from each operator alone, made anew where the inputs of that one changed."""
        for op in self.catalog.ops:
            yield self.memo.known((name, self.op(op)), partial(make, op))

    def kernel_module(self, march: str | None) -> str:
        """Of what is made from the kernels of one march, or from those of none: code, references, tests, headers."""
        return self._modules[march or ""]

    @cached_property
    def _modules(self) -> dict[str, str]:
        catalog, families = self.catalog, [entry.family.digest for entry in self.catalog.kernels]
        dtypes = [(role, self.compiled.compute_dtypes(role)) for role in {e.kernel.id: None for e in catalog.kernels}]
        docs = {name: march.spec.doc for name, march in catalog.marches.items()}
        return {m: digest(m, docs.get(m), keys, dtypes, families, self._tables) for m, keys in self._keys}

    def family(self, family: Linked[Kernels]) -> str:
        """Of what is made from one family of kernels on all marches."""
        roles = {kernel.id for kernel in family.spec.kernels}
        chosen = [(m, [(r, k) for r, k in keys.items() if r in roles]) for m, keys in self._keys]
        return digest(family.digest, chosen)

    def march_page(self, march: str) -> str:
        """Of what is made from a march, its kernels and its operators."""
        lineage = [self.catalog.marches[name].digest for name in self.catalog.lineage(march)]
        return digest(lineage, self.kernel_module(march), self.every_op)

    @cached_property
    def every_op(self) -> str:
        """Of what is made from all operators, whatever they compute with."""
        return digest([op.digest for op in self.catalog.ops.values()], self._march_facts, self._kernels, self._tables)

    @cached_property
    def tables(self) -> str:
        """Of what is made from all operators, patterns and tensor functions."""
        patterns = [family.digest for family in self.catalog.patterns]
        return digest(self.every_op, patterns, self.catalog.qtensor.digest)

    def op(self, name: str) -> str:
        """Of what is made from one operator and the kernels that its role may choose."""
        return self._ops[name]

    @cached_property
    def _ops(self) -> dict[str, str]:
        catalog, found = self.catalog, {}
        for name, linked in catalog.ops.items():
            used = [keys.get(linked.spec.kernel or "") for _, keys in self._keys]
            found[name] = digest(name, [op.digest for op in catalog.likes(name)], used, self._march_facts, self._tables)
        return found

    @cached_property
    def _kernels(self) -> str:
        """Every compiled kernel, and the texts of their specs."""
        return digest(self._keys, [entry.family.digest for entry in self.catalog.kernels])

    @cached_property
    def _keys(self) -> list[tuple[str, dict[str, str]]]:
        """Of each march, and of none, the keys of its kernels by role."""
        compiled = self.compiled
        return [(march, kernels.keys_by_role) for march, kernels in (*compiled.by_march.items(), ("", compiled.common))]

    @cached_property
    def _tables(self) -> str:
        """The specs of which there is one, and the colours."""
        catalog = self.catalog
        one = (catalog.dtypes.digest, catalog.rounding.digest, catalog.ratchet.digest)
        return digest(one, [color.digest for color in catalog.colors.values()])

    @cached_property
    def _march_facts(self) -> str:
        return march_facts(self.catalog)
