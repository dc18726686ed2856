# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/fake_quant_switches.py
"""The switches of a fake quantizer: whether it observes, whether it quantizes.

In: `set_fake_quantize`, torch's own methods, a loaded state, or a write to the buffers. Out: what holds now; and, for graphs that
were made for some switches, a plain value that changes with them.
"""

from typing import Any

from torch.ao.quantization import FakeQuantizeBase

from .recording import is_on

_OBSERVER, _FAKE_QUANT = "observer_enabled", "fake_quant_enabled"
SWITCHES = (_OBSERVER, _FAKE_QUANT)


class SwitchedFakeQuantize(FakeQuantizeBase):
    """A fake quantizer that knows what it does now.

    Buffers:
        fake_quant_enabled, observer_enabled: uint8 [1].

    Attributes:
        switches: both (observer first) as methods and states have set them; a write to a buffer is not seen here.
        frozen: whether the scale stays what it is in every state; `freeze_activation_scale` says so.
    """

    switches: tuple[bool, bool] = (True, True)
    frozen: bool = False

    def enable_observer(self, enabled: bool = True) -> None:
        """Observe, or not."""
        super().enable_observer(enabled)
        self.switches = bool(enabled), self.switches[1]

    def enable_fake_quant(self, enabled: bool = True) -> None:
        """Quantize, or not."""
        super().enable_fake_quant(enabled)
        self.switches = self.switches[0], bool(enabled)

    def _observes(self) -> bool:
        """What `set_fake_quantize` said; where it also said to quantize, only while the model trains."""
        observes = not self.frozen and self._is_on(_OBSERVER)
        return observes and (self.training or not self._is_on(_FAKE_QUANT))

    def _quantizes(self) -> bool:
        return self._is_on(_FAKE_QUANT)

    def _is_on(self, switch: str) -> bool:
        buffer = self._buffers[switch]
        return buffer is not None and is_on(buffer)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if not self.observer_enabled.is_meta:
            self.switches = self._is_on(_OBSERVER), self._is_on(_FAKE_QUANT)
