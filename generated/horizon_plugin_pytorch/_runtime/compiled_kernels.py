# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/compiled_kernels.py
"""The kernels of a march as compiled loops: called as the torch kernels are, with the same integers as result.

In: a march's kernels, and in each call operands, tables, derived integers and dtypes. Out: the result, in one pass over memory.
A kernel of one int8 operand with int8 results is a table of these. Any other one is its C function: in 32 bits where intervals,
of the derived integers and of the operands' types, prove that these hold everything between, else in the 64 bits that every
kernel is proved for. What recorders look at, lies elsewhere than on the CPU, or cannot be compiled goes to the torch kernel.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .byte_table import ByteTable
from .dtype import QuantDType
from .exact import may_choose
from .interval import run_on_intervals
from .native_loop import Loop, Read, compiled, functions_of, header_of
from .walk import Place, Walk, laid, order_of

_MOST = 64
"""Settings of a kernel, and shapes of its operands, that are remembered."""
_INTEGERS = (torch.int8, torch.int16, torch.int32)
_TAKEN = (*_INTEGERS, torch.int64, torch.float32)
_WORDS = {32: torch.int32, 64: torch.int64}
_UNKNOWN: Any = object()
_PARAMS = "p"
"""The argument of derived integers."""
_Run = Callable[[tuple[Tensor, ...]], Tensor | None]


class CompiledKernels:
    """The kernels of a march, for one layer; attributes are functions of the same names."""

    def __init__(self, kernels: ModuleType) -> None:
        """Nothing is compiled before a kernel is called."""
        self._kernels = kernels

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A kernel; a function that has no C form stays as it is."""
        kernel: Callable[..., Any] = getattr(self._kernels, name)
        function = functions_of(header_of(self._kernels)).get(name)
        if function is not None:
            kernel = CompiledKernel.of(kernel, Loop.of(header_of(self._kernels), name), function.tables)
        self.__dict__[name] = kernel
        return kernel

    @property
    def proofs(self) -> tuple[str, ...]:
        """How each kernel that was called computes."""
        called = [kernel for kernel in vars(self).values() if isinstance(kernel, CompiledKernel)]
        return tuple(dict.fromkeys(made.proof for kernel in called for made in kernel.made.values() if made.works))


@dataclass(frozen=True, slots=True)
class _Call:
    """The arguments of a kernel: operands in order, tables, derived integers (none or one tuple), dtypes."""

    operands: list[Tensor]
    tables: dict[str, Tensor]
    params: dict[str, Any]
    dtypes: dict[str, QuantDType]

    @classmethod
    def of(cls, names: tuple[str, ...], tables: frozenset[str], given: Mapping[str, Any]) -> "_Call | None":
        """None with arguments that a loop does not take."""
        call = cls([], {}, {}, {})
        for name in names:
            x = given[name]
            if isinstance(x, Tensor) and name not in tables:
                call.operands.append(x)
            elif isinstance(x, Tensor):
                call.tables[name] = x
            elif isinstance(x, QuantDType):
                call.dtypes[name] = x
            elif isinstance(x, tuple):
                call.params[name] = x
            else:
                return None
        return call

    @property
    def integers(self) -> list[Tensor]:
        """The derived integers."""
        return [integer for params in self.params.values() for integer in params]

    def apply(self, kernel: Callable[..., Any], operands: list[Any]) -> Any:
        """The kernel of other operands."""
        return kernel(*operands, **self.params, **self.tables, **self.dtypes)


@dataclass(frozen=True, slots=True)
class _Made:
    """A way to a kernel's result; `constants` are the arguments behind the operands, which keep their ids as long."""

    run: _Run
    proof: str
    constants: tuple[Any, ...]

    @property
    def works(self) -> bool:
        """Whether there was a compiler for it."""
        return bool(self.proof) and (not isinstance(self.run, _Walks) or any(self.run.met.values()))


