# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/calibrate.py
"""`calibrate`: show a prepared model the data that its scales are observed from, then correct what rounding does to means.

In: a model for calibration and batches. Out: the same model, its observers full, ready for validation.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from .bias_correction import correct_bias
from .check_model import as_inputs
from .fake_quant_state import FakeQuantState, set_fake_quantize
from .graph_module import ObservedGraphModule
from .progress import progress

M = TypeVar("M", bound=nn.Module)

SAMPLES = 32
"""How many samples biases are corrected by. Few do: integers and floats are compared on the same values, so that what differs
is rounding, of which each sample has as many as there are places."""


class EvenSample:
    """Copies of batches spread evenly over a run: at most `limit` samples (of the first dimension), but one batch at least."""

    def __init__(self, limit: int) -> None:
        self.batches: list[Sequence[Any]] = []
        self._limit, self._stride, self._seen = limit, 1, 0

    def add(self, batch: Sequence[Any]) -> None:
        """Keep a batch if it is its turn; each time there are too many, every second one goes."""
        if not _count(batch):
            return
        if self._seen % self._stride == 0:
            self.batches.append(tree_map(lambda x: x.detach().clone() if isinstance(x, Tensor) else x, batch))
        self._seen += 1
        while len(self.batches) > 1 and sum(map(_count, self.batches)) > self._limit:
            self.batches = self.batches[::2]
            self._stride *= 2


def _count(batch: Sequence[Any]) -> int:
    """The samples of a batch: the size of its first tensor's first dimension; 1 where there is none."""
    first = next((x for x in batch if isinstance(x, Tensor) and x.dim()), None)
    return 1 if first is None else len(first)


def calibrate(model: M, batches: Iterable[Any], validate: bool = True, bias_correction: bool = True) -> M:
    """Run every batch in the state CALIBRATION, with a progress bar on a terminal, then correct biases.

    Biases are corrected as by `correct_bias`, on batches that are spread evenly over the run and have at most 32 samples
    together, or on one batch if that has more; so `batches` may be an iterator. Copies of them are held in memory, and at the
    end the features that they have at one place of the network. What was observed does not depend on it: calibration that is
    continued, also from a checkpoint, gives the scales of one that was not interrupted, and corrects biases anew.

    Under `torch.distributed`, with observers that unite their ranges (`is_sync_quantize`), every process calls this with its own
    batches, as many as the others have, and all get equal scales and shifts. Without, each calibrates on its own.

    Args:
        model: what `prepare_qat_fx` or `prepare_qat` returned; it is put into eval mode.
        batches: each a tensor, or a tuple or list of the arguments of forward.
        validate: leave the model in the state VALIDATION.
        bias_correction: False leaves biases as they are. They are left too in a model that was not traced (`prepare_qat`) or
            saw no data, and, with a warning, in one that no integers can be made of.

    Warns:
        UserWarning: biases were not corrected; the reason, and what to do.

    Returns:
        The model itself.
    """
    model.eval()
    set_fake_quantize(model, FakeQuantState.CALIBRATION)
    sample = EvenSample(SAMPLES)
    with torch.no_grad():
        for batch in progress(batches, "calibration"):
            inputs = as_inputs(batch)
            sample.add(inputs)
            model(*inputs)
    if bias_correction and isinstance(model, ObservedGraphModule) and sample.batches:
        _correct(model, sample.batches)
    if validate:
        set_fake_quantize(model, FakeQuantState.VALIDATION)
    return model


def _correct(model: nn.Module, batches: Sequence[Any]) -> None:
    """Correct biases where integers can be made; scales that were observed are of use in any case."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of convert_fx, which the user will call
            correct_bias(model, batches)
    except (RuntimeError, TypeError, ValueError) as error:  # an operator or a value that has no integers
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        warnings.warn(
            f"calibrate: scales are calibrated, but biases were not corrected, since the integers of this model cannot be "
            f"computed: {reason}. Pass bias_correction=False if it will not be converted as it is",
            UserWarning,
            stacklevel=3,
        )
