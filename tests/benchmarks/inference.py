"""How fast converted models are beside the float model: ratios to float eager, each measured in the same rounds.

Four networks; ours by the definition, eager and fast, and two whose arithmetic is no NPU's: torch.ao's FX int8 (x86) and,
where it is installed, onnxruntime on our export with QuantizeLinear and DequantizeLinear. Rounds are interleaved, so that
other load on the machine meets all alike, with a short pause before each run; a ratio is of the medians. Every output
of ours is compared with the definition's, bit for bit. Run: python tests/benchmarks/inference.py [--nets ...] [--threads 1 2] [--rounds 5]
[--march bayes] [--growth | --families | --ladder] [--cpu-time]; it ends with 1 when bits differ or a bound of acceptance is
missed.
"""

import argparse
import copy
import io
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

import torch
from families import families
from growth import growth
from ladder import ladder, without_one_pass
from nets import mobilenet_v2, resnet18, resnet50
from torch import Tensor, nn
from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    by_definition,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.qconfig import QConfig
from horizon_plugin_pytorch.utils.onnx_helper import export_to_onnx

Run = Callable[[Tensor], Tensor]
Clock = Callable[[], float]
NETS: Mapping[str, tuple[Callable[[int], nn.Module], int, int]] = {
    "ResNet18 32x32 b32": (resnet18, 32, 32),
    "MobileNetV2 32x32 b32": (mobilenet_v2, 32, 32),
    "ResNet50 224 b1": (resnet50, 224, 1),
    "MobileNetV2 224 b1": (mobilenet_v2, 224, 1),
}
"""Network, image size, batch."""
BOUNDS = {"fast": (0.26, 0.24, 0.25, 0.33), "eager": (0.8, 1.3, 1.0, 1.6)}
"""The largest ratios, in the order of `NETS`."""
PAUSE = 0.03
"""Seconds before each run: for a while after its last task a thread of another library spins, and takes a core from the next."""


def randomized(net: nn.Module) -> nn.Module:
    """With weights as such networks start with, and statistics of normalization that are not all the same."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def calibrated(net: nn.Module, x: Tensor) -> nn.Module:
    qconfig = get_default_qconfig()
    head = QConfig(activation=None, weight=qconfig.weight)
    prepared = prepare_qat_fx(net, {"": qconfig, "module_name": {"head": head}}).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        prepared(x)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    return prepared


def torch_ao(net: nn.Module, x: Tensor) -> nn.Module:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        prepared = quantize_fx.prepare_fx(copy.deepcopy(net), get_default_qconfig_mapping("x86"), (x,))
        prepared(x)
        return quantize_fx.convert_fx(prepared)


def defined(model: nn.Module, x: Tensor) -> Tensor:
    with by_definition():
        return model(x)


def onnx_runtime(prepared: nn.Module, x: Tensor) -> dict[str, Run]:
    """onnxruntime's 8-bit kernels on the exported fake-quantized model; empty where that is not installed."""
    if not find_spec("onnxruntime"):
        return {}
    import onnxruntime

    file, options = io.BytesIO(), onnxruntime.SessionOptions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_to_onnx(prepared, x, file, opset_version=13)
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return {"onnxruntime": lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0])}


def variants(net: nn.Module, x: Tensor) -> dict[str, Run]:
    few = x[:4]
    prepared = calibrated(net, few)
    return {"float": net, "torch.ao": torch_ao(net, few), **onnx_runtime(prepared, x), **ours(prepared)}


def ours(prepared: nn.Module) -> dict[str, Run]:
    eager = convert_fx(prepared)
    return {"definition": partial(defined, eager), "eager": eager, "fast": convert_fx(prepared, fast_mode=True)}


def rungs(net: nn.Module, x: Tensor) -> dict[str, Run]:
    """Float, and ours from the definition to one pass a layer."""
    prepared = calibrated(net, x[:4])
    with without_one_pass():
        tails = convert_fx(prepared, fast_mode=True)
        tails(x)  # layers choose their ways at the first call
    definition, eager, fast = ours(prepared).values()
    return {"float": net, "definition": definition, "eager": eager, "compiled tail": tails, "one pass": fast}


def seconds(run: Run, x: Tensor, clock: Clock) -> float:
    time.sleep(PAUSE)
    begin = clock()
    run(x)
    return clock() - begin


def medians(runs: Mapping[str, Run], x: Tensor, rounds: int, clock: Clock) -> dict[str, float]:
    """Seconds of each, by turns; the definition, which is slow, in the first rounds only."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            if name != "definition" or number <= 1:
                spent = seconds(run, x, clock)
                times[name] += [spent] if number else []
    return {name: statistics.median(spent) for name, spent in times.items()}


def differences(runs: Mapping[str, Run], x: Tensor) -> int:
    """How many outputs of ours differ from the definition's."""
    expected = runs["definition"](x)
    return sum(int((runs[name](x) != expected).sum()) for name in ("eager", "fast"))


def climb(names: list[str], timed: Callable[[Mapping[str, Run], Tensor], Mapping[str, float]]) -> None:
    """Print where the time of each network goes."""
    for name, (make, size, batch) in NETS.items():
        if name in names:
            torch.manual_seed(0)
            x = torch.rand(batch, 3, size, size) * 2 - 1
            ladder(name, rungs(randomized(make(size)), x), x, timed)


def compare(names: list[str], rounds: int, clock: Clock) -> int:
    """Print the table; the number of bounds missed and of nets that are not exact."""
    missed = 0
    for index, (name, (make, size, batch)) in enumerate(NETS.items()):
        if name not in names:
            continue
        torch.manual_seed(0)
        x = torch.rand(batch, 3, size, size) * 2 - 1
        runs = variants(randomized(make(size)), x)
        wrong = differences(runs, x)
        spent = medians(runs, x, rounds, clock)
        ratios = {run: spent[run] / spent["float"] for run in runs}
        over = [run for run, bounds in BOUNDS.items() if ratios[run] > bounds[index]]
        missed += len(over) + bool(wrong)
        shown = "  ".join(f"{run} {ratio:5.2f}{'!' if run in over else ' '}" for run, ratio in ratios.items())
        exact = "exact" if not wrong else f"{wrong} DIFFER"
        print(f"{name:22} float {spent['float'] * 1e3:6.1f} ms  {shown}  {exact}", flush=True)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=list(NETS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--march", default="bayes")
    parser.add_argument("--growth", action="store_true", help="print how time and memory grow instead")
    parser.add_argument("--families", action="store_true", help="print what single layers cost instead")
    parser.add_argument(
        "--ladder", action="store_true", help="print where the time goes, from the definition up, instead"
    )
    parser.add_argument(
        "--cpu-time", action="store_true", help="count processor time: for one thread, on a busy machine"
    )
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    set_march(arguments.march)
    missed = 0
    with torch.no_grad():
        for threads in arguments.threads:
            torch.set_num_threads(threads)
            print(f"{threads} threads, {arguments.march}, ratios to float eager")
            timed = partial(medians, rounds=arguments.rounds, clock=clock)
            if arguments.growth:
                missed += growth(lambda net, x: variants(randomized(net), x), timed)
            elif arguments.families:
                missed += families(lambda net, x: {"float": net, **ours(calibrated(net, x))}, timed)
            elif arguments.ladder:
                climb(arguments.nets, timed)
            else:
                missed += compare(arguments.nets, arguments.rounds, clock)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
