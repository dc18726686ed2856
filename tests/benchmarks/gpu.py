"""How fast converted models are on a GPU beside the float model, and whether they give the same bits there.

First every golden vector is computed on the device. Then four networks: float eager in float32, with TF32 and in float16
(channels last), the float16 model compiled, and ours compiled by inductor, without and with CUDA graphs: one graph in which
convolutions are products of 8-bit matrices on the tensor cores (`torch._int_mm`) and what follows them is fused by inductor
from the same formulas. Outputs are compared with the definition on the CPU, bit for bit. Ratios are of the medians of
interleaved rounds. Run: python tests/benchmarks/gpu.py [--nets ...] [--rounds 20] [--march bayes] [--device cuda]; it ends with
1 when bits differ, and says in one line that it did not run where there is no GPU. `--device cpu` tries the same graphs on the
CPU, whose times say nothing.
"""

import argparse
import copy
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from inference import NETS, calibrated, defined, randomized
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.int8_products import int8_products
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import convert_fx

Run = Callable[[Tensor], Tensor]
TIMED = ("float32", "TF32", "float16", "float16 compiled", "ours", "ours, CUDA graphs")


def golden_failures(device: str) -> tuple[int, list[str]]:
    """(how many golden checks there are, the names of those that fail) with all tensors on a device."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from golden.builds import DiskBuild
    from golden.vectors import GOLDENS

    failed = []
    with torch.device(device):
        for golden in GOLDENS:
            try:
                golden.check(DiskBuild())
            except (AssertionError, RuntimeError) as error:
                failed.append(f"{golden.name}: {str(error).splitlines()[0] if str(error) else 'differs'}")
    return len(GOLDENS), failed


def exact_division() -> None:
    """Let inductor divide floats as IEEE says, where it offers that: quotients by scales are rounded behind it."""
    numerics: Any = getattr(torch._inductor.config, "eager_numerics", None)
    if hasattr(numerics, "division_rounding"):
        numerics.division_rounding = True


def in_tf32(run: Run) -> Run:
    """The same with TF32 for products."""

    def timed(x: Tensor) -> Tensor:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        try:
            return run(x)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    return timed


def in_float16(net: nn.Module) -> Run:
    """A float16 copy, channels last."""
    half = copy.deepcopy(net).half().to(memory_format=torch.channels_last)
    return lambda x: half(x.half().contiguous(memory_format=torch.channels_last))


def ours(quantized: nn.Module, x: Tensor, **options: str) -> Run:
    """Compiled; on a CPU, too, with products of 8-bit matrices."""
    torch._dynamo.reset()
    run: Run = torch.compile(quantized, fullgraph=True, **options)
    with int8_products() if not x.is_cuda else nullcontext():
        run(x)
    return run


def variants(net: nn.Module, quantized: nn.Module, x: Tensor) -> dict[str, Run]:
    """Everything that is timed."""
    model = copy.deepcopy(net).to(x.device)
    runs: dict[str, Run] = {"ours": ours(copy.deepcopy(quantized).to(x.device), x)}
    if x.is_cuda:
        runs["ours, CUDA graphs"] = ours(copy.deepcopy(quantized).to(x.device), x, mode="reduce-overhead")
        half = in_float16(model)
        compiled_half = torch.compile(copy.deepcopy(model).half().to(memory_format=torch.channels_last))
        runs |= {"float32": model, "TF32": in_tf32(model), "float16": half}
        runs["float16 compiled"] = lambda x: compiled_half(x.half().contiguous(memory_format=torch.channels_last))
    else:
        runs["float32"] = model
    return {name: runs[name] for name in TIMED if name in runs}


def seconds(run: Run, x: Tensor) -> float:
    """Of one call, until the device is done."""
    if x.is_cuda:
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def medians(runs: Mapping[str, Run], x: Tensor, rounds: int) -> dict[str, float]:
    """Seconds of each, by turns, after two rounds that do not count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 2):
        for name, run in runs.items():
            spent = seconds(run, x)
            times[name] += [spent] if number > 1 else []
    return {name: statistics.median(spent) for name, spent in times.items()}


def compare(names: list[str], rounds: int, device: str) -> int:
    """Print the table; how many nets are not exact."""
    wrong = 0
    for name in names:
        make, size, batch = NETS[name]
        torch.manual_seed(0)
        x = torch.rand(batch, 3, size, size) * 2 - 1
        net = randomized(make(size))
        quantized = convert_fx(calibrated(net, x[:4]))
        expected = defined(quantized, x)
        runs = variants(net, quantized, x.to(device))
        differing = {
            key: int((run(x.to(device)).cpu() != expected).sum()) for key, run in runs.items() if "ours" in key
        }
        spent = medians(runs, x.to(device), rounds)
        shown = "  ".join(f"{key} {spent[key] / spent['float32']:5.2f}" for key in runs if key != "float32")
        exact = "exact" if not any(differing.values()) else f"DIFFER: {differing}"
        wrong += any(differing.values())
        print(f"{name:22} float32 {spent['float32'] * 1e3:7.2f} ms  {shown}  {exact}", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=list(NETS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--march", default="bayes")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU: the GPU benchmark did not run (torch.cuda.is_available() is False)")
        return 0
    warnings.simplefilter("ignore")
    set_march(arguments.march)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    exact_division()
    print(f"{torch.cuda.get_device_name() if arguments.device == 'cuda' else 'CPU'}, torch {torch.__version__}")
    count, failed = golden_failures(arguments.device)
    print(f"golden vectors: {count - len(failed)} of {count} checks hold", *failed, sep="\n  ")
    with torch.no_grad():
        wrong = compare(arguments.nets, arguments.rounds, arguments.device)
    return 1 if wrong or failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
