"""A C program around generated headers: it reads rows of operands and writes what the kernels give for them.

In: a march's compiled kernels, the header. Out: an executable, and the outputs of its runs as tensors.
"""

import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from generator.formula.lower_c import c_name, lower_c
from generator.formula.model import Compiled
from generator.proven import CompiledMarches
from generator.review.execute import Executable, Run

ROOT = Path(__file__).parent.parent
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow")
_MAIN = """
int main(void)
{
    int64_t head[2];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        kernels[head[0]](head[1]);
    }
    return 0;
}
"""
_READ = """
static void *column(int64_t n, size_t size)
{
    void *data = malloc((size_t)n * size + 1);
    if (data == NULL || fread(data, size, (size_t)n, stdin) != (size_t)n) {
        exit(2);
    }
    return data;
}
"""


def integer_kernels(compiled: CompiledMarches, march: str | None) -> dict[str, Compiled]:
    """The kernels that a header holds."""
    kernels = compiled.by_march[march] if march else compiled.common
    return {role: kernel for role, kernel in kernels.items() if kernel.result != "real"}


def build(compiler: str, module: str, kernels: dict[str, Compiled], folder: Path, *options: str) -> Path:
    """Compile a driver of every kernel of a header; a warning fails."""
    source, program = folder / f"{module}.c", folder / f"{module}_{compiler}"
    body = [f'#include "{module}.h"\n#include <stdio.h>\n#include <stdlib.h>\n', _READ]
    body += [_wrapper(module, role, kernel) for role, kernel in kernels.items()]
    table = ", ".join(f"run_{role}" for role in kernels)
    body.append(f"static void (*const kernels[])(int64_t) = {{{table}}};\n{_MAIN}")
    source.write_text("".join(body))
    command = [compiler, *STRICT, *options, "-I", str(ROOT / "generated/c"), str(source), "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return program


def _wrapper(module: str, role: str, kernel: Compiled) -> str:
    """`run_<role>(rows)`: reads scales, host integers, dtypes and operands, writes as many results."""
    spec, body = kernel.proved.kernel, lower_c(kernel.proved)
    reals = {name for name, kind in spec.tensors.items() if kind == "real"}
    lines = [f"static void run_{role}(int64_t rows_)\n{{"]
    for names, kind in ((spec.scales, "float"), (spec.integers, "int64_t"), (spec.types, "bpu_dtype")):
        lines.extend(f"    {kind} *{c_name(name)} = column(1, sizeof({kind}));" for name in names)
    for name in spec.tensors:
        kind = "float" if name in reals else "int64_t"
        lines.append(f"    {kind} *{c_name(name)} = column(rows_, sizeof({kind}));")
    lines.extend(
        f"    int64_t *{c_name(name)} = column({size}, sizeof(int64_t));" for name, (_, size) in spec.tables.items()
    )
    if kernel.params:
        derive = ", ".join(f"*{c_name(a.name)}" for a in kernel.derive_args if a.name in body.derive_reads)
        lines.append(f"    const {module}_{role}_params p_ = {module}_derive_{role}({derive});")
    values = [a.name for a in kernel.compute_args if a.kind != "dtype"]
    dtypes = [a.name for a in kernel.compute_args if a.kind == "dtype" and a.name in body.compute_reads]
    call = [c_name(v) if v in spec.tables else f"{c_name(v)}[{'index_' if v in spec.tensors else '0'}]" for v in values]
    call += [*(["&p_"] if kernel.params else []), *(f"*{c_name(d)}" for d in dtypes)]
    lines += [
        "    for (int64_t index_ = 0; index_ < rows_; index_++) {",
        f"        const int64_t result_ = {module}_{role}({', '.join(call)});",
        "        fwrite(&result_, sizeof result_, 1, stdout);\n    }",
    ]
    lines += [
        f"    free({c_name(name)});"
        for name in (*spec.scales, *spec.integers, *spec.types, *spec.tensors, *spec.tables)
    ]
    return "\n".join([*lines, "}\n"])


def outputs(program: Path, kernels: dict[str, Compiled], runs: Iterable[tuple[str, Executable, Run]]) -> list[Tensor]:
    """What the program gives for every row of every run; a fault that a sanitizer finds is an error."""
    order, data, counts = list(kernels), [], []
    for role, torch_kernel, run in runs:
        kernel = torch_kernel.compiled.proved.kernel
        counts.append(run.vectors.count)
        data.append(struct.pack("<2q", order.index(role), counts[-1]))
        data += [struct.pack("<f", run.scales[name]) for name in kernel.scales]
        data += [struct.pack("<q", run.integers[name]) for name in kernel.integers]
        for name in kernel.types:
            dtype = torch_kernel.dtypes[run.dtypes[name]]
            data.append(struct.pack("<4q", dtype.bits, dtype.fraction_bits, dtype.min, dtype.max))
        data += [column.numpy().tobytes() for column in run.vectors.operands]
        data += [run.tables[name].numpy().tobytes() for name in kernel.tables]
    done = subprocess.run([program], input=b"".join(data), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[:4000]
    return list(torch.frombuffer(bytearray(done.stdout), dtype=torch.int64).split(counts))
