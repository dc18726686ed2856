# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/unfused.py
"""`check_unfused_operations`: chains of layers that a pattern would fuse and that nothing has fused.

In: a float model and its arguments. Out: the chains that one run shows. Tensors are followed by identity while the model
runs, so chains inside of code that is not traced, or of models that are fused by hand, are found too.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ..._tables import TABLES
from ..check_model import as_inputs
from ..errors import ArgumentError
from ..fold import foldable
from ..prepare import is_prepared
from ..tables import FusionPattern, Step
from .calls import LayerCall, run_layers
from .layers import settled, type_name
from .text_table import draw, say, table_of


def check_unfused_operations(model: nn.Module, example_inputs: Any, print_tabulate: bool = True) -> list[list[str]]:
    """Find chains that could be fused.

    Args:
        model: a float model: after `fuse_fx` or `fuse_modules`, to see what was left; before, to see what there is.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        print_tabulate: print one table a chain.

    Returns:
        The names of each chain in the order of data; shared modules are marked.

    Raises:
        ArgumentError: the model is not float.
    """
    chains = unfused_chains(model, example_inputs)
    if print_tabulate:
        say("\n".join(unfused_tables(chains)) or "Every chain that a pattern describes is fused.")
    return [[name for name, _ in chain] for chain in chains]


def unfused_tables(chains: list[list[tuple[str, str]]]) -> list[str]:
    """One table a chain."""
    return [draw(table_of("unfused"), chain) for chain in chains]


def unfused_chains(model: nn.Module, example_inputs: Any) -> list[list[tuple[str, str]]]:
    """(name, type) of each layer of each chain."""
    if is_prepared(model):
        raise ArgumentError("check_unfused_operations takes a float model; this one is prepared or converted")
    flow = _Flow()
    run_layers(settled(model, "check_unfused_operations"), as_inputs(example_inputs), flow.add)
    counts = Counter((call.name, call.method) for call in flow.calls)
    return [[_cell(call, counts) for call in chain] for chain in flow.chains()]


def _cell(call: LayerCall, counts: Counter[tuple[str, str]]) -> tuple[str, str]:
    shared = "(shared)" if counts[call.name, call.method] > 1 else ""
    return f"{call.name}{shared}", type_name(call.module)


class _Flow:
    """The calls of a run, and which call made what which other one reads."""

    def __init__(self) -> None:
        self.calls: list[LayerCall] = []
        self._makers: dict[int, tuple[LayerCall, int]] = {}
        self._sources: dict[LayerCall, list[LayerCall]] = {}
        self._reads: Counter[LayerCall] = Counter()

    def add(self, call: LayerCall) -> None:
        """Note a call; one that returns its input makes nothing."""
        made = [x for x in call.raw_outputs if not any(x is y for y in call.raw_inputs)]
        overwrites = not made and not isinstance(call.module, nn.Identity) and bool(call.raw_outputs)
        if not made and not overwrites:
            return
        self._sources[call] = [maker for x in call.raw_inputs if (maker := self._maker(x, overwrites=overwrites))]
        self._reads.update(self._sources[call])
        self.calls.append(call)  # which holds the tensors, so that their ids stay theirs
        self._makers.update({id(x): (call, x._version) for x in call.raw_outputs})

    def _maker(self, x: Tensor, *, overwrites: bool) -> LayerCall | None:
        """The call that made a tensor as it is; None when something else has changed it since."""
        maker, version = self._makers.get(id(x), (None, 0))
        return maker if x._version == version + overwrites else None

    def chains(self) -> Iterator[list[LayerCall]]:
        """Chains that share no call, longer patterns first."""
        taken: set[LayerCall] = set()
        for pattern in TABLES.patterns:
            for call in self.calls:
                chain = self._ending_at(call, pattern.steps) if _fuses(pattern) else None
                if chain and taken.isdisjoint(chain):
                    taken.update(chain)
                    yield chain

    def _ending_at(self, call: LayerCall, steps: tuple[Step, ...]) -> list[LayerCall] | None:
        *before, last = steps
        if (call.method or None) != last.method or type(call.module) not in last.modules:
            return None
        if not before:
            return [call]
        for source in self._sources[call]:
            chain = self._ending_at(source, tuple(before)) if self._reads[source] == 1 else None
            if chain and (last.role != "norm" or foldable(chain[0].module, call.module)):
                return [*chain, call]
        return None


def _fuses(pattern: FusionPattern) -> bool:
    """Whether a pattern is about more than one layer."""
    return len(pattern.steps) > 1
