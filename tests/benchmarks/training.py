"""What quantization costs in training: QAT steps, calibration, validation, preparing and converting, beside torch.ao.

Four networks, ratios of medians over rounds in which all candidates take turns, in one run. Bounds are those of the
project; a figure beyond its bound ends the run with 1.
Run: python tests/benchmarks/training.py [--nets resnet18 ...] [--rounds 5] [--threads 1] [--eager] [--cpu-time].
`--eager` hides the C compiler. `--cpu-time` measures processor time instead of the clock, for machines that do other work
(with one thread). The first line of a network says what a float step and a float forward take.
"""

import argparse
import copy
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import nets
import torch
from torch import Tensor, nn
from torch.ao.quantization import get_default_qat_qconfig_mapping, quantize_fx

from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

Run = Callable[[], object]

OBSERVERS = ("min_max", "percentile", "mse", "kl", "mix")
CALIBRATION = {"calibrate min_max": 1.15, "calibrate mse": 2.0}
VALIDATION = {"validate": 1.25}
PREPARATION = {"prepare": 0.15, "convert": 0.20}


@dataclass(frozen=True, slots=True)
class Net:
    """A network, its batch, and how much longer than a float step a QAT step may take: compiled, and eager."""

    make: Callable[[int], nn.Module]
    size: int
    batch: int
    step: tuple[float, float]

    def images(self) -> Tensor:
        return torch.rand(self.batch, 3, self.size, self.size) * 2 - 1


NETS: Mapping[str, Net] = {
    "resnet18": Net(nets.resnet18, 32, 32, (1.10, 1.15)),
    "mobilenet_v2": Net(nets.mobilenet_v2, 32, 32, (1.00, 1.10)),
    "resnet50": Net(nets.resnet50, 224, 1, (1.15, 1.25)),
    "mobilenet_v2_224": Net(nets.mobilenet_v2, 224, 1, (1.15, 1.30)),
}


def observed(model: nn.Module) -> nn.Module:
    """The model with statistics of two random batches, as a trained one has them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # their mean
    return model


def step(model: nn.Module, x: Tensor) -> Run:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return run


def forward(model: nn.Module, x: Tensor) -> Run:
    def run() -> None:
        with torch.no_grad():
            model(x)

    return run


def calibrated(model: nn.Module, x: Tensor, observer: str) -> nn.Module:
    prepared = prepare_qat_fx(model, {"": get_default_qconfig(activation_observer=observer)}).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    forward(prepared, x)()
    return prepared


def in_state(model: nn.Module, state: FakeQuantState) -> nn.Module:
    model = copy.deepcopy(model).train(state is FakeQuantState.QAT)
    set_fake_quantize(model, state)
    return model


def ao_prepared(model: nn.Module, x: Tensor) -> nn.Module:
    mapping = get_default_qat_qconfig_mapping("x86")
    return quantize_fx.prepare_qat_fx(copy.deepcopy(model).train(), mapping, (x,))


def candidates(net: Net, rounds: int, *, ao: bool) -> dict[str, Run]:
    """What takes turns, by the names of the report; whatever a run changes is its own."""
    torch.manual_seed(0)
    x = net.images()
    model = observed(net.make(net.size)).train()
    for _ in range(2):
        forward(model, torch.rand(max(net.batch, 2), 3, net.size, net.size) * 2 - 1)()
    evaluated = copy.deepcopy(model).eval()
    prepared = calibrated(model, x, "min_max")
    runs = {"float step": step(copy.deepcopy(model), x)}
    runs["QAT step"] = step(in_state(prepared, FakeQuantState.QAT), x)
    runs["float forward"] = forward(evaluated, x)
    runs["validate"] = forward(in_state(prepared, FakeQuantState.VALIDATION), x)
    for observer in OBSERVERS:
        runs[f"calibrate {observer}"] = forward(calibrated(model, x, observer), x)
    qconfig = {"": get_default_qconfig()}
    runs["prepare"] = lambda: prepare_qat_fx(model, qconfig)
    validated = in_state(prepared, FakeQuantState.VALIDATION)
    runs["convert"] = lambda: convert_fx(validated)
    return runs | (ao_candidates(model, x, rounds) if ao else {})


def ao_candidates(model: nn.Module, x: Tensor, rounds: int) -> dict[str, Run]:
    """The same of torch.ao; it changes what it is given, so each turn has a copy, made beforehand."""
    trained = ao_prepared(model, x)
    forward(trained, torch.cat([x, x]))()
    validated = copy.deepcopy(trained).eval()
    fresh = iter([copy.deepcopy(model) for _ in range(rounds + 1)])
    converted = iter([copy.deepcopy(validated) for _ in range(rounds + 1)])
    mapping = get_default_qat_qconfig_mapping("x86")
    return {
        "torch.ao QAT step": step(trained, x),
        "torch.ao validate": forward(validated, x),
        "torch.ao prepare": lambda: quantize_fx.prepare_qat_fx(next(fresh), mapping, (x,)),
        "torch.ao convert": lambda: quantize_fx.convert_fx(next(converted)),
    }


def measured(runs: Mapping[str, Run], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Medians in seconds over rounds in which every candidate runs once, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            start = clock()
            run()
            if turn:
                times[name].append(clock() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def ratios(times: Mapping[str, float]) -> dict[str, float]:
    """Steps to the float step, forwards to the float forward, preparing and converting to torch.ao's."""
    found = {}
    for name, seconds in times.items():
        short = name.removeprefix("torch.ao ")
        base = f"torch.ao {short}" if short in PREPARATION else "float step" if "step" in name else "float forward"
        if base in times and base != name:
            found[name] = seconds / times[base]
    return found


def report(name: str, net: Net, times: Mapping[str, float], *, eager: bool) -> list[str]:
    """Print a network's table; the names of what is beyond its bound."""
    print(f"\n{name}, {net.size}x{net.size}, batch of {net.batch}: ", end="")
    print(f"float step {times['float step'] * 1e3:.0f} ms, float forward {times['float forward'] * 1e3:.0f} ms")
    bounds = {"QAT step": net.step[eager], **VALIDATION, **CALIBRATION, **PREPARATION}
    missed = []
    for what, ratio in ratios(times).items():
        bound = bounds.get(what)
        late = bound is not None and ratio > bound
        missed += [f"{name}: {what}"] if late else []
        print(f"  {what:22}{ratio:6.2f}{'' if bound is None else f'  bound {bound:.2f}'}{'  MISSED' if late else ''}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--march", default="bayes")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--no-ao", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    set_march(options.march)
    missed = []
    with ExitStack() as stack:
        if options.eager:
            stack.enter_context(torch_operations_only())
        for name in options.nets:
            runs = candidates(NETS[name], options.rounds, ao=not options.no_ao)
            times = measured(runs, options.rounds, time.process_time if options.cpu_time else time.perf_counter)
            missed += report(name, NETS[name], times, eager=options.eager)
    print(f"\n{len(missed)} beyond their bounds{': ' if missed else ''}{', '.join(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
