"""How the settings of QAT in accuracy.py are chosen: by digits that none of its results is measured on.

In: the training images of its folds, of which every fourth is held back once, and networks trained on the others from other
seeds. Out, for each side and setting: integers' right answers in percent, their mean cross entropy, and for each setting but the
first the difference to it, with the standard error of one pair a network.

Run: python tests/benchmarks/qat_settings.py [--net MobileNetV2] [--march bernoulli2] [--first 0] [--splits 12]
[--settings "ours, 0.001" ...].
"""

import argparse
import copy
import statistics
import warnings
from collections.abc import Callable
from functools import partial

import torch
from accuracy import (
    AFTER_QAT,
    FLOAT_RATE,
    NETS,
    QAT_EPOCHS,
    calibration_images,
    paired,
    qat_trained,
    rules,
    torch_ao_trained,
)
from digits import FOLDS, Digits, fine_tune, fold, points, train
from torch import nn
from torch.ao.quantization import quantize_fx

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qat_mode import QATMode, set_qat_mode
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    calibrate,
    convert_fx,
    freeze_activation_scale,
    prepare_qat_fx,
    set_fake_quantize,
)

PARTS = 4
FIRST_SEED = 100
FLOAT_EPOCHS = 10
RATES = (3e-4, 1e-3, 3e-3)
Train = Callable[..., nn.Module]  # float model, training images, seed, rate -> integers


def split(number: int) -> tuple[Digits, Digits]:
    """(three quarters of a fold's training images, the quarter that is held back); 12 of them."""
    images = fold(number % FOLDS)[0]
    held = torch.arange(len(images.labels)) % PARTS == number // FOLDS % PARTS
    return Digits(images.images[~held], images.labels[~held]), Digits(images.images[held], images.labels[held])


def folded(model: nn.Module, data: Digits, seed: int, rate: float, *, corrected: bool) -> nn.Module:
    """The flow of accuracy.py: normalizations folded, calibrated scales kept; biases are corrected once more, or not."""
    start = calibrate(prepare_qat_fx(model, rules("mse")), calibration_images(data))
    return convert_fx(qat_trained(model, start, data, seed, QAT_EPOCHS, rate=rate, corrected=corrected))


def with_norm(model: nn.Module, data: Digits, seed: int, rate: float) -> nn.Module:
    """The flow of torch.ao: normalizations train, scales are observed, and both stay as they are in the last epoch."""
    set_qat_mode(QATMode.WithBN)
    try:
        start = calibrate(prepare_qat_fx(model, rules("mse")), calibration_images(data))
        qat = prepare_qat_fx(model, rules("min_max"))
    finally:
        set_qat_mode(QATMode.FuseBN)
    qat.load_state_dict(start.state_dict())
    set_fake_quantize(qat.train(), FakeQuantState.QAT)
    fine_tune(qat, data, QAT_EPOCHS, rate, seed, _freeze)
    return convert_fx(qat.eval())


def _freeze(model: nn.Module) -> None:
    freeze_activation_scale(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def torch_ao(model: nn.Module, data: Digits, seed: int, rate: float) -> nn.Module:
    return quantize_fx.convert_fx(torch_ao_trained(model, data, seed, rate))


WAYS: dict[str, Train] = {
    "torch.ao": torch_ao,
    "ours": partial(folded, corrected=True),
    "ours corrected once": partial(folded, corrected=False),
    "ours WithBN": with_norm,
}
SETTINGS = {f"{side}, {rate:g}": partial(way, rate=rate) for side, way in WAYS.items() for rate in RATES}


def cross_entropy(model: nn.Module, data: Digits) -> float:
    with torch.no_grad():
        logits = torch.cat([model(images) for images in data.images.split(128)])
    return nn.functional.cross_entropy(logits, data.labels).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="MobileNetV2", choices=list(NETS))
    parser.add_argument("--march", default="bernoulli2", choices=list(AFTER_QAT))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--splits", type=int, default=FOLDS * PARTS)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS), metavar="SETTING")
    options = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    torch.set_num_threads(1)
    set_march(options.march)
    right: dict[str, list[float]] = {name: [] for name in ("float", *options.settings)}
    entropy: dict[str, list[float]] = {name: [] for name in right}
    for number in range(options.first, options.first + options.splits):
        data, held = split(number)
        seed = FIRST_SEED + number
        torch.manual_seed(seed)
        model = NETS[options.net]()
        train(model, data, FLOAT_EPOCHS, FLOAT_RATE, seed)
        models = {name: SETTINGS[name](copy.deepcopy(model).eval(), data, seed) for name in options.settings}
        for name, trained in {"float": model.eval(), **models}.items():
            right[name].append(points(trained, held))
            entropy[name].append(cross_entropy(trained, held))
            print(f"{number:2} {name:20} {right[name][-1]:6.2f} {entropy[name][-1]:.4f}", flush=True)
    for name, values in right.items():
        gain, error = paired(values, right[options.settings[0]])
        mean = f"{statistics.fmean(values):6.2f} {statistics.fmean(entropy[name]):.4f}"
        print(f"{name:20} {mean} {gain:+.2f} (error {error:.2f}) to {options.settings[0]}")


if __name__ == "__main__":
    main()
