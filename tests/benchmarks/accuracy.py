"""What quantization costs in accuracy, on real data: float, calibrated, QAT and integers, beside torch.ao's FX QAT.

Handwritten digits (scikit-learn's, 8x8, enlarged to 32x32) and two small networks, each trained from several seeds.
Run: python tests/benchmarks/accuracy.py [--seeds 3] [--epochs 10] [--marches bayes ...]; it ends with 1 when a bound of the
last table is missed. Minutes on two cores.
"""

import argparse
import copy
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from nets import small_mobilenet, small_resnet
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.ao.quantization import get_default_qat_qconfig_mapping, quantize_fx

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.qconfig import QConfig

NETS: Mapping[str, Callable[[], nn.Module]] = {"ResNet": small_resnet, "MobileNetV2": small_mobilenet}
OBSERVERS = ("min_max", "percentile", "mse", "kl", "mix")
BATCH = 64
CALIBRATION_BATCHES = 8
QAT_EPOCHS = 3
AFTER_QAT = {"bernoulli": 1.0, "bernoulli2": 0.5, "bayes": 0.5, "bayes-e": 0.5}
"""Points that integers may lose against float after QAT, on average."""
AFTER_CALIBRATION = {"bernoulli2": 1.0, "bayes": 1.0, "bayes-e": 1.0}
"""The same after calibration alone, with the mse observer."""
INT16 = {"bayes": 0.1, "bayes-e": 0.1}
"""The same after calibration with int16 features."""


@dataclass(frozen=True, slots=True)
class Digits:
    """Images in (-1, 1), float32 [N, 3, 32, 32], and labels."""

    images: Tensor
    labels: Tensor

    def batches(self, generator: torch.Generator) -> Iterator["Digits"]:
        order = torch.randperm(len(self.labels), generator=generator)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield Digits(self.images[chosen], self.labels[chosen])


def digits() -> tuple[Digits, Digits]:
    """(two thirds for training, one third for validation)."""
    data = load_digits()
    small = torch.tensor(data.images, dtype=torch.float32)[:, None] / 8 - 1
    images = nn.functional.interpolate(small, size=32, mode="bilinear").expand(-1, 3, -1, -1).contiguous()
    labels = torch.tensor(data.target)
    held_out = torch.arange(len(labels)) % 3 == 0
    return Digits(images[~held_out], labels[~held_out]), Digits(images[held_out], labels[held_out])


def train(model: nn.Module, data: Digits, epochs: int, rate: float, seed: int) -> None:
    """AdamW with one cycle."""
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * (len(data.labels) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(epochs):
        for batch in data.batches(generator):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch.images), batch.labels).backward()
            optimizer.step()
            schedule.step()


def points(model: nn.Module, data: Digits) -> float:
    """The share of digits that are named right, in percent."""
    with torch.no_grad():
        right = [model(x).argmax(1) == y for x, y in zip(data.images.split(128), data.labels.split(128), strict=True)]
    return 100 * torch.cat(right).to(torch.float32).mean().item()


def rules(observer: str, dtype: str = "qint8", **arguments: object) -> dict[str, object]:
    """A qconfig for everything, and an int32 output of the head."""
    qconfig = get_default_qconfig(activation_observer=observer, activation_qkwargs={"dtype": dtype, **arguments})
    return {"": qconfig, "module_name": {"head": QConfig(activation=None, weight=qconfig.weight)}}


def calibrated(model: nn.Module, data: Digits, observer: str, dtype: str = "qint8") -> nn.Module:
    prepared = prepare_qat_fx(model, rules(observer, dtype)).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, batch in zip(range(CALIBRATION_BATCHES), data.batches(generator), strict=False):
            prepared(batch.images)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    return prepared


def qat_trained(model: nn.Module, start: nn.Module, data: Digits, seed: int, *, exact: bool = False) -> nn.Module:
    qat = prepare_qat_fx(model, rules("min_max"))
    qat.load_state_dict(start.state_dict())
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT, exact=exact)
    train(qat, data, QAT_EPOCHS, 5e-4, seed)
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=exact)
    return qat


