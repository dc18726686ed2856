"""The proven kernels of all marches, each of them read only when it is asked for.

In: the Catalog and a memo. Out: for every march (and for what is common to all) a mapping from roles to compiled kernels, and
what the compiler found. Of specs that are as they were the keys of their kernels are known: most edits need few kernels, and
reading one costs as much as using it, as does importing the formula language.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from generator.diag import Diagnostic
from generator.link import Catalog, Linked
from generator.memo import Memo, digest
from generator.schema import March

if TYPE_CHECKING:
    from generator.formula.model import Compiled

COMMON = "common"
"""What the kernels of no march are called."""
_PROSE = ("title", "boards", "doc")
Keys = Mapping[str | None, dict[str, str]]
"""March, or None for what is common to all -> role -> the key by which the memo knows the kernel."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What others ask of a kernel so often that it is known without the kernel."""

    label: str
    doc: str
    sites: tuple[str, ...]
    derive_arguments: tuple[str, ...]
    compute_dtypes: tuple[str, ...]
    is_derived: bool
    is_real: bool
    math: tuple[str, ...]
    proof: tuple[str, ...]


class Kernels(Mapping[str, "Compiled"]):
    """The proven kernels of one march by role; one that an earlier run proved is read when it is asked for."""

    def __init__(self, memo: Memo, keys_by_role: dict[str, str], prove: Callable[[str], "Compiled"]) -> None:
        """Take what the memo knows; `prove` makes the kernel of a role that it lost."""
        self.keys_by_role = keys_by_role
        self._memo, self._prove = memo, prove

    def keep(self) -> None:
        """Have the memo keep them for the next run, too."""
        for key in self.keys_by_role.values():
            self._memo.knows(key)

    def __getitem__(self, role: str) -> "Compiled":
        """The kernel of a role."""
        return self._memo.result(self.keys_by_role[role], partial(self._prove, role))

    def __contains__(self, role: object) -> bool:
        """Whether there is a kernel of a role."""
        return role in self.keys_by_role

    def __iter__(self) -> Iterator[str]:
        """The roles."""
        return iter(self.keys_by_role)

    def __len__(self) -> int:
        """The number of kernels."""
        return len(self.keys_by_role)

    @cached_property
    def facts(self) -> Mapping[str, KernelFacts]:
        """What is known of every kernel without the kernels."""
        keys = tuple(self.keys_by_role.items())
        return self._memo.recall("kernel facts", keys, lambda: {role: _facts(self[role]) for role in self})

    def derived(self, role: str, name: str, make: Callable[["Compiled"], T]) -> T:
        """What follows from one kernel alone, its spec and its march included."""
        return self._memo.recall(name, (self.keys_by_role[role],), lambda: make(self[role]))


def _facts(kernel: "Compiled") -> KernelFacts:
    from generator.formula.model import REAL_TENSOR

    dtypes = {arg.name for arg in kernel.compute_args if arg.kind == "dtype"}
    return KernelFacts(
        label=kernel.label,
        doc=kernel.proved.kernel.doc,
        sites=tuple(sorted(kernel.sites)),
        derive_arguments=tuple(arg.name for arg in kernel.derive_args),
        compute_dtypes=tuple(sorted(dtypes)),
        is_derived=bool(kernel.params),
        is_real=kernel.result == REAL_TENSOR,
        math=kernel.math,
        proof=kernel.proof,
    )


@dataclass(frozen=True, slots=True)
class CompiledMarches:
    """Compiled kernels by role: of every march, and of the kernels that no march changes."""

    by_march: Mapping[str, Kernels]
    common: Kernels

    def compute_dtypes(self, role: str) -> tuple[str, ...]:
        """The dtype arguments of a kernel's compute function.

        Those that any of its variants reads, so that callers need not know which one a march chose.
        """
        variants = [kernels.facts[role] for kernels in (*self.by_march.values(), self.common) if role in kernels]
        return tuple(sorted({name for facts in variants for name in facts.compute_dtypes}))


def compile_all(catalog: Catalog, memo: Memo | None = None) -> tuple[CompiledMarches, tuple[Diagnostic, ...]]:
    """The kernels of every march; proved when a spec that they may read has changed."""
    memo = memo or Memo()
    read = [entry.family.digest for entry in catalog.kernels]
    read += [_read_of(march) for march in catalog.marches.values()]
    read += [catalog.dtypes.digest, catalog.rounding.digest]
    keys, found = memo.recall("compiled", tuple(read), partial(_prove_all, catalog, memo))
    kernels = {
        march: Kernels(memo, keys.get(march, {}), partial(_prove, catalog, memo, march))
        for march in (*catalog.marches, None)
    }
    for of_march in kernels.values():
        of_march.keep()
    return CompiledMarches({name: kernels[name] for name in catalog.marches}, kernels[None]), found


def _read_of(march: Linked[March]) -> str:
    """A digest of what kernels may read of a march, and of where everything stands that a diagnostic may show."""
    said = {name: value for name, value in march.spec if name not in _PROSE}
    return digest(said, list(march.origins.items()))


def _prove_all(catalog: Catalog, memo: Memo) -> tuple[Keys, tuple[Diagnostic, ...]]:
    from generator.compile import prove_all

    return prove_all(catalog, memo)


def _prove(catalog: Catalog, memo: Memo, march: str | None, role: str) -> "Compiled":
    from generator.compile import Compiler

    return Compiler(catalog, memo).prove(march, role)
