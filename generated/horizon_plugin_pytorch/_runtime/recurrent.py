# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/recurrent.py
"""Recurrent layers: cells looped over time, layer by layer and in both directions.

In: a float layer of torch with a `qconfig`. Out: a composite whose children are one QAT cell for each layer and direction,
and what joins their outputs. One cell serves all steps of its layer, so it has one set of scales.
"""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from .cell import QATCell
from .composite import Known, QATComposite
from .qat_module import like, raw
from .qconfig import QConfig

_BATCHED = 3
_SETTINGS = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class QATRecurrent(QATComposite):
    """A layer over time; `_CELL` is the float class of a step, `_JOIN` what holds functions with an output scale.

    Raises:
        ValueError: projections, or dropout between layers, which have no integer form.
    """

    _CELL: ClassVar[type[nn.Module]]
    _JOIN: ClassVar[type[nn.Module]]
    cells: nn.ModuleList
    joins: nn.ModuleList
    num_layers: int
    batch_first: bool
    bidirectional: bool

    @classmethod
    def _build(cls, mod: nn.Module, qconfig: QConfig, march: str) -> Self:
        """The layer's settings and parameters, without its flattened copies of them."""
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        for name in _SETTINGS:
            setattr(module, name, getattr(mod, name))
        module.qconfig, module.march, module._admitted = qconfig, march, set()
        module._parameters.update(mod._parameters)
        module._check_attributes()
        module._set_up()
        return module.train(mod.training)

    def _make_children(self) -> None:
        self.cells = nn.ModuleList(self._child(self._float_cell(suffix), None) for suffix in self._suffixes())
        joined = self.num_layers if self.bidirectional else 0
        self.joins = nn.ModuleList(self._child(self._JOIN(), None) for _ in range(joined))
        states = 2 if len(self.cells) > 1 else 0
        self.state_stacks = nn.ModuleList(self._child(self._JOIN(), "qint16") for _ in range(states))
        self._parameters.clear()

    def _suffixes(self) -> list[str]:
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in directions]

    def _float_cell(self, suffix: str) -> nn.Module:
        weight: Tensor = getattr(self, f"weight_ih{suffix}")
        made: Any = self._CELL
        cell: nn.Module = made(weight.shape[1], self.hidden_size, bias=self.bias, device="meta")
        for name in _PARAMETERS:
            cell.register_parameter(name, self._parameters.get(name + suffix))
        return cell

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """All steps; shapes as torch has them.

        Args:
            input: [L, N, input_size], [N, L, input_size] with batch_first, or [L, input_size].
            hx: the states (h, c) of every layer and direction; None: zeros.

        Returns:
            The output of the last layer at every step, and the last states.
        """
        self._admit(input)
        time = 1 if self.batch_first and input.dim() == _BATCHED else 0
        directions = 2 if self.bidirectional else 1
        x, states = input, []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                given = None if hx is None else (hx[0][index], hx[1][index])
                out, state = self._run(index, x, time, given, backwards=direction == 1)
                outputs.append(out)
                states.append(state)
            x = self.joins[layer].cat(outputs, -1) if self.bidirectional else outputs[0]  # type: ignore[operator]
        return x, (self._stacked(0, [h for h, _ in states]), self._stacked(1, [c for _, c in states]))

    def _run(
        self, index: int, x: Tensor, time: int, state: tuple[Tensor, Tensor] | None, *, backwards: bool
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One cell over all steps; outputs stand in the order of the input."""
        cell: Any = self.cells[index]
        steps = range(x.shape[time])
        outputs: list[Tensor] = []
        for step in reversed(steps) if backwards else steps:
            state = cell(x[(slice(None),) * time + (step,)], state)
            assert state is not None
            outputs.append(state[0])
        assert state is not None, "a sequence has a step"
        in_order = outputs[::-1] if backwards else outputs
        return like(in_order[0], torch.stack([raw(out) for out in in_order], time)), state

    def _stacked(self, index: int, states: list[Tensor]) -> Tensor:
        if len(states) == 1:
            return states[0].unsqueeze(0)
        stack: Any = self.state_stacks[index]
        stacked: Tensor = stack.stack(states, 0)
        return stacked

    def bind(self, x: Known = None, *states: Known) -> Known:
        """Derive the integers of the cells, from layer to layer."""
        directions = 2 if self.bidirectional else 1
        for layer in range(self.num_layers):
            cells: list[Any] = list(self.cells[layer * directions : (layer + 1) * directions])
            found = [cell.bind(x) for cell in cells if isinstance(cell, QATCell)]
            join: Any = self.joins[layer] if self.bidirectional else None
            x = found[0][0] if join is None else join.bind() if hasattr(join, "bind_method") else None
        return (x, None)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Accept the keys of the float layer."""
        for index, suffix in enumerate(self._suffixes()):
            for name in _PARAMETERS:
                saved = state_dict.pop(prefix + name + suffix, None)
                if saved is not None:
                    state_dict[f"{prefix}cells.{index}.{name}"] = saved
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
