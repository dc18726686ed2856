# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/qat_mode.py
"""How a normalization after a weighted layer takes part in QAT, and the switches of older releases.

In: what the user sets before `fuse_fx` or `prepare_qat_fx`. Out: the values that fusing reads. They are process-global,
as the API documents them.
"""

from ._runtime.user_input import did_you_mean


class QATMode:
    """String constants for `set_qat_mode`."""

    FuseBN = "fuse_bn"
    WithBN = "with_bn"
    WithBNReverseFold = "with_bn_reverse_fold"


class ReLUMode:
    """String constants for `tricks.relu6`."""

    FORCE_RELU = "relu_mode_force_relu"
    FORCE_RELU6 = "relu_mode_force_relu6"
    INHERIT = "relu_mode_inherit"


_MODES = (QATMode.FuseBN, QATMode.WithBN, QATMode.WithBNReverseFold)
_RELU_MODES = (ReLUMode.FORCE_RELU, ReLUMode.FORCE_RELU6, ReLUMode.INHERIT)


class _Tricks:
    """Switches of older releases: `tricks.relu6 = ...`, `tricks.fx_force_duplicate_shared_convbn = True`.

    Attributes:
        relu6: a `ReLUMode` constant (a bool is accepted: True is FORCE_RELU6, False is FORCE_RELU): which of the two
            every fused activation becomes; INHERIT: what the model says. Fused modules are named for what they compute.
        fx_force_duplicate_shared_convbn: give every call site of a shared layer and its shared normalization a fused
            module of its own instead of one for all.
    """

    relu6: str
    fx_force_duplicate_shared_convbn: bool

    def __init__(self) -> None:
        self.relu6 = ReLUMode.INHERIT
        self.fx_force_duplicate_shared_convbn = False

    def __setattr__(self, name: str, value: object) -> None:
        if name == "relu6" and isinstance(value, bool):
            value = ReLUMode.FORCE_RELU6 if value else ReLUMode.FORCE_RELU
        if name == "relu6" and value not in _RELU_MODES:
            raise ValueError(f"tricks.relu6 must be one of {', '.join(_RELU_MODES)}, not {value!r}")
        if name == "fx_force_duplicate_shared_convbn" and not isinstance(value, bool):
            raise TypeError(f"tricks.{name} must be True or False, not {value!r}")
        if name not in type(self).__annotations__:
            raise AttributeError(f"tricks has no {name!r}{did_you_mean(name, type(self).__annotations__)}")
        object.__setattr__(self, name, value)


class _State:
    mode = QATMode.FuseBN


tricks = _Tricks()


def set_qat_mode(mode: str) -> None:
    """Choose how the normalization takes part in QAT; call it before fusing or preparing.

    Args:
        mode: a `QATMode` constant.

    Raises:
        ValueError: any other value.
    """
    if mode not in _MODES:
        raise ValueError(f"unknown QAT mode {mode!r}; known: {', '.join(_MODES)}{did_you_mean(str(mode), _MODES)}")
    _State.mode = mode


def get_qat_mode() -> str:
    """The mode in force; `QATMode.FuseBN` until it is set."""
    return _State.mode


def fused_activation_mode() -> str:
    """The `ReLUMode` in force."""
    return tricks.relu6