def torch_ao(model: nn.Module, training: Digits, validation: Digits, seed: int) -> dict[str, float]:
    """torch's own FX QAT of the same network with the same schedule."""
    mapping = get_default_qat_qconfig_mapping("x86")
    prepared = quantize_fx.prepare_qat_fx(copy.deepcopy(model).train(), mapping, (training.images[:1],))
    train(prepared, training, QAT_EPOCHS, 5e-4, seed)
    prepared.eval()
    return {"QAT": points(prepared, validation), "QAT integers": points(quantize_fx.convert_fx(prepared), validation)}


def exact_differences(qat: nn.Module, integers: nn.Module, x: Tensor) -> int:
    """How many logits of exact QAT are not, to the bit, those of the converted model."""
    with torch.no_grad():
        return int((qat(x) != integers(x)).sum())


class Results:
    """Accuracies by (march, stage), a list entry a network and seed; prints means."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, march: str, stage: str, value: float) -> None:
        self.values[march, stage].append(value)

    def mean(self, march: str, stage: str) -> float:
        return statistics.fmean(self.values[march, stage])

    def print(self) -> None:
        for (march, stage), values in self.values.items():
            print(f"{march:11} {stage:28} {statistics.fmean(values):7.2f}   {' '.join(f'{v:6.2f}' for v in values)}")


def run_march(march: str, model: nn.Module, data: tuple[Digits, Digits], seed: int, results: Results) -> None:
    """Every stage of one network on one march."""
    training, validation = data
    set_march(march)
    for observer in OBSERVERS:
        prepared = calibrated(model, training, observer)
        results.add(march, f"calibrated {observer}", points(prepared, validation))
        results.add(march, f"integers {observer}", points(convert_fx(prepared), validation))
        if observer == "mse":
            start = prepared
    if march in INT16:
        wide = calibrated(model, training, "min_max", "qint16")
        results.add(march, "integers int16", points(convert_fx(wide), validation))
    began = time.perf_counter()
    qat = qat_trained(model, start, training, seed)
    ordinary = time.perf_counter() - began
    integers = convert_fx(qat)
    results.add(march, "QAT", points(qat, validation))
    results.add(march, "QAT integers", points(integers, validation))
    began = time.perf_counter()
    exact = qat_trained(model, start, training, seed, exact=True)
    results.add(march, "exact QAT / QAT time", (time.perf_counter() - began) / ordinary)
    results.add(march, "exact QAT", points(exact, validation))
    results.add(march, "exact QAT, unequal logits", exact_differences(exact, convert_fx(exact), validation.images))


def bounds(results: Results, marches: list[str]) -> Iterator[tuple[str, float, float]]:
    """(what, measured, bound): measured may not be above the bound."""
    full = results.mean("float", "float")
    ao = results.mean("torch.ao", "QAT integers")
    for march in marches:
        integers = results.mean(march, "QAT integers")
        yield f"{march}: points lost after QAT", full - integers, AFTER_QAT[march]
        if march in AFTER_CALIBRATION:
            lost = full - results.mean(march, "integers mse")
            yield f"{march}: points lost after calibration", lost, AFTER_CALIBRATION[march]
            yield f"{march}: points below torch.ao's QAT", ao - integers, 0.0
        if march in INT16:
            yield f"{march}: points lost with int16", full - results.mean(march, "integers int16"), INT16[march]
        yield f"{march}: unequal logits of exact QAT", results.mean(march, "exact QAT, unequal logits"), 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--marches", nargs="+", default=list(AFTER_QAT))
    options = parser.parse_args()
    data, results = digits(), Results()
    for seed in range(options.seeds):
        for name, make in NETS.items():
            torch.manual_seed(seed)
            model = make()
            train(model, data[0], options.epochs, 4e-3, seed)
            results.add("float", "float", points(model.eval(), data[1]))
            for stage, value in torch_ao(model, *data, seed).items():
                results.add("torch.ao", stage, value)
            for march in options.marches:
                run_march(march, model, data, seed, results)
            print(f"seed {seed}, {name}: done", file=sys.stderr)
    results.print()
    missed = 0
    for what, measured, bound in bounds(results, options.marches):
        missed += measured > bound
        print(f"{'MISSED' if measured > bound else 'ok':7}{what}: {measured:.2f} (at most {bound})")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
