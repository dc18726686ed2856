# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/tables.py
"""The shapes of the generated tables that drive tracing, replacing, fusing, preparing and converting.

In: nothing; these are definitions. Out: the types of `horizon_plugin_pytorch._tables.TABLES`, which the generator fills
from the specs. The mechanism reads what an operator or a pattern is from here and knows none by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn


@dataclass(frozen=True, slots=True)
class Replacement:
    """A traced call that becomes a generated sub-module with its own quantization parameters.

    Attributes:
        op: the name in `<scope>_generated_<op>_<index>`.
        functions: call_function targets.
        methods: call_method targets on tensors.
        module: the class of the generated sub-module.
        method: its method to call; None: the module itself is called.
        data_args: how many leading arguments must be data; 0: the first argument is a list of data.
        numbers: which of the data may be python numbers: "none", "one" of several, or the "last", which must be.
        constructor_args: arguments of the call, after the data, that move to the module's constructor.
        parameters: those of them that are parameters of the module instead: constant tensors of the model.
        number_first: the data stand behind a number, which moves to the module's constructor.
        drop_kwargs: keyword arguments without effect on the integers.
    """

    op: str
    functions: tuple[Callable[..., object], ...]
    methods: tuple[str, ...]
    module: type[nn.Module]
    method: str | None
    data_args: int
    numbers: Literal["none", "one", "last"]
    constructor_args: tuple[str, ...]
    parameters: tuple[str, ...]
    number_first: bool
    drop_kwargs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a fusable chain.

    Attributes:
        role: "weighted", "norm", "add" or "activation".
        modules: exact types of the module that is called, or whose method is called.
        method: for the role "add", the method; else None.
    """

    role: str
    modules: tuple[type[nn.Module], ...]
    method: str | None


@dataclass(frozen=True, slots=True)
class FusionPattern:
    """A chain of operations that is computed as one.

    Attributes:
        id: its name, for messages.
        steps: in data-flow order; the first is the weighted layer.
        fused: the container class; None: the folded layer itself.
        with_norm: the container class where the normalization is kept; None for a chain without one.
        priority: the higher one wins among patterns of one length.
    """

    id: str
    steps: tuple[Step, ...]
    fused: type[nn.Module] | None
    with_norm: type[nn.Module] | None
    priority: int


@dataclass(frozen=True, slots=True)
class TensorRule:
    """What torch functions do with a QTensor.

    Attributes:
        op: the operator in the support matrix; empty when it has no row.
        behaviour: the mechanism.
        kernel: the kernel that it uses; empty for none.
        dtypes: dtype arguments of the kernel, all of them the input's.
        functions: torch functions and Tensor methods.
    """

    op: str
    behaviour: str
    kernel: str
    dtypes: tuple[str, ...]
    functions: tuple[Callable[..., object], ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything the mechanism has to be told.

    Attributes:
        replacements: calls that become modules.
        patterns: fusable chains, longer first, then higher priority.
        forced_activations: mode of `qat_mode.fused_activation_mode` -> the class of every fused activation.
        qat_modules: float or fused class -> QAT class.
        quantized_modules: QAT class -> quantized class.
        recognized: qualified name of a class of a package that need not be installed -> the float class in its place.
        leaf_modules: classes never traced into, beside torch.nn's own.
        leaf_method_modules: classes that are used by their methods; a method call is one node.
        functional_methods: method of a functional module -> its operator.
        method_modules: method of a functional module -> the float module that a traced call of it becomes.
        tensor_rules: what torch functions do with a QTensor.
        passthrough: functions whose result keeps scale and dtype.
        passthrough_lists: the same, returning a list or tuple.
        passthrough_modules: float classes whose result keeps scale and dtype.
        plain: functions that run on raw data and return plain values (shapes, sizes, ...).
        identity: what takes the place of a module that was fused away.
    """

    replacements: tuple[Replacement, ...]
    patterns: tuple[FusionPattern, ...]
    forced_activations: Mapping[str, type[nn.Module]]
    qat_modules: Mapping[type[nn.Module], type[nn.Module]]
    quantized_modules: Mapping[type[nn.Module], type[nn.Module]]
    recognized: Mapping[str, type[nn.Module]]
    leaf_modules: tuple[type[nn.Module], ...]
    leaf_method_modules: tuple[type[nn.Module], ...]
    functional_methods: Mapping[str, str]
    method_modules: Mapping[str, type[nn.Module]]
    tensor_rules: tuple[TensorRule, ...]
    passthrough: frozenset[Callable[..., object]]
    passthrough_lists: frozenset[Callable[..., object]]
    passthrough_modules: frozenset[type[nn.Module]]
    plain: frozenset[Callable[..., object]]
    identity: type[nn.Module]
