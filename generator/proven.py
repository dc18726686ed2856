"""The proven kernels of a march, each of them read only when it is asked for.

In: keys of a memo, and how to prove a kernel that the memo lost. Out: a mapping from roles to compiled kernels; most edits need
few of them, and reading one costs as much as using it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from generator.formula import Compiled
from generator.formula.model import REAL_TENSOR
from generator.memo import Memo

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


class Kernels(Mapping[str, Compiled]):
    """The proven kernels of one march by role; one that an earlier run proved is read when it is asked for."""

    def __init__(self, memo: Memo) -> None:
        """Hold none yet."""
        self.keys_by_role: dict[str, str] = {}
        self._makers: dict[str, Callable[[], Compiled]] = {}
        self._memo = memo

    def add(self, role: str, key: str, make: Callable[[], Compiled]) -> None:
        """Take a kernel that the memo knows by its key."""
        self.keys_by_role[role], self._makers[role] = key, make

    def keep(self) -> None:
        """Have the memo keep them for the next run, too."""
        for key in self.keys_by_role.values():
            self._memo.knows(key)

    def __getitem__(self, role: str) -> Compiled:
        """The kernel of a role."""
        return self._memo.result(self.keys_by_role[role], self._makers[role])

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

    def derived(self, role: str, name: str, make: Callable[[Compiled], T]) -> T:
        """What follows from one kernel alone, its spec and its march included."""
        return self._memo.recall(name, (self.keys_by_role[role],), lambda: make(self[role]))


def _facts(kernel: Compiled) -> KernelFacts:
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