@dataclass(frozen=True, slots=True)
class CompiledKernel:
    """One kernel; call it as the torch kernel.

    Attributes:
        defined: the torch kernel.
        loop: its C function, for operands that are not known yet.
        tables: the names of its arguments that are tables.
        names: of its arguments in order.
        operands: how many of them come first and are operands.
        made: what was compiled, by the identity of the further arguments and the types of operands.
    """

    defined: Callable[..., Tensor]
    loop: Loop
    tables: frozenset[str]
    names: tuple[str, ...]
    operands: int
    made: dict[Any, _Made] = field(default_factory=dict)

    @classmethod
    def of(cls, defined: Callable[..., Tensor], loop: Loop, tables: frozenset[str]) -> "CompiledKernel":
        """Of a torch kernel with its C function, of which some arguments are tables."""
        parameters = inspect.signature(defined).parameters.values()
        further = [x.name in {*tables, _PARAMS} or x.kind is x.KEYWORD_ONLY for x in parameters]
        return cls(defined, loop, tables, tuple(x.name for x in parameters), [*further, True].index(True))

    def __call__(self, *args: Any, **keywords: Any) -> Tensor:
        """As the kernel."""
        operands, further = args[: self.operands], (*args[self.operands :], *keywords.values())
        if len(operands) == self.operands and may_choose(operands[0]) and all(map(_is_taken, operands)):
            key = (*map(id, further), *keywords, *[x.dtype for x in operands])
            made = self.made.get(key)
            if made is None:
                given = {**dict(zip(self.names, args, strict=False)), **keywords}
                made = self._remember(key, _Call.of(self.names, self.tables, given), further)
            found = made.run(operands)
            if found is not None:
                return found
        return self.defined(*args, **keywords)

    def _remember(self, key: Any, call: _Call | None, further: tuple[Any, ...]) -> _Made:
        if len(self.made) >= _MOST:
            self.made.clear()
        made = _Made(lambda _: None, "", further)
        if call is not None:
            with torch.inference_mode(False):  # constants outlive the caller's mode
                run, proof = self._table(call) or self._loops(call)
            made = _Made(run, f"{self.loop.kernels[0]}: {proof}", further)
        self.made[key] = made
        return made

    def _table(self, call: _Call) -> tuple[_Run, str] | None:
        """The results of all operands there are; None where these are more than a byte's."""
        kinds = [x.dtype for x in call.operands]
        if kinds != [torch.int8] or self._result(call) != torch.int8 or any(p.numel() > 1 for p in call.integers):
            return None
        table = ByteTable.of(lambda x: call.apply(self.defined, [x]))
        return None if table is None else (lambda operands: table(*operands), "256 entries")

    def _loops(self, call: _Call) -> tuple[_Run, str]:
        bits, proof = self._bits(call)
        loop = replace(self.loop, tables=len(call.tables), result=self._result(call), bits=bits)
        ends = tuple(end for dtype in call.dtypes.values() for end in (dtype.min, dtype.max))
        tables = tuple(table.to(_WORDS[bits]).contiguous() for table in call.tables.values())
        params = tuple(p.to(_WORDS[bits]) for p in call.integers)
        addresses = tuple(x.data_ptr() for x in (*params, *tables))
        return _Walks(replace(loop, ends=len(ends)), params, tables, (*addresses, *ends)), f"compiled, {proof}"

    def _result(self, call: _Call) -> torch.dtype:
        """The type of the result, which the definition shows."""
        return call.apply(self.defined, [x.reshape(-1)[:1] for x in call.operands]).dtype  # type: ignore[no-any-return]

    def _bits(self, call: _Call) -> tuple[int, str]:
        """Of a word, and why they are enough, whatever the types of the operands hold."""
        known = [x for x in call.operands if x.dtype in _INTEGERS]
        infos = [torch.iinfo(x.dtype) for x in known]

        def kernel(*intervals: Any) -> Any:
            places = {id(x): interval for x, interval in zip(known, intervals, strict=False)}
            return call.apply(self.defined, [places.get(id(x), x) for x in call.operands])

        ends = tuple((torch.tensor([info.min]), torch.tensor([info.max])) for info in infos)
        met = None if call.tables or not known else run_on_intervals(kernel, None, ends)
        if met is None or not met[0][0].reach.fits_int32:
            return 64, "int64: what the kernel is proved for"
        return 32, f"int32: {met[0][0].reach.low} .. {met[0][0].reach.high} < 2**31"


def _is_taken(x: Tensor) -> bool:
    return type(x) is Tensor and x.is_cpu and x.dtype in _TAKEN


@dataclass(frozen=True, slots=True)
class _Walks:
    """The loops of a kernel with given constants, by the shapes of its operands.

    Attributes:
        loop: for operands that are not known yet.
        params: derived integers, as words.
        tables: contiguous, as words.
        given: their addresses, and the ends of dtypes.
        met: the loops by shapes and distances in memory; None where there is none.
    """

    loop: Loop
    params: tuple[Tensor, ...]
    tables: tuple[Tensor, ...]
    given: tuple[int, ...]
    met: dict[tuple[Place, ...], "_Met | None"] = field(default_factory=dict)

    def __call__(self, operands: tuple[Tensor, ...]) -> Tensor | None:
        """The result; None where there is no loop."""
        places = tuple([(x.shape, x.stride()) for x in operands])
        met = self.met.get(places, _UNKNOWN)
        if met is _UNKNOWN:
            met = self._meet(places, operands)
        if met is None:
            return None
        if met.order is not None:
            operands = tuple([laid(x, met.order) for x in operands])
        walk = met.walk
        out = torch.empty_strided(walk.shape, walk.strides, dtype=self.loop.result)
        read = [x.data_ptr() for x in operands]
        met.run(walk.sizes, walk.distances, torch.get_num_threads(), *read, *self.given, out.data_ptr())
        return out

    def _meet(self, places: tuple[Place, ...], operands: tuple[Tensor, ...]) -> "_Met | None":
        if len(self.met) >= _MOST:
            self.met.clear()
        walk, order = self._walk(operands), None
        if walk is None:
            _, order = order_of(places)
            walk = self._walk(tuple([laid(x, order) for x in operands]))
        run = None if walk is None else self._compiled(walk, operands)
        self.met[places] = None if walk is None or run is None else _Met(walk, run, order)
        return self.met[places]

    def _walk(self, operands: tuple[Tensor, ...]) -> Walk | None:
        return Walk.over(tuple((x.shape, x.stride()) for x in (*operands, *self.params)))

    def _compiled(self, walk: Walk, operands: tuple[Tensor, ...]) -> Callable[..., None] | None:
        kinds = (x.dtype for x in (*operands, *self.params))
        return compiled(replace(self.loop, reads=tuple(map(Read, kinds, walk.steps))))


@dataclass(frozen=True, slots=True)
class _Met:
    """A loop over operands of some shapes; `order`: once they lie without gaps in this order of dimensions."""

    walk: Walk
    run: Callable[..., None]
    order: list[int] | None
