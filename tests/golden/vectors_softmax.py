"""E26 of the golden vectors: softmax by a table of 256 exponentials."""

import torch
from golden_support import Build, f32, plain

from horizon_plugin_pytorch._runtime.shares import exponentials, shares

from .entries import entry, golden


@golden("bernoulli2")
def e26_softmax(b: Build, march: str) -> None:
    name, kernels = "E26 softmax_bernoulli2", b.kernels(march)
    table, x = exponentials(kernels, f32(0.05)), torch.tensor([20, 10, -30], dtype=torch.int8)
    assert plain(table)[-5:] == entry(name, "table_tail")
    assert plain(kernels.share_lookup(x, x.amax(0, keepdim=True), table)) == entry(name, "picked")
    assert [round(value, 6) for value in plain(shares(kernels, x, table, 0))] == entry(name, "out")
